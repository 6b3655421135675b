/*
 * The scanner of mbox/scan.c over a file, in one pass.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spool/spool.h"

enum { HEAD = 4 * PAGE };	/* bytes: one read for most headers */

/*
 * Feeds the scanner the bytes at..end in blocks of up to size bytes; begin: no
 * further than is needed to tell an mbox.  What the scanner leaves of a block
 * is moved before the next one, so that each is read to a page of its own; at
 * the end it leaves nothing.  room: MBOX_LINE + size bytes, from a page on.
 */
static int
feed(int fd, uint64_t at, uint64_t end, struct scan *s, char *room,
    size_t size, bool begin)
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
		if (begin && (s->where != SCAN_START || s->error != 0))
			break;
	} while (n > 0);
	return 0;
}

static ssize_t
look_in_file(void *arg, void *p, size_t n, uint64_t at)
{
	return file_some(*(int *)arg, p, n, at);
}

/* Whether a file of end bytes has a From_ line at an offset. */
static bool
has_from_line(int fd, uint64_t at, uint64_t end)
{
	char text[FROM_MOST + FIELD_NAME];
	ssize_t n = file_some(fd, text, end - at < sizeof(text) ?
	    (size_t)(end - at) : sizeof(text), at);

	return n > 0 && mbox_from(text, text + n, at + (uint64_t)n == end) ==
	    FROM_YES;
}

/*
 * The next offset between at and end where a message of an earlier table ended
 * without an empty line, and still does: it stands where it stood, and a From_
 * line follows.  If another program has rewritten the file, that is a place like
 * any other, and the line may be text.  end: there is none.  *i: the next entry
 * of old to look at.
 */
static uint64_t
next_bound(int fd, const struct msgs *old, size_t *i, uint64_t at,
    uint64_t end)
{
	const struct msg *m;
	uint64_t to;

	for (; old != NULL && *i < old->n; ++*i) {
		m = &old->v[*i];
		to = m->offset + m->length;
		if (mbox_lacks(m) > 0 && to > at && to < end &&
		    to <= old->end && has_from_line(fd, to, end) &&
		    scan_same(fd, old, *i) == 1)
			return to;
	}
	return end;
}

/* Scans the bytes from..end of a file, and from each such offset anew. */
static int
scan_bounded(int fd, uint64_t from, uint64_t end, struct scan *s)
{
	char *room = aligned_alloc(PAGE, MBOX_LINE + BLOCK);
	uint64_t to;
	size_t i = 0;
	int r;

	if (room == NULL)
		return -1;
	do {
		to = next_bound(fd, s->old, &i, from, end);
		r = feed(fd, from, to, s, room, BLOCK, false);
		mbox_bound(s);
		from = to;
	} while (r == 0 && to < end);
	file_free(room);
	return r == 0 ? mbox_end(s) : -1;
}

int
scan_part(int fd, uint64_t from, uint64_t end, struct msgs *t,
    const struct msgs *old, note_fn *note, void *arg)
{
	struct scan s;
	int r;

	memset(t, 0, sizeof(*t));
	if (old != NULL && (old->key.k[0] | old->key.k[1]) != 0)
		t->key = old->key;
	else
		(void)file_random(&t->key, sizeof(t->key));
	if (fd == -1)
		return 0;		/* no spool is an empty one */
	mbox_begin(&s, t, old, from, end);
	s.note = note;
	s.note_arg = arg;
	s.look = look_in_file;
	s.look_arg = &fd;
	if ((r = scan_bounded(fd, from, end, &s)) == -1)
		msgs_free(t);
	return r;
}

int
scan_begins(int fd)
{
	_Alignas(PAGE) char room[MBOX_LINE + PAGE];
	struct msgs t = { .n = 0 };
	struct scan s;
	int r;

	mbox_begin(&s, &t, NULL, 0, UINT64_MAX);
	if ((r = feed(fd, 0, UINT64_MAX, &s, room, PAGE, true)) == 0)
		r = mbox_end(&s);
	msgs_free(&t);
	return r;
}

int
scan_file(int fd, uint64_t size, struct msgs *t, const struct msgs *old)
{
	return scan_part(fd, 0, size, t, old, NULL, NULL);
}

