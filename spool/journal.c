/*
 * The journal: carrying out a plan so that a crash at any point leaves either
 * the old spool or a state file from which the next session finishes.
 *
 * The state file then holds the record in two sectors that take turns, the old
 * index and the new one, the entries, and room for the new text of a window,
 * twice: what the record speaks of is never overwritten.
 *
 *	new index, entries, record	sync	from here on the journal counts
 *	(line ends			sync)	if the spool gets larger
 *	each window: (text, record	sync)	if it has its own sources' place
 *		spool			sync
 *		(record			sync)	before a direct window takes
 *						what this one was made of
 *	size				sync	after the first pass
 *	record made void		sync
 *
 * The record of a window is written with the text of the next one, if that has
 * a text: then it costs no sync of its own.  After the last window there is
 * none: the size of the spool, or what stands there, says as much.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/journal.h"

enum {
	TEXT_MOST = 16 << 20,	/* bytes: few syncs, little room */
	TEXT_LEAST = 4 << 10,
	TEXT_SPARE = 64 << 10,
	READ_OVER = 128 << 10	/* of the source, read at once */
};

/* ---- new text ------------------------------------------------------------ */

/* Memory for all of it. */
static int
take_memory(struct journal *j)
{
	if (j->block == NULL)
		j->block = file_block(READ_OVER);
	if (j->out == NULL)
		j->out = file_block(BLOCK);
	return j->block == NULL || j->out == NULL ? -1 : 0;
}

/* Reads n bytes of the source, by way of a block if they are few. */
static int
fetch(struct journal *j, int fd, uint64_t src, size_t n, char *to)
{
	ssize_t got;

	if (n > READ_OVER / 2)
		return file_read(fd, to, n, src);
	if (src < j->block_at || src + n > j->block_at + j->block_n) {
		j->block_n = 0;
		if ((got = file_some(fd, j->block, READ_OVER, src)) == -1)
			return -1;
		if ((size_t)got < n) {
			errno = EIO;
			return -1;
		}
		j->block_at = src;
		j->block_n = (size_t)got;
	}
	memcpy(to, j->block + (src - j->block_at), n);
	return 0;
}

/* The n bytes that a window has from pos on. */
static int
compose(struct journal *j, int fd, const struct window *w, uint64_t pos,
    size_t n, char *to)
{
	struct piece x;
	size_t some;

	for (; n > 0; n -= some, to += some, pos += some) {
		x = plan_piece(&j->pl, w, pos);
		some = x.n < n ? (size_t)x.n : n;
		if (x.p != NULL)
			memcpy(to, x.p, some);
		else if (fetch(j, fd, x.src, some, to) == -1)
			return -1;
	}
	return 0;
}

/* ---- windows ------------------------------------------------------------- */

static size_t
block_bytes(const struct window *w, uint64_t at)
{
	return w->to - at < BLOCK ? (size_t)(w->to - at) : BLOCK;
}

/*
 * The window's text into the journal, durably.  If the record knows of a text
 * that is not there as it was, either it was never synced, and then its
 * sources still add up to it; or the file was damaged, and nothing is done.
 */
static int
prepare_text(struct journal *j, struct spool *sp, const struct window *w)
{
	struct text was, *t = &j->r.text[j->r.texts % 2];
	uint64_t at, area = j->r.text_at[j->r.texts % 2];
	size_t n;
	int r;

	if ((r = jrn_text_ready(j, w)) != 0)
		return r == 1 ? 0 : -1;
	was = *t;
	*t = (struct text){ .from = w->from, .len = w->to - w->from };
	for (at = w->from; at < w->to; at += n) {
		n = block_bytes(w, at);
		if (compose(j, sp->fd, w, at, n, j->out) == -1 ||
		    file_write(j->state, j->out, n, area + (at - w->from)) ==
		    -1)
			return -1;
		t->sum = file_sum(j->out, n, t->sum);
	}
	if (was.from == t->from && was.len == t->len && was.sum != t->sum) {
		errno = EILSEQ;
		return -1;
	}
	return jrn_put_record(j);
}

/*
 * Writes a window into the spool from its front: the first write gives the
 * message before its end, and in a direct window the sources stand until all
 * is written.
 */
static int
put_window(struct journal *j, struct spool *sp, const struct window *w)
{
	uint64_t at, area = j->r.text_at[j->r.texts % 2];
	int source = j->pl.from_state ? j->state : sp->fd;
	size_t n;

	j->moved = true;
	for (at = w->from; at < w->to; at += n) {
		n = block_bytes(w, at);
		if ((w->text ? file_read(j->state, j->out, n, area + (at -
		    w->from)) : compose(j, source, w, at, n, j->out)) == -1 ||
		    file_write(sp->fd, j->out, n, at) == -1)
			return -1;
	}
	return file_sync(sp->fd);
}

