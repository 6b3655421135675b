/*
 * Nodes, their attributes and their names.
 */
#include "odd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

struct oddfs *
fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

struct node *
node_of(fuse_req_t req, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &fs_of(req)->root : (struct node *)ino;
}

int
fd_of(fuse_req_t req, fuse_ino_t ino)
{
	return node_of(req, ino)->fd;
}

void
proc_path(int fd, char path[PROC_PATH])
{
	(void)snprintf(path, PROC_PATH, "/proc/self/fd/%d", fd);
}

void
reply(fuse_req_t req, int r)
{
	fuse_reply_err(req, r == -1 ? errno : 0);
}

/* ---- attributes ---------------------------------------------------------- */

static void
make_odd(const struct oddfs *fs, const struct node *node, struct stat *st)
{
	if (fs->inodes)
		st->st_ino = node->number;
	if (fs->noctime)
		st->st_ctim = st->st_mtim;
	if (fs->seconds)
		st->st_atim.tv_nsec = st->st_mtim.tv_nsec =
		    st->st_ctim.tv_nsec = 0;
	if (fs->modes && S_ISREG(st->st_mode))
		st->st_mode = S_IFREG | 0755;
	if (fs->bare) {
		st->st_blocks = 0;
		st->st_nlink = 1;
	}
}

static int
stat_node(const struct oddfs *fs, const struct node *node, struct stat *st)
{
	if (fstatat(node->fd, "", st, AT_EMPTY_PATH) == -1)
		return -1;
	make_odd(fs, node, st);
	return 0;
}

static void
reply_attr(fuse_req_t req, fuse_ino_t ino)
{
	const struct oddfs *fs = fs_of(req);
	struct stat st;

	if (stat_node(fs, node_of(req, ino), &st) == -1)
		reply(req, -1);
	else
		fuse_reply_attr(req, &st, fs->delay);
}

void
odd_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	reply_attr(req, ino);
}

static struct timespec
new_time(int to_set, int set, int now, struct timespec t)
{
	if (to_set & now)
		t.tv_nsec = UTIME_NOW;
	else if (!(to_set & set))
		t.tv_nsec = UTIME_OMIT;
	return t;
}

static int
set_size(fuse_req_t req, fuse_ino_t ino, const struct fuse_file_info *fi,
    off_t size)
{
	char path[PROC_PATH];

	if (fi != NULL)
		return ftruncate(handle_of(fi)->fd, size);
	proc_path(fd_of(req, ino), path);
	return truncate(path, size);
}

void
odd_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
    struct fuse_file_info *fi)
{
	struct timespec times[2] = {
		new_time(to_set, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW,
		    st->st_atim),
		new_time(to_set, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW,
		    st->st_mtim)
	};
	char path[PROC_PATH];
	int fd = fd_of(req, ino);

	proc_path(fd, path);
	if ((to_set & FUSE_SET_ATTR_MODE && chmod(path, st->st_mode) == -1) ||
	    (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) &&
	    fchownat(fd, "",
	    to_set & FUSE_SET_ATTR_UID ? st->st_uid : (uid_t)-1,
	    to_set & FUSE_SET_ATTR_GID ? st->st_gid : (gid_t)-1,
	    AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == -1) ||
	    (to_set & FUSE_SET_ATTR_SIZE &&
	    set_size(req, ino, fi, st->st_size) == -1) ||
	    (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME) &&
	    utimensat(AT_FDCWD, path, times, 0) == -1))
		reply(req, -1);
	else
		reply_attr(req, ino);
}

/* ---- names --------------------------------------------------------------- */

/* The node of what is open as fd, which it takes; NULL with errno. */
static struct node *
take_node(struct oddfs *fs, int fd, const struct stat *st)
{
	struct node *n;

	(void)pthread_mutex_lock(&fs->mutex);
	for (n = &fs->root; n != NULL; n = n->next)
		if (n->ino == st->st_ino && n->dev == st->st_dev)
			break;
	if (n != NULL)
		(void)close(fd);
	else if ((n = calloc(1, sizeof(*n))) != NULL) {
		*n = (struct node){ .next = fs->root.next, .fd = fd,
		    .dev = st->st_dev, .ino = st->st_ino,
		    .number = fs->numbers++ };
		fs->root.next = n;
	}
	if (n != NULL)
		n->lookups++;
	(void)pthread_mutex_unlock(&fs->mutex);
	return n;
}

