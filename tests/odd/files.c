/*
 * Open files, their locks, and directories.
 */
#include "odd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

struct handle *
handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

/* fi gets the handle of what is open as fd, which it takes.  -1 with errno. */
static int
take_handle(const struct oddfs *fs, int fd, struct fuse_file_info *fi)
{
	struct handle *h = fd == -1 ? NULL : calloc(1, sizeof(*h));

	if (h == NULL)
		return -1;
	h->fd = fd;
	fi->fh = (uintptr_t)h;
	/* the page cache makes a short read the end of the file */
	fi->direct_io = fs->halves & 1;
	return 0;
}

void
odd_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	char path[PROC_PATH];

	proc_path(fd_of(req, ino), path);
	if (take_handle(fs_of(req), open(path, (fi->flags & ~O_NOFOLLOW) |
	    O_CLOEXEC), fi) == -1)
		reply(req, -1);
	else
		fuse_reply_open(req, fi);
}

void
odd_create(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
    struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	int fd;

	begin_as_caller(req);
	fd = openat(fd_of(req, dir), name, fi->flags | O_CREAT | O_NOFOLLOW |
	    O_CLOEXEC, mode);
	end_as_caller();
	if (take_handle(fs_of(req), fd, fi) == -1 ||
	    find_name(req, dir, name, &e) == -1)
		reply(req, -1);
	else
		fuse_reply_create(req, &e, fi);
}

static size_t
odd_size(const struct oddfs *fs, size_t n)
{
	return fs->halves ? (n + 1) / 2 : n;
}

void
odd_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at,
    struct fuse_file_info *fi)
{
	char *block = malloc(size);
	ssize_t n = -1;

	(void)ino;
	if (block != NULL)
		n = pread(handle_of(fi)->fd, block, odd_size(fs_of(req), size),
		    at);
	if (n == -1)
		reply(req, -1);
	else
		fuse_reply_buf(req, block, (size_t)n);
	free(block);
}

void
odd_write(fuse_req_t req, fuse_ino_t ino, const char *block, size_t size,
    off_t at, struct fuse_file_info *fi)
{
	ssize_t n = pwrite(handle_of(fi)->fd, block,
	    odd_size(fs_of(req), size), at);

	if (n == -1 && errno == ENOSPC && fs_of(req)->late) {
		node_of(req, ino)->error = errno;
		n = (ssize_t)size;
	}
	if (n == -1)
		reply(req, -1);
	else
		fuse_reply_write(req, (size_t)n);
}

/* Tells once what was kept back. */
static int
late_error(fuse_req_t req, fuse_ino_t ino)
{
	errno = node_of(req, ino)->error;
	node_of(req, ino)->error = 0;
	return errno == 0 ? 0 : -1;
}

void
odd_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
    struct fuse_file_info *fi)
{
	int r = late_error(req, ino);

	if (r == 0)
		r = datasync ? fdatasync(handle_of(fi)->fd) :
		    fsync(handle_of(fi)->fd);
	reply(req, r);
}

void
odd_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t at, off_t n,
    struct fuse_file_info *fi)
{
	int r = -1;

	(void)ino;
	errno = EOPNOTSUPP;
	if (!fs_of(req)->noreserve)
		r = fallocate(handle_of(fi)->fd, mode, at, n);
	reply(req, r);
}

/* ---- locks --------------------------------------------------------------- */

void
odd_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
    struct flock *lock)
{
	(void)ino;
	lock->l_pid = 0;
	if (fcntl(handle_of(fi)->fd, F_OFD_GETLK, lock) == -1)
		reply(req, -1);
	else
		fuse_reply_lock(req, lock);
}

/* A process that waits holds a thread, until it is killed at the latest. */
static int
wait_lock(fuse_req_t req, int fd, struct flock *lock)
{
	const struct timespec moment = { 0, 5000000 };

	while (fcntl(fd, F_OFD_SETLK, lock) == -1) {
		if (errno != EAGAIN)
			return -1;
		if (fuse_req_interrupted(req)) {
			errno = EINTR;
			return -1;
		}
		(void)nanosleep(&moment, NULL);
	}
	return 0;
}

void
odd_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
    struct flock *lock, int sleep)
{
	struct handle *h = handle_of(fi);
	int r = -1;

	(void)ino;
	lock->l_pid = 0;
	errno = ENOLCK;
	if (!fs_of(req)->nolock)
		r = sleep ? wait_lock(req, h->fd, lock) :
		    fcntl(h->fd, F_OFD_SETLK, lock);
	if (r == 0)
		h->owner = lock->l_type == F_UNLCK ? 0 : fi->lock_owner;
	reply(req, r);
}

/* A process that closes a file loses its locks on it. */
void
odd_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	struct handle *h = handle_of(fi);

	if (h->owner != 0 && h->owner == fi->lock_owner)
		(void)fcntl(h->fd, F_OFD_SETLK, &all);
	reply(req, late_error(req, ino));
}

void
odd_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);

	(void)ino;
	if (h->dir != NULL)
		(void)closedir(h->dir);
	else
		(void)close(h->fd);
	free(h);
	reply(req, 0);
}

/* ---- directories --------------------------------------------------------- */

void
odd_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int fd = openat(fd_of(req, ino), ".", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);

	if (take_handle(fs_of(req), fd, fi) == -1 ||
	    (handle_of(fi)->dir = fdopendir(fd)) == NULL)
		reply(req, -1);
	else
		fuse_reply_open(req, fi);
}

void
odd_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at,
    struct fuse_file_info *fi)
{
	DIR *dir = handle_of(fi)->dir;
	char *block = malloc(size);
	const struct dirent *e;
	struct stat st;
	size_t used = 0, n;

	(void)ino;
	if (block == NULL) {
		reply(req, -1);
		return;
	}
	seekdir(dir, at);
	while ((e = readdir(dir)) != NULL) {
		memset(&st, 0, sizeof(st));
		st.st_ino = e->d_ino;
		st.st_mode = (mode_t)e->d_type << 12;
		n = fuse_add_direntry(req, block + used, size - used,
		    e->d_name, &st, telldir(dir));
		if (n > size - used)
			break;
		used += n;
	}
	fuse_reply_buf(req, block, used);
	free(block);
}

void
odd_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;

	if (fstatvfs(fd_of(req, ino), &st) == -1)
		reply(req, -1);
	else
		fuse_reply_statfs(req, &st);
}