int
jrn_part_stands(const struct spool *sp, struct journal *j)
{
	uint64_t at;
	struct window w;
	char s[PAGE];
	size_t n, i;

	if (take_memory(j) == -1)
		return -1;
	if (plan_window(&j->pl, PASS_LEFT, 0, &w) != 1)
		return 0;
	for (at = w.from; at < w.to; at += n) {
		n = w.to - at < PAGE ? (size_t)(w.to - at) : PAGE;
		if (compose(j, j->state, &w, at, n, j->out) == -1 ||
		    file_read(sp->fd, s, n, at) == -1)
			return -1;
		for (i = 0; i < n; i++)
			if (s[i] != '\n' && s[i] != j->out[i])
				return 0;
	}
	return 1;
}

static int
move_window(struct maildrop *box, struct spool *sp, struct journal *j,
    const struct window *w)
{
	j->block_n = 0;
	if (w->text ? prepare_text(j, sp, w) == -1 :
	    j->stale && jrn_put_record(j) == -1)
		return -1;
	if (put_window(j, sp, w) == -1)
		return -1;
	j->r.off = w->next;
	j->r.texts += w->text;
	j->stale = true;
	lock_touch(box, sp);
	return 0;
}

/* ---- the size ------------------------------------------------------------ */

/* Whether the spool has a size: 1, 0, or -1 with errno; *size is the one. */
static int
has_size(struct spool *sp, uint64_t wanted, uint64_t *size)
{
	struct stat sb;

	if (file_now(sp->fd, &sb) == -1)
		return -1;
	*size = (uint64_t)sb.st_size;
	return *size == wanted;
}

/*
 * The larger size first: on a full disk this fails before any text moves.  It
 * is filled with line ends: a delivery agent's From_ line after them begins a
 * message, whatever becomes of us, and another program's rewriting keeps it so.
 */
static int
grow(struct spool *sp, struct journal *j)
{
	uint64_t at, size;
	size_t n;
	int r;

	if ((j->stale && jrn_put_record(j) == -1) ||
	    (r = has_size(sp, j->r.old_size, &size)) == -1)
		return -1;
	if (r == 0 && !j->filled) {		/* mail stands there */
		errno = EAGAIN;
		return -1;
	}
	j->filled = true;
	memset(j->out, '\n', BLOCK);
	for (at = j->r.old_size; at < j->r.new_size; at += n) {
		n = j->r.new_size - at < BLOCK ?
		    (size_t)(j->r.new_size - at) : BLOCK;
		if (file_write(sp->fd, j->out, n, at) == -1)
			return -1;
	}
	j->r.pass = PASS_LEFT;
	j->stale = true;
	return file_sync(sp->fd);
}

/*
 * Mail stands after the old text: it came after a crash, or from a program
 * that sees neither lock.  Its messages become the last entries, and all of
 * these are written once more, to a new place.
 */
static int
absorb(struct maildrop *box, struct spool *sp, struct journal *j,
    uint64_t size)
{
	struct record *r = &j->r;
	struct msgs t;
	size_t i;
	int e;

	log_notice(box->env, "update user=%s: keeping %llu bytes of mail that "
	    "arrived", box->env->who, (unsigned long long)(size - r->old_size));
	e = scan_part(sp->fd, r->old_size, size, &t, NULL, NULL, NULL);
	for (i = 0; i < t.n && e == 0; i++)
		e = plan_add(&j->pl, &(struct entry){ .src = t.v[i].offset,
		    .len = t.v[i].length });
	msgs_free(&t);
	r->old_size = j->pl.old_size = size;
	r->new_size = j->pl.new_size;
	r->entries = j->pl.n;
	r->entries_at = file_aligned(jrn_used(j, true), SECTOR);
	if (e == -1 || file_sync(sp->fd) == -1 ||
	    jrn_witness(sp->fd, r, &r->witness) == -1 ||
	    jrn_put_entries(j) == -1 || file_sync(j->state) == -1)
		return -1;
	return jrn_put_record(j);
}

/* After the first pass: what is beyond the new size is not needed any more. */
static int
end_left_pass(struct maildrop *box, struct spool *sp, struct journal *j)
{
	uint64_t size;
	int r = 1;

	if (j->r.new_size < j->r.old_size)
		r = has_size(sp, j->r.old_size, &size);
	if (r == 0 && size > j->r.old_size)
		return absorb(box, sp, j, size);
	if (r == 0)
		errno = EAGAIN;		/* another program has cut it */
	if (r != 1)
		return -1;
	j->r.pass = PASS_RIGHT;
	j->r.off = plan_start(PASS_RIGHT);
	j->stale = true;
	if (j->r.new_size >= j->r.old_size)
		return 0;
	j->moved = true;
	return jrn_set_size(sp, j->r.new_size);
}

int
jrn_run(struct maildrop *box, struct spool *sp, struct journal *j)
{
	struct window w;
	int r = take_memory(j);

	if (r == 0 && j->r.pass == PASS_GROW)
		r = grow(sp, j);
	while (r == 0) {
		r = plan_window(&j->pl, (enum pass)j->r.pass, j->r.off, &w);
		if (r == 1)
			r = move_window(box, sp, j, &w);
		else if (r == 0 && j->r.pass == PASS_RIGHT)
			break;
		else if (r == 0)
			r = end_left_pass(box, sp, j);
	}
	return r;
}

