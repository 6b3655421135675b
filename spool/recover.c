/*
 * Recovery: what an earlier session left in the state file is finished.
 *
 *	the record		the spool			what is done
 *
 * A	none, or entries that	any				nothing: it was
 *	were never synced						never in force
 * B	damaged			any				a person must
 *								look
 * C	an update; not noted	line ends at its end, or part	they are cut off
 *	that the spool has	of them
 *	grown			all of them, then a message,	goes on
 *				and G does not apply
 *				any other			nothing
 * D	an update, in its first	what was to be cut off stands	goes on
 *	pass, to be cut		there, with or without a
 *				message after it
 * E	the same		it ends at the new size, or a	goes on: it has
 *				message begins there		been cut
 * F	any other update	the same			goes on
 * G	any of D, E, F		otherwise, or is another file,	messages of the
 *				or a message does not begin	texts that it
 *				where it should			lacks are put
 *								back
 * H	mail was being put	its end is line ends and parts	goes on
 *	back			of that mail
 *				any other			what it lacks is
 *								put back
 * I	any			cannot be read			the session is
 *								refused
 *
 * A state file that begins with a message has mail that an older popper has
 * left: what the spool lacks of it is put back.
 *
 * What another process wrote is input: sizes are checked, sums are compared,
 * and a journal is only carried out on a spool that is as it left it.  The
 * owner of a forged one harms their own mail.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/journal.h"

/*
 * Whether a file has that text at that place.  1, 0, or -1 with errno, as all
 * that follows: what cannot be read is no reason to give mail up.
 */
static int
has_text(int fd, uint64_t at, struct str text)
{
	char s[16];		/* no text is longer */
	ssize_t n = file_some(fd, s, text.n, at);

	return n == -1 ? -1 : (size_t)n == text.n &&
	    memcmp(s, text.p, text.n) == 0;
}

/* ---- what the state file holds ------------------------------------------- */

enum holding {
	HOLDS_INDEX,
	HOLDS_REST,		/* no index, or what a journal has left */
	HOLDS_JOURNAL,
	HOLDS_MBOX
};

/*
 * Looks at the state file.  0, or -1 with errno: EILSEQ if it is none, ENOTSUP
 * if popper 2.0 has left a journal in it.
 */
static int
look_at_state(int state, enum holding *kind)
{
	static const char nothing[SECTOR];
	char s[INDEX_AT] = { 0 };
	int old = 0;

	if (file_some(state, s, sizeof(s), 0) == -1)
		return -1;
	*kind = HOLDS_REST;
	if (memcmp(s, nothing, SECTOR) == 0)
		return 0;
	errno = EILSEQ;
	if (memcmp(s, "From ", 5) == 0) {
		*kind = HOLDS_MBOX;
		old = mail_has_journal(state);
	} else if (memcmp(s, "popper index ", 13) == 0)
		*kind = memcmp(s + SECTOR, nothing, SECTOR) == 0 ?
		    HOLDS_INDEX : HOLDS_REST;
	else if (memcmp(s, RECORD_MAGIC, 16) == 0)
		*kind = HOLDS_JOURNAL;
	else if (memcmp(s, "popper journal 1", 16) == 0)
		old = 1;
	else
		return -1;
	if (old == 1)
		errno = ENOTSUP;
	return old == 0 ? 0 : -1;
}

/* ---- may it go on? ------------------------------------------------------- */

static int
begins_message(int fd, uint64_t at)
{
	return has_text(fd, at, (struct str){ "From ", 5 });
}

/* The same for mail that was delivered there, perhaps after an empty line. */
static int
begins_mail(int fd, uint64_t at)
{
	int r = begins_message(fd, at);

	return r == 0 ? has_text(fd, at, (struct str){ "\nFrom ", 6 }) : r;
}

/*
 * Whether an entry stands at its old place as it was: what its splice takes out
 * is whole lines, and what that puts in is not there yet.
 */
static int
stands_as_before(int fd, const struct entry *e)
{
	const struct str line_end = { "\n", 1 };
	uint64_t at = e->src + e->at;
	int r = begins_message(fd, e->src);

	if (r != 1 || e->add == SPLICE_NONE)
		return r;
	if ((r = has_text(fd, at - 1, line_end)) == 1)
		r = has_text(fd, at + e->drop - 1, line_end);
	if (r == 1 && (r = has_text(fd, at, plan_splice(e->add))) != -1)
		r = !r;
	return r;
}

/* Rows C, E, F: whether it ends there, or goes on with a message. */
static int
ends_at(const struct spool *sp, uint64_t at)
{
	uint64_t size = (uint64_t)sp->st.st_size;

	return size <= at ? size == at : begins_mail(sp->fd, at);
}

