/*
 * The journal: carrying out a plan so that a crash at any point leaves either
 * the old spool or a state file from which the next session finishes.
 *
 * The state file then holds a head (one sector, so it is written whole or not
 * at all), two sectors for marks that take turns, the steps, and room for the
 * new text of one step, twice: what the mark speaks of is never overwritten.
 * Everything is summed; what does not add up was never synced, so nothing in
 * the spool has been changed on the strength of it.
 *
 *	steps, head, first text	fsync	from here on the journal counts
 *	each step: (text, mark	fsync)	only where source and place overlap
 *		spool		fsync
 *		mark		fsync	before the next step needs the place
 *	size			fsync
 *	head made void		fsync
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/journal.h"

/* ---- writing ----------------------------------------------------------- */

/* Copies a piece to a place in one of the two files. */
static int
put_piece(struct spool *sp, int state, const struct piece *x, int to,
    uint64_t at)
{
	struct str s;

	if (x->kind == SRC_SPOOL || x->kind == SRC_STATE)
		return file_copy(x->kind == SRC_SPOOL ? sp->fd : state, x->src,
		    to, at, x->len);
	s = plan_literal((enum src)x->kind);
	return file_write(to, s.p + x->src, (size_t)x->len, at);
}

/* Collects the new text of the step v[i..end-1] in the state file. */
static int
gather(struct spool *sp, int state, struct journal *j, size_t i, size_t end,
    uint64_t len)
{
	int which = (int)(j->m.done % 2), r = 0;
	uint64_t at = j->h.text_at[which];

	for (; i < end && r == 0; i++) {
		r = put_piece(sp, state, &j->st.v[i], state, at);
		at += j->st.v[i].len;
	}
	if (r == 0)
		r = file_sum_part(state, at - len, len, &j->m.text[which].sum);
	j->m.text[which].step = j->m.done + 1;
	j->m.text[which].len = len;
	return r;
}

/*
 * The step's text into the journal, durably.  Where the mark knows of a text
 * that is not there as it was, either it was never synced, and then its
 * sources still add up to it; or the file was damaged, and nothing is done.
 */
static int
prepare(struct spool *sp, int state, struct journal *j, size_t i, size_t end,
    uint64_t len)
{
	int which = (int)(j->m.done % 2);
	bool known = j->m.text[which].step == j->m.done + 1;
	uint64_t was = j->m.text[which].sum;
	int r;

	if ((r = jrn_text_ready(state, j)) != 0)
		return r == 1 ? 0 : -1;
	if (gather(sp, state, j, i, end, len) == -1)
		return -1;
	if (known && j->m.text[which].sum != was) {
		errno = EILSEQ;
		return -1;
	}
	return jrn_write_mark(state, j) == -1 ? -1 : file_sync(state);
}

static int
one_step(struct maildrop *box, struct spool *sp, struct journal *j, size_t i,
    size_t *end)
{
	int state = box->state;
	const struct piece *x;
	uint64_t len;

	*end = jrn_step_end(&j->st, i, &len);
	if (j->st.v[i].flags & PIECE_TEXT) {
		if (prepare(sp, state, j, i, *end, len) == -1 ||
		    file_copy(state, j->h.text_at[j->m.done % 2], sp->fd,
		    j->st.v[i].dst, len) == -1)
			return -1;
	} else
		for (x = &j->st.v[i]; x < &j->st.v[*end]; x++)
			if (put_piece(sp, state, x, sp->fd, x->dst) == -1)
				return -1;
	return file_sync(sp->fd);
}

/*
 * A step's mark must be durable before anything overwrites what the step was
 * made of, or cuts it off.  Where the next step goes by way of the journal
 * its own mark, synced with its text, says it as well; and text in the
 * journal outlives whatever is done to the spool.
 */
static int
step_done(int state, struct journal *j, bool text, size_t next)
{
	j->m.done++;
	if (next < j->st.n ? (j->st.v[next].flags & PIECE_TEXT) != 0 : text ||
	    j->h.new_size >= j->h.old_size)
		return 0;
	return jrn_write_mark(state, j) == -1 ? -1 : file_sync(state);
}

/* Whether the spool is as large as it was when the change was worked out. */
static bool
has_size(const struct spool *sp, uint64_t size)
{
	struct stat sb;

	return fstat(sp->fd, &sb) == 0 && (uint64_t)sb.st_size == size;
}

/*
 * The larger size first: on a full disk this fails before any text moves.  It
 * is filled with line ends: behind them a delivery agent's From_ line is one,
 * whatever becomes of us, and another program's rewriting keeps it so.
 */
