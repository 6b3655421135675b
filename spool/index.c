/*
 * The index: the table of messages kept in the state file from one session to
 * the next, so that a poll of an unchanged spool reads nothing of it.  A head
 * with the totals, then an entry for each message, with its own checksum.
 *
 * It is only a cache: it is not synced, and anything wrong in it is a reason to
 * scan the spool again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spool/spool.h"

static const char index_magic[32] = "popper index 5\n";

/* At the start of the first sector; numbers.c has the second half of that. */
struct index_head {
	char magic[32];
	struct stamp stamp;
	struct summary sum;
	struct key key;		/* of the checks in the entries */
	uint64_t serial;	/* of the index that the entries belong to */
	uint64_t head_sum;	/* of all the above; last */
};

/* From the second sector on. */
struct index_entry {
	struct msg msg;
	uint64_t sum;
};

_Static_assert(sizeof(struct index_head) == 144 &&
    sizeof(struct index_entry) == 72, "another layout needs another magic");

enum {
	HEAD_SEED = 1,
	ENTRIES_BLOCK = 8 * PAGE / sizeof(struct index_entry),	/* on the stack */
	ROOM_KEPT = 4 << 20,	/* bytes: 100,000 pieces of a journal */
	SETTLE_TRIES = 20
};

#define SECOND	INT64_C(1000000000)

static uint64_t
index_head_sum(const struct index_head *h)
{
	return file_sum(h, offsetof(struct index_head, head_sum), HEAD_SEED);
}

static bool
index_head_read(int state, struct index_head *h)
{
	return file_some(state, h, sizeof(*h), 0) == sizeof(*h) &&
	    memcmp(h->magic, index_magic, sizeof(index_magic)) == 0 &&
	    h->head_sum == index_head_sum(h) &&
	    h->sum.count <= UINT32_MAX && h->sum.hidden <= 1 &&
	    h->sum.last <= h->sum.count;
}

static size_t
index_entries(const struct summary *sum)
{
	return (size_t)sum->count + (size_t)sum->hidden;
}

/* ---- the spool that an index describes ----------------------------------- */

static int64_t
nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

void
index_stamp(struct stamp *st, const struct stat *sb)
{
	memset(st, 0, sizeof(*st));
	st->ino = (uint64_t)sb->st_ino;
	st->size = (uint64_t)sb->st_size;
	st->mtime = nanoseconds(sb->st_mtim);
	st->ctime = nanoseconds(sb->st_ctim);
}

bool
index_same(const struct stamp *a, const struct stamp *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/*
 * A change right after our scan could carry the very time that the scan saw.
 * So the state file, written under the spool's lock and by the same clock, must
 * be later than the spool, by two seconds if times are whole seconds.
 */
bool
index_settled(int state, const struct stamp *st)
{
	struct stat sb;

	return file_now(state, &sb) == 0 && nanoseconds(sb.st_mtim) > st->ctime &&
	    (st->ctime % SECOND != 0 ||
	    nanoseconds(sb.st_mtim) > st->ctime + 2 * SECOND);
}

bool
index_head(int state, const struct stamp *now, struct summary *sum)
{
	struct index_head h;

	if (!index_head_read(state, &h) || !index_same(&h.stamp, now) ||
	    !index_settled(state, now))
		return false;
	*sum = h.sum;
	return true;
}

/* ---- totals -------------------------------------------------------------- */

/* Adds a message to the totals of those before it. */
static void
add_message(struct summary *sum, const struct msg *m)
{
	if (m->flags & MSG_ABUTS)
		sum->abutting++;
	if (m->flags & MSG_HIDDEN) {
		sum->hidden++;
		return;
	}
	sum->count++;
	sum->octets += m->octets;
	if (m->flags & MSG_READ)
		sum->last = sum->count;
	else
		sum->unread++;
}

void
index_sum(const struct msgs *t, struct summary *sum)
{
	size_t i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < t->n; i++)
		add_message(sum, &t->v[i]);
}

/* ---- entries ------------------------------------------------------------- */

static uint64_t
entry_place(size_t i)
{
	return SECTOR + (uint64_t)i * sizeof(struct index_entry);
}

/*
 * The serial and the place count too: an entry that an older index has left
 * there is not valid in this one.
 */
static uint64_t
entry_sum(const struct index_entry *e, uint64_t serial, size_t i)
{
	return file_sum(&e->msg, sizeof(e->msg), serial + i);
}