/* Row D. */
static int
witness_stands(const struct spool *sp, const struct record *r)
{
	uint64_t sum;

	if ((uint64_t)sp->st.st_size < r->old_size)
		return 0;
	if (jrn_witness(sp->fd, r, &sum) == -1)
		return -1;
	return sum == r->witness ? ends_at(sp, r->old_size) : 0;
}

/*
 * Row G: whether each message begins where the record has it: one that has been
 * moved at its new place, the others at the old one.  Those of a text that is
 * being moved may stand anyhow.  What is before the next window ends as it
 * must.
 */
static int
messages_stand(int fd, const struct journal *j)
{
	enum pass pass = (enum pass)j->r.pass, how;
	const struct entry *e = j->pl.v;
	struct window w;
	bool moved;
	size_t k;
	int r, ready = 0;

	if ((r = plan_window(&j->pl, pass, j->r.off, &w)) == 1) {
		if (w.from > 0 && w.from == e[w.first].dst &&
		    (r = scan_ends_blank(fd, w.from)) != 1)
			return r;
		r = ready = jrn_text_ready(j, &w);
	}
	for (k = 0; k < j->pl.n && r != -1; k++, e++) {
		if (ready == 1 && k >= w.first && k <= w.last)
			continue;
		how = plan_pass(&j->pl, k);
		moved = how == PASS_LEFT ? pass == PASS_RIGHT ||
		    e->dst < j->r.off : how == PASS_RIGHT &&
		    pass == PASS_RIGHT && e->dst >= j->r.off;
		r = moved ? begins_message(fd, e->dst) :
		    stands_as_before(fd, e);
		if (r == 0)
			return 0;
	}
	return r == -1 ? -1 : 1;
}

/* Rows D to H.  Where it was cut, the first pass is done. */
static int
may_go_on(const struct spool *sp, struct journal *j)
{
	struct record *r = &j->r;
	int is;

	if (r->pass == PASS_LEFT && r->new_size < r->old_size) {
		if ((is = witness_stands(sp, r)) != 0)
			return is == 1 ? messages_stand(sp->fd, j) : -1;
		r->pass = PASS_RIGHT;
		r->off = plan_start(PASS_RIGHT);
	}
	if ((is = ends_at(sp, r->new_size)) != 1)
		return is;
	return r->from_state ? jrn_part_stands(sp, j) :
	    messages_stand(sp->fd, j);
}

/* ---- going on ------------------------------------------------------------ */

/*
 * After a sync that failed, or of a session that was killed before it, what is
 * read here may be in the system's memory alone, and no sync writes what the
 * system takes for written.  So everything that recovery relies on is written
 * again first.
 */
static int
write_again(const struct journal *j)
{
	uint64_t end = j->r.entries_at + j->r.entries * sizeof(*j->pl.v);
	uint64_t used = jrn_used(j, false);

	end = end > used ? end : used;
	if (file_copy(j->state, 0, j->state, 0, end < j->end ? end : j->end)
	    == -1)
		return -1;
	return file_sync(j->state);
}

/*
 * Row C: 1 if it may go on.  Otherwise nothing was done, and no client was told
 * that anything was.
 */
static int
has_grown(struct spool *sp, struct journal *j)
{
	uint64_t end;
	int r = jrn_cut_growth(sp, &j->r, &end), is;

	if (r != 0)
		return r == 1 ? 0 : -1;
	is = end == j->r.new_size ? begins_mail(sp->fd, end) : 0;
	return is != 1 || j->r.from_state ? is : messages_stand(sp->fd, j);
}

/* Adds the messages of a part of the state file. */
static int
add_part(int state, uint64_t from, uint64_t end, struct msgs *t)
{
	struct msgs part;
	size_t i;
	int r = 0;

	if (scan_part(state, from, end, &part, NULL, NULL, NULL) == -1)
		return errno == EILSEQ ? 0 : -1;	/* a part of one */
	for (i = 0; i < part.n && r == 0; i++)
		r = msgs_add(t, &part.v[i]);
	msgs_free(&part);
	return r;
}

/* Adds the messages that a text has whole. */
static int
add_text(const struct journal *j, uint64_t area, struct msgs *left)
{
	const struct plan *pl = &j->pl;
	uint64_t from = j->r.text[area].from, to = from + j->r.text[area].len;
	uint64_t at = j->r.text_at[area] - from;
	size_t first = plan_at(pl, from), next = plan_at(pl, to);
	int there = jrn_text_there(j, area);

	if (first < pl->n && pl->v[first].dst < from)
		first++;
	if (there != 1 || first >= next)
		return there == -1 ? -1 : 0;
	return add_part(j->state, at + pl->v[first].dst, at +
	    pl->v[next - 1].dst + plan_length(&pl->v[next - 1]), left);
}

