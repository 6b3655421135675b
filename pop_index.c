/*
 * The index: the table of messages kept in the work file from one session to
 * the next, so that a poll of an unchanged spool reads nothing of it.
 *
 * A head of one sector, then the entries as they are in memory.  It is only a
 * memory: it is not synced, anything odd in it is a reason to scan again, and
 * it is used for nobody but the owner of the file it lies beside.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

static const char magic[32] = "popper index 1\n";

struct head {
	char magic[32];
	struct stamp stamp;
	struct summary sum;
	uint64_t entries;
	uint64_t entries_sum;
	uint64_t entry_size;	/* another build's struct is another format */
	uint64_t head_sum;	/* of all the above; last */
};

enum { SECTOR = 512, PAGE = 4096, SETTLE_TRIES = 20 };

#define SECOND	INT64_C(1000000000)

static uint64_t
head_sum(const struct head *h)
{
	return file_sum(h, offsetof(struct head, head_sum), 1);
}

static bool
head_read(int work, struct head *h)
{
	return file_some(work, h, sizeof(*h), 0) == sizeof(*h) &&
	    memcmp(h->magic, magic, sizeof(magic)) == 0 &&
	    h->head_sum == head_sum(h) &&
	    h->entry_size == sizeof(struct msg) &&
	    h->entries <= UINT32_MAX &&
	    h->sum.count <= h->entries && h->sum.hidden <= 1 &&
	    h->sum.count + h->sum.hidden == h->entries &&
	    h->sum.last <= h->sum.count;
}

static int64_t
nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

void
index_stamp(struct stamp *st, const struct stat *sb)
{
	memset(st, 0, sizeof(*st));
	st->dev = (uint64_t)sb->st_dev;
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

void
index_sum(const struct msgs *t, struct summary *sum)
{
	size_t i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < t->n; i++) {
		sum->twins += t->v[i].twin > 0;
		if (t->v[i].flags & MSG_HIDDEN) {
			sum->hidden++;
			continue;
		}
		sum->count++;
		sum->octets += t->v[i].octets;
		if (t->v[i].flags & MSG_READ)
			sum->last = sum->count;
	}
}

/*
 * A change right after our scan could carry the very time that the scan saw:
 * file times move by ticks of the kernel's clock, and by whole seconds on old
 * filesystems.  So the work file, written while the spool was locked, on the
 * same filesystem and so by the same clock, must be later than the spool.
 */
static bool
settled(int work, const struct stamp *st)
{
	struct stat sb;

	return fstat(work, &sb) == 0 && nanoseconds(sb.st_mtim) > st->ctime &&
	    (st->ctime % SECOND != 0 ||
	    nanoseconds(sb.st_mtim) > st->ctime + 2 * SECOND);
}

bool
index_head(int work, const struct stamp *now, struct summary *sum)
{
	struct head h;

	if (!head_read(work, &h) || !index_same(&h.stamp, now) ||
	    !settled(work, now))
		return false;
	*sum = h.sum;
	return true;
}

/* Whether the entries can be what a scan of size bytes has found. */
static bool
plausible(const struct msgs *t, uint64_t size)
{
	const struct msg *m;
	uint64_t at = 0;
	size_t i;

	for (i = 0; i < t->n; i++) {
		m = &t->v[i];
		if (m->offset < at || m->offset > size ||
		    m->length > size - m->offset || m->from > m->length ||
		    m->head < m->from || m->head > m->length ||
		    (m->flags & MSG_TAIL) > m->length - m->from ||
		    (i > 0 && m->offset != at) ||
		    m->flags & MSG_MARKS)
			return false;
		at = m->offset + m->length;
	}
	return t->n == 0 || at == size;
}

