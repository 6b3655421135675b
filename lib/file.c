/*
 * Opening files safely, whole reads and writes at an offset, room on the disk,
 * unnamed files, and the checksum of what popper writes for itself.
 *
 * What only Linux has is under POPPER_LINUX, next to the portable way.
 */
#define _GNU_SOURCE	1

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/lib.h"

/*
 * Reading a spool must not look like its owner reading mail: shells tell "new
 * mail" by the access time.
 */
#ifdef POPPER_LINUX
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#ifndef FICLONE
#define FICLONE	_IOW(0x94, 9, int)	/* <linux/fs.h>, if there is one */
#endif
#define NOATIME	O_NOATIME
#else
#define NOATIME	0
#endif

void
file_close(int fd)
{
	int saved = errno;

	if (fd != -1)
		(void)close(fd);
	errno = saved;
}

/* What file_open() says of a file that cannot be opened: EPERM or the error. */
static int
open_error(int error, int dir, const char *name, uid_t owner)
{
	struct stat sb;

	switch (error) {
	case ELOOP: case EISDIR: case ENXIO:
		return EPERM;
	case EACCES:
		return owner != ANY_OWNER &&
		    fstatat(dir, name, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
		    sb.st_uid != owner ? EPERM : EACCES;
	default:
		return error;
	}
}

int
file_open(int dir, const char *name, int flags, uid_t owner, struct stat *sb)
{
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
	    O_CLOEXEC | (owner != ANY_OWNER ? NOATIME : 0), 0600);

	if (fd == -1) {
		errno = open_error(errno, dir, name, owner);
		return -1;
	}
	if (fstat(fd, sb) == 0) {
		if (S_ISREG(sb->st_mode) && sb->st_nlink <= 1 &&
		    (sb->st_uid == owner || owner == ANY_OWNER))
			return fd;
		errno = EPERM;
	}
	file_close(fd);
	return -1;
}

/*
 * fstat(2) answers with what this host last knew; on a network file system only
 * statx(2) can ask the server.
 */
int
file_now(int fd, struct stat *sb)
{
#if defined(POPPER_LINUX) && defined(STATX_BASIC_STATS)
	struct statx now;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC,
	    STATX_BASIC_STATS, &now) == 0) {
		memset(sb, 0, sizeof(*sb));
		sb->st_dev = makedev(now.stx_dev_major, now.stx_dev_minor);
		sb->st_ino = (ino_t)now.stx_ino;
		sb->st_mode = now.stx_mode;
		sb->st_nlink = (nlink_t)now.stx_nlink;
		sb->st_uid = now.stx_uid;
		sb->st_size = (off_t)now.stx_size;
		sb->st_mtim.tv_sec = now.stx_mtime.tv_sec;
		sb->st_mtim.tv_nsec = (long)now.stx_mtime.tv_nsec;
		sb->st_ctim.tv_sec = now.stx_ctime.tv_sec;
		sb->st_ctim.tv_nsec = (long)now.stx_ctime.tv_nsec;
		return 0;
	}
	if (errno != ENOSYS && errno != EPERM)	/* old kernels and jails */
		return -1;
#endif
	return fstat(fd, sb);
}

/* The numbers are those of <linux/magic.h> and of the file systems themselves. */
const char *
file_network(int fd)
{
#ifdef POPPER_LINUX
	static const struct {
		uint32_t type;
		const char *name;
	} all[] = {
		{ 0x00006969, "NFS" }, { 0x65735546, "FUSE" },
		{ 0xff534d42, "CIFS" }, { 0xfe534d42, "SMB" },
		{ 0x00c36400, "Ceph" }, { 0x0bd00bd0, "Lustre" },
		{ 0x5346414f, "AFS" }, { 0x01021997, "9P" }
	};
	struct statfs sf;
	size_t i;

	if (fstatfs(fd, &sf) == 0)
		for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
			if ((uint32_t)sf.f_type == all[i].type)
				return all[i].name;
#else
	(void)fd;
#endif
	return NULL;
}