/* Whether the table has entry i: no message is empty. */
static bool
has_entry(const struct msgs *t, size_t i)
{
	return t->v[i].length > 0;
}

/*
 * Whether a scan can have found m as entry i: within the spool, and adjacent to
 * those of its neighbours that the table has.
 */
static bool
entry_fits(const struct msgs *t, size_t i, const struct msg *m)
{
	const struct msg *v = t->v;
	uint64_t end = m->offset + m->length;

	if (m->offset > t->end || m->length > t->end - m->offset ||
	    m->from < 5 || m->from > m->head || m->head > m->length ||
	    (m->flags & MSG_TAIL) > m->length - m->from ||
	    m->flags & MSG_SESSION)
		return false;
	if (i > 0 && has_entry(t, i - 1) &&
	    v[i - 1].offset + v[i - 1].length != m->offset)
		return false;
	return i + 1 == t->n ? end == t->end :
	    !has_entry(t, i + 1) || v[i + 1].offset == end;
}

static int
take_entry(struct msgs *t, const struct index *ix, size_t i,
    const struct index_entry *e)
{
	if (has_entry(t, i))
		return 0;
	if (e->sum != entry_sum(e, ix->serial, i) ||
	    !entry_fits(t, i, &e->msg)) {
		errno = EILSEQ;
		return -1;
	}
	t->v[i] = e->msg;
	return 0;
}

/* Reads those of the entries i..end that the table does not have. */
static int
read_entries(int state, struct msgs *t, const struct index *ix, size_t i,
    size_t end)
{
	_Alignas(PAGE) struct index_entry block[ENTRIES_BLOCK];
	size_t k, n;
	int r = 0;

	for (; i < end && r == 0; i += n) {
		n = end - i < ENTRIES_BLOCK ? end - i : ENTRIES_BLOCK;
		file_populate(&t->v[i], n * sizeof(*t->v));
		r = file_read(state, block, n * sizeof(*block),
		    entry_place(i));
		for (k = 0; k < n && r == 0; k++)
			r = take_entry(t, ix, i + k, &block[k]);
	}
	return r;
}

/* Writes all entries, and adds them up to *sum, which is 0. */
static int
write_entries(int state, const struct msgs *t, uint64_t serial,
    struct summary *sum)
{
	_Alignas(PAGE) struct index_entry block[ENTRIES_BLOCK];
	struct index_entry *e;
	size_t i, k, n;
	int r = 0;

	for (i = 0; i < t->n && r == 0; i += n) {
		n = t->n - i < ENTRIES_BLOCK ? t->n - i : ENTRIES_BLOCK;
		for (k = 0, e = block; k < n; k++, e++) {
			e->msg = t->v[i + k];
			e->msg.flags &= ~(uint32_t)MSG_SESSION;
			e->sum = entry_sum(e, serial, i + k);
			add_message(sum, &e->msg);
		}
		r = file_write(state, block, n * sizeof(*block),
		    entry_place(i));
	}
	return r;
}

/* ---- reading an index ---------------------------------------------------- */

int
index_open(int state, const struct summary *sum, struct msgs *t,
    struct index *ix)
{
	struct index_head h;

	memset(t, 0, sizeof(*t));
	memset(ix, 0, sizeof(*ix));
	if (!index_head_read(state, &h) ||
	    (sum != NULL && memcmp(&h.sum, sum, sizeof(*sum)) != 0)) {
		errno = EILSEQ;
		return -1;
	}
	t->n = t->room = index_entries(&h.sum);
	t->end = h.stamp.size;
	t->key = h.key;
	ix->serial = h.serial;
	ix->partial = true;
	if ((t->v = calloc(t->n + 1, sizeof(*t->v))) != NULL)
		return 0;
	msgs_free(t);
	return -1;
}

int
index_entry(int state, struct msgs *t, const struct index *ix, size_t i)
{
	return !ix->partial || has_entry(t, i) ? 0 :
	    read_entries(state, t, ix, i, i + 1);
}

int
index_rest(int state, struct msgs *t, struct index *ix)
{
	if (!ix->partial)
		return 0;
	if (read_entries(state, t, ix, 0, t->n) == -1)
		return -1;
	ix->partial = false;
	return 0;
}

