/*
 * The locks.  The session lock is a kernel lock on the work file, so it dies
 * with its process.  The spool is locked only while it is read or changed,
 * the way delivery agents and mail programs do it: name.lock and fcntl(2).
 *
 * Order everywhere: session, then name.lock and fcntl without blocking, all
 * released and tried again together: nobody can wait for us in a circle.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

enum { RETRY_MS = 50, NAME_ROOM = 256 + 16 };

static int
kernel_lock(int fd, short type)
{
	struct flock fl;

	memset(&fl, 0, sizeof(fl));
	fl.l_type = type;
	fl.l_whence = SEEK_SET;
	if (fcntl(fd, F_SETLK, &fl) == -1) {
		if (errno == EACCES)	/* POSIX allows either */
			errno = EAGAIN;
		return -1;
	}
	return 0;
}

int
lock_session(int work)
{
	return kernel_lock(work, F_WRLCK);
}

/* What the two calls that need the directory's group work on. */
struct dotlock {
	int dir;
	uid_t uid;
	bool create;			/* the spool as well */
	const char *spool;
	char hitch[NAME_ROOM], lock[NAME_ROOM];
	ino_t ino;			/* of the lock that we made */
};

static void
dotlock_names(struct pop *p, struct dotlock *d)
{
	memset(d, 0, sizeof(*d));
	d->dir = p->drop.dir;
	d->uid = p->uid;
	d->spool = p->drop.name;
	(void)snprintf(d->lock, sizeof(d->lock), "%s.lock", d->spool);
	(void)snprintf(d->hitch, sizeof(d->hitch), ".%s.lk", d->spool);
}

/*
 * name.lock is made by link(2) with everything already in it.  The second
 * line tells our own from others': whoever holds the session lock knows that
 * a popper that left one behind is dead.  Only he makes the hitching post, so
 * its name can be fixed, and one left behind is simply used up.
 */
static int
dotlock_make(void *arg)
{
	struct dotlock *d = arg;
	char text[48];
	struct stat sb;
	int fd, n, saved, r;

	n = snprintf(text, sizeof(text), "%ld\npopper\n", (long)getpid());
	if (unlinkat(d->dir, d->hitch, 0) == -1 && errno != ENOENT)
		return -1;
	fd = openat(d->dir, d->hitch, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd == -1)
		return -1;
	/* on a full disk it stays empty: then it is stale by its age only */
	(void)file_write(fd, text, (size_t)n, 0);
	r = linkat(d->dir, d->hitch, d->dir, d->lock, 0);
	/* over NFS the answer may be lost although the link was made */
	if (fstat(fd, &sb) == 0) {
		d->ino = sb.st_ino;
		if (r == -1 && sb.st_nlink == 2)
			r = 0;
	}
	saved = errno;
	(void)unlinkat(d->dir, d->hitch, 0);
	(void)close(fd);
	errno = saved;
	if (r == 0 && d->create) {
		fd = openat(d->dir, d->spool, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd != -1)
			(void)close(fd);
	}
	return r;
}

static int
dotlock_remove(void *arg)
{
	struct dotlock *d = arg;

	return unlinkat(d->dir, d->lock, 0);
}

/*
 * Whether name.lock, as sb shows it, was left behind by a dead process.  One
 * of ours may still have its hitching post as a second link.
 */
