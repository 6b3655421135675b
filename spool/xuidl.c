/*
 * Unique-ids that another server gave (-U): the X-UIDL: fields that it, or
 * contrib/keep-uidl, left in the spool.  A client that leaves its mail on the
 * server knows it by them, and fetches all of it again where they change.
 *
 * The field comes from outside as well, so it counts only where it is a valid
 * unique-id that no other message has in any way (RFC 1939, 7).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spool/spool.h"

static int
by_text(const void *a, const void *b)
{
	const struct name *const *x = a, *const *y = b;

	return strcmp((*x)->text, (*y)->text);
}

static int
by_msg(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return (x->msg > y->msg) - (x->msg < y->msg);
}

static bool
valid(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (s[i] <= 0x20 || s[i] >= 0x7f)
			return false;
	return n > 0 && n <= UIDL_MOST;
}

static bool
blank_char(char c)
{
	return c == ' ' || c == '\t';
}

void
xuidl_note(void *arg, size_t i, struct str line)
{
	struct names *x = arg;
	struct name name = { .msg = (uint32_t)i };
	struct name *v;
	size_t k;

	if (!mbox_field(line, "X-UIDL:") || i >= UINT32_MAX ||
	    (x->n > 0 && x->v[x->n - 1].msg == i))
		return;			/* the first one counts */
	for (line.p += 7, line.n -= 7; line.n > 0 && blank_char(*line.p);
	    line.p++)
		line.n--;
	while (line.n > 0 && blank_char(line.p[line.n - 1]))
		line.n--;
	if (!valid(line.p, line.n))
		return;
	memcpy(name.text, line.p, line.n);
	if (x->n == x->room) {
		k = x->room < 64 ? 64 : x->room + x->room / 2;
		if ((v = realloc(x->v, k * sizeof(*v))) == NULL) {
			x->full = true;
			return;
		}
		x->v = v;
		x->room = k;
	}
	x->v[x->n++] = name;
}

/* Marks the names that two messages have, or that some message has anyway. */
static void
mark_doubtful(struct name **v, size_t n, const struct msgs *t)
{
	struct name key = { 0 }, *k = &key, **found;
	size_t i;

	for (i = 1; i < n; i++)
		if (strcmp(v[i - 1]->text, v[i]->text) == 0)
			v[i - 1]->doubtful = v[i]->doubtful = true;
	for (i = 0; i < t->n; i++) {
		mbox_uid(&t->v[i], key.text);
		found = bsearch(&k, v, n, sizeof(*v), by_text);
		if (found != NULL)
			(*found)->doubtful = true;
	}
}

int
xuidl_settle(struct names *x, const struct msgs *t)
{
	struct name **v;
	size_t i, n;

	if (x->full || (v = malloc((x->n + 1) * sizeof(*v))) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	for (i = 0; i < x->n; i++)
		v[i] = &x->v[i];
	qsort(v, x->n, sizeof(*v), by_text);
	mark_doubtful(v, x->n, t);
	free(v);
	for (i = n = 0; i < x->n; i++)
		if (!x->v[i].doubtful)
			x->v[n++] = x->v[i];
	x->n = n;
	return 0;
}

const char *
xuidl_find(const struct names *x, size_t i)
{
	struct name key = { .msg = (uint32_t)i };
	const struct name *found;

	if (x->n == 0)
		return NULL;
	found = bsearch(&key, x->v, x->n, sizeof(*x->v), by_msg);
	return found == NULL ? NULL : found->text;
}

void
xuidl_free(struct names *x)
{
	file_free(x->v);
	memset(x, 0, sizeof(*x));
}

/* ---- between sessions, behind the index ---------------------------------- */

struct names_head {
	uint64_t of;		/* what index_end() says */
	uint64_t n, sum;
};

/* Whether names read from a file can be ours. */
static bool
sound(const struct names *x)
{
	size_t i;

	for (i = 0; i < x->n; i++)
		if ((i > 0 && x->v[i - 1].msg >= x->v[i].msg) ||
		    !valid(x->v[i].text, strnlen(x->v[i].text, UIDL_MOST + 1)))
			return false;
	return true;
}

int
xuidl_write(int state, const struct names *x)
{
	struct names_head h;
	size_t bytes = x->n * sizeof(*x->v);
	uint64_t at;

	if (index_end(state, &h.of, &at) == -1)
		return -1;
	h.n = x->n;
	h.sum = file_sum(x->v, bytes, 3);
	return file_write(state, x->v, bytes, at + sizeof(h)) == -1 ? -1 :
	    file_write(state, &h, sizeof(h), at);
}

int
xuidl_read(int state, struct names *x)
{
	struct names_head h;
	size_t bytes;
	uint64_t of, at;

	memset(x, 0, sizeof(*x));
	if (index_end(state, &of, &at) == -1 ||
	    file_read(state, &h, sizeof(h), at) == -1)
		return -1;
	if (h.of != of || h.n > UINT32_MAX) {
		errno = EILSEQ;
		return -1;
	}
	x->n = x->room = (size_t)h.n;
	bytes = x->n * sizeof(*x->v);
	if ((x->v = malloc(bytes + 1)) == NULL)
		return -1;
	if (file_read(state, x->v, bytes, at + sizeof(h)) == 0 &&
	    file_sum(x->v, bytes, 3) == h.sum && sound(x))
		return 0;
	xuidl_free(x);
	errno = EILSEQ;
	return -1;
}