int
index_read(int work, struct msgs *table)
{
	struct head h;
	size_t bytes;

	memset(table, 0, sizeof(*table));
	if (!head_read(work, &h)) {
		errno = EILSEQ;
		return -1;
	}
	table->n = table->room = (size_t)h.entries;
	bytes = table->n * sizeof(*table->v);
	if ((table->v = malloc(bytes + 1)) == NULL)
		return -1;
	file_populate(table->v, bytes);
	if (file_read(work, table->v, bytes, SECTOR) == -1 ||
	    file_sum(table->v, bytes, 2) != h.entries_sum ||
	    !plausible(table, h.stamp.size)) {
		msgs_free(table);
		errno = EILSEQ;
		return -1;
	}
	return 0;
}

/*
 * The head goes last: while the entries are written the work file says
 * nothing.  What a large journal left behind them is given back to the disk,
 * but never the last page: an UPDATE on a full disk needs a place to begin.
 */
int
index_write(int work, const struct stamp *st, const struct msgs *t)
{
	union {
		struct head h;
		char sector[SECTOR];
	} u;
	size_t bytes = t->n * sizeof(*t->v);
	uint64_t keep = (SECTOR + bytes + PAGE - 1) / PAGE * PAGE;
	const struct timespec ms = { 0, 1000000 };
	struct stat sb;
	int i;

	memset(&u, 0, sizeof(u));
	memcpy(u.h.magic, magic, sizeof(magic));
	u.h.stamp = *st;
	index_sum(t, &u.h.sum);
	u.h.entries = t->n;
	u.h.entries_sum = file_sum(t->v, bytes, 2);
	u.h.entry_size = sizeof(*t->v);
	u.h.head_sum = head_sum(&u.h);
	if (index_void(work) == -1 ||
	    file_write(work, t->v, bytes, SECTOR) == -1 ||
	    fstat(work, &sb) == -1 || ((uint64_t)sb.st_size > keep &&
	    ftruncate(work, (off_t)keep) == -1))
		return -1;
	for (i = 0; i < SETTLE_TRIES; i++) {	/* a tick or two, if any */
		if (file_write(work, &u, sizeof(u), 0) == -1)
			return -1;
		if (settled(work, st) || st->ctime % SECOND == 0)
			break;
		(void)nanosleep(&ms, NULL);
	}
	return 0;
}

/* What stands behind the entries if there are names. */
struct names_head {
	uint64_t of;		/* the sum of the head they go with */
	uint64_t n, sum;
};

/* Where that is, for the index that the file holds. */
static int
names_place(int work, struct names_head *nh, uint64_t *at)
{
	struct head h;

	memset(nh, 0, sizeof(*nh));
	if (!head_read(work, &h)) {
		errno = EILSEQ;
		return -1;
	}
	nh->of = h.head_sum;
	*at = SECTOR + h.entries * sizeof(struct msg);
	return 0;
}

int
index_write_names(int work, const struct names *x)
{
	struct names_head nh;
	size_t bytes = x->n * sizeof(*x->v);
	uint64_t at;

	if (names_place(work, &nh, &at) == -1)
		return -1;
	nh.n = x->n;
	nh.sum = file_sum(x->v, bytes, 3);
	return file_write(work, x->v, bytes, at + sizeof(nh)) == -1 ? -1 :
	    file_write(work, &nh, sizeof(nh), at);
}

int
index_read_names(int work, struct names *x)
{
	struct names_head nh, want;
	size_t bytes;
	uint64_t at;

	memset(x, 0, sizeof(*x));
	if (names_place(work, &want, &at) == -1 ||
	    file_read(work, &nh, sizeof(nh), at) == -1)
		return -1;
	if (nh.of != want.of || nh.n > UINT32_MAX) {
		errno = EILSEQ;
		return -1;
	}
	x->n = x->room = (size_t)nh.n;
	bytes = x->n * sizeof(*x->v);
	if ((x->v = malloc(bytes + 1)) == NULL)
		return -1;
	if (file_read(work, x->v, bytes, at + sizeof(nh)) == 0 &&
	    file_sum(x->v, bytes, 3) == nh.sum && xuidl_sound(x))
		return 0;
	xuidl_free(x);
	errno = EILSEQ;
	return -1;
}

int
index_void(int work)
{
	static const char nothing[SECTOR];

	return file_write(work, nothing, sizeof(nothing), 0);
}
