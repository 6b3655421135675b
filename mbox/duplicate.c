/*
 * Tables of messages: which entries of two tables are the same message, and
 * what tells duplicates apart, which have the same From_ line, header and size.
 * Pure, as mbox/scan.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mbox/mbox.h"

int
msgs_add(struct msgs *t, const struct msg *m)
{
	struct msg *v = array_room(t->v, t->n, &t->room, sizeof(*v));

	if (v == NULL)
		return -1;
	t->v = v;
	t->v[t->n++] = *m;
	return 0;
}

void
msgs_free(struct msgs *t)
{
	file_free(t->v);
	memset(t, 0, sizeof(*t));
}

bool
msgs_has(const struct msgs *t, size_t i)
{
	return t->v[i].length > 0;
}

bool
msgs_fit(const struct msgs *t, size_t i, const struct msg *m)
{
	const struct msg *v = t->v;
	uint64_t end = m->offset + m->length;

	if (m->offset > t->end || m->length > t->end - m->offset ||
	    m->from < 5 || m->from > m->head || m->head > m->length ||
	    (m->flags & MSG_TAIL) > m->length - m->from ||
	    m->flags & MSG_SESSION)
		return false;
	if (i > 0 && msgs_has(t, i - 1) &&
	    v[i - 1].offset + v[i - 1].length != m->offset)
		return false;
	return i + 1 == t->n ? end == t->end :
	    !msgs_has(t, i + 1) || v[i + 1].offset == end;
}

/* ---- two tables by identity ---------------------------------------------- */

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

/* Entries of a table, by identity. */
struct run {
	struct msg **v;
	size_t n;
};

/* Two tables by identity, and the run of one uid in each. */
struct pairing {
	struct msg **all;
	struct run rest_a, rest_b;	/* what has not been taken yet */
	struct run a, b;		/* b may be empty */
};

static const struct msgs no_msgs;

/* Sorts the entries of a table into v. */
static struct run
sorted(const struct msgs *t, struct msg **v)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		v[i] = &t->v[i];
	qsort(v, t->n, sizeof(*v), by_identity);
	return (struct run){ v, t->n };
}

static int
pairing_make(struct pairing *p, const struct msgs *a, const struct msgs *b)
{
	if ((p->all = malloc((a->n + b->n + 1) * sizeof(*p->all))) == NULL)
		return -1;
	p->rest_a = sorted(a, p->all);
	p->rest_b = sorted(b, p->all + a->n);
	return 0;
}

/* Takes the entries of a uid from a run, and drops those of lesser ones. */
static struct run
take_run(struct run *rest, const unsigned char *uid)
{
	struct run r = { rest->v, 0 };
	int c;

	for (; rest->n > 0; rest->v++, rest->n--) {
		if ((c = memcmp(rest->v[0]->uid, uid, UID_LEN)) > 0)
			break;
		if (c < 0)
			r.v++;
		else
			r.n++;
	}
	return r;
}

/* Goes on to the next uid of the first table; false after the last. */
static bool
next_run(struct pairing *p)
{
	const unsigned char *uid;

	if (p->rest_a.n == 0)
		return false;
	uid = p->rest_a.v[0]->uid;
	p->a = take_run(&p->rest_a, uid);
	p->b = take_run(&p->rest_b, uid);
	return true;
}

/* Whether a uid has more than one message, or once had. */
static bool
shares_uid(struct run r)
{
	return r.n > 1 || (r.n == 1 && r.v[0]->flags & MSG_DUPLICATE);
}

int
mbox_ambiguous(struct msgs *t, const struct msgs *other, size_t *n)
{
	struct pairing p;
	size_t i;

	*n = 0;
	if (pairing_make(&p, t, other == NULL ? &no_msgs : other) == -1)
		return -1;
	while (next_run(&p)) {
		if (!shares_uid(p.a) && !shares_uid(p.b))
			continue;
		*n += p.a.n;
		for (i = 0; i < p.a.n; i++)
			if (!(p.a.v[i]->flags & MSG_DUPLICATE)) {
				p.a.v[i]->flags |= MSG_DUPLICATE;
				p.a.v[i]->check = 0;
			}
	}
	file_free(p.all);
	return 0;
}

/* ---- which is which ------------------------------------------------------ */

/* How many messages are the same as the first of a run, to the last byte. */
static size_t
equal_bodies(struct run r)
{
	size_t n = 1;

	while (n < r.n && body_of(r.v[n]) == body_of(r.v[0]))
		n++;
	return n;
}

