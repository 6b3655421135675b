/*
 * The locks.  The session lock is a kernel lock on the state file, so it dies
 * with its process.  The spool is locked only while it is read or changed,
 * the way delivery agents and mail programs do it: name.lock and fcntl(2).
 *
 * Order everywhere: session, then name.lock and fcntl without blocking, both
 * released and retried together, so that no deadlock is possible.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/spool.h"

enum {
	RETRY_MS = 50,
	READS = 3,		/* that other programs may disturb */
	NAME_ROOM = 256 + 32,
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

/* A spool's lock file, for the calls that need the directory's group. */
struct dotlock {
	struct maildrop *box;
	bool create;			/* the spool as well */
	char lock[NAME_ROOM], aside[NAME_ROOM];
	struct stat seen;		/* the one that is to be removed */
	int fd;				/* of the lock that we made */
};

static void
dotlock_init(struct dotlock *d, struct maildrop *box)
{
	memset(d, 0, sizeof(*d));
	d->box = box;
	(void)snprintf(d->lock, sizeof(d->lock), "%s.lock", box->name);
}

static int
in_spool_group(struct dotlock *d, int (*fn)(void *))
{
	const struct ids *ids = d->box->ids;

	return ids->as_spool == NULL ? fn(d) : ids->as_spool(ids, fn, d);
}

/*
 * Opens a new name.lock, in one step.  Where there may be other hosts it is
 * made by a link, if there are links: over NFS they might see wrong times of a
 * file that is made with O_EXCL, and remove it as an old one: lock_is_old().
 */
static int
dotlock_open(struct dotlock *d)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	const struct maildrop *box = d->box;
	int dir = box->dir, fd;

	if (box->hosts && aside_name(box->name, d->aside, sizeof(d->aside)) ==
	    0) {
		fd = openat(dir, d->aside, flags, 0644 | OWN_LOCK);
		if (fd != -1 && aside_link(dir, d->aside, d->lock) == 0)
			return fd;
		file_close(fd);
		if (errno == EEXIST)
			return -1;
	}
	return openat(dir, d->lock, flags | O_EXCL, 0644 | OWN_LOCK);
}

static int
dotlock_make(void *arg)
{
	struct dotlock *d = arg;
	char text[48];
	int fd, n;

	if ((d->fd = dotlock_open(d)) == -1)
		return -1;
	/* for people, and for programs that check whether the process lives */
	n = snprintf(text, sizeof(text), "%ld\npopper\n", (long)getpid());
	(void)file_write(d->fd, text, (size_t)n, 0);
	if (d->create) {
		fd = openat(d->box->dir, d->box->name, O_WRONLY | O_CREAT |
		    O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd != -1)
			(void)close(fd);
	}
	return 0;
}

/* Users can give a file any time, so a difference of times might overflow. */
static bool
is_far(time_t then)
{
	time_t now = time(NULL);

	return then < now - STALE_LOCK || then > now + STALE_LOCK;
}

/*
 * A lock file is old five minutes after it was last touched.  A time as far in
 * the future would keep it for ever; only a wrong clock, or utime(2), sets one.
 *
 * NFS: between the two requests of an open(2) with O_EXCL on another host, the
 * new file has an arbitrary number for its st_mtim, but a true st_ctim.
 */
static bool
lock_is_old(const struct maildrop *box, const struct stat *sb)
{
	return S_ISREG(sb->st_mode) && is_far(sb->st_mtim.tv_sec) &&
	    (!box->hosts || is_far(sb->st_ctim.tv_sec));
}

/*
 * Whether a session of this user can remove a file of that directory: as the
 * owner of either, or by the directory's group, which a session keeps.
 */
static bool
can_remove(const struct maildrop *box, const struct stat *dir,
    const struct stat *file)
{
	if (dir->st_mode & S_ISVTX && dir->st_uid != box->ids->uid &&
	    file->st_uid != box->ids->uid)
		return false;
	return dir->st_mode & S_IWOTH ||
	    (dir->st_mode & S_IWGRP && dir->st_gid != 0) ||
	    (dir->st_mode & S_IWUSR && dir->st_uid == box->ids->uid);
}

static int
dotlock_stat(const struct dotlock *d, struct stat *sb)
{
	return fstatat(d->box->dir, d->lock, sb, AT_SYMLINK_NOFOLLOW);
}