static int
grow(struct spool *sp, int state, struct journal *j)
{
	char fill[PAGE];
	uint64_t at;
	size_t n;

	if (j->h.new_size <= j->h.old_size || j->m.grown)
		return 0;
	if (!has_size(sp, j->h.old_size)) {	/* mail stands there */
		errno = EAGAIN;
		return -1;
	}
	j->filled = true;
	memset(fill, '\n', sizeof(fill));
	for (at = j->h.old_size; at < j->h.new_size; at += n) {
		n = j->h.new_size - at < sizeof(fill) ?
		    (size_t)(j->h.new_size - at) : sizeof(fill);
		if (file_write(sp->fd, fill, n, at) == -1)
			return -1;
	}
	if (file_sync(sp->fd) == -1)
		return -1;
	j->m.grown = 1;
	return jrn_write_mark(state, j) == -1 ? -1 : file_sync(state);
}

/* Carries out what is left to do, from the mark on. */
int
jrn_run(struct maildrop *box, struct spool *sp, struct journal *j)
{
	int state = box->state;
	struct stat sb;
	uint64_t len, k;
	size_t i = 0;
	bool text;

	for (k = 0; k < j->m.done && i < j->st.n; k++)
		i = jrn_step_end(&j->st, i, &len);
	if (grow(sp, state, j) == -1)
		return -1;
	while (i < j->st.n) {
		text = (j->st.v[i].flags & PIECE_TEXT) != 0;
		if (one_step(box, sp, j, i, &i) == -1 ||
		    step_done(state, j, text, i) == -1)
			return -1;
		lock_touch(box, sp);
	}
	if (fstat(sp->fd, &sb) == -1)
		return -1;
	if (j->h.new_size < j->h.old_size) {
		if ((uint64_t)sb.st_size > j->h.old_size)
			return jrn_close_gap(box, sp, j, j->h.new_size,
			    j->h.old_size, (uint64_t)sb.st_size,
			    j->h.void_at);
		if (ftruncate(sp->fd, (off_t)j->h.new_size) == -1 ||
		    fsync(sp->fd) == -1)
			return -1;
	}
	return jrn_void(state, j->h.void_at, true);
}

/* ---- beginning --------------------------------------------------------- */

/*
 * The journal takes the index's place: a list of the duplicates in it (now, or
 * NULL) goes after the journal.  Where a full disk has no room for it, that mail
 * can be deleted is more important; the list before it stays, if it may.
 */
static int
replace_index(int state, struct journal *j, const struct msgs *now)
{
	struct stat sb;
	uint64_t at;

	if (fstat(state, &sb) == -1)
		return -1;
	at = (uint64_t)sb.st_size > j->end ? (uint64_t)sb.st_size : j->end;
	if (now != NULL && numbers_add(state, now, at, &j->numbers) == -1 &&
	    !file_no_room(errno))
		return -1;
	return numbers_write(state, "", 0, &j->numbers);
}

/*
 * Writes a journal whose first step's text is in it.  Where another one is
 * in force (turn), the head takes its place only when all else is durable.
 */
static int
begin_journal(struct maildrop *box, struct spool *sp, struct journal *j,
    const struct msgs *now, bool turn)
{
	int state = box->state;
	size_t bytes = j->st.n * sizeof(*j->st.v), end;
	uint64_t len;

	memcpy(j->h.magic, HEAD_MAGIC, sizeof(HEAD_MAGIC));
	memcpy(j->m.magic, MARK_MAGIC, sizeof(MARK_MAGIC));
	j->h.serial++;
	j->m.serial = j->h.serial;
	j->m.done = j->m.grown = 0;
	memset(j->m.text, 0, sizeof(j->m.text));
	j->h.steps_sum = jrn_sum(j->st.v, bytes);
	if (jrn_witness(sp->fd, &j->h, &j->h.witness) == -1)
		return -1;
	if (!turn && j->base == 0 && replace_index(state, j, now) == -1)
		return -1;
	if (file_write(state, j->st.v, bytes, j->h.steps_at) == -1)
		return -1;
	if (j->st.n > 0 && j->st.v[0].flags & PIECE_TEXT) {
		end = jrn_step_end(&j->st, 0, &len);
		if (gather(sp, state, j, 0, end, len) == -1)
			return -1;
	}
	if (jrn_write_mark(state, j) == -1 || (turn && file_sync(state) == -1)
	    || jrn_write_head(state, j) == -1)
		return -1;
	return file_sync(state);
}

/* Marks and serials must differ from those of any journal before. */
static uint64_t
fresh_serial(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME, &ts) == -1)
		return (uint64_t)getpid() << 32;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Takes the fill away again, durably; mail behind it may keep it. */
static int
unfill(struct spool *sp, const struct journal *j)
{
	struct stat sb;

	if (!j->filled)
		return 0;
	if (fstat(sp->fd, &sb) == -1)
		return -1;
	if ((uint64_t)sb.st_size > j->h.new_size)
		return 0;
	return ftruncate(sp->fd, (off_t)j->h.old_size) == -1 ? -1 :
	    fsync(sp->fd);
}

/*
 * Nothing has been moved yet, and nothing will be: the spool gets its old
 * size back, and the journal is made void.  If that cannot be done, the next
 * session decides.  Never 0: the errno is the caller's answer.
 */
static int
abandon(struct spool *sp, int state, struct journal *j, bool *begun)
{
	int saved = errno;

	*begun = unfill(sp, j) == -1 || jrn_void(state, j->base, false) == -1;
	if (!*begun)
		(void)index_wipe(state, j->base);
	errno = saved;
	return -1;
}

