/*
 * The index: the table of messages kept in the state file between sessions, so
 * that a poll of an unchanged spool reads nothing of it.  A head with the totals
 * in the first sector, and elsewhere an entry with a checksum for each message.
 *
 * It is only a cache, and anything wrong in it is a reason to scan the spool
 * again; but for the numbers of duplicates, which no scan can tell.  So a new
 * index is written next to the one in force, and a sector is written whole or
 * not at all: one of the two can always be read.  If the new one has
 * duplicates, it is synced before and after its head is written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spool/spool.h"

static const char index_magic[32] = "popper index 6\n";

/*
 * At the start of the file.  During an UPDATE the record of the journal is
 * there, and what would be the head is after it: see index_prepare().
 */
struct index_head {
	char magic[32];
	struct stamp stamp;
	struct summary sum;
	struct key key;		/* of the checks in the entries */
	uint64_t serial;	/* of the index that the entries belong to */
	uint64_t at;		/* offset of the entries */
	uint64_t end;		/* after all that were written: a cut keeps it */
	uint64_t head_sum;	/* of all the above; last */
};

struct index_entry {
	struct msg msg;
	uint64_t sum;
};

_Static_assert(sizeof(struct index_head) == 160 &&
    sizeof(struct index_entry) == 72, "another layout needs another magic");

enum {
	HEAD_SEED = 1,
	ENTRIES_BLOCK = 8 * PAGE / sizeof(struct index_entry),	/* on the stack */
	ROOM_KEPT = 4 << 20,	/* bytes: 100,000 pieces of a journal */
	SETTLE_TRIES = 20
};

static uint64_t
index_head_sum(const struct index_head *h)
{
	return file_sum(h, offsetof(struct index_head, head_sum), HEAD_SEED);
}

static void
sign_head(struct index_head *h)
{
	memcpy(h->magic, index_magic, sizeof(h->magic));
	h->head_sum = index_head_sum(h);
}

static size_t
index_entries(const struct summary *sum)
{
	return (size_t)sum->count + (size_t)sum->hidden;
}

/* The offset after the entries that the totals count. */
static uint64_t
entries_end(const struct index_head *h)
{
	return h->at + index_entries(&h->sum) * sizeof(struct index_entry);
}

static bool
head_sound(const struct index_head *h)
{
	return memcmp(h->magic, index_magic, sizeof(index_magic)) == 0 &&
	    h->head_sum == index_head_sum(h) &&
	    h->sum.count <= UINT32_MAX && h->sum.hidden <= 1 &&
	    h->sum.last <= h->sum.count && h->at >= INDEX_AT &&
	    h->at <= INT64_MAX / 2 && h->end >= entries_end(h) &&
	    h->end <= INT64_MAX;
}

/*
 * 0, or -1 with errno: EILSEQ if there is none.  What cannot be read may be
 * there, and have the numbers: it must not be overwritten.
 */
static int
read_head(int state, struct index_head *h)
{
	ssize_t n = file_some(state, h, sizeof(*h), 0);

	if (n == sizeof(*h) && head_sound(h))
		return 0;
	if (n != -1)
		errno = EILSEQ;
	return -1;
}

bool
index_head(int state, const struct stamp *now, struct summary *sum)
{
	struct index_head h;

	if (read_head(state, &h) == -1 || !stamp_same(&h.stamp, now) ||
	    !stamp_settled(state, now))
		return false;
	*sum = h.sum;
	return true;
}

/* ---- entries ------------------------------------------------------------- */

