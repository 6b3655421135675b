/*
 * The journal on disk: its record, its entries and its texts, read, verified
 * and written.  And the end of the spool: whether it was cut or has grown.
 *
 * Everything has a checksum.  What does not add up was never synced, so nothing
 * in the spool has been changed because of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/journal.h"

static const char record_magic[32] = RECORD_MAGIC;

_Static_assert(sizeof(struct record) <= HEAD_ROOM, "a head comes after it");

enum { RECORD_SEED = 3, WITNESS = 64 << 10 };

/* ---- the end of the spool ------------------------------------------------ */

/*
 * What lies between the new size and the old one is not touched before the
 * spool is cut there.  After a crash near that point, and more mail, both ends
 * of that text tell whether it was.
 */
int
jrn_witness(int fd, const struct record *r, uint64_t *sum)
{
	uint64_t n, a, b;

	*sum = 0;
	if (r->new_size >= r->old_size)
		return 0;
	n = r->old_size - r->new_size;
	n = n < WITNESS ? n : WITNESS;
	if (file_sum_part(fd, r->new_size, n, &a) == -1 ||
	    file_sum_part(fd, r->old_size - n, n, &b) == -1)
		return -1;
	*sum = a * 31 + b;
	return 0;
}

int
jrn_set_size(struct spool *sp, uint64_t size)
{
	return ftruncate(sp->fd, (off_t)size) == -1 ? -1 : fsync(sp->fd);
}

/*
 * Where that which grow() writes, or a crash makes of it, ends: at limit or
 * where other text comes: *end.  0, or -1 with errno.
 */
static int
fill_end(int fd, uint64_t at, uint64_t limit, uint64_t *end)
{
	char s[SECTOR];
	size_t n, i;

	for (; at < limit; at += n) {
		n = limit - at < SECTOR ? (size_t)(limit - at) : SECTOR;
		if (file_read(fd, s, n, at) == -1)
			return -1;
		for (i = 0; i < n && (s[i] == '\n' || s[i] == '\0'); i++)
			;
		*end = at + i;
		if (i < n)
			return 0;
	}
	*end = limit;
	return 0;
}

int
jrn_cut_growth(struct spool *sp, const struct record *r, uint64_t *end)
{
	uint64_t size;
	struct stat sb;

	if (file_now(sp->fd, &sb) == -1)
		return -1;
	size = *end = (uint64_t)sb.st_size;
	if (size < r->old_size)
		return 0;
	if (fill_end(sp->fd, r->old_size, size < r->new_size ? size :
	    r->new_size, end) == -1)
		return -1;
	if (*end < size)
		return 0;
	return jrn_set_size(sp, r->old_size) == -1 ? -1 : 1;
}

/* ---- writing ------------------------------------------------------------- */

void
jrn_begin(struct journal *j, int state, struct plan *pl,
    const struct spool *sp)
{
	struct record *r = &j->r;

	memset(j, 0, sizeof(*j));
	j->state = state;
	j->pl = *pl;
	memset(pl, 0, sizeof(*pl));
	memcpy(r->magic, record_magic, sizeof(r->magic));
	r->seq = stamp_number() | 1;	/* the next is the first sector's */
	r->since = r->seq + 1;
	r->ino = (uint64_t)sp->st.st_ino;
	r->old_size = j->pl.old_size;
	r->new_size = j->pl.new_size;
	r->first = j->pl.first;
	r->from_state = j->pl.from_state;
	r->pass = r->new_size > r->old_size ? PASS_GROW : PASS_LEFT;
	r->entries = j->pl.n;
	r->entry_size = sizeof(*j->pl.v);
	j->stale = true;
}

void
jrn_end(struct journal *j)
{
	file_free(j->block);
	file_free(j->out);
	plan_free(&j->pl);
	j->block = j->out = NULL;
}

int
jrn_put_entries(struct journal *j)
{
	size_t bytes = (size_t)j->r.entries * sizeof(*j->pl.v);

	j->r.entries_sum = file_sum(j->pl.v, bytes, RECORD_SEED);
	return file_write(j->state, j->pl.v, bytes, j->r.entries_at);
}

int
jrn_put_record(struct journal *j)
{
	char sector[SECTOR] = { 0 };
	uint64_t k;

	j->r.seq++;
	j->r.sum = file_sum(&j->r, offsetof(struct record, sum), RECORD_SEED);
	k = j->r.seq % 2;
	memcpy(sector, &j->r, sizeof(j->r));
	memcpy(sector + HEAD_ROOM, j->heads.of[k], HEAD_ROOM);
	if (file_write(j->state, sector, sizeof(sector), k * SECTOR) == -1 ||
	    file_sync(j->state) == -1)
		return -1;
	j->stale = false;
	return 0;
}

/*
 * If the sync fails, the disk may have the old sector and the system's memory
 * the new one.  The next session must not believe that nothing is there, so the
 * sector is written back.
 */
int
jrn_void(int state, bool done)
{
	char was[INDEX_AT] = { 0 }, sector[SECTOR] = { 0 };
	const char *head = was;		/* an index stays */
	int saved;

	if (file_some(state, was, sizeof(was), 0) == -1)
		return -1;
	if (memcmp(was, record_magic, sizeof(record_magic)) == 0)
		head = was + (done ? SECTOR : 0) + HEAD_ROOM;
	if (index_is_head(head))
		memcpy(sector, head, HEAD_ROOM);
	if (file_write(state, sector, sizeof(sector), 0) == 0 &&
	    file_sync(state) == 0)
		return 0;
	saved = errno;
	(void)file_write(state, was, SECTOR, 0);
	errno = saved;
	return -1;
}

