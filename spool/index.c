/*
 * The index: the table of messages kept in the state file from one session to
 * the next, so that a poll of an unchanged spool reads nothing of it.
 *
 * A head, the checksums of the pages, then the entries in pages, so that one
 * message of a large maildrop is found by reading one page.  Each begins with a
 * summary of all entries before it: where a maildrop loses its newest messages
 * the index loses its end, and nothing else of it is read or written.
 * It is only a memory: it is not synced, anything odd in it is a reason to scan
 * again, and it is used for nobody but the owner of the file it lies beside.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spool/spool.h"

static const char magic[32] = "popper index 3\n";

struct index_head {
	char magic[32];
	struct stamp stamp;
	struct summary sum;
	struct key key;		/* of the checks in the entries */
	uint64_t entries;
	uint64_t pages_at;	/* where the pages begin */
	uint64_t sums_sum;	/* of their checksums */
	uint64_t entry_size;	/* another build's struct is another format */
	uint64_t head_sum;	/* of all the above; last */
};

enum {
	ENTRIES = (PAGE - sizeof(struct summary)) / sizeof(struct msg),
	PAGES_BLOCK = BLOCK / PAGE,
	ROOM_KEPT = 4 << 20,	/* 100,000 pieces of a journal */
	SETTLE_TRIES = 20
};

/* Of the last page there is only so much as it has entries. */
struct page {
	union {
		struct summary before;
		char room[PAGE - ENTRIES * sizeof(struct msg)];
	} u;
	struct msg v[ENTRIES];
};

#define SECOND	INT64_C(1000000000)

static uint64_t
head_sum(const struct index_head *h)
{
	return file_sum(h, offsetof(struct index_head, head_sum), 1);
}

