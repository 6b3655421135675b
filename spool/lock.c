/*
 * The locks.  The session lock is a kernel lock on the state file, so it dies
 * with its process.  The spool is locked only while it is read or changed,
 * the way delivery agents and mail programs do it: name.lock and fcntl(2).
 *
 * Order everywhere: session, then name.lock and fcntl without blocking, all
 * released and tried again together: nobody can wait for us in a circle.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/spool.h"

enum {
	RETRY_MS = 50,
	READS = 3,		/* that other programs may disturb */
	NAME_ROOM = 256 + 32,
	ASIDE_HEX = 16,		/* digits that end a name of aside_name() */
	OWN_LOCK = S_IXUSR	/* in the mode of a lock file: popper's */
};

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
lock_session(int state)
{
	return kernel_lock(state, F_WRLCK);
}

/* What the calls that need the directory's group work on. */
struct dotlock {
	int dir;
	uid_t uid;
	bool create;			/* the spool as well */
	const char *spool;
	char lock[NAME_ROOM], aside[NAME_ROOM];
	int fd;				/* of the lock that we made */
};

/* In the group of the spool directory. */
static int
in_spool_group(const struct maildrop *box, int (*fn)(void *), void *arg)
{
	return box->ids->as_spool == NULL ? fn(arg) :
	    box->ids->as_spool(box->ids, fn, arg);
}

static void
dotlock_names(struct maildrop *box, struct dotlock *d)
{
	memset(d, 0, sizeof(*d));
	d->dir = box->dir;
	d->uid = box->ids->uid;
	d->spool = box->name;
	(void)snprintf(d->lock, sizeof(d->lock), "%s.lock", d->spool);
}

/*
 * O_EXCL makes name.lock in one step, also over NFS since version 3, so there
 * is no temporary name that another user could take before us.  The lock file
 * is known as popper's by its mode: no other program makes one that its owner
 * may execute.  Text could be lost in a crash or for want of room; a mode comes
 * with the name.
 */
static int
dotlock_make(void *arg)
{
	struct dotlock *d = arg;
	char text[48];
	int fd, n;

	d->fd = openat(d->dir, d->lock, O_WRONLY | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0644 | OWN_LOCK);
	if (d->fd == -1)
		return -1;
	/* for people and for programs that look whether the process lives */
	n = snprintf(text, sizeof(text), "%ld\npopper\n", (long)getpid());
	(void)file_write(d->fd, text, (size_t)n, 0);
	if (d->create) {
		fd = openat(d->dir, d->spool, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd != -1)
			(void)close(fd);
	}
	return 0;
}

/*
 * A lock file is old five minutes after it was last touched.  A time as far in
 * the future would keep it for ever: no clock set it, or one that is wrong.
 * Anybody can give a file any time, so differences of times might overflow.
 */
static bool
lock_is_old(const struct stat *sb)
{
	time_t now = time(NULL), then = sb->st_mtim.tv_sec;

	return S_ISREG(sb->st_mode) && (then < now - STALE_LOCK ||
	    then > now + STALE_LOCK);
}

/*
 * Whether a session of p's user can remove a file there: by being its owner or
 * the directory's, or by the directory's group, which a session keeps.
 */
static bool can_remove(const struct maildrop *box, const struct stat *dir, const
    struct stat *file) {
	if (dir->st_mode & S_ISVTX && dir->st_uid != box->ids->uid &&
	    file->st_uid != box->ids->uid)
		return false;
	return dir->st_mode & S_IWOTH ||
	    (dir->st_mode & S_IWGRP && dir->st_gid != 0) ||
	    (dir->st_mode & S_IWUSR && dir->st_uid == box->ids->uid);
}

enum fault
lock_probe(struct maildrop *box, struct stat *sb, struct stat *dir)
{
	struct dotlock d;

	dotlock_names(box, &d);
	if (fstatat(d.dir, d.lock, sb, AT_SYMLINK_NOFOLLOW) == -1 ||
	    fstat(d.dir, dir) == -1)
		return FAULT_NONE;
	if (!S_ISREG(sb->st_mode))
		return FAULT_LOCKED;
	return lock_is_old(sb) && !can_remove(box, dir, sb) ? FAULT_STALE :
	    FAULT_NONE;
}

/*
 * Whether a dead process left name.lock behind, as sb shows it.  One of ours is
 * that: whoever holds the session lock knows that the popper that made it has
 * ended.
 */
static bool
dotlock_stale(const struct dotlock *d, const struct stat *sb)
{
	return lock_is_old(sb) || (S_ISREG(sb->st_mode) &&
	    sb->st_uid == d->uid && sb->st_mode & OWN_LOCK);
}

/* A name for a lock file on its way out, which others cannot take first. */
static int
aside_name(struct dotlock *d)
{
	uint64_t random;
	int r;

	if (file_random(&random, sizeof(random)) == -1)
		return -1;
	r = snprintf(d->aside, sizeof(d->aside), ".%s.lk.%0*" PRIx64, d->spool,
	    ASIDE_HEX, random);
	return r < 0 || (size_t)r >= sizeof(d->aside) ? -1 : 0;
}