/* ---- reading ------------------------------------------------------------- */

static bool
record_sound(const struct record *r)
{
	return r->entry_size == sizeof(struct entry) &&
	    r->entries <= UINT32_MAX && r->entries_at <= INT64_MAX &&
	    r->old_size <= INT64_MAX && r->new_size <= INT64_MAX &&
	    r->first <= INT64_MAX && r->pass <= PASS_RIGHT &&
	    r->from_state <= 1 &&
	    r->room <= INT64_MAX && r->text_at[0] <= INT64_MAX &&
	    r->text_at[1] <= INT64_MAX && r->text[0].len <= r->room &&
	    r->text[1].len <= r->room;
}

/*
 * 1: there is a record; 0: there is none; or -1 with errno.  A sector is
 * written whole, so no crash leaves one that is not sound (EILSEQ): it is
 * damaged, or from a machine of the other byte order, and texts may depend on
 * it.
 */
static int
read_record(int state, uint64_t at, struct record *r)
{
	ssize_t n = file_some(state, r, sizeof(*r), at);

	if (n == -1)
		return -1;
	if (n != sizeof(*r) ||
	    memcmp(r->magic, record_magic, sizeof(r->magic)) != 0)
		return 0;
	if (record_sound(r) && r->sum == file_sum(r,
	    offsetof(struct record, sum), RECORD_SEED))
		return 1;
	errno = EILSEQ;
	return -1;
}

int
jrn_take_heads(struct journal *j)
{
	char s[INDEX_AT] = { 0 };
	size_t k;

	if (file_some(j->state, s, sizeof(s), 0) == -1)
		return -1;
	for (k = 0; k < 2 && memcmp(s, record_magic, sizeof(record_magic)) == 0;
	    k++)
		memcpy(j->heads.of[k], s + k * SECTOR + HEAD_ROOM, HEAD_ROOM);
	return 0;
}

/* The one of the two records that counts: 1, 0 or -1, as above. */
static int
find_record(int state, struct record *r)
{
	struct record second;
	int found = read_record(state, 0, r), more = 0;

	if (found == 1)
		more = read_record(state, SECTOR, &second);
	if (more == 1 && second.seq == r->seq + 1)
		*r = second;
	return more == -1 ? -1 : found;
}

static int
read_entries(struct journal *j, uint64_t state_size)
{
	struct record *r = &j->r;
	size_t bytes = (size_t)r->entries * sizeof(*j->pl.v);

	errno = EILSEQ;
	if (r->entries_at > state_size || r->entries > SIZE_MAX /
	    sizeof(*j->pl.v) || bytes > state_size - r->entries_at)
		return -1;
	if ((j->pl.v = malloc(bytes + 1)) == NULL ||
	    file_read(j->state, j->pl.v, bytes, r->entries_at) == -1)
		return -1;
	j->pl.n = j->pl.slots = (size_t)r->entries;
	j->pl.old_size = r->old_size;
	j->pl.first = r->first;
	j->pl.new_size = r->new_size;
	j->pl.room = r->room;
	j->pl.from_state = r->from_state;
	errno = EILSEQ;
	return file_sum(j->pl.v, bytes, RECORD_SEED) == r->entries_sum &&
	    plan_sound(&j->pl, r->from_state ? state_size : r->old_size) ? 0 :
	    -1;
}

int
jrn_load(struct journal *j, int state)
{
	struct stat sb;
	int found;

	memset(j, 0, sizeof(*j));
	j->state = state;
	j->stale = true;
	if ((found = find_record(state, &j->r)) == 0)
		errno = ENOENT;		/* never synced: never begun */
	if (found != 1 || file_now(state, &sb) == -1 || jrn_take_heads(j) == -1)
		return -1;
	j->end = (uint64_t)sb.st_size;
	if (read_entries(j, j->end) == 0)
		return 0;
	if (errno == EILSEQ && j->r.seq == j->r.since)
		errno = ENOENT;
	jrn_end(j);
	return -1;
}

uint64_t
jrn_used(const struct journal *j, bool rooms)
{
	const struct record *r = &j->r;
	const struct entry *e = j->pl.v;
	uint64_t ends[4] = { index_after(&j->heads),
	    rooms ? r->entries_at + r->entries * sizeof(*e) : 0 };
	uint64_t end = 0, n;
	size_t i;

	for (i = 0; i < 2; i++) {
		n = rooms ? r->room : r->text[i].len;
		ends[2 + i] = n > 0 ? r->text_at[i] + n : 0;
	}
	for (i = 0; i < 4; i++)
		end = ends[i] > end ? ends[i] : end;
	for (i = 0; i < j->pl.n && r->from_state; i++)
		if (e[i].src + e[i].len > end)
			end = e[i].src + e[i].len;
	return end;
}

int
jrn_text_there(const struct journal *j, uint64_t area)
{
	const struct text *t = &j->r.text[area];
	uint64_t sum, at = j->r.text_at[area];

	if (t->len == 0 || at + t->len > j->end)
		return 0;
	if (file_sum_part(j->state, at, t->len, &sum) == -1)
		return -1;
	return sum == t->sum;
}

int
jrn_text_ready(const struct journal *j, const struct window *w)
{
	const struct text *t = &j->r.text[j->r.texts % 2];

	return !w->text || t->from != w->from || t->len != w->to - w->from ? 0 :
	    jrn_text_there(j, j->r.texts % 2);
}