bool
file_permanent(int error)
{
	switch (error) {
	case EACCES: case EINVAL: case EISDIR: case ELOOP: case ENAMETOOLONG:
	case ENOENT: case ENOEXEC: case ENOTDIR: case EPERM:
		return true;
	default:
		return false;
	}
}

/* Under a hypervisor the page faults of a large table cost more than it. */
void
file_populate(void *p, size_t n)
{
#if defined(POPPER_LINUX) && defined(MADV_POPULATE_WRITE)
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = ((uintptr_t)p + page - 1) / page * page;
	uintptr_t end = ((uintptr_t)p + n) / page * page;

	if (end > from)
		(void)madvise((char *)p + (from - (uintptr_t)p), end - from,
		    MADV_POPULATE_WRITE);
#else
	(void)p;
	(void)n;
#endif
}

int
file_random(void *p, size_t n)
{
	int r, fd = open("/dev/urandom", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	r = fd == -1 ? -1 : file_read(fd, p, n, 0);
	file_close(fd);
	if (r == -1)
		memset(p, 0, n);
	return r;
}

FILE *
file_text(const char *path, struct stat *sb)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	FILE *f = NULL;

	if (fd != -1 && fstat(fd, sb) == 0) {
		if (S_ISREG(sb->st_mode))
			f = fdopen(fd, "r");
		else
			errno = EPERM;
	}
	if (f == NULL)
		file_close(fd);
	return f;
}