/* Row G; and H, where the sources are the mail. */
static int
put_texts_back(struct maildrop *box, struct spool *sp, struct journal *j)
{
	struct msgs left = { .n = 0 };
	const struct entry *e;
	uint64_t area, kept, end = j->r.entries_at + j->r.entries * sizeof(*e);
	size_t i;
	int r = 0;

	for (area = 0; area < 2 && r == 0; area++)
		r = add_text(j, area, &left);
	for (i = 0; j->pl.from_state && i < j->pl.n && r == 0; i++) {
		e = &j->pl.v[i];
		r = add_part(j->state, e->src, e->src + e->len, &left);
	}
	/* the entries in force stay: the old and the new ones take turns */
	kept = file_aligned(jrn_used(j, false), SECTOR);
	if (end > kept && j->r.entries_at < kept + left.n * sizeof(*e))
		kept = end;
	if (r == 0)
		r = put_back(box, sp, &left, kept);
	msgs_free(&left);
	return r;
}

/*
 * Rows C to H, and I: -1 with errno.  *done: what was to be deleted is gone.
 */
static int
finish_update(struct maildrop *box, struct spool *sp, struct journal *j,
    bool *done)
{
	int r = 0;

	if (sp->fd != -1 && (uint64_t)sp->st.st_ino == j->r.ino)
		r = j->r.pass == PASS_GROW ? has_grown(sp, j) :
		    may_go_on(sp, j);
	if (r == -1 || (r == 0 && j->r.pass == PASS_GROW &&
	    !j->r.from_state))
		return r;
	if (r == 0) {
		if (j->r.pass != PASS_GROW)
			log_notice(box->env, "recover user=%s: the spool was "
			    "changed since an update was cut off",
			    box->env->who);
		return put_texts_back(box, sp, j);
	}
	log_notice(box->env, "recover user=%s: finishing an update that was "
	    "cut off", box->env->who);
	*done = !j->r.from_state;
	j->filled = true;
	/* after a failed sync the disk may have another size */
	if ((uint64_t)sp->st.st_size == j->r.new_size &&
	    jrn_set_size(sp, j->r.new_size) == -1)
		return -1;
	return jrn_run(box, sp, j);
}

/* ---- all of it ----------------------------------------------------------- */

static int
finish_journal(struct maildrop *box, struct spool *sp, bool *done)
{
	struct journal j;
	int r;

	if (jrn_load(&j, box->state) == -1)
		return errno == ENOENT ? 0 : -1;
	if ((r = write_again(&j)) == 0)
		r = finish_update(box, sp, &j, done);
	jrn_end(&j);
	return r;
}

int
recover_spool(struct maildrop *box, struct spool *sp)
{
	char clean[STATE_CLEAN];
	enum holding kind;
	bool done = false;
	int r;

	if (look_at_state(box->state, &kind) == -1)
		return -1;
	if (kind < HOLDS_JOURNAL)
		return 0;
	r = kind == HOLDS_MBOX ? put_mail_back(box, sp) :
	    finish_journal(box, sp, &done);
	/* the spool may be right and not on the disk: its writer was killed */
	if (r == 0 && sp->fd != -1)
		r = fsync(sp->fd);
	if (r == 0)
		r = jrn_void(box->state, done);
	if (r == 0 && index_wipe(box->state, true) == -1)
		log_error(box->env, "recover: cannot clear %s",
		    state_clean(box, clean));
	return r;
}

int
recover_maildrop(struct maildrop *box)
{
	enum holding kind;
	struct spool sp;
	int r;

	if (look_at_state(box->state, &kind) == -1)
		return -1;
	if (kind == HOLDS_INDEX)
		return 0;
	/* that a journal is void must be on the disk before that is changed */
	if (kind == HOLDS_REST)
		return file_sync(box->state);
	if (lock_spool(box, SPOOL_WRITE, true, &sp) == -1)
		return -1;
	r = recover_spool(box, &sp);
	unlock_spool(box, &sp);
	return r;
}

int
recover_probe(int state)
{
	enum holding kind;
	struct journal j;

	if (look_at_state(state, &kind) == -1)
		return -1;
	if (kind != HOLDS_JOURNAL)
		return kind == HOLDS_MBOX;
	if (jrn_load(&j, state) == -1)
		return errno == ENOENT ? 0 : -1;	/* never in force */
	jrn_end(&j);
	return 1;
}
