/*
 * The scanner of pop_mbox.c over a file, in one pass.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "maildrop.h"

/*
 * Feeds the scanner block by block.  What it leaves of one is put right before
 * the next, which is read to a page of its own.
 */
static int
feed(int fd, uint64_t at, uint64_t end, struct scan *s, char *room)
{
	char *block = room + MBOX_LINE;
	size_t have = 0, want, used;
	ssize_t n;

	do {
		want = BLOCK - (size_t)(at % PAGE);
		if (want > end - at)
			want = (size_t)(end - at);
		if ((n = file_some(fd, block, want, at)) == -1)
			return -1;
		at += (uint64_t)n;
		used = mbox_feed(s, block - have, have + (size_t)n, n == 0);
		have += (size_t)n - used;
		memmove(block - have, block + n - have, have);
	} while (n > 0);
	return mbox_end(s);
}

int
scan_part(int fd, uint64_t from, uint64_t end, struct msgs *table,
    const struct msgs *old, note_fn *note, void *arg)
{
	struct scan s;
	char *room;
	int r;

	memset(table, 0, sizeof(*table));
	if (fd == -1)
		return 0;		/* no spool is an empty one */
	room = aligned_alloc(PAGE, MBOX_LINE + BLOCK);
	if (room == NULL)
		return -1;
	mbox_begin(&s, table, old);
	s.begin = s.pos = from;
	s.note = note;
	s.note_arg = arg;
	r = feed(fd, from, end, &s, room);
	file_free(room);
	if (r == -1)
		msgs_free(table);
	return r;
}

int
scan_file(int fd, uint64_t size, struct msgs *table, const struct msgs *old)
{
	return scan_part(fd, 0, size, table, old, NULL, NULL);
}