int
index_read(int state, struct msgs *t)
{
	struct index ix;

	if (index_open(state, NULL, t, &ix) == -1)
		return -1;
	if (index_rest(state, t, &ix) == 0)
		return 0;
	msgs_free(t);
	return -1;
}

/*
 * The other messages are in the table, and come off the totals.  Only LAST may
 * need those that stay: if the last one read is cut off, it is the one before.
 */
bool
index_can_cut(int state, struct msgs *t, struct index *ix, size_t n,
    struct summary *sum)
{
	struct summary cut = { .count = 0 };
	struct index_head h;
	size_t i;

	if (!index_head_read(state, &h) || h.serial != ix->serial)
		return false;
	for (i = n; i < t->n; i++)
		add_message(&cut, &t->v[i]);
	sum->count -= cut.count;
	sum->octets -= cut.octets;
	sum->hidden -= cut.hidden;
	sum->unread -= cut.unread;
	sum->abutting -= cut.abutting;
	if (sum->last <= sum->count)
		return true;
	if (index_rest(state, t, ix) == -1)
		return false;
	while (n > sum->hidden && !(t->v[n - 1].flags & MSG_READ))
		n--;
	sum->last = n - sum->hidden;
	return true;
}

int
index_end(int state, uint64_t *of, uint64_t *at)
{
	struct index_head h;
	struct numbers numbers;

	if (!index_head_read(state, &h)) {
		errno = EILSEQ;
		return -1;
	}
	if (numbers_locate(state, &numbers) == -1)
		return -1;
	*of = h.head_sum;
	*at = entry_place(index_entries(&h.sum));
	if (*at < numbers_end(&numbers))
		*at = numbers_end(&numbers);
	return 0;
}

int
index_wipe(int state, uint64_t from)
{
	struct numbers l = { .done = 0 };

	if (from == 0) {
		if (numbers_locate(state, &l) == -1 ||
		    numbers_write(state, "", 0, &l) == -1)
			return -1;
		from = SECTOR;
	}
	return numbers_wipe(state, &l, from, ROOM_KEPT);
}

/* ---- writing an index ---------------------------------------------------- */

/*
 * Writes the head, again and again until the clock has moved on.  The second
 * write comes at once: many file systems give it a finer time, because the file
 * was looked at after the first.
 */
static int
index_head_write(int state, struct index_head *h, struct numbers *numbers)
{
	const struct timespec ms = { 0, 1000000 };
	int i;

	memcpy(h->magic, index_magic, sizeof(h->magic));
	h->head_sum = index_head_sum(h);
	for (i = 0; i < SETTLE_TRIES; i++) {	/* a tick or two, if any */
		if (i > 1)
			(void)nanosleep(&ms, NULL);
		if (numbers_write(state, h, sizeof(*h), numbers) == -1)
			return -1;
		if (index_settled(state, &h->stamp) ||
		    h->stamp.ctime % SECOND == 0)
			break;
	}
	return 0;
}

/* Wipes what could not be written whole.  Returns -1; errno stays. */
static int
wipe_failed(int state)
{
	int saved = errno;

	(void)index_wipe(state, 0);
	errno = saved;
	return -1;
}

/* The head is written last: until then the state file holds no index. */
int
index_write(int state, const struct stamp *st, const struct msgs *t,
    struct index *ix)
{
	struct index_head h = { .stamp = *st, .key = t->key };
	struct numbers numbers;
	struct timespec now;

	memset(ix, 0, sizeof(*ix));
	if (clock_gettime(CLOCK_REALTIME, &now) == -1)
		return -1;
	h.serial = (uint64_t)nanoseconds(now);
	if (numbers_keep(state, t, entry_place(t->n), &numbers) == -1 ||
	    write_entries(state, t, h.serial, &h.sum) == -1 ||
	    numbers_wipe(state, &numbers, entry_place(t->n), 0) == -1 ||
	    index_head_write(state, &h, &numbers) == -1)
		return wipe_failed(state);
	ix->serial = h.serial;
	return 0;
}

int
index_cut(int state, const struct stamp *st, const struct summary *sum)
{
	struct index_head h;
	struct numbers numbers;
	int r = -1;

	errno = EILSEQ;
	if (index_head_read(state, &h) &&
	    numbers_locate(state, &numbers) == 0) {
		h.stamp = *st;
		h.sum = *sum;
		r = index_head_write(state, &h, &numbers);
	}
	return r == 0 ? 0 : wipe_failed(state);
}