static void
forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
	struct oddfs *fs = fs_of(req);
	struct node **p, *n = node_of(req, ino);

	if (n == &fs->root)
		return;
	(void)pthread_mutex_lock(&fs->mutex);
	n->lookups -= lookups;
	if (n->lookups == 0) {
		for (p = &fs->root.next; *p != n; p = &(*p)->next)
			;
		*p = n->next;
		(void)close(n->fd);
		free(n);
	}
	(void)pthread_mutex_unlock(&fs->mutex);
}

void
odd_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
	forget(req, ino, lookups);
	fuse_reply_none(req);
}

int
find_name(fuse_req_t req, fuse_ino_t dir, const char *name,
    struct fuse_entry_param *e)
{
	struct oddfs *fs = fs_of(req);
	struct node *n;
	int fd = openat(fd_of(req, dir), name, O_PATH | O_NOFOLLOW);

	memset(e, 0, sizeof(*e));
	e->attr_timeout = fs->delay;
	e->entry_timeout = fs->names;
	if (fd == -1)
		return -1;
	if (fstatat(fd, "", &e->attr, AT_EMPTY_PATH) == -1 ||
	    (n = take_node(fs, fd, &e->attr)) == NULL) {
		(void)close(fd);
		return -1;
	}
	make_odd(fs, n, &e->attr);
	e->ino = n == &fs->root ? FUSE_ROOT_ID : (fuse_ino_t)n;
	return 0;
}

void
odd_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct fuse_entry_param e;

	if (find_name(req, dir, name, &e) == -1 && (errno != ENOENT ||
	    fs_of(req)->names == 0))
		reply(req, -1);
	else
		fuse_reply_entry(req, &e);
}

void
begin_as_caller(fuse_req_t req)
{
	(void)setfsgid(fuse_req_ctx(req)->gid);
	(void)setfsuid(fuse_req_ctx(req)->uid);
}

void
end_as_caller(void)
{
	int saved = errno;

	(void)setfsuid(0);
	(void)setfsgid(0);
	errno = saved;
}

/* Replies with a name that was made, or with errno if r is -1. */
static void
reply_new(fuse_req_t req, fuse_ino_t dir, const char *name, int r)
{
	struct fuse_entry_param e;

	end_as_caller();
	if (r == -1 || find_name(req, dir, name, &e) == -1)
		reply(req, -1);
	else
		fuse_reply_entry(req, &e);
}

void
odd_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
    dev_t rdev)
{
	begin_as_caller(req);
	reply_new(req, dir, name, mknodat(fd_of(req, dir), name, mode, rdev));
}

void
odd_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode)
{
	begin_as_caller(req);
	reply_new(req, dir, name, mkdirat(fd_of(req, dir), name, mode));
}

void
odd_symlink(fuse_req_t req, const char *target, fuse_ino_t dir,
    const char *name)
{
	begin_as_caller(req);
	reply_new(req, dir, name, symlinkat(target, fd_of(req, dir), name));
}

void
odd_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name)
{
	char path[PROC_PATH];
	int r = -1;

	proc_path(fd_of(req, ino), path);
	errno = EPERM;
	if (!fs_of(req)->nolink)
		r = linkat(AT_FDCWD, path, fd_of(req, dir), name,
		    AT_SYMLINK_FOLLOW);
	reply_new(req, dir, name, r);
}

void
odd_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[BLOCK];
	ssize_t n = readlinkat(fd_of(req, ino), "", target, sizeof(target) - 1);

	if (n == -1) {
		reply(req, -1);
		return;
	}
	target[n] = '\0';
	fuse_reply_readlink(req, target);
}

void
odd_unlink(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	reply(req, unlinkat(fd_of(req, dir), name, 0));
}

void
odd_rmdir(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	reply(req, unlinkat(fd_of(req, dir), name, AT_REMOVEDIR));
}

void
odd_rename(fuse_req_t req, fuse_ino_t dir, const char *name, fuse_ino_t to,
    const char *as, unsigned flags)
{
	reply(req, renameat2(fd_of(req, dir), name, fd_of(req, to), as, flags));
}
