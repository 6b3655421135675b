/*
 * Two files, the spool and the state file, on a simulated disk.  Each is kept
 * twice, as programs see it and as the disk has it.  After the death of a
 * process all that it wrote stands; after a power cut any of the sectors that
 * were not synced may be lost, and so may its size and time.
 */
#ifndef DISK_H
#define DISK_H

#define _GNU_SOURCE	1	/* fallocate(2) */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spool/journal.h"
#include "tap.h"

enum { SPOOL, STATE, FILES, FD = 1000 };

struct file {
	struct buf now, disk;	/* as programs see it, as the disk has it */
	struct buf dirty;	/* a byte for each sector: to be synced */
	uint64_t time, disk_time;	/* of the last change, in ticks */
	unsigned replaced;	/* how often another file got its name */
};

static struct file file[FILES];
static uint64_t seed = 1;
static size_t ops, die_at, fail_at;	/* 0: never */
static size_t reads, read_fails_at;	/* the same of reads; 0: never */
static uint64_t changes, grain = 1;	/* of files; so many in each tick */
/* bytes: there is no more room for what we write */
static uint64_t limit[FILES] = { UINT64_MAX, UINT64_MAX };
static bool (*after_op)(void);	/* what must hold at each moment */
static bool held;

static inline void
resize(struct buf *b, size_t n)
{
	if (n > b->n)
		buf_fill(b, '\0', n - b->n);
	b->n = n;
}

static inline void
mark_dirty(struct file *f, size_t from, size_t to)
{
	size_t i;

	if (f->dirty.n < to / SECTOR + 1)
		resize(&f->dirty, to / SECTOR + 1);
	for (i = from / SECTOR; i * SECTOR < to; i++)
		f->dirty.p[i] = 1;
}

/* It changes, and has a new time if a tick has passed. */
static inline void
touch(struct file *f)
{
	f->time = 1 + changes++ / grain;
}

static inline bool
is_dead(void)
{
	return die_at > 0 && ops + 1 >= die_at;
}

/* Whether an operation is carried out: a dead process does nothing. */
static inline bool
may_do(bool *fails)
{
	*fails = false;
	if (is_dead())
		return false;
	ops++;
	*fails = ops == fail_at;
	return !*fails;
}

static inline void
done(void)
{
	if (after_op != NULL && held)
		held = after_op();
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	const struct buf *b;

	if (fd < FD) {			/* /dev/urandom, for a key */
		memset(p, 7, n);
		return (ssize_t)n;
	}
	b = &file[fd - FD].now;
	if (++reads == read_fails_at) {
		errno = EIO;
		return -1;
	}
	if ((size_t)at >= b->n)
		return 0;
	if (n > b->n - (size_t)at)
		n = b->n - (size_t)at;
	memcpy(p, b->p + at, n);
	return (ssize_t)n;
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	struct file *f = &file[fd - FD];
	bool fails;

	if (!may_do(&fails)) {
		errno = EIO;
		return -1;
	}
	if ((uint64_t)at >= limit[fd - FD]) {
		errno = ENOSPC;
		return -1;
	}
	if (n > limit[fd - FD] - (uint64_t)at)
		n = (size_t)(limit[fd - FD] - (uint64_t)at);
	if (f->now.n < (size_t)at + n)
		resize(&f->now, (size_t)at + n);
	memcpy(f->now.p + at, p, n);
	mark_dirty(f, (size_t)at, (size_t)at + n);
	touch(f);
	done();
	return (ssize_t)n;
}

int
ftruncate(int fd, off_t size)
{
	struct file *f = &file[fd - FD];
	bool fails;

	if (!may_do(&fails)) {
		errno = EIO;
		return -1;
	}
	resize(&f->now, (size_t)size);
	touch(f);
	done();
	return 0;
}

int
fstat(int fd, struct stat *sb)
{
	const struct file *f = &file[fd - FD];

	memset(sb, 0, sizeof(*sb));
	sb->st_mode = S_IFREG | 0600;
	sb->st_nlink = 1;
	sb->st_ino = (ino_t)fd + f->replaced * FILES;
	sb->st_size = (off_t)f->now.n;
	sb->st_mtim.tv_nsec = (long)f->time;
	sb->st_ctim = sb->st_mtim;
	return 0;
}

/* Whatever sleeps waits for the next tick. */
int
nanosleep(const struct timespec *for_time, struct timespec *rest)
{
	(void)for_time, (void)rest;
	changes += grain;
	return 0;
}

/* Then fstat(2) is asked. */
#ifdef STATX_BASIC_STATS
int
statx(int dir, const char *restrict path, int flags, unsigned mask,
    struct statx *restrict sb)
{
	(void)dir, (void)path, (void)flags, (void)mask, (void)sb;
	errno = ENOSYS;
	return -1;
}
#endif

/*
 * What could not be synced is forgotten: no later sync writes it.  The time is
 * synced if the size has to be.
 */