/*
 * Pairs the messages of one uid: see mbox_match().  Their place proves nothing:
 * those that have the same body are taken in their order.
 */
static void
pair_run(struct run a, const struct msg *first_a, struct run b,
    const struct msg *first_b, bool sure, size_t *to)
{
	size_t i, na, nb;
	uint64_t x, y;

	for (i = 0; i < a.n; i++)
		to[a.v[i] - first_a] = SIZE_MAX;
	if (a.n == 1 && b.n == 1 && (body_of(a.v[0]) == 0 ||
	    body_of(b.v[0]) == 0)) {	/* there is but one */
		to[a.v[0] - first_a] = (size_t)(b.v[0] - first_b);
		return;
	}
	while (a.n > 0 && b.n > 0) {
		x = body_of(a.v[0]);
		y = body_of(b.v[0]);
		na = x <= y ? equal_bodies(a) : 0;
		nb = y <= x ? equal_bodies(b) : 0;
		if (x == y && x != 0 && (!sure || nb >= na))
			for (i = 0; i < na && i < nb; i++)
				to[a.v[i] - first_a] =
				    (size_t)(b.v[i] - first_b);
		a = (struct run){ a.v + na, a.n - na };
		b = (struct run){ b.v + nb, b.n - nb };
	}
}

int
mbox_match(const struct msgs *a, const struct msgs *b, bool sure, size_t *to)
{
	struct pairing p;

	if (pairing_make(&p, a, b) == -1)
		return -1;
	while (next_run(&p))
		pair_run(p.a, a->v, p.b, b->v, sure, to);
	file_free(p.all);
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

/* ---- numbers ------------------------------------------------------------- */

#define NO_NUMBER	UINT32_MAX

/*
 * Numbers one run of t's: those that old knows keep their number, the others
 * come after all that were given, in the order of the file.
 */
static void
number_run(const struct pairing *p, struct msgs *t, const struct msgs *old,
    size_t *to)
{
	uint32_t top = 0, n;
	size_t i, at;

	for (i = 0; i < p->a.n; i++)
		p->a.v[i]->number = NO_NUMBER;
	pair_run(p->b, old->v, p->a, t->v, true, to);
	for (i = 0; i < p->b.n; i++) {
		n = p->b.v[i]->number;
		if ((at = to[p->b.v[i] - old->v]) != SIZE_MAX)
			t->v[at].number = n;
		n = n == 0 ? 1 : n;
		top = n > top ? n : top;
	}
	qsort(p->a.v, p->a.n, sizeof(*p->a.v), by_place);
	for (i = 0; i < p->a.n; i++)
		if (p->a.v[i]->number == NO_NUMBER)
			p->a.v[i]->number = ++top == 1 ? 0 : top;
}

int
mbox_number(struct msgs *t, const struct msgs *old)
{
	struct pairing p;
	size_t *to;
	int r;

	if (old == NULL)
		old = &no_msgs;
	if ((to = malloc((old->n + 1) * sizeof(*to))) == NULL)
		return -1;
	if ((r = pairing_make(&p, t, old)) == 0) {
		while (next_run(&p))
			number_run(&p, t, old, to);
		file_free(p.all);
	}
	file_free(to);
	return r;
}

/* ---- one message --------------------------------------------------------- */

unsigned
mbox_lacks(const struct msg *m)
{
	if (m->flags & MSG_NOEOL)
		return 2;
	return m->flags & MSG_TAIL || (m->head == m->length &&
	    !(m->flags & (MSG_NOBLANK | MSG_ODDBLANK))) ? 0 : 1;
}

void
mbox_complete(struct msg *m)
{
	unsigned ends = mbox_lacks(m), eol = m->flags & MSG_NOEOL ? 1 : 0;
	bool blank = !(m->flags & MSG_NOBLANK);

	if (m->from == m->length)
		m->from += eol;
	if (m->head == m->length)
		m->head += blank ? eol : ends;
	m->length += ends;
	if (blank && ends > 0)
		m->flags |= 1;		/* of MSG_TAIL */
	m->flags &= ~(uint32_t)(MSG_NOEOL | MSG_NOBLANK);
}

void
mbox_uid(const struct msg *m, char text[UID_TEXT])
{
	text_hex(text, m->uid, UID_LEN);
	if (m->number > 1)
		(void)snprintf(text + 2 * UID_LEN, UID_TEXT - 2 * UID_LEN,
		    ".%lu", (unsigned long)m->number);
}
