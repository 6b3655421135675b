/*
 * Text files of accounts: a line has a key, which ends at the first ":" or with
 * the line.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/lib.h"

/* Bytes of a line in a sorted file: a key fits into a block after it. */
enum { LINE_MOST = PAGE - NAME_LEN - 2 };

int
lines_open(struct lines *l, const char *path, bool secret)
{
	mode_t others = secret ? S_IRWXG | S_IRWXO : S_IWGRP | S_IWOTH;

	memset(l, 0, sizeof(*l));
	if ((l->f = file_text(path, &l->sb)) == NULL)
		return -1;
	if ((l->sb.st_uid == 0 || l->sb.st_uid == geteuid()) &&
	    !(l->sb.st_mode & others))
		return 0;
	(void)fclose(l->f);
	errno = EPERM;
	return -1;
}

int
lines_order(const char *line, const char *key)
{
	static const char ends[] = ":\r\n";	/* and NUL */

	while (strchr(ends, *line) == NULL && *line == *key) {
		line++;
		key++;
	}
	return (strchr(ends, *line) != NULL ? 0 : (unsigned char)*line) -
	    (unsigned char)*key;
}

/*
 * Bisects a sorted file: no line before lo has the key, nor has one that begins
 * after hi.  A block must show where a line begins and its key.
 */
static int
bisect(struct lines *l, const char *key)
{
	uint64_t lo = sizeof(LINES_SORTED) - 1, hi = (uint64_t)l->sb.st_size;
	uint64_t mid, next;
	char block[PAGE + 1], *line;
	ssize_t n;

	while (hi > lo + PAGE) {
		mid = lo + (hi - lo) / 2;
		if ((n = file_some(fileno(l->f), block, PAGE, mid)) == -1)
			return -1;
		block[n] = '\0';
		if ((line = strchr(block, '\n')) == NULL ||
		    line - block >= LINE_MOST)
			return 0;
		next = mid + (uint64_t)(++line - block);
		if (next < hi && lines_order(line, key) < 0)
			lo = next;
		else
			hi = mid;
	}
	l->key = key;
	return fseeko(l->f, (off_t)lo, SEEK_SET);
}

void
lines_find(struct lines *l, const char *key)
{
	char first[sizeof(LINES_SORTED) - 1];
	ssize_t n = file_some(fileno(l->f), first, sizeof(first), 0);

	if (n == -1 || (n == sizeof(first) && memcmp(first, LINES_SORTED,
	    sizeof(first)) == 0 && bisect(l, key) == -1))
		l->error = errno;
}

char *
lines_next(struct lines *l)
{
	if (l->error != 0 || l->after)
		return NULL;
	if (getline(&l->line, &l->room, l->f) == -1) {
		if (!feof(l->f))
			l->error = errno;
		return NULL;
	}
	l->after = l->key != NULL && lines_order(l->line, l->key) > 0;
	return l->line;
}

/* Whether a file that was not read as a whole is still as it was. */
static bool
is_unchanged(const struct lines *l)
{
	struct stat sb;

	return fstat(fileno(l->f), &sb) == 0 && sb.st_size == l->sb.st_size &&
	    sb.st_mtim.tv_sec == l->sb.st_mtim.tv_sec &&
	    sb.st_mtim.tv_nsec == l->sb.st_mtim.tv_nsec;
}

int
lines_close(struct lines *l)
{
	if (l->error == 0 && l->key != NULL && !is_unchanged(l))
		l->error = EAGAIN;
	if (l->line != NULL)
		text_wipe(l->line, l->room);
	free(l->line);
	(void)fclose(l->f);
	errno = l->error;
	return l->error == 0 ? 0 : -1;
}