/* ---- beginning ----------------------------------------------------------- */

/*
 * Reserves the journal's place, and after it what recovery will need, since
 * the disk may be full by then: as much as there is of the room for all texts
 * once more, which may have to go back into the spool.
 */
static int
reserve(const struct journal *j)
{
	uint64_t more = 2 * j->r.room + 4 * PAGE;

	for (; more >= PAGE; more /= 2) {
		if (file_reserve(j->state, 0, j->end + more) == 0)
			return 0;
		if (!file_no_room(errno))
			return -1;
	}
	return file_reserve(j->state, 0, j->end);
}

/*
 * Lays the journal out from area on with as much room for texts as there is on
 * the disk.  A full disk has room for direct windows.  There is room for two
 * texts even if none is planned: mail may arrive and have to be moved.
 */
static int
lay_out(struct journal *j, uint64_t area, uint64_t room)
{
	struct record *r = &j->r;
	uint64_t most;

	r->entries_at = file_aligned(area, SECTOR);
	area = r->entries_at + r->entries * sizeof(*j->pl.v);
	for (;; room = room > TEXT_LEAST ? room / 2 : 0) {
		if (plan_fit(&j->pl, room, &most) == 0) {
			/* with so much room the windows are the same */
			most += most > 0 ? GROWTH_MOST : 0;
			most = most < room ? most : room;
			if (most < TEXT_SPARE && most < room)
				most = room < TEXT_SPARE ? room : TEXT_SPARE;
			r->room = j->pl.room = most;
			r->text_at[0] = file_aligned(area, PAGE);
			r->text_at[1] = file_aligned(r->text_at[0] + r->room,
			    PAGE);
			j->end = r->room == 0 ? area : r->text_at[1] + r->room;
			if (reserve(j) == 0)
				return 0;
		}
		if (!file_no_room(errno) || room == 0)
			return -1;
	}
}

/* The room for a text that keeps every message whole. */
static uint64_t
wanted_room(const struct plan *pl)
{
	uint64_t room = TEXT_MOST, n;
	size_t k;

	for (k = 0; k < pl->n; k++) {
		n = plan_length(&pl->v[k]) + TEXT_SPARE;
		if (plan_pass(pl, k) != PASS_NONE && n > room)
			room = n;
	}
	return room;
}

/*
 * Finds room: after the index of what is there, and that of what will be, *next.
 * If a full disk has no room for all that, to be able to delete mail is more
 * important than both; to add lines is not.
 */
static int
find_room(struct journal *j, const struct msgs *then, struct index *next)
{
	uint64_t room = wanted_room(&j->pl);

	if (index_prepare(j->state, then, &j->heads, next) == 0 &&
	    lay_out(j, index_after(&j->heads), room) == 0)
		return 0;
	if (!file_no_room(errno) || j->pl.extra || index_drop(j->state) == -1)
		return -1;
	memset(&j->heads, 0, sizeof(j->heads));
	memset(next, 0, sizeof(*next));
	return lay_out(j, INDEX_AT, room);
}

/*
 * Nothing has been moved yet, and nothing will be: the line ends by which the
 * spool has grown are cut off, unless mail stands after them, and the journal
 * is made void.  If that cannot be done, the next session decides.  Returns
 * whether it was.
 */
static bool
abandon(struct spool *sp, struct journal *j)
{
	uint64_t end;
	int saved = errno, r = 0;

	if (j->filled)
		r = jrn_cut_growth(sp, &j->r, &end);
	if (r != -1)
		r = jrn_void(j->state, false);
	if (r == 0)
		(void)index_wipe(j->state, true);
	errno = saved;
	return r == 0;
}

int
journal_cut(struct spool *sp, uint64_t old_size, uint64_t size, bool *begun)
{
	uint64_t is;
	int r = has_size(sp, old_size, &is);

	if (r == 0)
		errno = EAGAIN;
	if (r != 1)
		return -1;
	if (ftruncate(sp->fd, (off_t)size) == -1)
		return -1;
	*begun = true;
	sp->st.st_size = (off_t)size;
	return fsync(sp->fd);
}

int
journal_apply(struct maildrop *box, struct spool *sp, struct plan *pl,
    const struct msgs *then, struct index *next, bool *begun)
{
	struct journal j;
	int r;

	jrn_begin(&j, box->state, pl, sp);
	r = find_room(&j, then, next);
	if (r == 0)
		r = jrn_witness(sp->fd, &j.r, &j.r.witness);
	if (r == 0 && (jrn_put_entries(&j) == -1 ||
	    jrn_run(box, sp, &j) == -1)) {
		r = -1;
		if (j.moved || !abandon(sp, &j))
			*begun = true;
	}
	if (r == 0) {
		*begun = true;
		r = jrn_void(box->state, true);
	}
	if (r == 0 && index_wipe(box->state, false) == -1)
		memset(next, 0, sizeof(*next));	/* another one wipes again */
	jrn_end(&j);
	return r;
}