static bool
dotlock_stale(struct dotlock *d, const struct stat *sb)
{
	char text[48];
	struct stat now;
	ssize_t n = -1;
	int fd;

	if (!S_ISREG(sb->st_mode))
		return false;
	if (time(NULL) - sb->st_mtim.tv_sec > STALE_LOCK)
		return true;
	if (sb->st_uid != d->uid)
		return false;
	fd = openat(d->dir, d->lock, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (fd == -1)
		return false;
	if (fstat(fd, &now) == 0 && now.st_ino == sb->st_ino)
		n = file_some(fd, text, sizeof(text) - 1, 0);
	(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return strstr(text, "\npopper\n") != NULL;
}

/* 0: there is no name.lock (any more); -1 with EAGAIN: somebody's. */
static int
dotlock_clear(struct pop *p, struct dotlock *d)
{
	struct stat sb;

	if (fstatat(d->dir, d->lock, &sb, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -1;
	if (p->drop.kind == DROP_USER && dotlock_stale(d, &sb)) {
		pop_log(p, LV_NOTICE, "lock user=%s: removing stale %s",
		    p->who, d->lock);
		if (auth_as_spool(p, dotlock_remove, d) == 0)
			return 0;
	}
	errno = EAGAIN;
	return -1;
}

/* Makes name.lock, or goes on without where the directory forbids it. */
static int
dotlock_take(struct pop *p, struct dotlock *d, struct spool *sp)
{
	if (auth_as_spool(p, dotlock_make, d) == 0) {
		sp->dotlock = true;
		sp->lockino = d->ino;
		return 0;
	}
	if (errno == EEXIST)
		errno = EAGAIN;
	if (errno != EACCES && errno != EPERM && errno != EROFS &&
	    errno != ENOSPC && errno != EDQUOT)
		return -1;
	if (!p->drop.nodotlock) {
		pop_warn(p, "lock: cannot make %s, going on with the kernel "
		    "lock alone", d->lock);
		p->drop.nodotlock = true;
	}
	return 0;
}

/* Whether the file that we opened is still the one that has the name. */
static bool
still_there(struct pop *p, const struct spool *sp)
{
	struct stat sb;

	return fstatat(p->drop.dir, p->drop.name, &sb,
	    AT_SYMLINK_NOFOLLOW) == 0 && sb.st_dev == sp->st.st_dev &&
	    sb.st_ino == sp->st.st_ino;
}

/* One attempt; on failure everything taken is given back. */
static int
lock_once(struct pop *p, enum lock how, bool create, struct spool *sp)
{
	struct dotlock d;

	dotlock_names(p, &d);
	d.create = create;
	sp->fd = -1;
	sp->dotlock = false;
	if (dotlock_clear(p, &d) == -1)
		return -1;
	if (how == SPOOL_WRITE && dotlock_take(p, &d, sp) == -1)
		return -1;
	sp->fd = file_open(p->drop.dir, p->drop.name,
	    how == SPOOL_WRITE ? O_RDWR : O_RDONLY,
	    p->drop.kind == DROP_BOARD ? ANY_OWNER : p->uid, &sp->st);
	if (sp->fd == -1 && errno == ENOENT && !create) {
		memset(&sp->st, 0, sizeof(sp->st));
		return 0;		/* no spool is an empty one */
	}
	if (sp->fd != -1 && kernel_lock(sp->fd, how == SPOOL_WRITE ? F_WRLCK :
	    F_RDLCK) == 0 && fstat(sp->fd, &sp->st) == 0) {
		if (still_there(p, sp))
			return 0;
		errno = EAGAIN;
	}
	unlock_spool(p, sp);
	return -1;
}

int
lock_spool(struct pop *p, enum lock how, bool create, struct spool *sp)
{
	struct timespec until, soon;

	io_deadline(&until, p->opt.wait);
	while (lock_once(p, how, create, sp) == -1) {
		if (errno != EAGAIN)
			return -1;
		if (io_left(&until) <= 0) {
			errno = EAGAIN;
			return -1;
		}
		io_deadline(&soon, 0);
		/* not in step with others who wait */
		soon.tv_nsec += (RETRY_MS + getpid() % RETRY_MS) * 1000000L;
		if (io_sleep(p, &soon) == -1) {
			errno = EINTR;
			return -1;
		}
	}
	return 0;
}

/*
 * A reader makes no name.lock: it waits until there is none, and asks at the
 * end whether one has come or the file has changed while it read.
 */
static bool
undisturbed(struct pop *p, struct spool *sp)
{
	struct dotlock d;
	struct stamp before, after;
	struct stat sb;

	dotlock_names(p, &d);
	if (!sp->dotlock && fstatat(d.dir, d.lock, &sb,
	    AT_SYMLINK_NOFOLLOW) == 0)
		return false;
	if (sp->fd == -1)
		return true;
	if (fstat(sp->fd, &sb) == -1)
		return false;
	index_stamp(&before, &sp->st);
	index_stamp(&after, &sb);
	return index_same(&before, &after);
}

int
lock_undisturbed(struct pop *p, struct spool *sp, int r)
{
	int saved = errno;
	bool ok = undisturbed(p, sp);

	errno = ok ? saved : EAGAIN;
	return ok ? r : -1;
}

/* Closing the one descriptor of the file ends the kernel's lock. */
void
unlock_spool(struct pop *p, struct spool *sp)
{
	struct dotlock d;
	struct stat sb;
	int saved = errno;

	if (sp->fd != -1)
		(void)close(sp->fd);
	sp->fd = -1;
	if (sp->dotlock) {
		dotlock_names(p, &d);
		if (fstatat(d.dir, d.lock, &sb, AT_SYMLINK_NOFOLLOW) == -1 ||
		    sb.st_ino != sp->lockino)
			pop_log(p, LV_NOTICE, "lock user=%s: %s is no longer "
			    "mine", p->who, d.lock);
		else if (auth_as_spool(p, dotlock_remove, &d) == -1)
			pop_warn(p, "lock: cannot remove %s", d.lock);
	}
	sp->dotlock = false;
	errno = saved;
}

void
lock_touch(struct pop *p, struct spool *sp)
{
	struct dotlock d;

	if (!sp->dotlock)
		return;
	dotlock_names(p, &d);
	if (utimensat(d.dir, d.lock, NULL, AT_SYMLINK_NOFOLLOW) == -1)
		pop_warn(p, "lock: cannot refresh %s", d.lock);
}
