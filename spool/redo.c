/*
 * Recovery: may what was begun be finished?
 *
 * What another process wrote is input: sizes are checked, sums are compared,
 * and a journal is only carried out on a spool that is as it left it.  The
 * owner of a forged one harms his own mail.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/journal.h"

/* ---- may it go on? ----------------------------------------------------- */

/*
 * Whether a file has at that place what a message begins with, or the empty
 * line that a careful delivery agent puts before it.  1, 0, or -1 with errno,
 * as all that follows: what cannot be read is no reason to give mail up.
 */
static int
begins_message(int fd, uint64_t at)
{
	char s[6];
	ssize_t n = file_some(fd, s, sizeof(s), at);

	return n == -1 ? -1 : n == sizeof(s) &&
	    (memcmp(s, "From ", 5) == 0 || memcmp(s, "\nFrom ", 6) == 0);
}

/*
 * Where that which grow() writes, or what a crash makes of it, ends: at limit
 * or where mail has come behind it.
 */
static uint64_t
fill_end(int fd, uint64_t at, uint64_t limit)
{
	char s[SECTOR];
	size_t n, i;

	for (; at < limit; at += n) {
		n = limit - at < SECTOR ? (size_t)(limit - at) : SECTOR;
		if (file_read(fd, s, n, at) == -1)
			return at;
		for (i = 0; i < n; i++)
			if (s[i] != '\n' && s[i] != '\0')
				return at + i;
	}
	return limit;
}

/* Whether every message that is still to be moved stands where it stood. */
static int
sources_stand(int fd, int state, const struct journal *j)
{
	const struct piece *x;
	uint64_t len, k;
	size_t i = 0;
	int r = 0;

	for (k = 0; k < j->m.done && i < j->st.n; k++)
		i = jrn_step_end(&j->st, i, &len);
	if (i < j->st.n && j->st.v[i].flags & PIECE_TEXT)
		r = jrn_text_ready(state, j);
	if (r == 1)
		i = jrn_step_end(&j->st, i, &len);
	for (; i < j->st.n && r != -1; i++) {
		x = &j->st.v[i];
		if (x->kind == SRC_SPOOL && x->flags & PIECE_MSG &&
		    (r = begins_message(fd, x->src)) == 0)
			return 0;
	}
	return r == -1 ? -1 : 1;
}

enum verdict { GO_ON, NOT_BEGUN, FINISHED, FOREIGN, UNKNOWN };

/* One of two verdicts, by what cannot always be told. */
static enum verdict
either(int r, enum verdict yes, enum verdict no)
{
	return r == -1 ? UNKNOWN : r == 1 ? yes : no;
}

/* A spool that gets larger: it grows before anything is moved. */
static enum verdict
judge_growing(int fd, struct journal *j, uint64_t size)
{
	if (!j->m.grown)
		return NOT_BEGUN;
	if (size <= j->h.new_size)
		return size == j->h.new_size ? GO_ON : FOREIGN;
	return either(begins_message(fd, j->h.new_size), GO_ON, FOREIGN);
}

/*
 * Sets the size that the spool has once more: after a failed sync the disk may
 * have another one.  The caller syncs it.
 */
static int
set_size(struct spool *sp, uint64_t size)
{
	return (uint64_t)sp->st.st_size != size ? 0 :
	    ftruncate(sp->fd, (off_t)size);
}

/*
 * Nothing is done, and nobody was told that anything is.  But the spool may
 * have its fill, or some of it: that goes away again, and mail that has come
 * behind it moves up, where a journal may be written for that.
 */
static int undo_growth(struct maildrop *box, struct spool *sp, struct journal
    *j, bool close) {
	uint64_t old = j->h.old_size, size = (uint64_t)sp->st.st_size, end;

	if (sp->fd == -1)
		return 0;
	if (size <= old || j->h.new_size <= old)
		return set_size(sp, old);
	end = fill_end(sp->fd, old, size < j->h.new_size ? size :
	    j->h.new_size);
	if (end == size)
		return ftruncate(sp->fd, (off_t)old) == -1 ? -1 :
		    fsync(sp->fd);
	if (!close || end == old || !scan_ends_blank(sp->fd, old) ||
	    begins_message(sp->fd, end) != 1)
		return 0;
	return jrn_close_gap(box, sp, j, old, end, size, j->base);
}

/*
 * Whether all steps are done but for the mark of the last one, which would
 * have cost one more sync: its text stands in the spool.
 */
static int
last_stands(int fd, int state, const struct journal *j, uint64_t size,
    uint64_t steps)
{
	size_t i, last = 0;
	uint64_t len, sum;
	int r;

	if (j->m.done + 1 != steps || (r = jrn_text_ready(state, j)) == 0)
		return 0;
	for (i = 0; i < j->st.n; i++)
		if (j->st.v[i].flags & PIECE_STEP)
			last = i;
	(void)jrn_step_end(&j->st, last, &len);
	if (r == 1 && j->st.v[last].dst + len > size)
		return 0;
	if (r == -1 || file_sum_part(fd, j->st.v[last].dst, len, &sum) == -1)
		return -1;
	return sum == j->m.text[j->m.done % 2].sum;
}

