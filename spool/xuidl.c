/*
 * Unique-ids that another server gave (-U): the X-UIDL: fields that it, or
 * contrib/keep-uidl, left in the spool.  A client that leaves its mail on the
 * server knows it by them, and fetches all of it again if they change.
 *
 * A sender can write the field too, so it counts only if it is a valid
 * unique-id that no other message has, from a field or from popper (RFC 1939,
 * 7).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spool/spool.h"

enum { NAMES_SEED = 3 };

static int
name_by_text(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return strcmp(x->text, y->text);
}

static int
name_by_msg(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return (x->msg > y->msg) - (x->msg < y->msg);
}

/* RFC 1939, 7: one to 70 characters in the range 0x21 to 0x7e. */
static bool
uidl_valid(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	return s.n > 0 && s.n <= UIDL_MOST;
}

/* Of several fields in a message the first valid one counts. */
void
xuidl_note(void *arg, size_t i, struct str line)
{
	struct names *x = arg;
	struct name *v, name = { .msg = (uint32_t)i };
	struct str value;

	if (!mbox_value(line, "X-UIDL:", &value) || i >= UINT32_MAX ||
	    (x->n > 0 && x->v[x->n - 1].msg == i) || !uidl_valid(value))
		return;
	memcpy(name.text, value.p, value.n);
	if ((v = array_room(x->v, x->n, &x->room, sizeof(*v))) == NULL) {
		x->full = true;
		return;
	}
	x->v = v;
	x->v[x->n++] = name;
}

/* Marks the names that two messages have, or that popper gives to one. */
static void
mark_doubtful(struct names *x, const struct msgs *t)
{
	struct name key = { .msg = 0 }, *v = x->v, *found;
	size_t i;

	for (i = 1; i < x->n; i++)
		if (strcmp(v[i - 1].text, v[i].text) == 0)
			v[i - 1].doubtful = v[i].doubtful = true;
	for (i = 0; i < t->n; i++) {
		mbox_uid(&t->v[i], key.text);
		found = bsearch(&key, v, x->n, sizeof(*v), name_by_text);
		if (found != NULL)
			found->doubtful = true;
	}
}

int
xuidl_settle(struct names *x, const struct msgs *t)
{
	size_t i, n = 0;

	if (x->full) {
		errno = ENOMEM;
		return -1;
	}
	if (x->n == 0)
		return 0;
	qsort(x->v, x->n, sizeof(*x->v), name_by_text);
	mark_doubtful(x, t);
	for (i = 0; i < x->n; i++)
		if (!x->v[i].doubtful)
			x->v[n++] = x->v[i];
	x->n = n;
	qsort(x->v, x->n, sizeof(*x->v), name_by_msg);
	return 0;
}

const char *
xuidl_find(const struct names *x, size_t i)
{
	struct name key = { .msg = (uint32_t)i };
	const struct name *found;

	if (x->n == 0)
		return NULL;
	found = bsearch(&key, x->v, x->n, sizeof(*x->v), name_by_msg);
	return found == NULL ? NULL : found->text;
}

void
xuidl_free(struct names *x)
{
	file_free(x->v);
	memset(x, 0, sizeof(*x));
}

/* ---- between sessions, after the index ----------------------------------- */

struct names_head {
	uint64_t of;		/* the index, as index_end() has it */
	uint64_t n, sum;
};

/* Whether names read from a file are what xuidl_settle() can leave. */
static bool
names_sound(const struct names *x)
{
	const struct name *v = x->v;
	size_t i;

	for (i = 0; i < x->n; i++)
		if ((i > 0 && v[i - 1].msg >= v[i].msg) || !uidl_valid(
		    (struct str){ v[i].text, strnlen(v[i].text,
		    sizeof(v[i].text)) }))
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
	h.sum = file_sum(x->v, bytes, NAMES_SEED);
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
	    file_read(state, &h, sizeof(h), at) == -1 || h.of != of ||
	    h.n > UINT32_MAX)
		return -1;
	x->n = x->room = (size_t)h.n;
	bytes = x->n * sizeof(*x->v);
	if ((x->v = malloc(bytes + 1)) != NULL &&
	    file_read(state, x->v, bytes, at + sizeof(h)) == 0 &&
	    file_sum(x->v, bytes, NAMES_SEED) == h.sum && names_sound(x))
		return 0;
	xuidl_free(x);
	return -1;
}