/* Where the journal that is in force ends, and all that pl takes from there. */
static uint64_t
end_in_force(const struct journal *j, const struct plan *pl)
{
	uint64_t end = j->h.text_at[1], texts = 0;
	size_t i;

	for (i = 0; i < j->st.n; i++)
		texts += (j->st.v[i].flags & PIECE_TEXT) != 0;
	if (texts > 1)
		end += j->h.text_at[1] - j->h.text_at[0];
	for (i = 0; i < pl->n; i++)
		if (pl->v[i].kind == SRC_STATE &&
		    pl->v[i].src + pl->v[i].len > end)
			end = pl->v[i].src + pl->v[i].len;
	return end;
}

/*
 * Room in the state file: behind what a new journal is made of, in front of the
 * steps of the one in force; or behind that, where it has reserved some.  So they
 * take turns, and the file does not grow with each that cannot be carried out.
 */
static int
find_room(int state, struct journal *j, const struct plan *pl, uint64_t area,
    uint64_t end)
{
	uint64_t steps = j->h.steps_at;

	if (area < steps && jrn_plan_for_room(state, j, pl, area, steps, true)
	    == 0)
		return 0;
	return jrn_plan_for_room(state, j, pl, end, UINT64_MAX, true);
}

/*
 * Room for a journal that takes no other's place.  The lists of duplicates stay
 * where they are, if there is room after them.
 */
static int
first_room(int state, struct journal *j, const struct plan *pl)
{
	uint64_t area = j->base + HEAD_ROOM, lists;

	if (j->base == 0 && numbers_locate(state, &j->numbers) == -1)
		return -1;
	lists = numbers_end(&j->numbers);
	if (lists > area &&
	    jrn_plan_for_room(state, j, pl, lists, UINT64_MAX, false) == 0)
		return 0;
	if (lists > area)
		memset(&j->numbers, 0, sizeof(j->numbers));
	return jrn_plan_for_room(state, j, pl, area, UINT64_MAX, false);
}

int
journal_cut(struct spool *sp, const struct plan *pl, bool *begun)
{
	if (!has_size(sp, pl->old_size))
		return 1;
	if (ftruncate(sp->fd, (off_t)pl->new_size) == -1)
		return -1;
	*begun = true;
	return fsync(sp->fd);
}

static int
apply_plan(struct maildrop *box, struct spool *sp, const struct plan *pl,
    const struct msgs *now, uint64_t base, uint64_t area, uint64_t void_at,
    bool *begun)
{
	int state = box->state, r;
	bool turn = area > 0;
	uint64_t end = 0;
	struct journal j;

	*begun = false;
	if (pl->n == 0 && base == 0 && area == 0 &&	/* nothing moves */
	    (r = journal_cut(sp, pl, begun)) != 1)
		return r;
	if (turn) {
		if (jrn_load(state, base, &j) == -1)
			return -1;
		end = end_in_force(&j, pl);
		plan_free(&j.st);
	} else {
		memset(&j, 0, sizeof(j));
		j.h.serial = fresh_serial();
	}
	j.base = base;
	j.h.void_at = void_at;
	j.h.ino = (uint64_t)sp->st.st_ino;
	j.h.old_size = pl->old_size;
	j.h.new_size = pl->new_size;
	if ((turn ? find_room(state, &j, pl, area, end) :
	    first_room(state, &j, pl)) == -1)
		return -1;
	r = begin_journal(box, sp, &j, now, turn);
	if (r == 0 && turn)
		r = ftruncate(state, (off_t)j.end);
	if (r == 0 && !turn)
		r = grow(sp, state, &j);
	if (r == -1 && !turn)
		r = abandon(sp, state, &j, begun);
	if (r == 0) {
		*begun = true;
		r = jrn_run(box, sp, &j);
	}
	plan_free(&j.st);
	return r;
}

int
journal_apply(struct maildrop *box, struct spool *sp, const struct plan *pl,
    const struct msgs *now, uint64_t base, uint64_t area, bool *begun)
{
	return apply_plan(box, sp, pl, now, base, area, 0, begun);
}

/*
 * All is moved, or nothing, but somebody has appended mail behind the old
 * text: after a crash, or without a lock that we could see.
 */
int
jrn_close_gap(struct maildrop *box, struct spool *sp, const struct journal *j,
    uint64_t dst, uint64_t src, uint64_t size, uint64_t void_at)
{
	struct plan pl;
	bool begun;
	int r;

	log_notice(box->env, "update user=%s: keeping %llu bytes of mail "
	    "that arrived", box->env->who, (unsigned long long)(size - src));
	plan_begin(&pl, size, dst);
	r = plan_add(&pl, SRC_SPOOL, src, size - src, true);
	if (r == 0)
		r = apply_plan(box, sp, &pl, NULL, j->base, UINT64_MAX, void_at,
		    &begun);
	plan_free(&pl);
	return r;
}
