/*
 * The numbers of duplicates, kept through the times in which the state file has
 * no index: a list after all that is written meanwhile, and a locator that
 * says where it is.  The locator has the second half of the first sector,
 * whatever the first half says, and a sector is written whole or not at all.
 * So a session that dies loses no number, and no unique-id comes to mean
 * another message.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spool/spool.h"

static const char numbers_magic[32] = "popper numbers 1\n";

enum { PLACE = SECTOR / 2, SEED = 4 };

static uint64_t
numbers_sum(const struct numbers *l)
{
	return file_sum(l, offsetof(struct numbers, sum), SEED);
}

int
numbers_write(int state, const void *head, size_t n, struct numbers *l)
{
	char sector[SECTOR] = { 0 };

	if (n > PLACE) {
		errno = EINVAL;
		return -1;
	}
	memcpy(sector, head, n);
	if (numbers_end(l) > 0) {
		memcpy(l->magic, numbers_magic, sizeof(l->magic));
		l->sum = numbers_sum(l);
		memcpy(sector + PLACE, l, sizeof(*l));
	}
	return file_write(state, sector, sizeof(sector), 0);
}

/* A list that is not within the file is none. */
static void
bound_list(struct place *p, uint64_t size)
{
	if (p->at > size || p->n > (size - p->at) / sizeof(struct msg))
		memset(p, 0, sizeof(*p));
}

int
numbers_locate(int state, struct numbers *l)
{
	struct stat sb;
	ssize_t n = file_some(state, l, sizeof(*l), PLACE);

	if (n == -1 || fstat(state, &sb) == -1)
		return -1;
	if (n != sizeof(*l) ||
	    memcmp(l->magic, numbers_magic, sizeof(l->magic)) != 0 ||
	    l->sum != numbers_sum(l))
		memset(l, 0, sizeof(*l));
	bound_list(&l->list[0], (uint64_t)sb.st_size);
	bound_list(&l->list[1], (uint64_t)sb.st_size);
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

/* The duplicates of a table, with what is known of them and no more. */
static int
list_of(const struct msgs *t, struct msgs *list)
{
	struct msg m;
	size_t i;

	memset(list, 0, sizeof(*list));
	for (i = 0; i < t->n; i++) {
		if (!(t->v[i].flags & MSG_DUPLICATE))
			continue;
		memset(&m, 0, sizeof(m));
		memcpy(m.uid, t->v[i].uid, UID_LEN);
		m.check = t->v[i].check;
		m.number = t->v[i].number;
		m.flags = t->v[i].flags & (MSG_DUPLICATE | MSG_DELETED);
		if (msgs_add(list, &m) == -1) {
			msgs_free(list);
			return -1;
		}
	}
	return 0;
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

/* A place from at on for so many bytes that leaves the lists alone. */
static uint64_t
free_place(const struct numbers *l, uint64_t at, size_t bytes)
{
	uint64_t end = numbers_end(l);
	bool over = false;
	size_t i;

	at = (at + SECTOR - 1) / SECTOR * SECTOR;
	for (i = 0; i < 2; i++)
		over = over || (at < list_end(&l->list[i]) &&
		    at + bytes > l->list[i].at);
	return over ? (end + SECTOR - 1) / SECTOR * SECTOR : at;
}

int
numbers_add(int state, const struct msgs *t, uint64_t at, struct numbers *l)
{
	struct msgs list;
	struct place to;
	size_t bytes;
	int r = 0;

	if (list_of(t, &list) == -1)
		return -1;
	bytes = list.n * sizeof(*list.v);
	to.n = list.n;
	to.at = free_place(l, at, bytes);
	to.sum = file_sum(list.v, bytes, SEED);
	if (bytes > 0)
		r = file_write(state, list.v, bytes, to.at);
	msgs_free(&list);
	if (r == -1)
		return -1;
	l->list[1] = l->list[0];
	l->list[0] = to;
	l->done = 0;
	return 0;
}

/* Reads one of the two lists.  0, or -1: it is not there as it was written. */
static int
read_list(int state, const struct place *from, struct msgs *t)
{
	size_t bytes = (size_t)from->n * sizeof(*t->v);

	if (from->n == 0 || (t->v = malloc(bytes)) == NULL)
		return -1;
	t->n = t->room = (size_t)from->n;
	if (file_read(state, t->v, bytes, from->at) == 0 &&
	    file_sum(t->v, bytes, SEED) == from->sum)
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
