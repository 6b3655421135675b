/*
 * Tables of messages: which entries of two tables are the same message, and
 * what tells duplicates apart, which have the same From_ line, header and size.
 * Pure, as mbox/scan.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mbox/mbox.h"

int
msgs_add(struct msgs *t, const struct msg *m)
{
	struct msg *v;
	size_t room;

	if (t->n == t->room) {
		room = t->room < 64 ? 64 : t->room + t->room / 2;
		if (room > SIZE_MAX / sizeof(*v) ||
		    (v = realloc(t->v, room * sizeof(*v))) == NULL) {
			errno = ENOMEM;
			return -1;
		}
		t->v = v;
		t->room = room;
	}
	t->v[t->n++] = *m;
	return 0;
}

void
msgs_free(struct msgs *t)
{
	file_free(t->v);
	memset(t, 0, sizeof(*t));
}

/* The digest of a duplicate's body, 0 if there is none. */
static uint64_t
body_of(const struct msg *m)
{
	return m->flags & MSG_DUPLICATE ? m->check : 0;
}

static int
by_place(const void *a, const void *b)
{
	const struct msg *x = *(const struct msg *const *)a;
	const struct msg *y = *(const struct msg *const *)b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static int
by_identity(const void *a, const void *b)
{
	const struct msg *x = *(const struct msg *const *)a;
	const struct msg *y = *(const struct msg *const *)b;
	int c = memcmp(x->uid, y->uid, UID_LEN);

	if (c == 0)
		c = (body_of(x) > body_of(y)) - (body_of(x) < body_of(y));
	return c != 0 ? c : by_place(a, b);
}

/* The entries of a table by identity, then by place. */
static struct msg **
sorted(const struct msgs *t)
{
	struct msg **v;
	size_t i;

	if ((v = malloc((t->n + 1) * sizeof(*v))) == NULL)
		return NULL;
	for (i = 0; i < t->n; i++)
		v[i] = &t->v[i];
	qsort(v, t->n, sizeof(*v), by_identity);
	return v;
}

/* Two tables by identity, and the run of one uid in each. */
struct both {
	struct msg **a, **b;
	size_t na, nb;
	size_t i, ie;		/* a[i..ie-1] */
	size_t j, je;		/* b[j..je-1], which may be empty */
};

static void
both_free(struct both *x)
{
	file_free(x->a);
	file_free(x->b);
}

static int
both_make(struct both *x, const struct msgs *a, const struct msgs *b)
{
	memset(x, 0, sizeof(*x));
	x->na = a->n;
	x->nb = b->n;
	x->a = sorted(a);
	x->b = sorted(b);
	if (x->a != NULL && x->b != NULL)
		return 0;
	both_free(x);
	errno = ENOMEM;
	return -1;
}

static size_t
run_end(struct msg *const *v, size_t i, size_t n, const unsigned char *uid)
{
	while (i < n && memcmp(v[i]->uid, uid, UID_LEN) == 0)
		i++;
	return i;
}

/* Goes on to the next uid of a; false after the last. */
static bool
next_run(struct both *x)
{
	const unsigned char *uid;

	x->i = x->ie;
	x->j = x->je;
	if (x->i == x->na)
		return false;
	uid = x->a[x->i]->uid;
	x->ie = run_end(x->a, x->i, x->na, uid);
	while (x->j < x->nb && memcmp(x->b[x->j]->uid, uid, UID_LEN) < 0)
		x->j++;
	x->je = run_end(x->b, x->j, x->nb, uid);
	return true;
}

/* Whether v[i..end-1], a run of one uid, has more than one or once had. */
static bool
many(struct msg *const *v, size_t i, size_t end)
{
	return end - i > 1 || (i < end && v[i]->flags & MSG_DUPLICATE);
}

int
mbox_ambiguous(struct msgs *t, const struct msgs *other, size_t *n)
{
	static const struct msgs none;
	struct both x;
	size_t i;

	*n = 0;
	if (both_make(&x, t, other == NULL ? &none : other) == -1)
		return -1;
	while (next_run(&x))
		for (i = x.i; (many(x.a, x.i, x.ie) || many(x.b, x.j, x.je)) &&
		    i < x.ie; i++) {
			++*n;
			if (x.a[i]->flags & MSG_DUPLICATE)
				continue;
			x.a[i]->flags |= MSG_DUPLICATE;
			x.a[i]->check = 0;
		}
	both_free(&x);
	return 0;
}

/* Where the messages that are the same as v[i], to the last byte, end. */
static size_t
same_end(struct msg *const *v, size_t i, size_t end)
{
	uint64_t body = body_of(v[i]);

	while (i < end && body_of(v[i]) == body)
		i++;
	return i;
}

/*
 * Pairs the messages of one uid.  Place proves nothing: those that have the
 * same body are taken in their order.
 */
static void
pair_run(const struct both *x, bool sure, const struct msg *const *base,
    size_t *to)
{
	size_t i = x->i, j = x->j, ie, je, k;

	if (x->ie - i == 1 && x->je - j == 1 && (body_of(x->a[i]) == 0 ||
	    body_of(x->b[j]) == 0)) {	/* there is but one */
		to[x->a[i] - base[0]] = (size_t)(x->b[j] - base[1]);
		return;
	}
	while (i < x->ie && j < x->je) {
		ie = same_end(x->a, i, x->ie);
		je = same_end(x->b, j, x->je);
		if (body_of(x->a[i]) != body_of(x->b[j])) {
			if (body_of(x->a[i]) < body_of(x->b[j]))
				i = ie;
			else
				j = je;
			continue;
		}
		if (body_of(x->a[i]) != 0 && (!sure || je - j >= ie - i))
			for (k = 0; k < ie - i && k < je - j; k++)
				to[x->a[i + k] - base[0]] =
				    (size_t)(x->b[j + k] - base[1]);
		i = ie;
		j = je;
	}
}

int
mbox_match(const struct msgs *a, const struct msgs *b, bool sure, size_t *to)
{
	const struct msg *const base[2] = { a->v, b->v };
	struct both x;
	size_t i;

	for (i = 0; i < a->n; i++)
		to[i] = SIZE_MAX;
	if (both_make(&x, a, b) == -1)
		return -1;
	while (next_run(&x))
		pair_run(&x, sure, base, to);
	both_free(&x);
	return 0;
}

int
mbox_join(struct msgs *t, const struct msgs *more)
{
	size_t *to, i;
	int r;

	if ((to = malloc((more->n + 1) * sizeof(*to))) == NULL)
		return -1;
	r = mbox_match(more, t, false, to);
	for (i = 0; i < more->n && r == 0; i++)
		if (to[i] == SIZE_MAX)
			r = msgs_add(t, &more->v[i]);
	file_free(to);
	return r;
}

static uint32_t
number(const struct msg *m)
{
	return m->number == 0 ? 1 : m->number;
}

/*
 * Numbers one run of duplicates: those that have a number keep it, the others
 * come after all that were given, in the order of the file.
 */
static void
number_run(const struct both *x, const bool *known, const struct msg *base)
{
	uint32_t top = 0;
	size_t k;

	for (k = x->j; k < x->je; k++)
		if (number(x->b[k]) > top)
			top = number(x->b[k]);
	qsort(x->a + x->i, x->ie - x->i, sizeof(*x->a), by_place);
	for (k = x->i; k < x->ie; k++)
		if (!known[x->a[k] - base])
			x->a[k]->number = ++top == 1 ? 0 : top;
}

int
mbox_number(struct msgs *t, const struct msgs *old)
{
	static const struct msgs none;
	struct both x;
	size_t *to, i;
	bool *known;
	int r = -1;

	if (old == NULL)
		old = &none;
	to = malloc((old->n + 1) * sizeof(*to));
	known = calloc(t->n + 1, sizeof(*known));
	if (to != NULL && known != NULL && mbox_match(old, t, true, to) == 0 &&
	    both_make(&x, t, old) == 0) {
		for (i = 0; i < old->n; i++)
			if (to[i] != SIZE_MAX) {
				t->v[to[i]].number = old->v[i].number;
				known[to[i]] = true;
			}
		while (next_run(&x))
			number_run(&x, known, t->v);
		both_free(&x);
		r = 0;
	}
	file_free(to);
	file_free(known);
	return r;
}

unsigned
mbox_lacks(const struct msg *m)
{
	if (m->flags & MSG_NOEOL || m->from == m->length)
		return 2;
	return m->flags & MSG_TAIL || (m->head == m->length &&
	    !(m->flags & MSG_NOBLANK)) ? 0 : 1;
}

void
mbox_uid(const struct msg *m, char text[UID_TEXT])
{
	static const char hex[] = "0123456789abcdef";
	int i;

	for (i = 0; i < UID_LEN; i++) {
		text[2 * i] = hex[m->uid[i] >> 4];
		text[2 * i + 1] = hex[m->uid[i] & 15];
	}
	text[2 * UID_LEN] = '\0';
	if (m->number > 1)
		(void)snprintf(text + 2 * UID_LEN, UID_TEXT - 2 * UID_LEN,
		    ".%lu", (unsigned long)m->number);
}
