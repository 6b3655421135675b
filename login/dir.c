/*
 * The spool directory, opened by root if only root can have put it there.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "login/login.h"

enum { LINKS_MOST = 8 };

static int walk(int from, const char *path, int links);

/*
 * Opens one name in a directory as walk() does.  In a directory with the sticky
 * bit only root can replace what root owns.
 */
static int
walk_name(int dir, const char *name, int links)
{
	char target[DIR_LEN];
	struct stat sb;
	ssize_t n;
	int fd;

	if (fstat(dir, &sb) == -1)
		return -1;
	if (sb.st_uid != 0 || (sb.st_mode & (S_IWGRP | S_IWOTH) &&
	    !(sb.st_mode & S_ISVTX))) {
		errno = EPERM;
		return -1;
	}
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (fd != -1 || fstatat(dir, name, &sb, AT_SYMLINK_NOFOLLOW) == -1)
		return fd;
	if (!S_ISLNK(sb.st_mode) || sb.st_uid != 0 || links == 0) {
		errno = EPERM;
		return -1;
	}
	errno = ENAMETOOLONG;
	n = readlinkat(dir, name, target, sizeof(target));
	if (n == -1 || (size_t)n == sizeof(target))
		return -1;
	target[n] = '\0';
	return walk(dir, target, links - 1);
}

/*
 * Opens a directory as root, name by name, if only root can have put it there:
 * each directory on the way must be owned by root and not writable by others,
 * and each symbolic link owned by root.  The last directory itself may be
 * anybody's.  -1 with errno.
 */
static int
walk(int from, const char *path, int links)
{
	char name[256];
	int next, n, at = openat(from, *path == '/' ? "/" : ".", O_RDONLY |
	    O_DIRECTORY | O_CLOEXEC);

	while (at != -1 && *(path += strspn(path, "/")) != '\0') {
		n = snprintf(name, sizeof(name), "%.*s",
		    (int)strcspn(path, "/"), path);
		errno = ENAMETOOLONG;
		next = n < 0 || (size_t)n >= sizeof(name) ? -1 :
		    walk_name(at, name, links);
		file_close(at);
		at = next;
		path += strcspn(path, "/");
	}
	return at;
}

/*
 * The directory of mbox= must itself be owned by root.  Its group may write to
 * it, as to a spool directory: the group can replace nothing on the way to it.
 */
static int
open_own_dir(const char *dir)
{
	int fd = walk(AT_FDCWD, dir, LINKS_MOST);
	struct stat sb;

	if (fd == -1 || (fstat(fd, &sb) == 0 && sb.st_uid == 0 &&
	    (!(sb.st_mode & S_IWOTH) || sb.st_mode & S_ISVTX)))
		return fd;
	(void)close(fd);
	errno = EPERM;
	return -1;
}

int
dir_of(char dir[DIR_LEN], const char *pattern, const char *user)
{
	size_t i;

	for (i = 0; pattern[i] != '\0'; i++) {
		if (i == DIR_LEN - 1) {
			errno = ENAMETOOLONG;
			return -1;
		}
		dir[i] = pattern[i];
		if (pattern[i] != '%')
			continue;
		dir[i] = '_';
		if (*user != '\0' && *user != '.')
			dir[i] = *user;
		user += *user != '\0';
	}
	dir[i] = '\0';
	return 0;
}

int
dir_open(const struct ids *ids, const char *pattern, const char *user,
    const struct account *a, char name[SPOOL_NAME])
{
	const char *path = a->maildrop, *slash = strrchr(path, '/');
	char dir[DIR_LEN];
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	if (path[0] == '\0') {
		(void)snprintf(name, SPOOL_NAME, "%s", user);
		if (dir_of(dir, pattern, user) == -1)
			return -1;
		return ids->uid == 0 ? walk(AT_FDCWD, dir, LINKS_MOST) :
		    open(dir, flags);
	}
	if (path[0] != '/' || slash[1] == '\0' || slash[1] == '.' ||
	    account_is_lock_name(slash + 1) ||
	    strlen(path) == sizeof(a->maildrop) - 1) {
		errno = EINVAL;		/* or too long: it was cut */
		return -1;
	}
	(void)snprintf(name, SPOOL_NAME, "%s", slash + 1);
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash + 1 - path),
	    path);
	return ids->uid == 0 ? open_own_dir(dir) : open(dir, flags);
}

void
dir_make_state(int dir, const char *name, const struct account *a)
{
	struct stat sb = { 0 };
	int fd;

	if (fstatat(dir, name, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
	    sb.st_uid != 0)
		return;			/* it is there, as always but once */
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	/* a crash left it, or another session is about to give it away */
	if (fd == -1 && errno == EEXIST)
		fd = file_open(dir, name, O_RDWR, 0, &sb);
	if (fd == -1)
		return;
	if (sb.st_size == 0) {
		if (fchown(fd, a->uid, a->gid) == -1)
			(void)unlinkat(dir, name, 0);
		else		/* an UPDATE on a full disk needs it */
			(void)file_reserve(fd, 0, PAGE);
	}
	(void)close(fd);
}

bool
dir_would_make_state(int dir, const char *name)
{
	struct stat sb;

	if (geteuid() != 0 || faccessat(dir, ".", W_OK | X_OK, 0) == -1)
		return false;
	if (fstatat(dir, name, &sb, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT;
	return S_ISREG(sb.st_mode) && sb.st_nlink == 1 && sb.st_uid == 0 &&
	    sb.st_size == 0;
}