/* One that does not: it is cut after everything has been moved. */
static enum verdict
judge_shrinking(int fd, int state, struct journal *j, uint64_t size,
    uint64_t steps)
{
	uint64_t sum;
	int whole = 0;

	if (size >= j->h.old_size) {
		if (jrn_witness(fd, &j->h, &sum) == -1)
			return UNKNOWN;
		whole = sum == j->h.witness;
		if (whole && size > j->h.old_size)
			whole = begins_message(fd, j->h.old_size);
	}
	if (whole != 0)
		return either(whole, GO_ON, FOREIGN);
	/* not cut, and written anew: old text became part of a message */
	whole = size == j->h.new_size;
	if (size > j->h.new_size)
		whole = begins_message(fd, j->h.new_size);
	if (whole == 1 && j->m.done != steps)
		whole = last_stands(fd, state, j, size, steps);
	return either(whole, FINISHED, FOREIGN);
}

static enum verdict
verdict_of(struct spool *sp, int state, struct journal *j)
{
	uint64_t size = (uint64_t)sp->st.st_size, steps = 0;
	enum verdict v;
	size_t i;

	for (i = 0; i < j->st.n; i++)
		steps += (j->st.v[i].flags & PIECE_STEP) != 0;
	if (j->m.done > steps || sp->fd == -1 ||
	    (uint64_t)sp->st.st_ino != j->h.ino)
		return FOREIGN;
	v = j->h.new_size > j->h.old_size ?
	    judge_growing(sp->fd, j, size) :
	    judge_shrinking(sp->fd, state, j, size, steps);
	return v == GO_ON ? either(sources_stand(sp->fd, state, j), GO_ON,
	    FOREIGN) : v;
}

/*
 * Adds the messages of a part of the state file, without the last if cut.  No
 * two parts have the same one: those that are alike are duplicates.
 */
static int
add_part(int state, uint64_t from, uint64_t end, bool cut, struct msgs *t)
{
	struct msgs part;
	size_t i;
	int r = 0;

	if (scan_part(state, from, end, &part, NULL, NULL, NULL) == -1)
		return errno == EILSEQ ? 0 : -1;	/* a part of one */
	for (i = 0; i + cut < part.n && r == 0; i++)
		r = msgs_add(t, &part.v[i]);
	msgs_free(&part);
	return r;
}

/*
 * The whole messages of a text that the mark knows of; not the last one where
 * the rest of it is not here.
 */
static int
add_text(int state, const struct journal *j, int which, struct msgs *left)
{
	const struct piece *v = j->st.v;
	uint64_t len, k, behind, from = j->h.text_at[which], end;
	size_t i = 0, next;
	bool cut = false;

	for (k = 1; k < j->m.text[which].step && i < j->st.n; k++)
		i = jrn_step_end(&j->st, i, &len);
	if (i == j->st.n)
		return 0;
	next = jrn_step_end(&j->st, i, &len);
	behind = v[i].dst + len;
	end = from + len;
	for (; i < next && !(v[i].flags & PIECE_MSG); i++)
		from += v[i].len;
	for (i = 0; i < j->st.n; i++)
		if (v[i].flags & PIECE_STEP && v[i].dst == behind)
			cut = !(v[i].flags & PIECE_MSG);
	return add_part(state, from, end, cut, left);
}

/*
 * The messages that the journal itself was to put back, all of them whole:
 * another journal's texts.  A left-over's mail is in front of it, and safe.
 */
static int
add_sources(int state, const struct journal *j, struct msgs *left,
    uint64_t *area)
{
	const struct piece *x;
	int r = 0;

	for (x = j->st.v; x < j->st.v + j->st.n && r == 0; x++)
		if (x->kind == SRC_STATE && x->src >= j->base) {
			r = add_part(state, x->src, x->src + x->len, false,
			    left);
			if (x->src + x->len > *area)
				*area = x->src + x->len;
		}
	return r;
}

int
journal_redo(struct maildrop *box, struct spool *sp, uint64_t base,
    struct msgs *left, uint64_t *area)
{
	int state = box->state, r = 0, i;
	struct journal j;

	if (jrn_load(state, base, &j) == -1)
		return errno == ENOENT ? 0 : -1;
	if (jrn_write_again(state, &j) == -1) {
		plan_free(&j.st);
		return -1;
	}
	switch (verdict_of(sp, state, &j)) {
	case GO_ON:
		log_notice(box->env, "recover user=%s: finishing an update "
		    "that was cut off", box->env->who);
		r = jrn_run(box, sp, &j);
		break;
	case NOT_BEGUN:
		if ((r = add_sources(state, &j, left, area)) == 0 &&
		    (r = undo_growth(box, sp, &j, left->n == 0)) == 0)
			r = left->n > 0;
		break;
	case FINISHED:
		r = set_size(sp, j.h.new_size);
		break;
	case UNKNOWN:
		r = -1;
		break;
	case FOREIGN:
		log_notice(box->env, "recover user=%s: the spool was changed"
		    " since an update was cut off", box->env->who);
		for (i = 0; i < 2 && r == 0; i++)
			if ((r = jrn_text_there(state, &j, i)) == 1)
				r = add_text(state, &j, i, left);
		*area = UINT64_MAX;	/* the texts that it has as well */
		if (r == 0 && (r = add_sources(state, &j, left, area)) == 0)
			r = 1;
		break;
	}
	plan_free(&j.st);
	return r;
}