static bool
index_head_read(int state, struct index_head *h)
{
	return file_some(state, h, sizeof(*h), 0) == sizeof(*h) &&
	    memcmp(h->magic, magic, sizeof(magic)) == 0 &&
	    h->head_sum == head_sum(h) &&
	    h->entry_size == sizeof(struct msg) &&
	    h->entries <= UINT32_MAX && h->pages_at <= INT64_MAX / 2 &&
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

/* Adds entries to a summary of those before them. */
static void
add_up(const struct msg *m, size_t n, struct summary *sum)
{
	for (; n > 0; n--, m++) {
		if (m->flags & MSG_ABUTS)
			sum->abutting++;
		if (m->flags & MSG_HIDDEN) {
			sum->hidden++;
			continue;
		}
		sum->count++;
		sum->octets += m->octets;
		if (m->flags & MSG_READ)
			sum->last = sum->count;
		else
			sum->unread++;
	}
}

void
index_sum(const struct msgs *t, struct summary *sum)
{
	memset(sum, 0, sizeof(*sum));
	add_up(t->v, t->n, sum);
}

/*
 * A change right after our scan could carry the very time that the scan saw:
 * file times move by ticks of the kernel's clock, and by whole seconds on old
 * filesystems.  So the state file, written while the spool was locked, on the
 * same filesystem and so by the same clock, must be later than the spool.
 */
bool
index_settled(int state, const struct stamp *st)
{
	struct stat sb;

	return fstat(state, &sb) == 0 && nanoseconds(sb.st_mtim) > st->ctime &&
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

/* ---- pages --------------------------------------------------------------- */

static size_t
pages_of(uint64_t entries)
{
	return (size_t)((entries + ENTRIES - 1) / ENTRIES);
}

/* How many of n entries page k has; the bytes of a page with that many. */
static size_t
in_page(size_t k, size_t n)
{
	return n - k * ENTRIES < ENTRIES ? n - k * ENTRIES : ENTRIES;
}

static size_t
page_bytes(size_t entries)
{
	return offsetof(struct page, v) + entries * sizeof(struct msg);
}

/* Where pages that begin at at and have so many entries end. */
static uint64_t
pages_end(uint64_t at, uint64_t entries)
{
	size_t n = pages_of(entries);

	return n == 0 ? at : at + (uint64_t)(n - 1) * PAGE +
	    page_bytes(in_page(n - 1, (size_t)entries));
}

void
pages_free(struct pages *pg)
{
	file_free(pg->sum);
	file_free(pg->there);
	memset(pg, 0, sizeof(*pg));
}

int
index_open(int state, const struct summary *sum, struct msgs *t,
    struct pages *pg)
{
	struct index_head h;
	size_t bytes;

	memset(t, 0, sizeof(*t));
	memset(pg, 0, sizeof(*pg));
	errno = EILSEQ;
	if (!index_head_read(state, &h) ||
	    (sum != NULL && memcmp(&h.sum, sum, sizeof(*sum)) != 0))
		return -1;
	t->n = t->room = (size_t)h.entries;
	t->end = h.stamp.size;
	t->key = h.key;
	pg->at = h.pages_at;
	pg->size = h.stamp.size;
	pg->n = pg->missing = pages_of(h.entries);
	bytes = pg->n * sizeof(*pg->sum);
	t->v = calloc(t->n + 1, sizeof(*t->v));
	pg->sum = malloc(bytes + 1);
	pg->there = calloc(pg->n + 1, sizeof(*pg->there));
	if (t->v != NULL && pg->sum != NULL && pg->there != NULL &&
	    file_read(state, pg->sum, bytes, SECTOR) == 0) {
		if (file_sum(pg->sum, bytes, 2) == h.sums_sum)
			return 0;
		errno = EILSEQ;
	}
	msgs_free(t);
	pages_free(pg);
	return -1;
}

/*
 * Whether the entries of page k can be what a scan has found, and go on where
 * those before them end, as far as these have been read.
 */
static bool
plausible(const struct msgs *t, const struct pages *pg, size_t k)
{
	size_t i = k * ENTRIES, n = i + in_page(k, t->n);
	const struct msg *m = &t->v[i];
	uint64_t at = k > 0 && pg->there[k - 1] ? m[-1].offset + m[-1].length :
	    m->offset;

	for (; i < n; i++, m++) {
		if (m->offset != at || m->offset > pg->size ||
		    m->length > pg->size - m->offset ||
		    m->from < 5 || m->from > m->length || m->head < m->from ||
		    m->head > m->length ||
		    (m->flags & MSG_TAIL) > m->length - m->from ||
		    m->flags & MSG_MARKS)
			return false;
		at = m->offset + m->length;
	}
	if (k + 1 == pg->n)
		return at == pg->size;
	return !pg->there[k + 1] || m->offset == at;
}

/* Takes a page that was read into the table. */
static int
take_page(struct msgs *t, struct pages *pg, size_t k, const struct page *from)
{
	struct msg *to = &t->v[k * ENTRIES];
	size_t n = in_page(k, t->n), bytes = n * sizeof(*to);

	if (file_sum(from, page_bytes(n), 2) == pg->sum[k]) {
		memcpy(to, from->v, bytes);
		if (plausible(t, pg, k)) {
			pg->there[k] = true;
			pg->missing--;
			return 0;
		}
		memset(to, 0, bytes);
	}
	errno = EILSEQ;
	return -1;
}

int
index_entry(int state, struct msgs *t, struct pages *pg, size_t i)
{
	size_t k = i / ENTRIES;
	struct page one;

	if (pg->missing == 0 || pg->there[k])
		return 0;
	if (file_read(state, &one, page_bytes(in_page(k, t->n)),
	    pg->at + k * PAGE) == -1)
		return -1;
	return take_page(t, pg, k, &one);
}

int
index_rest(int state, struct msgs *t, struct pages *pg)
{
	struct page *block;
	size_t k, i, some;
	int r = 0;

	if (pg->missing == 0)
		return 0;
	if ((block = file_block((uint64_t)pg->n * PAGE)) == NULL)
		return -1;
	for (k = 0; k < pg->n && r == 0; k += some) {
		some = pg->n - k < PAGES_BLOCK ? pg->n - k : PAGES_BLOCK;
		file_populate(&t->v[k * ENTRIES], (in_page(k + some - 1, t->n) +
		    (some - 1) * ENTRIES) * sizeof(*t->v));
		r = file_read(state, block, (some - 1) * PAGE +
		    page_bytes(in_page(k + some - 1, t->n)),
		    pg->at + k * PAGE);
		for (i = 0; i < some && r == 0; i++)
			if (!pg->there[k + i])
				r = take_page(t, pg, k + i, &block[i]);
	}
	file_free(block);
	return r;
}

int
index_read(int state, struct msgs *t)
{
	struct pages pg;
	int r;

	if (index_open(state, NULL, t, &pg) == -1)
		return -1;
	r = index_rest(state, t, &pg);
	pages_free(&pg);
	if (r == -1)
		msgs_free(t);
	return r;
}

/* ---- writing ------------------------------------------------------------- */

/*
 * The pages of t from k on, and the checksums of all: those before k are there
 * already.  *all: the summary of what is before k, then of all.
 */
static int
write_pages(int state, const struct msgs *t, struct pages *pg, size_t k,
    struct summary *all)
{
	size_t i, j, some, have = 0;
	struct page *block;
	int r = 0;

	if ((block = file_block((uint64_t)pg->n * PAGE)) == NULL)
		return -1;
	for (; k < pg->n && r == 0; k += some) {
		some = pg->n - k < PAGES_BLOCK ? pg->n - k : PAGES_BLOCK;
		memset(block, 0, some * PAGE);
		for (i = 0; i < some; i++) {
			have = in_page(k + i, t->n);
			block[i].u.before = *all;
			memcpy(block[i].v, &t->v[(k + i) * ENTRIES],
			    have * sizeof(*t->v));
			for (j = 0; j < have; j++)
				block[i].v[j].flags &= ~(uint32_t)MSG_MARKS;
			add_up(block[i].v, have, all);
			pg->sum[k + i] = file_sum(&block[i], page_bytes(have),
			    2);
		}
		r = file_write(state, block, (some - 1) * PAGE +
		    page_bytes(have), pg->at + k * PAGE);
	}
	if (r == 0)
		r = file_write(state, pg->sum, pg->n * sizeof(*pg->sum),
		    SECTOR);
	file_free(block);
	return r;
}

/* Overwrites the bytes from..end of the state file. */
static int
clear(int state, uint64_t from, uint64_t end)
{
	static const char nothing[PAGE];
	size_t n;

	for (; from < end; from += n) {
		n = end - from < PAGE ? (size_t)(end - from) : PAGE;
		if (file_write(state, nothing, n, from) == -1)
			return -1;
	}
	return 0;
}

/* The same, but for the lists of duplicates. */
static int
clear_around(int state, const struct numbers *l, uint64_t from, uint64_t end)
{
	struct place p[2];
	int i, first = l->list[1].at < l->list[0].at;

	p[0] = l->list[first];
	p[1] = l->list[!first];
	for (i = 0; i < 2; i++) {
		if (p[i].n == 0 || p[i].at < from || p[i].at >= end)
			continue;
		if (clear(state, from, p[i].at) == -1)
			return -1;
		from = p[i].at + p[i].n * sizeof(struct msg);
	}
	return clear(state, from, end);
}

/*
 * Gives back to the disk what a large journal has left, but never the last
 * page: an UPDATE on a full disk needs a place to begin.  Old mail may have been
 * in all bytes that are not the index's.
 */
static int
clear_rest(int state, uint64_t entries, const struct pages *pg,
    const struct numbers *numbers)
{
	uint64_t end = pages_end(pg->at, entries), size, keep;
	struct stat sb;

	if (fstat(state, &sb) == -1)
		return -1;
	size = (uint64_t)sb.st_size;
	keep = end > numbers_end(numbers) ? end : numbers_end(numbers);
	keep = (keep + PAGE - 1) / PAGE * PAGE;
	if (size > keep && ftruncate(state, (off_t)keep) == -1)
		return -1;
	if (clear(state, SECTOR + pg->n * sizeof(*pg->sum), pg->at) == -1)
		return -1;
	return clear_around(state, numbers, end, size < keep ? size : keep);
}

/* The head goes last: until then the state file says nothing. */
static int
write_index_head(int state, const struct stamp *st, const struct msgs *t,
    const struct pages *pg, const struct summary *all, struct numbers *numbers)
{
	struct index_head h;
	const struct timespec ms = { 0, 1000000 };
	int i;

	memset(&h, 0, sizeof(h));
	memcpy(h.magic, magic, sizeof(magic));
	h.stamp = *st;
	h.sum = *all;
	h.key = t->key;
	h.entries = t->n;
	h.pages_at = pg->at;
	h.sums_sum = file_sum(pg->sum, pg->n * sizeof(*pg->sum), 2);
	h.entry_size = sizeof(struct msg);
	h.head_sum = head_sum(&h);
	if (clear_rest(state, t->n, pg, numbers) == -1)
		return -1;
	for (i = 0; i < SETTLE_TRIES; i++) {	/* a tick or two, if any */
		if (numbers_write(state, &h, sizeof(h), numbers) == -1)
			return -1;
		if (index_settled(state, st) || st->ctime % SECOND == 0)
			break;
		(void)nanosleep(&ms, NULL);
	}
	return 0;
}

/*
 * The state file says nothing from now on but where the duplicates' numbers are,
 * and that durably: if there are any, pages may be written over the old lists.
 */
static int
keep_numbers(int state, const struct msgs *t, uint64_t end, struct numbers *l)
{
	if (numbers_locate(state, l) == -1 ||
	    numbers_add(state, t, end, l) == -1 ||
	    (l->list[0].n > 0 && file_sync(state) == -1))
		return -1;
	memset(&l->list[1], 0, sizeof(l->list[1]));
	if (numbers_write(state, "", 0, l) == -1)
		return -1;
	return l->list[0].n > 0 ? file_sync(state) : 0;
}

/* What could not be written whole goes, too.  Never 0; errno stays. */
static int
wipe_failed(int state)
{
	int saved = errno;

	(void)index_wipe(state, 0);
	errno = saved;
	return -1;
}

int
index_write(int state, const struct stamp *st, const struct msgs *t,
    struct pages *pg)
{
	struct numbers numbers;
	struct summary all;

	memset(&all, 0, sizeof(all));
	memset(pg, 0, sizeof(*pg));
	pg->n = pages_of(t->n);
	pg->size = st->size;
	pg->at = (SECTOR + pg->n * sizeof(*pg->sum) + SECTOR - 1) / SECTOR *
	    SECTOR;
	pg->sum = malloc(pg->n * sizeof(*pg->sum) + 1);
	if (pg->sum != NULL &&
	    keep_numbers(state, t, pages_end(pg->at, t->n), &numbers) == 0 &&
	    write_pages(state, t, pg, 0, &all) == 0 &&
	    write_index_head(state, st, t, pg, &all, &numbers) == 0)
		return 0;
	pages_free(pg);
	return wipe_failed(state);
}

/*
 * The page that has entry n, which is there in t: its number, and the summary
 * of those before it.
 */
static int
before_page(int state, const struct msgs *t, const struct pages *pg, size_t n,
    size_t *k, struct summary *all)
{
	struct page one;
	size_t bytes;

	*k = n / ENTRIES;
	bytes = page_bytes(in_page(*k, t->n));
	if (file_read(state, &one, bytes, pg->at + *k * PAGE) == -1)
		return -1;
	if (file_sum(&one, bytes, 2) != pg->sum[*k]) {
		errno = EILSEQ;
		return -1;
	}
	*all = one.u.before;
	return 0;
}

int
index_part(int state, const struct msgs *t, const struct pages *pg, size_t n,
    struct summary *all)
{
	size_t k;

	if (before_page(state, t, pg, n, &k, all) == -1)
		return -1;
	add_up(&t->v[k * ENTRIES], n - k * ENTRIES, all);
	return 0;
}

int
index_cut(int state, const struct stamp *st, const struct msgs *t,
    struct pages *pg, size_t n)
{
	const struct msgs part = { .v = t->v, .n = n, .room = n,
	    .key = t->key };
	struct numbers numbers;
	struct summary all;
	size_t k;

	if (before_page(state, t, pg, n, &k, &all) == -1)
		return -1;
	pg->n = pages_of(n);
	if (index_void(state) == 0 && numbers_locate(state, &numbers) == 0 &&
	    write_pages(state, &part, pg, k, &all) == 0 &&
	    write_index_head(state, st, &part, pg, &all, &numbers) == 0)
		return 0;
	return wipe_failed(state);
}

int
index_behind(int state, uint64_t *of, uint64_t *at)
{
	struct index_head h;

	if (!index_head_read(state, &h)) {
		errno = EILSEQ;
		return -1;
	}
	*of = h.head_sum;
	*at = pages_end(h.pages_at, h.entries);
	return 0;
}

int
index_void(int state)
{
	return numbers_settle(state, false);
}

int
index_wipe(int state, uint64_t from)
{
	uint64_t size, keep = from + ROOM_KEPT;
	struct numbers l = { .done = 0 };
	struct stat sb;

	if (fstat(state, &sb) == -1 || (from == 0 &&
	    (numbers_locate(state, &l) == -1 ||
	    numbers_write(state, "", 0, &l) == -1)))
		return -1;
	if (from == 0)
		from = SECTOR;
	if (keep < numbers_end(&l))
		keep = numbers_end(&l);
	size = (uint64_t)sb.st_size;
	if (size > keep && ftruncate(state, (off_t)keep) == 0)
		size = keep;
	return clear_around(state, &l, from, size);
}