static uint64_t
entry_place(const struct index *ix, size_t i)
{
	return ix->at + (uint64_t)i * sizeof(struct index_entry);
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

static int
take_entry(struct msgs *t, const struct index *ix, size_t i,
    const struct index_entry *e)
{
	if (msgs_has(t, i))
		return 0;
	if (e->sum != entry_sum(e, ix->serial, i) ||
	    !msgs_fit(t, i, &e->msg)) {
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
	ssize_t got;
	int r = 0;

	for (; i < end && r == 0; i += n) {
		n = end - i < ENTRIES_BLOCK ? end - i : ENTRIES_BLOCK;
		file_populate(&t->v[i], n * sizeof(*t->v));
		if ((got = file_some(state, block, n * sizeof(*block),
		    entry_place(ix, i))) == -1)
			return -1;
		errno = EILSEQ;		/* if it ends there */
		n = (size_t)got / sizeof(*block);
		r = n > 0 ? 0 : -1;
		for (k = 0; k < n && r == 0; k++)
			r = take_entry(t, ix, i + k, &block[k]);
	}
	return r;
}

static int
write_entries(int state, const struct msgs *t, const struct index *ix)
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
			e->sum = entry_sum(e, ix->serial, i + k);
		}
		r = file_write(state, block, n * sizeof(*block),
		    entry_place(ix, i));
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
	if (read_head(state, &h) == -1)
		return -1;
	errno = EILSEQ;
	if (sum != NULL && memcmp(&h.sum, sum, sizeof(*sum)) != 0)
		return -1;
	t->n = t->room = index_entries(&h.sum);
	t->end = h.stamp.size;
	t->key = h.key;
	ix->serial = h.serial;
	ix->at = h.at;
	ix->partial = true;
	if ((t->v = calloc(t->n + 1, sizeof(*t->v))) != NULL)
		return 0;
	msgs_free(t);
	return -1;
}

int
index_entry(int state, struct msgs *t, const struct index *ix, size_t i)
{
	return !ix->partial || msgs_has(t, i) ? 0 :
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
	const struct msgs newest = { .v = t->v + n, .n = t->n - n };
	struct summary cut;
	struct index_head h;

	if (read_head(state, &h) == -1 || h.serial != ix->serial)
		return false;
	summary_of(&newest, &cut);
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

	if (read_head(state, &h) == -1)
		return -1;
	*of = h.head_sum;
	*at = h.end;
	return 0;
}

/* ---- writing an index ---------------------------------------------------- */

/* Makes h the head of the index in force.  No journal is in force then. */
static int
write_head(int state, struct index_head *h)
{
	char sectors[INDEX_AT] = { 0 };

	sign_head(h);
	memcpy(sectors, h, sizeof(*h));
	return file_write(state, sectors, sizeof(sectors), 0);
}

int
index_drop(int state)
{
	static const char nothing[INDEX_AT];

	return file_write(state, nothing, sizeof(nothing), 0);
}

/*
 * Writes the head until the clock has moved on.  The second write comes at once:
 * on many file systems a file that was looked at gets a finer time then.
 */
static int
settle_head(int state, struct index_head *h)
{
	const struct timespec ms = { 0, 1000000 };
	int i;

	for (i = 0; i < SETTLE_TRIES; i++) {	/* a tick or two, if any */
		if (i > 1)
			(void)nanosleep(&ms, NULL);
		if (write_head(state, h) == -1)
			return -1;
		if (stamp_settled(state, &h->stamp) || !stamp_fine(&h->stamp))
			break;
	}
	return 0;
}

/*
 * Has the index in force, *h, describe no spool: what is written to the state
 * file from now on must not make it look settled.  *h is 0 if there is none.
 * If it describes none already, it may not have been synced: then the disk
 * still needs the one that will be written over.
 */
static int
outdate_head(int state, struct index_head *h)
{
	if (read_head(state, h) == -1) {
		memset(h, 0, sizeof(*h));
		return errno == EILSEQ ? index_drop(state) : -1;
	}
	if (h->stamp.ino == 0 && file_sync(state) == -1)
		return -1;
	h->stamp = (struct stamp){ .size = h->stamp.size };
	return write_head(state, h);
}

/* Where n entries overwrite none of the index in force. */
static uint64_t
free_place(const struct index_head *was, size_t n)
{
	uint64_t bytes = n * sizeof(struct index_entry);

	return was->at == 0 || INDEX_AT + bytes <= was->at ? INDEX_AT :
	    file_aligned(was->end, SECTOR);
}