ssize_t
file_some(int fd, void *p, size_t n, uint64_t at)
{
	char *to = p;
	size_t done = 0;
	ssize_t r;

	while (done < n) {
		r = pread(fd, to + done, n - done, (off_t)(at + done));
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return -1;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

int
file_read(int fd, void *p, size_t n, uint64_t at)
{
	ssize_t r = file_some(fd, p, n, at);

	if (r != -1 && (size_t)r < n)
		errno = EIO;
	return r == (ssize_t)n ? 0 : -1;
}

int
file_write(int fd, const void *p, size_t n, uint64_t at)
{
	const char *from = p;
	size_t done = 0;
	ssize_t r;

	while (done < n) {
		r = pwrite(fd, from + done, n - done, (off_t)(at + done));
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			return -1;
		done += (size_t)r;
	}
	return 0;
}

void *
file_block(uint64_t n)
{
	size_t size = n < BLOCK ? (size_t)n + 1 : BLOCK;

	return aligned_alloc(PAGE, (size + PAGE - 1) / PAGE * PAGE);
}

uint64_t
file_aligned(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

void
file_free(void *p)
{
	int saved = errno;

	free(p);
	errno = saved;
}

int
file_copy(int from, uint64_t at, int to, uint64_t there, uint64_t n)
{
	char *block;
	size_t some;
	int r = 0;

	if (n == 0)
		return 0;
	if ((block = file_block(n)) == NULL)
		return -1;
	for (; n > 0 && r == 0; n -= some, at += some, there += some) {
		some = BLOCK - (size_t)(at % PAGE);
		if (some > n)
			some = (size_t)n;
		if ((r = file_read(from, block, some, at)) == 0)
			r = file_write(to, block, some, there);
	}
	file_free(block);
	return r;
}

/* Whether a file without holes has all its blocks up to end already. */
static bool
has_blocks(int fd, uint64_t end)
{
	struct stat sb;
	uint64_t size, unit;

	if (fstat(fd, &sb) == -1 || sb.st_blksize <= 0)
		return false;
	unit = (uint64_t)sb.st_blksize;
	size = ((uint64_t)sb.st_size + unit - 1) / unit * unit;
	return end <= size && end <= (uint64_t)sb.st_blocks * 512;
}

/*
 * 0, or an error.  posix_fallocate() is slow, but right, if libc emulates it by
 * writing; whether there was room for that, a file server may say to a sync
 * alone.
 */
static int
allocate(int fd, off_t at, off_t n)
{
	int e;

#ifdef POPPER_LINUX
	while ((e = fallocate(fd, 0, at, n) == -1 ? errno : 0) == EINTR)
		continue;
	if (e != EOPNOTSUPP)
		return e;
#endif
	while ((e = posix_fallocate(fd, at, n)) == EINTR)
		continue;
#ifdef POPPER_LINUX
	if (e == 0 && file_sync(fd) == -1)
		e = errno;
#endif
	return e;
}

/*
 * With EOPNOTSUPP and EINVAL a file system says that it cannot promise room:
 * then writing will tell.
 * XFS asks for free blocks even if the whole range is allocated already.
 */
int
file_reserve(int fd, uint64_t at, uint64_t n)
{
	int e;

	if (n == 0)
		return 0;
	e = allocate(fd, (off_t)at, (off_t)n);
	if (e == 0 || e == EOPNOTSUPP || e == EINVAL ||
	    ((e == ENOSPC || e == EDQUOT) && has_blocks(fd, at + n)))
		return 0;
	errno = e;
	return -1;
}

int
file_sync(int fd)
{
	int r;

	while ((r = fdatasync(fd)) == -1 && errno == EINTR)
		continue;
	return r;
}

/* Every file system has these: made under a name that is removed at once. */
static int
unnamed_in(const char *dir)
{
	char path[PATH_MAX];
	int fd, n = snprintf(path, sizeof(path), "%s/popper.XXXXXX", dir);

	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if ((fd = mkstemp(path)) == -1)
		return -1;
	(void)unlink(path);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
		return fd;
	file_close(fd);
	return -1;
}

/* fd with room for n bytes at an offset, or -1 after closing it. */
static int
with_room(int fd, uint64_t at, uint64_t n)
{
	if (fd == -1 || file_reserve(fd, at, n) == 0)
		return fd;
	file_close(fd);
	return -1;
}

int
file_unnamed(int dir, uint64_t at, uint64_t n)
{
	const char *tmp = getenv("TMPDIR");
	int fd = -1;

	if (tmp == NULL || tmp[0] != '/')
		tmp = "/var/tmp";
#ifdef POPPER_LINUX
	fd = with_room(openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600),
	    at, n);
#else
	(void)dir;
#endif
	return fd != -1 ? fd : with_room(unnamed_in(tmp), at, n);
}

int
file_memory(uint64_t at, uint64_t n)
{
#ifdef POPPER_LINUX
	if (n <= MEMORY_MOST)
		return with_room(memfd_create("popper", MFD_CLOEXEC), at, n);
#endif
	(void)at;
	(void)n;
	errno = ENOSPC;
	return -1;
}

bool
file_no_room(int e)
{
	return e == ENOSPC || e == EDQUOT || e == EFBIG || e == ENOMEM;
}

int
file_clone(int from, int to)
{
#ifdef POPPER_LINUX
	return ioctl(to, FICLONE, from);
#else
	(void)from;
	(void)to;
	errno = EOPNOTSUPP;
	return -1;
#endif
}

/* Four independent lanes of multiply and rotate, eight bytes each. */
uint64_t
file_sum(const void *data, size_t n, uint64_t seed)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	const unsigned char *p = data;
	uint64_t lane[4], w[4], sum;
	unsigned char rest[32] = { 0 };
	int i;

	for (i = 0; i < 4; i++)
		lane[i] = seed + (uint64_t)(i + 1) * k;
	sum = n;
	for (;; p += 32, n -= 32) {
		if (n < 32) {
			if (n > 0)
				memcpy(rest, p, n);
			memcpy(w, rest, 32);
		} else
			memcpy(w, p, 32);
		for (i = 0; i < 4; i++) {
			lane[i] = (lane[i] ^ w[i]) * k;
			lane[i] ^= lane[i] >> 29;
		}
		if (n <= 32)
			break;
	}
	for (i = 0; i < 4; i++) {
		sum = (sum ^ lane[i]) * k;
		sum ^= sum >> 32;
	}
	return sum;
}

int
file_sum_part(int fd, uint64_t at, uint64_t n, uint64_t *sum)
{
	char *block;
	size_t some;
	int r = 0;

	if ((block = file_block(n)) == NULL)
		return -1;
	for (*sum = 0; n > 0 && r == 0; n -= some, at += some) {
		some = n < BLOCK ? (size_t)n : BLOCK;
		r = file_read(fd, block, some, at);
		*sum = file_sum(block, some, *sum);
	}
	file_free(block);
	return r;
}