int
fdatasync(int fd)
{
	struct file *f = &file[fd - FD];
	size_t i, from, n;
	bool fails, good = may_do(&fails);

	if (!good && !fails) {
		errno = EIO;
		return -1;
	}
	if (good && f->disk.n != f->now.n) {
		resize(&f->disk, f->now.n);
		f->disk_time = f->time;
	}
	for (i = 0; i < f->dirty.n; i++) {
		from = i * SECTOR;
		if (good && f->dirty.p[i] && from < f->now.n) {
			n = f->now.n - from < SECTOR ? f->now.n - from :
			    SECTOR;
			memcpy(f->disk.p + from, f->now.p + from, n);
		}
		f->dirty.p[i] = 0;
	}
	if (good)
		done();
	errno = EIO;
	return good ? 0 : -1;
}

int
fsync(int fd)
{
	struct file *f = &file[fd - FD];

	if (fdatasync(fd) == -1)
		return -1;
	f->disk_time = f->time;
	return 0;
}

int
posix_fallocate(int fd, off_t at, off_t n)
{
	if ((uint64_t)at + (uint64_t)n > limit[fd - FD])
		return ENOSPC;
	if ((size_t)(at + n) <= file[fd - FD].now.n)
		return 0;
	return ftruncate(fd, at + n) == -1 ? errno : 0;
}

#ifdef POPPER_LINUX
int
fallocate(int fd, int mode, off_t at, off_t n)
{
	(void)mode;
	errno = posix_fallocate(fd, at, n);
	return errno == 0 ? 0 : -1;
}
#endif

/* A directory has both files; name.lock cannot be made in it. */
static inline int
file_named(const char *name)
{
	return strcmp(name, "user") == 0 ? FD + SPOOL :
	    strcmp(name, ".user.pop") == 0 ? FD + STATE : -1;
}

int
openat(int dir, const char *name, int flags, ...)
{
	int fd = file_named(name);

	(void)dir;
	errno = fd == -1 ? EACCES : EEXIST;
	return flags & O_EXCL ? -1 : fd;
}

int
fstatat(int dir, const char *restrict name, struct stat *restrict sb, int flags)
{
	int fd = file_named(name);

	(void)dir, (void)flags;
	errno = ENOENT;
	return fd == -1 ? -1 : fstat(fd, sb);
}

/* Each lock is granted. */
int
fcntl(int fd, int command, ...)
{
	(void)fd, (void)command;
	return 0;
}

void syslog(int, const char *, ...) PRINTF(2, 3);
void
syslog(int priority, const char *fmt, ...)
{
	(void)priority;
	(void)fmt;
}

static inline void
set_buf(struct buf *b, const struct buf *from)
{
	b->n = 0;
	buf_add(b, from->p, from->n);
}

/* The next process finds what the last has written. */
static inline void
restart(void)
{
	ops = die_at = fail_at = 0;
	reads = read_fails_at = 0;
	after_op = NULL;
}

/* The next one finds what the disk has. */
static inline void
power_cut(void)
{
	size_t i, k, from, n, share = below(&seed, 5);
	struct buf was = { .n = 0 };
	struct file *f;

	for (k = 0; k < FILES; k++) {
		f = &file[k];
		set_buf(&was, &f->disk);
		if (below(&seed, 2) == 0) {
			resize(&was, f->now.n);
			f->disk_time = f->time;
		}
		for (i = 0; i < f->dirty.n; i++) {
			from = i * SECTOR;
			if (!f->dirty.p[i] || below(&seed, 4) >= share ||
			    from >= was.n || from >= f->now.n)
				continue;
			n = was.n < f->now.n ? was.n : f->now.n;
			n = n - from < SECTOR ? n - from : SECTOR;
			memcpy(was.p + from, f->now.p + from, n);
		}
		set_buf(&f->now, &was);
		set_buf(&f->disk, &was);
		f->dirty.n = 0;
		f->time = f->disk_time;
	}
	buf_free(&was);
}

/* All of a file is on the disk. */
static inline void
settle(int k)
{
	set_buf(&file[k].disk, &file[k].now);
	file[k].dirty.n = 0;
	file[k].disk_time = file[k].time;
}

/* Makes a file that text. */
static inline void
set_file(int k, const struct buf *text)
{
	set_buf(&file[k].now, text);
	touch(&file[k]);
	settle(k);
}

/* ---- the maildrop -------------------------------------------------------- */

static struct env env;
static struct maildrop box;

static inline struct spool
open_spool(void)
{
	struct spool sp = { .fd = FD + SPOOL, .lockfd = -1 };

	(void)fstat(sp.fd, &sp.st);
	box.env = &env;
	box.state = FD + STATE;
	return sp;
}

/* Recovery, as a login has it.  0, or errno. */
static inline int
recover(void)
{
	struct spool sp = open_spool();

	return recover_spool(&box, &sp) == -1 ? errno : 0;
}

#endif
