/*
 * The scanner of pop_mbox.c over a file, in one pass.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "maildrop.h"

/*
 * Feeds the scanner the bytes at..end block by block.  What it leaves of one is
 * put right before the next, which is read to a page of its own; at the end it
 * leaves nothing.
 */
static int
feed(int fd, uint64_t at, uint64_t end, struct scan *s, char *room,
    size_t size)
{
	char *block = room + MBOX_LINE;
	size_t have = 0, want, used;
	ssize_t n;

	do {
		want = size - (size_t)(at % PAGE);
		if (want > end - at)
			want = (size_t)(end - at);
		if ((n = file_some(fd, block, want, at)) == -1)
			return -1;
		at += (uint64_t)n;
		used = mbox_feed(s, block - have, have + (size_t)n, n == 0);
		have += (size_t)n - used;
		memmove(block - have, block + n - have, have);
	} while (n > 0);
	return 0;
}

static ssize_t
look(void *arg, void *p, size_t n, uint64_t at)
{
	return file_some(*(int *)arg, p, n, at);
}

/* Whether the file, which has end bytes, has a From_ line there. */
static bool
from_line(int fd, uint64_t at, uint64_t end)
{
	char text[FROM_MOST + FIELD_NAME];
	ssize_t n = file_some(fd, text, end - at < sizeof(text) ?
	    (size_t)(end - at) : sizeof(text), at);

	return n > 0 && mbox_from(text, text + n, at + (uint64_t)n == end) ==
	    FROM_YES;
}

/*
 * The next place after at and before end where an earlier session has seen the
 * file end, or a message begin for that reason; or end.  *i: entries of old
 * that have been asked.
 */
static uint64_t
next_bound(int fd, const struct msgs *old, size_t *i, uint64_t at,
    uint64_t end)
{
	const struct msg *m;

	if (old == NULL)
		return end;
	for (; *i < old->n; ++*i) {
		m = &old->v[*i];
		if (m->flags & MSG_ABUTS && m->offset > at &&
		    m->offset < end && from_line(fd, m->offset, end))
			return m->offset;
	}
	return old->end > at && old->end < end && from_line(fd, old->end, end) ?
	    old->end : end;
}

static int
scan_all(int fd, uint64_t from, uint64_t end, struct scan *s)
{
	char *room = aligned_alloc(PAGE, MBOX_LINE + BLOCK);
	uint64_t to;
	size_t i = 0;
	int r;

	if (room == NULL)
		return -1;
	do {
		to = next_bound(fd, s->old, &i, from, end);
		r = feed(fd, from, to, s, room, BLOCK);
		mbox_bound(s);
		from = to;
	} while (r == 0 && to < end);
	if (r == 0)
		r = mbox_end(s);
	file_free(room);
	return r;
}

int
scan_part(int fd, uint64_t from, uint64_t end, struct msgs *table,
    const struct msgs *old, note_fn *note, void *arg)
{
	struct scan s;
	int r;

	memset(table, 0, sizeof(*table));
	if (old != NULL && (old->key.k[0] | old->key.k[1]) != 0)
		table->key = old->key;
	else
		(void)file_random(&table->key, sizeof(table->key));
	if (fd == -1)
		return 0;		/* no spool is an empty one */
	mbox_begin(&s, table, old, from, end);
	s.note = note;
	s.note_arg = arg;
	s.look = look;
	s.look_arg = &fd;
	if ((r = scan_all(fd, from, end, &s)) == -1)
		msgs_free(table);
	return r;
}

int
scan_file(int fd, uint64_t size, struct msgs *table, const struct msgs *old)
{
	return scan_part(fd, 0, size, table, old, NULL, NULL);
}