int
scan_same(int fd, const struct msgs *of, size_t i)
{
	_Alignas(PAGE) char room[MBOX_LINE + HEAD];
	const struct msg *m = &of->v[i];
	struct msgs t = { .key = of->key };
	struct scan s;
	int r;

	mbox_begin(&s, &t, of, m->offset, m->offset + m->head);
	s.at_old = i;
	s.octets = m->octets;
	r = feed(fd, m->offset, m->offset + m->head, &s, room, HEAD, false);
	if (r == 0 && (r = mbox_end(&s)) == -1 && errno == EILSEQ)
		r = 0;
	if (r == 0)
		r = t.n == 1 && t.v[0].offset == m->offset &&
		    memcmp(t.v[0].uid, m->uid, UID_LEN) == 0;
	msgs_free(&t);
	return r;
}

int
scan_ends_blank(int fd, uint64_t at)
{
	char s[3];
	ssize_t n = at < sizeof(s) ? 0 :
	    file_some(fd, s, sizeof(s), at - sizeof(s));

	if (n == -1)
		return -1;
	return n == sizeof(s) && s[2] == '\n' && (s[1] == '\n' ||
	    (s[1] == '\r' && s[0] == '\n'));
}

/* ---- bodies -------------------------------------------------------------- */

static uint64_t
body_bytes(const struct msg *m)
{
	return m->length - m->head - (m->flags & MSG_TAIL);
}

/* The digest of a body with its last line end, never 0. */
static int
body_digest(int fd, const struct msg *m, char *block, uint64_t *digest)
{
	uint64_t n = body_bytes(m), at = m->offset + m->head;
	unsigned char d[UID_LEN];
	struct md5 md5;
	size_t some;

	md5_begin(&md5);
	for (; n > 0; n -= some, at += some) {
		some = n < BLOCK ? (size_t)n : BLOCK;
		if (file_read(fd, block, some, at) == -1)
			return -1;
		md5_add(&md5, block, some);
	}
	if (m->flags & MSG_NOEOL && body_bytes(m) > 0)
		md5_add(&md5, "\n", 1);	/* as an UPDATE ends it */
	md5_end(&md5, d);
	memcpy(digest, d, sizeof(*digest));
	if (*digest == 0)
		*digest = 1;
	return 0;
}

int
scan_bodies(int fd, uint64_t from, uint64_t to, struct msgs *t,
    const struct msgs *other, size_t *n)
{
	char *block = NULL;
	struct msg *m;
	int r;

	r = mbox_ambiguous(t, other, n);
	if (r == 0 && *n > 0 && (block = file_block(BLOCK)) == NULL)
		r = -1;
	for (m = t->v; r == 0 && *n > 0 && m < t->v + t->n; m++)
		if (m->flags & MSG_DUPLICATE && m->check == 0 &&
		    m->offset >= from && m->offset + m->length <= to)
			r = body_digest(fd, m, block, &m->check);
	file_free(block);
	return r;
}

int
scan_same_body(int fd, const struct msg *a, int other, const struct msg *b)
{
	uint64_t n = body_bytes(a), at = 0;
	char x[4 * PAGE], y[4 * PAGE];
	size_t some;

	if (n != body_bytes(b))		/* so only the line ends differ */
		return 1;
	for (; at < n; at += some) {
		some = n - at < sizeof(x) ? (size_t)(n - at) : sizeof(x);
		if (file_read(fd, x, some, a->offset + a->head + at) == -1 ||
		    file_read(other, y, some, b->offset + b->head + at) == -1)
			return -1;
		if (memcmp(x, y, some) != 0)
			return 0;
	}
	return 1;
}

/* Whether t's messages are the first ones of old, and none is a duplicate. */
static bool
all_known(const struct msgs *t, const struct msgs *old)
{
	size_t i;

	if (old == NULL || t->n > old->n)
		return false;
	for (i = 0; i < t->n; i++)
		if (old->v[i].flags & MSG_DUPLICATE ||
		    t->v[i].offset != old->v[i].offset ||
		    memcmp(t->v[i].uid, old->v[i].uid, UID_LEN) != 0)
			return false;
	return true;
}

int
scan_numbers(int fd, struct msgs *t, const struct msgs *old)
{
	size_t n;

	if (all_known(t, old))		/* faster than sorting */
		return 0;
	if (scan_bodies(fd, 0, UINT64_MAX, t, old, &n) == -1)
		return -1;
	return n == 0 ? 0 : mbox_number(t, old);
}
