/*
 * Files next to a lock file, for one step each: a lock file that is to be
 * removed has such a name, or one that is being made.  The names cannot be
 * guessed by others, and a later session finds what one that was killed left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "spool/spool.h"

enum { ASIDE_HEX = 16 };	/* digits that end a name */

int
aside_name(const char *name, char *to, size_t room)
{
	uint64_t random;
	int n;

	if (file_random(&random, sizeof(random)) == -1)
		return -1;
	n = snprintf(to, room, ".%s.lk.%0*" PRIx64, name, ASIDE_HEX, random);
	return n < 0 || (size_t)n >= room ? -1 : 0;
}

int
aside_link(int dir, const char *aside, const char *name)
{
	int r = linkat(dir, aside, dir, name, 0);
	int saved = errno;

	(void)unlinkat(dir, aside, 0);
	errno = saved;
	return r;
}

void
aside_sweep(int at, const char *name)
{
	char prefix[256 + 8];	/* no name of a file is longer than 255 */
	int n = snprintf(prefix, sizeof(prefix), ".%s.lk.", name);
	int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (dir == NULL) {
		file_close(fd);
		return;
	}
	while ((e = readdir(dir)) != NULL)
		if (strncmp(e->d_name, prefix, (size_t)n) == 0 &&
		    strlen(e->d_name + n) == ASIDE_HEX && strspn(e->d_name +
		    n, "0123456789abcdef") == ASIDE_HEX)
			(void)unlinkat(at, e->d_name, 0);
	(void)closedir(dir);
}
