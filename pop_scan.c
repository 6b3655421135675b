/*
 * The scanner of pop_mbox.c over a file, in one pass.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "popper.h"

/* Feeds the scanner block by block.  0, or -1 with errno. */
static int
feed(int fd, uint64_t at, uint64_t end, struct scan *s, char *block)
{
	size_t have = 0, want, used;
	ssize_t n;

	do {
		want = BLOCK - have;
		if (want > end - at)
			want = (size_t)(end - at);
		if ((n = file_some(fd, block + have, want, at)) == -1)
			return -1;
		at += (uint64_t)n;
		have += (size_t)n;
		used = mbox_feed(s, block, have, n == 0);
		have -= used;
		memmove(block, block + used, have);
	} while (n > 0);
	return mbox_end(s);
}

int
scan_part(int fd, uint64_t from, uint64_t end, struct msgs *table,
    const struct msgs *old, note_fn *note, void *arg)
{
	struct scan s;
	char *block;
	int r, saved;

	memset(table, 0, sizeof(*table));
	if (fd == -1)
		return 0;		/* no spool is an empty one */
	if ((block = malloc(BLOCK)) == NULL)
		return -1;
	mbox_begin(&s, table, old);
	s.pos = from;
	s.note = note;
	s.note_arg = arg;
	r = feed(fd, from, end, &s, block);
	saved = errno;
	free(block);
	if (r == -1)
		msgs_free(table);
	errno = saved;
	return r;
}

int
scan_file(int fd, struct msgs *table, const struct msgs *old)
{
	return scan_part(fd, 0, UINT64_MAX, table, old, NULL, NULL);
}
