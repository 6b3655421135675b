/*
 * The journal on disk: its head, its two marks and its texts, read, verified and
 * written; and where in the state file they lie.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spool/journal.h"

enum {
	WITNESS = 65536,
	TEXT_MOST = 16 << 20,		/* few syncs, little room */
	TEXT_LEAST = 4 << 10,
	SPARE = 128 << 10		/* moves up to 64 MB of mail that came: see
					   reserve() */
};

uint64_t
jrn_aligned(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

uint64_t
jrn_sum(const void *p, size_t n)
{
	return file_sum(p, n, 3);
}

/*
 * What lies between the new size and the old one is not touched before the
 * spool is cut there.  A crash near that point, then mail delivered: has it
 * been cut?  Both ends of that text tell.
 */
int
jrn_witness(int fd, const struct head *h, uint64_t *sum)
{
	uint64_t n, a, b;

	*sum = 0;
	if (h->new_size >= h->old_size)
		return 0;
	n = h->old_size - h->new_size;
	n = n < WITNESS ? n : WITNESS;
	if (file_sum_part(fd, h->new_size, n, &a) == -1 ||
	    file_sum_part(fd, h->old_size - n, n, &b) == -1)
		return -1;
	*sum = a * 31 + b;
	return 0;
}

static int
write_sector(int state, const void *p, size_t n, uint64_t at)
{
	char sector[SECTOR] = { 0 };

	memcpy(sector, p, n);
	return file_write(state, sector, sizeof(sector), at);
}

/*
 * If the sync fails, the disk may have the old sector and the system's memory
 * the new one.  The next session must not believe that nothing is there, so the
 * sector is written back.
 */
int
jrn_void(int state, uint64_t at, bool done)
{
	char was[SECTOR];
	ssize_t n;
	int saved;

	if ((n = file_some(state, was, sizeof(was), at)) == -1 || (at == 0 ?
	    numbers_settle(state, done) : write_sector(state, "", 0, at)) == -1)
		return -1;
	if (file_sync(state) == 0)
		return 0;
	saved = errno;
	(void)file_write(state, was, (size_t)n, at);
	errno = saved;
	return -1;
}

int
jrn_write_mark(int state, struct journal *j)
{
	j->m.seq++;
	j->m.sum = jrn_sum(&j->m, offsetof(struct mark, sum));
	return write_sector(state, &j->m, sizeof(j->m),
	    j->base + SECTOR + j->m.seq % 2 * SECTOR);
}

int
jrn_write_head(int state, struct journal *j)
{
	j->h.sum = jrn_sum(&j->h, offsetof(struct head, sum));
	if (j->base == 0)
		return numbers_write(state, &j->h, sizeof(j->h), &j->numbers);
	return write_sector(state, &j->h, sizeof(j->h), j->base);
}

/* Where step i ends in the list, and how much text it has. */
size_t
jrn_step_end(const struct plan *st, size_t i, uint64_t *len)
{
	*len = 0;
	do
		*len += st->v[i++].len;
	while (i < st->n && !(st->v[i].flags & PIECE_STEP));
	return i;
}

static bool
head_sound(const struct head *h, uint64_t base)
{
	return h->sum == jrn_sum(h, offsetof(struct head, sum)) &&
	    h->piece_size == sizeof(struct piece) &&
	    h->pieces <= UINT32_MAX &&
	    h->old_size <= INT64_MAX && h->new_size <= INT64_MAX &&
	    h->steps_at <= INT64_MAX && h->text_at[0] <= INT64_MAX &&
	    h->text_at[1] <= INT64_MAX &&
	    (h->void_at == 0 || h->void_at == base);
}

/*
 * 1: there is a head; 0: there is none; or -1 with errno.  A sector is written
 * whole, so no crash leaves a head that is not sound (EILSEQ): it is damaged, or
 * from a machine of the other byte order, and texts may depend on it.
 */
static int
head_read(int state, uint64_t base, struct head *h)
{
	static const char magic[32] = HEAD_MAGIC;
	ssize_t n = file_some(state, h, sizeof(*h), base);

	if (n == -1)
		return -1;
	if (n != sizeof(*h) || memcmp(h->magic, magic, sizeof(magic)) != 0)
		return 0;
	if (head_sound(h, base))
		return 1;
	errno = EILSEQ;
	return -1;
}

/* The newer of the two marks that belong to this head: 1, 0, or -1. */
static int
mark_read(int state, uint64_t base, uint64_t serial, struct mark *m)
{
	static const char magic[32] = MARK_MAGIC;
	struct mark x;
	int found = 0, i;
	ssize_t n;

	for (i = 1; i <= 2; i++) {
		if ((n = file_some(state, &x, sizeof(x), base +
		    (uint64_t)i * SECTOR)) == -1)
			return -1;
		if (n != sizeof(x) ||
		    memcmp(x.magic, magic, sizeof(magic)) != 0 ||
		    x.sum != jrn_sum(&x, offsetof(struct mark, sum)) ||
		    x.serial != serial || (found && x.seq <= m->seq) ||
		    x.text[0].len > INT64_MAX || x.text[1].len > INT64_MAX)
			continue;
		*m = x;
		found = 1;
	}
	return found;
}

/* Whether the journal has changed anything, as far as its mark tells. */
static bool
in_force(const struct mark *m)
{
	return m->done > 0 || m->grown;
}

int
jrn_load(int state, uint64_t base, struct journal *j)
{
	struct stat sb;
	size_t bytes;
	int r;

	memset(j, 0, sizeof(*j));
	j->base = base;
	if ((r = head_read(state, base, &j->h)) == 1)
		r = mark_read(state, base, j->h.serial, &j->m);
	if (r == 0)
		errno = ENOENT;		/* never synced: never begun */
	if (r != 1 || fstat(state, &sb) == -1 ||
	    (base == 0 && numbers_locate(state, &j->numbers) == -1))
		return -1;
	j->st.old_size = j->h.old_size;
	j->st.new_size = j->h.new_size;
	bytes = (size_t)j->h.pieces * sizeof(*j->st.v);
	if (j->h.steps_at <= (uint64_t)sb.st_size &&
	    bytes <= (uint64_t)sb.st_size - j->h.steps_at) {
		if ((j->st.v = malloc(bytes + 1)) == NULL)
			return -1;
		j->st.n = j->st.room = (size_t)j->h.pieces;
		if (file_read(state, j->st.v, bytes, j->h.steps_at) == -1) {
			plan_free(&j->st);
			return -1;
		}
		if (jrn_sum(j->st.v, bytes) == j->h.steps_sum &&
		    plan_sound(&j->st, (uint64_t)sb.st_size))
			return 0;
	}
	plan_free(&j->st);
	errno = in_force(&j->m) ? EILSEQ : ENOENT;
	return -1;
}

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int
jrn_write_again(int state, const struct journal *j)
{
	const struct piece *x;
	uint64_t end = j->base + HEAD_ROOM;
	struct stat sb;
	int i;

	if (fstat(state, &sb) == -1)
		return -1;
	end = later(end, j->h.steps_at + j->st.n * sizeof(*j->st.v));
	for (i = 0; i < 2; i++)
		if (j->m.text[i].step != 0)
			end = later(end, j->h.text_at[i] + j->m.text[i].len);
	for (x = j->st.v; x < j->st.v + j->st.n; x++)
		if (x->kind == SRC_STATE)
			end = later(end, x->src + x->len);
	if (end > (uint64_t)sb.st_size)
		end = (uint64_t)sb.st_size;
	if (end > j->base && file_copy(state, j->base, state, j->base,
	    end - j->base) == -1)
		return -1;
	return file_sync(state);
}

int
jrn_text_there(int state, const struct journal *j, int which)
{
	uint64_t sum, at = j->h.text_at[which], len = j->m.text[which].len;
	struct stat sb;

	if (j->m.text[which].step == 0)
		return 0;
	if (fstat(state, &sb) == -1)
		return -1;
	if (at + len > (uint64_t)sb.st_size)
		return 0;
	if (file_sum_part(state, at, len, &sum) == -1)
		return -1;
	return sum == j->m.text[which].sum;
}

int
jrn_text_ready(int state, const struct journal *j)
{
	int which = (int)(j->m.done % 2);

	return j->m.text[which].step != j->m.done + 1 ? 0 :
	    jrn_text_there(state, j, which);
}

/* Whether a step reads the spool: then it must not begin in vain. */
static bool
moves_spool(const struct plan *st)
{
	size_t i;

	for (i = 0; i < st->n; i++)
		if (st->v[i].kind == SRC_SPOOL)
			return true;
	return false;
}

/*
 * Reserves the journal's place, and behind it what recovery will need, since the
 * disk may be full by then.  A journal in its own right gets as much as there is
 * of the room for moving up mail that came, and for all texts once more, which
 * may have to go back into the spool.  One that follows another (turn) needs the
 * growth of the spool, which gets these blocks as soon as they are given back; one
 * that only adds to the spool may try without.
 */
static int
reserve(int state, const struct journal *j, uint64_t texts, bool turn)
{
	uint64_t n = j->end - j->base, more = texts + SPARE;

	if (turn) {
		more = j->h.new_size > j->h.old_size ? j->h.new_size -
		    j->h.old_size + PAGE : 0;
		if (file_reserve(state, j->base, n + more) == 0)
			return 0;
		return moves_spool(&j->st) ? -1 :
		    file_reserve(state, j->base, n);
	}
	for (; more >= PAGE; more /= 2) {
		if (file_reserve(state, j->base, n + more) == 0)
			return 0;
		if (!file_no_room(errno))
			return -1;
	}
	return file_reserve(state, j->base, n);
}

/* Lays the journal out in area..limit, and reserves that on the disk. */
static int
lay_out(int state, struct journal *j, uint64_t area, uint64_t limit,
    uint64_t room, bool turn)
{
	uint64_t at = jrn_aligned(area, SECTOR), bytes;
	unsigned texts = 0;
	size_t i;

	for (i = 0; i < j->st.n; i++)
		texts += (j->st.v[i].flags & PIECE_TEXT) != 0;
	bytes = j->st.n * sizeof(*j->st.v);
	j->h.steps_at = at;
	j->h.pieces = j->st.n;
	j->h.piece_size = sizeof(*j->st.v);
	at = jrn_aligned(at + bytes, texts > 0 ? PAGE : SECTOR);
	j->h.text_at[0] = at;
	at += texts > 0 ? room : 0;
	j->h.text_at[1] = at = jrn_aligned(at, PAGE);
	j->end = at += texts > 1 ? room : 0;
	if (at > limit) {
		errno = ERANGE;		/* smaller steps take long */
		return -1;
	}
	return reserve(state, j, texts > 1 ? 2 * room : texts * room, turn);
}

int
jrn_plan_for_room(int state, struct journal *j, const struct plan *pl,
    uint64_t area, uint64_t limit, bool turn)
{
	uint64_t room, moved = 0;
	size_t i;

	for (i = 0; i < pl->n; i++)
		moved += pl->v[i].len;
	for (room = moved < TEXT_MOST ? moved : TEXT_MOST;;
	    room = room > TEXT_LEAST ? room / 2 : 0) {
		if (plan_steps(pl, room, &j->st) == 0) {
			if (lay_out(state, j, area, limit, room, turn) == 0)
				return 0;
			plan_free(&j->st);
		}
		if (!file_no_room(errno) || room == 0)
			return -1;
	}
}