enum fault
lock_probe(struct maildrop *box, struct stat *sb, struct stat *dir)
{
	struct dotlock d;

	dotlock_init(&d, box);
	if (dotlock_stat(&d, sb) == -1 || fstat(box->dir, dir) == -1)
		return FAULT_NONE;
	if (!S_ISREG(sb->st_mode))
		return FAULT_LOCKED;
	return lock_is_old(box, sb) && !can_remove(box, dir, sb) ? FAULT_STALE :
	    FAULT_NONE;
}

/*
 * Whether popper made name.lock for this user.  Some file systems show the same
 * mode for all files, which says nothing: then the state file has it too.
 */
static bool
lock_is_own(const struct maildrop *box, const struct stat *sb)
{
	struct stat state;

	return S_ISREG(sb->st_mode) && sb->st_uid == box->ids->uid &&
	    sb->st_mode & OWN_LOCK && fstat(box->state, &state) == 0 &&
	    !(state.st_mode & OWN_LOCK);
}

/*
 * Whether the process that made name.lock, of which sb is the stat, has ended.
 * An own one's has, since we hold the session lock.
 */
static bool
dotlock_stale(const struct dotlock *d, const struct stat *sb)
{
	return lock_is_old(d->box, sb) || lock_is_own(d->box, sb);
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* A new file may have the inode of the old one, but it has another time. */
static bool
same_lock(const struct stat *a, const struct stat *b)
{
	return same_file(a, b) && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/*
 * Another program may have replaced the lock file that we looked at: then it is
 * put back, -1 with EAGAIN.  If links to other users' files are not allowed
 * (Linux: protected_hardlinks), only rename(2) can do that.
 */
static int
dotlock_take_away(void *arg)
{
	struct dotlock *d = arg;
	struct stat sb;

	aside_sweep(d->box->dir, d->box->name);
	if (renameat(d->box->dir, d->lock, d->box->dir, d->aside) == -1)
		return errno == ENOENT ? 0 : -1;	/* gone already */
	if (fstatat(d->box->dir, d->aside, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
	    same_lock(&sb, &d->seen))
		return unlinkat(d->box->dir, d->aside, 0);
	if (linkat(d->box->dir, d->aside, d->box->dir, d->lock, 0) == 0 ||
	    errno == EEXIST)
		(void)unlinkat(d->box->dir, d->aside, 0);
	else
		(void)renameat(d->box->dir, d->aside, d->box->dir, d->lock);
	errno = EAGAIN;
	return -1;
}

static int
remove_stale(struct dotlock *d, const struct stat *seen)
{
	d->seen = *seen;
	return aside_name(d->box->name, d->aside, sizeof(d->aside)) == -1 ? -1 :
	    in_spool_group(d, dotlock_take_away);
}

/* For one of ours that is not old: no other program may replace that. */
static int
dotlock_remove(void *arg)
{
	struct dotlock *d = arg;

	return unlinkat(d->box->dir, d->lock, 0);
}

/*
 * Removes a stale name.lock.  0: there is none; -1 with EAGAIN: another
 * program's.  A stale one of a board is ignored: its writers remove it.
 */
static int
dotlock_clear(struct dotlock *d)
{
	struct maildrop *box = d->box;
	struct stat sb;

	if (dotlock_stat(d, &sb) == -1) {
		if (errno != ENOENT)
			return -1;
		box->stalelock = false;
		return 0;
	}
	if (box->board && lock_is_old(box, &sb))
		return 0;
	if (!box->board && dotlock_stale(d, &sb)) {
		if (remove_stale(d, &sb) == 0) {
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

/* Makes name.lock, or goes on without if the directory forbids it. */
static int
dotlock_take(struct dotlock *d, struct spool *sp)
{
	struct maildrop *box = d->box;

	if (in_spool_group(d, dotlock_make) == 0) {
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

/*
 * Whether the file that we opened still has the name.  Where another host has
 * given it to a new file, a look at the name may be answered from what this
 * host remembers; the links of the old file are asked for.
 */
static bool
spool_has_name(struct maildrop *box, const struct spool *sp)
{
	struct stat sb;

	return sp->st.st_nlink > 0 && fstatat(box->dir, box->name, &sb,
	    AT_SYMLINK_NOFOLLOW) == 0 && same_file(&sb, &sp->st);
}

/*
 * One attempt.  If we made no name.lock, another program may have made one
 * since we looked, and be writing if it knows no other lock.
 */
static int
lock_once(struct maildrop *box, enum lock how, bool create, struct spool *sp)
{
	struct dotlock d;

	dotlock_init(&d, box);
	d.create = create;
	sp->fd = sp->lockfd = -1;
	if (dotlock_clear(&d) == -1 ||
	    (how != SPOOL_READ && dotlock_take(&d, sp) == -1))
		return -1;
	sp->fd = file_open(box->dir, box->name,
	    how == SPOOL_WRITE ? O_RDWR : O_RDONLY,
	    box->board ? ANY_OWNER : box->ids->uid, &sp->st);
	if (sp->fd == -1 && errno == ENOENT && !create) {
		memset(&sp->st, 0, sizeof(sp->st));
		return 0;		/* no spool is an empty one */
	}
	if (sp->fd != -1 && kernel_lock(sp->fd, how == SPOOL_WRITE ? F_WRLCK :
	    F_RDLCK) == 0 && file_now(sp->fd, &sp->st) == 0) {
		if (spool_has_name(box, sp) && (sp->lockfd != -1 ||
		    dotlock_clear(&d) == 0))
			return 0;
		errno = EAGAIN;
	}
	unlock_spool(box, sp);
	return -1;
}

/* Attempts until one succeeds or sp->wait is over; then it has the rest. */
static int
lock_within(struct maildrop *box, enum lock how, bool create,
    struct spool *sp)
{
	int64_t until = wait_now() + sp->wait;

	while (lock_once(box, how, create, sp) == -1) {
		/* ESTALE: another host removes a file as we look at it */
		if (errno != EAGAIN && errno != ESTALE)
			return -1;
		if (wait_now() >= until) {
			errno = EAGAIN;
			return -1;
		}
		/* not in step with others that wait */
		if (wait_sleep(box->env, wait_now() + RETRY_MS +
		    getpid() % RETRY_MS) == -1) {
			errno = EINTR;
			return -1;
		}
	}
	sp->wait = until - wait_now();
	return 0;
}

int
lock_spool(struct maildrop *box, enum lock how, bool create, struct spool *sp)
{
	sp->wait = (int64_t)box->wait * 1000;
	return lock_within(box, how, create, sp);
}

/*
 * A board's readers make no name.lock: a board has no session lock, so that no
 * session could know that one is stale.
 */
int
lock_read(struct maildrop *box, struct spool *sp)
{
	if (sp->tries == 0)
		sp->wait = (int64_t)box->wait * 1000;
	if (sp->tries == READS) {
		errno = EAGAIN;
		return -1;
	}
	return lock_within(box, ++sp->tries == READS && !box->board ?
	    SPOOL_READ_ALONE : SPOOL_READ, false, sp);
}

/*
 * A name.lock made since lock_read() tells nothing: its owner has either
 * written since, which changes the stamp, or not yet; programs that know only
 * name.lock too.  The stamp would miss only a change that keeps the size,
 * within one tick of the clock of the change before; looking for name.lock
 * would miss that too, since its owner may have finished.
 */
int
lock_undisturbed(const struct spool *sp, int r)
{
	struct stamp before, after;
	struct stat sb;
	int saved = errno;
	bool same = sp->fd == -1;

	if (!same && file_now(sp->fd, &sb) == 0) {
		stamp_of(&sp->st, &before);
		stamp_of(&sb, &after);
		same = stamp_same(&before, &after);
	}
	errno = same ? saved : EAGAIN;
	return same ? r : -1;
}

/* No other file can have the inode number of our name.lock while it is open. */
static void
dotlock_release(struct maildrop *box, struct spool *sp)
{
	struct dotlock d;
	struct stat mine, sb;
	bool same;

	dotlock_init(&d, box);
	same = file_now(sp->lockfd, &mine) == 0 && dotlock_stat(&d, &sb) == 0 &&
	    same_file(&sb, &mine);
	(void)close(sp->lockfd);
	sp->lockfd = -1;
	if (!same)
		log_notice(box->env, "lock user=%s: %s is no longer mine",
		    box->env->who, d.lock);
	else if ((lock_is_old(box, &sb) ? remove_stale(&d, &sb) :
	    in_spool_group(&d, dotlock_remove)) == -1)
		log_error(box->env, "lock: cannot remove %s", d.lock);
}

void
unlock_spool(struct maildrop *box, struct spool *sp)
{
	int saved = errno;

	if (sp->fd != -1)
		(void)close(sp->fd);
	sp->fd = -1;
	if (sp->lockfd != -1)
		dotlock_release(box, sp);
	errno = saved;
}

void
lock_touch(struct maildrop *box, struct spool *sp)
{
	struct dotlock d;

	dotlock_init(&d, box);
	if (sp->lockfd != -1 && futimens(sp->lockfd, NULL) == -1)
		log_error(box->env, "lock: cannot refresh %s", d.lock);
}