/* A scan can tell all but the numbers of duplicates. */
static int
sync_numbers(int state, const struct msgs *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (t->v[i].flags & MSG_DUPLICATE)
			return file_sync(state);
	return 0;
}

/* Writes the entries of a table from at on, and makes *h their head. */
static int
put_entries(int state, const struct msgs *t, uint64_t at,
    struct index_head *h, struct index *ix)
{
	*ix = (struct index){ .serial = stamp_number(), .at = at };
	*h = (struct index_head){ .stamp.size = t->end, .key = t->key,
	    .serial = ix->serial, .at = at };
	summary_of(t, &h->sum);
	h->end = entries_end(h);
	sign_head(h);
	return write_entries(state, t, ix);
}

int
index_write(int state, const struct stamp *st, const struct msgs *t,
    struct index *ix)
{
	struct index_head was, h;
	int r;

	if (outdate_head(state, &was) == -1)
		return -1;
	r = put_entries(state, t, free_place(&was, t->n), &h, ix);
	/* a full disk may have no room next to the index in force */
	if (r == -1 && file_no_room(errno) && file_reserve(state, INDEX_AT,
	    t->n * sizeof(struct index_entry)) == 0 && index_drop(state) == 0)
		r = put_entries(state, t, INDEX_AT, &h, ix);
	if (r == -1 || sync_numbers(state, t) == -1 ||
	    write_head(state, &h) == -1 || sync_numbers(state, t) == -1 ||
	    index_wipe(state, false) == -1)
		return -1;
	h.stamp = *st;
	return settle_head(state, &h);
}

int
index_restamp(int state, uint64_t serial, const struct stamp *st,
    const struct summary *sum)
{
	struct index_head h;

	if (read_head(state, &h) == -1)
		return -1;
	errno = EILSEQ;
	if (h.serial != serial)
		return -1;
	h.stamp = *st;
	h.sum = *sum;
	return settle_head(state, &h);
}

int
index_wipe(int state, bool room)
{
	static const char zeros[PAGE];
	struct index_head h;
	uint64_t from = INDEX_AT, end, n;
	struct stat sb;
	int r = 0;

	if (read_head(state, &h) == 0)
		from = h.end;
	else if (errno != EILSEQ)
		return -1;
	if (file_now(state, &sb) == -1)
		return -1;
	end = file_aligned(from + (room ? ROOM_KEPT : 0), PAGE);
	if ((uint64_t)sb.st_size <= end || ftruncate(state, (off_t)end) == -1)
		end = (uint64_t)sb.st_size;
	for (; from < end && r == 0; from += n) {
		n = end - from < PAGE ? end - from : PAGE;
		r = file_write(state, zeros, (size_t)n, from);
	}
	return r;
}

/* ---- what an UPDATE needs of it ------------------------------------------ */

int
index_prepare(int state, const struct msgs *t, struct heads *heads,
    struct index *ix)
{
	struct index_head was, h;
	char sector[SECTOR] = { 0 };

	memset(heads, 0, sizeof(*heads));
	if (outdate_head(state, &was) == -1 ||
	    put_entries(state, t, free_place(&was, t->n), &h, ix) == -1)
		return -1;
	memcpy(sector + HEAD_ROOM, &h, sizeof(h));
	if (file_write(state, sector, sizeof(sector), SECTOR) == -1 ||
	    sync_numbers(state, t) == -1)
		return -1;
	memcpy(heads->of[0], &was, sizeof(was));
	memcpy(heads->of[1], &h, sizeof(h));
	return 0;
}

bool
index_is_head(const char head[HEAD_ROOM])
{
	struct index_head h;

	memcpy(&h, head, sizeof(h));
	return head_sound(&h);
}

uint64_t
index_after(const struct heads *heads)
{
	struct index_head h;
	uint64_t end = INDEX_AT;
	int k;

	for (k = 0; k < 2; k++) {
		memcpy(&h, heads->of[k], sizeof(h));
		if (head_sound(&h) && h.end > end)
			end = h.end;
	}
	return end;
}
