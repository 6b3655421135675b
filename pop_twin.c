/*
 * Tables of messages, and messages that are alike: which entries of two tables
 * are the same message, and what tells twins in one maildrop apart.  Pure, as
 * pop_mbox.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maildrop.h"

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

static int
by_uid_and_place(const void *a, const void *b)
{
	const struct msg *x = *(const struct msg *const *)a;
	const struct msg *y = *(const struct msg *const *)b;
	int c = memcmp(x->uid, y->uid, UID_LEN);

	if (c != 0)
		return c;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* The entries of a table by uid, twins in the order of the file. */
static struct msg **
sorted(const struct msgs *t)
{
	struct msg **v;
	size_t i;

	if ((v = malloc((t->n + 1) * sizeof(*v))) == NULL)
		return NULL;
	for (i = 0; i < t->n; i++)
		v[i] = &t->v[i];
	qsort(v, t->n, sizeof(*v), by_uid_and_place);
	return v;
}

/* Where the run of one uid that begins at i ends. */
static size_t
run_end(struct msg *const *v, size_t i, size_t n)
{
	size_t e = i + 1;

	while (e < n && memcmp(v[i]->uid, v[e]->uid, UID_LEN) == 0)
		e++;
	return e;
}

/*
 * Pairs the na twins at a with the nb at b: first those that stand where they
 * stood, then the others in their order.  pair[i]: the place in b of a[i].
 */
static void
pair_twins(struct msg *const *a, size_t na, struct msg *const *b, size_t nb,
    size_t *pair, bool *taken)
{
	size_t i = 0, j = 0;

	while (i < na && j < nb)
		if (a[i]->offset == b[j]->offset &&
		    a[i]->length == b[j]->length) {
			taken[j] = true;
			pair[i++] = j++;
		} else if (a[i]->offset < b[j]->offset)
			i++;
		else
			j++;
	for (i = j = 0; i < na; i++) {
		if (pair[i] != SIZE_MAX)
			continue;
		while (j < nb && taken[j])
			j++;
		if (j == nb)
			return;
		pair[i] = j++;
	}
}

/* Two sorted tables, and the pairs of one against the other. */
struct both {
	struct msg **a, **b;
	size_t na, nb;
	size_t *pair;		/* of a[i], a place in b, or SIZE_MAX */
};

static void
both_free(struct both *x)
{
	free(x->a);
	free(x->b);
	free(x->pair);
}

static int
both_make(struct both *x, const struct msgs *a, const struct msgs *b)
{
	bool *taken;
	size_t i, j, k, ie, je;
	int c;

	memset(x, 0, sizeof(*x));
	x->na = a->n;
	x->nb = b->n;
	x->a = sorted(a);
	x->b = sorted(b);
	x->pair = malloc((a->n + 1) * sizeof(*x->pair));
	taken = calloc(b->n + 1, sizeof(*taken));
	if (x->a == NULL || x->b == NULL || x->pair == NULL || !taken) {
		free(taken);
		both_free(x);
		errno = ENOMEM;
		return -1;
	}
	for (i = 0; i < x->na; i++)
		x->pair[i] = SIZE_MAX;
	for (i = j = 0; i < x->na && j < x->nb;) {
		c = memcmp(x->a[i]->uid, x->b[j]->uid, UID_LEN);
		ie = c <= 0 ? run_end(x->a, i, x->na) : i;
		je = c >= 0 ? run_end(x->b, j, x->nb) : j;
		if (c == 0) {
			pair_twins(x->a + i, ie - i, x->b + j, je - j,
			    x->pair + i, taken + j);
			for (k = i; k < ie; k++)
				if (x->pair[k] != SIZE_MAX)
					x->pair[k] += j;
		}
		i = ie;
		j = je;
	}
	free(taken);
	return 0;
}

int
mbox_match(const struct msgs *a, const struct msgs *b, size_t *to)
{
	struct both x;
	size_t i;

	if (both_make(&x, a, b) == -1)
		return -1;
	for (i = 0; i < x.na; i++)
		to[x.a[i] - a->v] = x.pair[i] == SIZE_MAX ? SIZE_MAX :
		    (size_t)(x.b[x.pair[i]] - b->v);
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
	r = mbox_match(more, t, to);
	for (i = 0; i < more->n && r == 0; i++)
		if (to[i] == SIZE_MAX)
			r = msgs_add(t, &more->v[i]);
	file_free(to);
	return r;
}

static uint32_t
number(const struct msg *m)
{
	return m->twin == 0 ? 1 : m->twin;
}

/* Numbers one run of twins: those known as they were, new ones above all. */
static void
number_run(struct both *x, size_t i, size_t ie, size_t *j)
{
	uint32_t top = 0;
	size_t k;
	int c = -1;

	while (*j < x->nb &&
	    (c = memcmp(x->b[*j]->uid, x->a[i]->uid, UID_LEN)) < 0)
		++*j;
	for (; *j < x->nb && c == 0; ++*j) {
		if ((c = memcmp(x->b[*j]->uid, x->a[i]->uid, UID_LEN)) != 0)
			break;
		if (number(x->b[*j]) > top)
			top = number(x->b[*j]);
	}
	for (k = i; k < ie; k++)
		if (x->pair[k] != SIZE_MAX)
			x->a[k]->twin = x->b[x->pair[k]]->twin;
		else
			x->a[k]->twin = ++top == 1 ? 0 : top;
}

/*
 * Gives each message of t the number that the one at its place in old has, and
 * tells whether that is all there is to do: sorting takes longer.
 */
static bool
all_in_place(struct msgs *t, const struct msgs *old)
{
	size_t i, j = 0;

	for (i = 0; i < t->n; i++) {
		while (j < old->n && old->v[j].offset < t->v[i].offset)
			j++;
		if (j == old->n || old->v[j].offset != t->v[i].offset ||
		    memcmp(old->v[j].uid, t->v[i].uid, UID_LEN) != 0)
			return false;
		t->v[i].twin = old->v[j].twin;
	}
	return true;
}

int
mbox_twins(struct msgs *t, const struct msgs *old)
{
	static const struct msgs none;
	struct both x;
	size_t i, ie, j = 0;

	if (old != NULL && all_in_place(t, old))
		return 0;
	if (both_make(&x, t, old == NULL ? &none : old) == -1)
		return -1;
	for (i = 0; i < x.na; i = ie) {
		ie = run_end(x.a, i, x.na);
		number_run(&x, i, ie, &j);
	}
	both_free(&x);
	return 0;
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
	if (m->twin > 1)
		(void)snprintf(text + 2 * UID_LEN, UID_TEXT - 2 * UID_LEN,
		    ".%lu", (unsigned long)m->twin);
}