/*
 * Removes such files of this maildrop.  A popper that was killed has left one
 * at most, since each looks for them before it makes one.
 */
static void
aside_sweep(const struct dotlock *d)
{
	char prefix[NAME_ROOM];
	int n = snprintf(prefix, sizeof(prefix), ".%s.lk.", d->spool);
	int fd = openat(d->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (dir == NULL) {
		if (fd != -1)
			(void)close(fd);
		return;			/* they are small, and do no harm */
	}
	while ((e = readdir(dir)) != NULL)
		if (strncmp(e->d_name, prefix, (size_t)n) == 0 &&
		    strlen(e->d_name + n) == ASIDE_HEX && strspn(e->d_name +
		    n, "0123456789abcdef") == ASIDE_HEX)
			(void)unlinkat(d->dir, e->d_name, 0);
	(void)closedir(dir);
}

/*
 * Another program may have put its own lock file in the place of the one that
 * we looked at.  So it is renamed and looked at again, and put back if it is
 * alive: -1 with EAGAIN.  Where links to other users' files are not allowed
 * (Linux: protected_hardlinks) only rename(2) can do that.
 */
static int
dotlock_take_away(void *arg)
{
	struct dotlock *d = arg;
	struct stat sb;

	aside_sweep(d);
	if (renameat(d->dir, d->lock, d->dir, d->aside) == -1)
		return errno == ENOENT ? 0 : -1;	/* gone already */
	if (fstatat(d->dir, d->aside, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
	    dotlock_stale(d, &sb))
		return unlinkat(d->dir, d->aside, 0);
	if (linkat(d->dir, d->aside, d->dir, d->lock, 0) == 0 ||
	    errno == EEXIST)
		(void)unlinkat(d->dir, d->aside, 0);
	else
		(void)renameat(d->dir, d->aside, d->dir, d->lock);
	errno = EAGAIN;
	return -1;
}

static int
remove_stale(struct maildrop *box, struct dotlock *d)
{
	return aside_name(d) == -1 ? -1 :
	    in_spool_group(box, dotlock_take_away, d);
}

/*
 * Nobody may take away a lock file that was touched a moment ago, so a young
 * one of ours cannot become another's between looking and removing.
 */
static int
dotlock_remove(void *arg)
{
	struct dotlock *d = arg;

	return unlinkat(d->dir, d->lock, 0);
}

/*
 * 0: there is no name.lock, or no longer; -1 with EAGAIN: another program's.  A
 * stale one of a board is for those to remove who write there.
 */
static int
dotlock_clear(struct maildrop *box, struct dotlock *d)
{
	struct stat sb;

	if (fstatat(d->dir, d->lock, &sb, AT_SYMLINK_NOFOLLOW) == -1) {
		if (errno != ENOENT)
			return -1;
		box->stalelock = false;
		return 0;
	}
	if (box->board && lock_is_old(&sb))
		return 0;
	if (!box->board && dotlock_stale(d, &sb)) {
		if (remove_stale(box, d) == 0) {
			log_notice(box->env, "lock user=%s: removed stale %s",
			    box->env->who, d->lock);
			return 0;
		}
		if (errno != EAGAIN && !box->stalelock) {
			log_error(box->env, "lock: cannot remove stale %s",
			    d->lock);
			box->stalelock = true;
		}
	}
	errno = EAGAIN;
	return -1;
}

/* Makes name.lock, or goes on without where the directory forbids it. */
static int
dotlock_take(struct maildrop *box, struct dotlock *d, struct spool *sp)
{
	if (in_spool_group(box, dotlock_make, d) == 0) {
		sp->lockfd = d->fd;
		return 0;
	}
	if (errno == EEXIST)
		errno = EAGAIN;
	if (errno != EACCES && errno != EPERM && errno != EROFS &&
	    !file_no_room(errno))
		return -1;
	if (!box->nodotlock) {
		log_error(box->env, "lock: cannot make %s, going on with the "
		    "kernel lock alone", d->lock);
		box->nodotlock = true;
	}
	return 0;
}

/* Whether the file that we opened is still the one that has the name. */
static bool
still_there(struct maildrop *box, const struct spool *sp)
{
	struct stat sb;

	return fstatat(box->dir, box->name, &sb,
	    AT_SYMLINK_NOFOLLOW) == 0 && sb.st_dev == sp->st.st_dev &&
	    sb.st_ino == sp->st.st_ino;
}

/*
 * One attempt; on failure everything taken is given back.  Where we made no
 * name.lock there may be another's since we looked: its owner may be writing if
 * it knows no other lock, or waits for ours.
 */
static int
lock_once(struct maildrop *box, enum lock how, bool create, struct spool *sp)
{
	struct dotlock d;

	dotlock_names(box, &d);
	d.create = create;
	sp->fd = sp->lockfd = -1;
	if (dotlock_clear(box, &d) == -1)
		return -1;
	if (how != SPOOL_READ && dotlock_take(box, &d, sp) == -1)
		return -1;
	sp->fd = file_open(box->dir, box->name,
	    how == SPOOL_WRITE ? O_RDWR : O_RDONLY,
	    box->board ? ANY_OWNER : box->ids->uid, &sp->st);
	if (sp->fd == -1 && errno == ENOENT && !create) {
		memset(&sp->st, 0, sizeof(sp->st));
		return 0;		/* no spool is an empty one */
	}
	if (sp->fd != -1 && kernel_lock(sp->fd, how == SPOOL_WRITE ? F_WRLCK :
	    F_RDLCK) == 0 && fstat(sp->fd, &sp->st) == 0) {
		if (still_there(box, sp) && (sp->lockfd != -1 ||
		    dotlock_clear(box, &d) == 0))
			return 0;
		errno = EAGAIN;
	}
	unlock_spool(box, sp);
	return -1;
}

/* Attempts until one succeeds, or *ms have gone by; what is left of them. */
static int
lock_within(struct maildrop *box, enum lock how, bool create, int64_t *ms,
    struct spool *sp)
{
	struct timespec begun, soon;

	wait_deadline(&begun, 0);
	while (lock_once(box, how, create, sp) == -1) {
		if (errno != EAGAIN)
			return -1;
		if (-wait_left(&begun) >= *ms) {
			errno = EAGAIN;
			return -1;
		}
		wait_deadline(&soon, 0);
		/* not in step with others who wait */
		soon.tv_nsec += (RETRY_MS + getpid() % RETRY_MS) * 1000000L;
		if (wait_sleep(box->env, &soon) == -1) {
			errno = EINTR;
			return -1;
		}
	}
	*ms += wait_left(&begun);
	return 0;
}

int
lock_spool(struct maildrop *box, enum lock how, bool create, struct spool *sp)
{
	int64_t ms = (int64_t)box->wait * 1000;

	return lock_within(box, how, create, &ms, sp);
}

/*
 * A board's readers make no name.lock: no session is the board's own, so one
 * that was left behind would be nobody's to remove.
 */
int
lock_read(struct maildrop *box, struct spool *sp)
{
	enum lock how = SPOOL_READ;

	if (sp->tries == 0)
		sp->wait = (int64_t)box->wait * 1000;
	if (sp->tries == READS) {
		errno = EAGAIN;
		return -1;
	}
	if (++sp->tries == READS && !box->board)
		how = SPOOL_READ_ALONE;
	return lock_within(box, how, false, &sp->wait, sp);
}

/*
 * Whether the spool stayed as it was under lock_read() while it was read.  A
 * name.lock that has come meanwhile says nothing: there was none when the stamp
 * was taken, under our lock, so its owner has either written since, which
 * changes the stamp, or not yet.  That goes for programs that know name.lock
 * alone as well.  One could deceive us only by writing as many bytes as there
 * were, within one tick of the clock of the change before; no look at name.lock
 * afterwards would exclude that either, since it may have finished.
 */
static bool
undisturbed(const struct spool *sp)
{
	struct stamp before, after;
	struct stat sb;

	if (sp->fd == -1)
		return true;
	if (fstat(sp->fd, &sb) == -1)
		return false;
	index_stamp(&before, &sp->st);
	index_stamp(&after, &sb);
	return index_same(&before, &after);
}

int
lock_undisturbed(const struct spool *sp, int r)
{
	int saved = errno;
	bool ok = undisturbed(sp);

	errno = ok ? saved : EAGAIN;
	return ok ? r : -1;
}

/*
 * Removes our name.lock.  While it is open no other file can have its inode
 * number.
 */
static void
dotlock_give_back(struct maildrop *box, struct spool *sp)
{
	struct dotlock d;
	struct stat mine, sb;
	bool same;

	dotlock_names(box, &d);
	same = fstat(sp->lockfd, &mine) == 0 && fstatat(d.dir, d.lock, &sb,
	    AT_SYMLINK_NOFOLLOW) == 0 && sb.st_dev == mine.st_dev &&
	    sb.st_ino == mine.st_ino;
	(void)close(sp->lockfd);
	sp->lockfd = -1;
	if (!same)
		log_notice(box->env, "lock user=%s: %s is no longer mine",
		    box->env->who, d.lock);
	else if ((lock_is_old(&sb) ? remove_stale(box, &d) :
	    in_spool_group(box, dotlock_remove, &d)) == -1)
		log_error(box->env, "lock: cannot remove %s", d.lock);
}

/* Closing the one descriptor of the file ends the kernel's lock. */
void
unlock_spool(struct maildrop *box, struct spool *sp)
{
	int saved = errno;

	if (sp->fd != -1)
		(void)close(sp->fd);
	sp->fd = -1;
	if (sp->lockfd != -1)
		dotlock_give_back(box, sp);
	errno = saved;
}

void
lock_touch(struct maildrop *box, struct spool *sp)
{
	struct dotlock d;

	dotlock_names(box, &d);
	if (sp->lockfd != -1 && futimens(sp->lockfd, NULL) == -1)
		log_error(box->env, "lock: cannot refresh %s", d.lock);
}
