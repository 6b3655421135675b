/*
 * The numbers of duplicates, kept while the state file has no index: a list of
 * them after everything else that is written meanwhile, and a locator that says
 * where it is.  The locator is in the second half of the first sector, whatever
 * the first half holds, and a sector is written whole or not at all.  So a
 * session that dies loses no number, and no unique-id comes to name another
 * message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/spool.h"

static const char numbers_magic[32] = "popper numbers 1\n";

enum { LOCATOR_AT = SECTOR / 2, NUMBERS_SEED = 4 };

static uint64_t
numbers_sum(const struct numbers *l)
{
	return file_sum(l, offsetof(struct numbers, sum), NUMBERS_SEED);
}

/* ---- the locator --------------------------------------------------------- */

int
numbers_write(int state, const void *head, size_t n, struct numbers *l)
{
	char sector[SECTOR] = { 0 };

	if (n > LOCATOR_AT) {
		errno = EINVAL;
		return -1;
	}
	memcpy(sector, head, n);
	if (numbers_end(l) > 0) {
		memcpy(l->magic, numbers_magic, sizeof(l->magic));
		l->sum = numbers_sum(l);
		memcpy(sector + LOCATOR_AT, l, sizeof(*l));
	}
	return file_write(state, sector, sizeof(sector), 0);
}

int
numbers_locate(int state, struct numbers *l)
{
	ssize_t n = file_some(state, l, sizeof(*l), LOCATOR_AT);
	struct place *p;
	struct stat sb;
	uint64_t size;

	if (n == -1 || file_now(state, &sb) == -1)
		return -1;
	if (n != sizeof(*l) ||
	    memcmp(l->magic, numbers_magic, sizeof(l->magic)) != 0 ||
	    l->sum != numbers_sum(l))
		memset(l, 0, sizeof(*l));
	size = (uint64_t)sb.st_size;
	for (p = l->list; p < l->list + NUMBERS_LISTS; p++)
		if (p->at > size || p->n > (size - p->at) / sizeof(struct msg))
			memset(p, 0, sizeof(*p));	/* beyond the end */
	return 0;
}

int
numbers_settle(int state, bool done)
{
	struct numbers l;

	if (numbers_locate(state, &l) == -1)
		return -1;
	l.done = done;
	return numbers_write(state, "", 0, &l);
}

static uint64_t
list_end(const struct place *p)
{
	return p->n == 0 ? 0 : p->at + p->n * sizeof(struct msg);
}

uint64_t
numbers_end(const struct numbers *l)
{
	uint64_t a = list_end(&l->list[0]), b = list_end(&l->list[1]);

	return a > b ? a : b;
}

/* ---- the lists ----------------------------------------------------------- */

/* The duplicates of a table. */
static int
list_of(const struct msgs *t, struct msgs *list)
{
	size_t i;

	memset(list, 0, sizeof(*list));
	for (i = 0; i < t->n; i++)
		if (t->v[i].flags & MSG_DUPLICATE &&
		    msgs_add(list, &t->v[i]) == -1) {
			msgs_free(list);
			return -1;
		}
	return 0;
}

static uint64_t
next_sector(uint64_t at)
{
	return (at + SECTOR - 1) / SECTOR * SECTOR;
}

/* The first place from at on where so many bytes overwrite no list. */
static uint64_t
place_for(const struct numbers *l, uint64_t at, size_t bytes)
{
	const struct place *p;

	at = next_sector(at);
	for (p = l->list; p < l->list + NUMBERS_LISTS; p++)
		if (at < list_end(p) && at + bytes > p->at)
			return next_sector(numbers_end(l));
	return at;
}

int
numbers_add(int state, const struct msgs *t, uint64_t at, struct numbers *l)
{
	struct msgs list;
	struct place to;
	size_t bytes;
	int r;

	if (list_of(t, &list) == -1)
		return -1;
	bytes = list.n * sizeof(*list.v);
	to.n = list.n;
	to.at = place_for(l, at, bytes);
	to.sum = file_sum(list.v, bytes, NUMBERS_SEED);
	r = file_write(state, list.v, bytes, to.at);
	msgs_free(&list);
	if (r == -1)
		return -1;
	l->list[1] = l->list[0];
	l->list[0] = to;
	l->done = 0;
	return 0;
}

int
numbers_keep(int state, const struct msgs *t, uint64_t at, struct numbers *l)
{
	if (numbers_locate(state, l) == -1 ||
	    numbers_add(state, t, at, l) == -1 ||
	    (l->list[0].n > 0 && file_sync(state) == -1))
		return -1;
	memset(&l->list[1], 0, sizeof(l->list[1]));
	if (numbers_write(state, "", 0, l) == -1)
		return -1;
	return l->list[0].n > 0 ? file_sync(state) : 0;
}

/* Reads a list.  0, or -1 if it is not there as it was written. */
static int
read_list(int state, const struct place *from, struct msgs *t)
{
	size_t bytes = (size_t)from->n * sizeof(*t->v);

	if (from->n == 0 || from->n > SIZE_MAX / sizeof(*t->v) ||
	    (t->v = malloc(bytes)) == NULL)
		return -1;
	t->n = t->room = (size_t)from->n;
	if (file_read(state, t->v, bytes, from->at) == 0 &&
	    file_sum(t->v, bytes, NUMBERS_SEED) == from->sum)
		return 0;
	msgs_free(t);
	return -1;
}

int
numbers_read(int state, struct msgs *t)
{
	struct numbers l;
	size_t i, n;

	memset(t, 0, sizeof(*t));
	if (numbers_locate(state, &l) == -1 ||
	    (read_list(state, &l.list[0], t) == -1 &&
	    read_list(state, &l.list[1], t) == -1))
		return -1;
	for (i = n = 0; i < t->n; i++) {
		if (l.done && t->v[i].flags & MSG_DELETED)
			continue;
		t->v[n] = t->v[i];
		t->v[n++].flags = MSG_DUPLICATE;
	}
	t->n = n;
	return 0;
}

/* ---- wiping around them -------------------------------------------------- */

/* Overwrites the bytes from..end that belong to no list. */
static int
wipe_around(int state, const struct numbers *l, uint64_t from, uint64_t end)
{
	static const char zeros[PAGE];
	const struct place *p;
	uint64_t n, kept;

	for (; from < end; from += n + kept) {
		n = end - from < PAGE ? end - from : PAGE;
		kept = 0;
		for (p = l->list; p < l->list + NUMBERS_LISTS; p++)
			if (from < list_end(p) && from + n > p->at) {
				n = p->at > from ? p->at - from : 0;
				kept = list_end(p) - (from + n);
			}
		if (file_write(state, zeros, (size_t)n, from) == -1)
			return -1;
	}
	return 0;
}

int
numbers_wipe(int state, const struct numbers *l, uint64_t from, uint64_t room)
{
	uint64_t size, keep = from + room;
	struct stat sb;

	if (file_now(state, &sb) == -1)
		return -1;
	if (keep < numbers_end(l))
		keep = numbers_end(l);
	keep = (keep + PAGE - 1) / PAGE * PAGE;
	size = (uint64_t)sb.st_size;
	if (size > keep && ftruncate(state, (off_t)keep) == 0)
		size = keep;
	return wipe_around(state, l, from, size);
}
