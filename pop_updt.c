/*
 * UPDATE: what the session's flags mean for the spool, as a plan.
 *
 * The spool is changed in place, never replaced: a delivery agent may hold
 * the old file open and would deliver into nothing.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "popper.h"

enum { HEAD_MOST = 1 << 20 };	/* a larger header keeps its Status */

/* A change being worked out. */
struct change {
	int fd;			/* the spool */
	bool status;		/* Status: lines are written */
	bool ends;		/* and the empty lines after messages */
	struct msgs *now;	/* the spool, with the session's flags */
	struct msgs fresh;	/* is that where another program changed it */
	struct msgs then;	/* what it will be */
	struct plan plan;
	struct index next;	/* of then, if it is in the state file */
	bool cut;		/* then is a part of now, and not in memory */
};

static bool
wants_status(const struct change *c, const struct msg *m)
{
	return c->status && m->flags & MSG_SEEN &&
	    !(m->flags & (MSG_RO | MSG_HIDDEN | MSG_NOBLANK)) &&
	    m->head < HEAD_MOST;
}

static bool
changes(const struct change *c, const struct msg *m)
{
	return m->flags & MSG_DELETED || wants_status(c, m);
}

/*
 * Finds the header's Status field, which has so many octets, or where one goes:
 * before the empty line.  Returns how many there are.
 */
static unsigned
find_status(const char *head, const struct msg *m, struct entry *e,
    uint64_t *octets)
{
	const char *p = head + m->from, *end = head + m->head, *nl;
	unsigned found = 0;
	bool fold = false;

	for (; p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL;
	    p = nl + 1) {
		fold = fold && (*p == ' ' || *p == '\t');
		if (!fold && mbox_field((struct str){ p, (size_t)(nl - p) },
		    "Status:")) {
			fold = true;
			if (++found == 1)
				e->at = (uint32_t)(p - head);
		}
		if (fold && found == 1) {
			e->drop += (uint32_t)(nl + 1 - p);
			*octets += (uint64_t)(nl + 1 - p) + (nl[-1] != '\r');
		}
		if (nl + 1 == end && found == 0)
			e->at = (uint32_t)(p - head);
	}
	return found;
}

/*
 * Makes the one Status field of *m say RO, or puts it in.  A message with
 * several keeps them.
 */
static void
plan_status(const char *head, struct msg *m, struct entry *e)
{
	const char *nl = memchr(head + m->from, '\n', m->head - m->from);
	uint64_t was = 0;

	if (find_status(head, m, e, &was) > 1) {
		e->at = e->drop = 0;
		return;
	}
	/* the first line of a header tells its line ends */
	e->add = nl != NULL && nl[-1] == '\r' ? SPLICE_STATUS_CRLF :
	    SPLICE_STATUS;
	m->octets += plan_splice(SPLICE_STATUS_CRLF).n - was;
	m->length = plan_length(e);
	m->head += (uint32_t)plan_splice(e->add).n - e->drop;
	m->flags |= MSG_READ | MSG_RO;
}

static int
plan_message(struct change *c, struct msg *m, struct entry *e)
{
	char *head;
	int r;

	*e = (struct entry){ .src = m->offset, .len = m->length };
	if (!wants_status(c, m))
		return 0;
	if ((head = malloc(m->head)) == NULL)
		return -1;
	/* none goes before an empty line without its LF */
	if ((r = file_read(c->fd, head, m->head, m->offset)) == 0 &&
	    head[m->head - 1] == '\n')
		plan_status(head, m, e);
	c->plan.extra |= e->add != SPLICE_NONE;
	file_free(head);
	return r;
}

/* Ends *m as the next From_ line needs it: with an empty line. */
static void
plan_end(struct change *c, struct msg *m, struct entry *e)
{
	if (!c->ends || (e->ends = mbox_lacks(m)) == 0)
		return;
	c->plan.extra = true;
	mbox_complete(m);
}

/*
 * Works out the new spool from the first message on that is changed, or lacks
 * its end before the next.  After the last one that stays, *size bytes of the
 * spool, there is nothing to be moved.
 */
static int
make_plan(struct change *c, uint64_t *size)
{
	size_t i, n = c->now->n;
	bool begun = false;
	struct msg m;
	struct entry e;

	msgs_free(&c->then);
	plan_free(&c->plan);
	c->then.key = c->now->key;
	for (i = n; i > 0 && c->now->v[i - 1].flags & MSG_DELETED; i--)
		*size = c->now->v[i - 1].offset;
	plan_begin(&c->plan, *size, *size);
	for (i = 0; i < n; i++) {
		m = c->now->v[i];
		if (!begun && m.offset < *size && (changes(c, &m) ||
		    (c->ends && i + 1 < n && mbox_lacks(&m) > 0))) {
			begun = true;
			plan_begin(&c->plan, *size, m.offset);
		}
		if (m.flags & MSG_DELETED)
			continue;
		if (begun) {
			if (plan_message(c, &m, &e) == -1)
				return -1;
			plan_end(c, &m, &e);
			m.offset = c->plan.new_size;
			if (plan_add(&c->plan, &e) == -1)
				return -1;
		}
		m.flags &= ~(uint32_t)(MSG_SESSION | MSG_ABUTS);
		if (c->then.n > 0 && mbox_lacks(&c->then.v[c->then.n - 1]) > 0)
			m.flags |= MSG_ABUTS;
		if (msgs_add(&c->then, &m) == -1)
			return -1;
	}
	c->then.end = c->plan.new_size;
	return 0;
}

/*
 * Whether the spool's message x is to the last byte what the client was sent as
 * m, as far as the copy tells.  1, 0, or -1 with errno.
 */
static int
as_sent(const struct drop *d, const struct msg *m, int fd, const struct msg *x)
{
	return drop_has_part(d, m, PART_ALL) ?
	    scan_same_body(d->copy, m, fd, x) : 1;
}

/* Puts the session's flags on a table of the spool as it is now. */
static int
carry_flags(struct drop *d, struct change *c)
{
	const struct msg *m = d->all.v;
	struct msg *x;
	size_t *to, i;
	int r;

	if ((to = malloc((d->all.n + 1) * sizeof(*to))) == NULL)
		return -1;
	r = drop_match(d, c->fd, c->now, to);
	for (i = 0; i < d->all.n && r != -1; i++, m++) {
		if (to[i] == SIZE_MAX || !(m->flags & (MSG_DELETED | MSG_SEEN)))
			continue;
		x = &c->now->v[to[i]];
		if ((r = as_sent(d, m, c->fd, x)) == 1)
			x->flags |= m->flags & (MSG_DELETED | MSG_SEEN);
	}
	file_free(to);
	return r == -1 ? -1 : 0;
}

/*
 * Shells say "new mail" where a spool was written after it was read; with
 * nothing unread in it, ours must not look new.
 */
static void
set_times(int fd, const struct summary *sum)
{
	struct timespec ts[2];
	struct stat sb;

	if (file_now(fd, &sb) == -1)
		return;
	ts[0] = ts[1] = sb.st_mtim;
	if (sum->unread > 0)
		ts[0].tv_sec--;
	(void)futimens(fd, ts);
}

/*
 * Carries the change out.  The spool is cut after the last message that stays,
 * which needs no journal and makes room for one; if there is no room all the
 * same, Status fields and line ends are left out.
 */
static int
apply_change(struct pop *p, struct spool *sp, struct change *c, bool *begun)
{
	uint64_t old = (uint64_t)sp->st.st_size, size = old;
	bool moved = false, extra;
	int r = make_plan(c, &size);

	extra = c->plan.extra;
	if (r == 0 && size < old)
		r = journal_cut(sp, old, size, begun);
	if (r == -1 || plan_idle(&c->plan))
		return r;
	r = journal_apply(&p->drop.box, sp, &c->plan, &c->then, &c->next,
	    &moved);
	*begun = *begun || moved;
	/* EAGAIN: it cannot grow, since mail stands there by now */
	if (r == -1 && !moved && (file_no_room(errno) || errno == EAGAIN) &&
	    extra) {
		log_error(&p->env, "update: leaving out Status and line ends");
		c->status = c->ends = false;
		return apply_change(p, sp, c, begun);
	}
	return r;
}

/*
 * Tells the end of the session what has become of the maildrop, and has the
 * index describe the new spool.  Where mail came by, that is no spool: the next
 * session scans it, and knows by the table which duplicate is which.
 */
static void
finish_update(struct pop *p, struct spool *sp, struct change *c,
    const struct summary *sum)
{
	int state = p->drop.box.state;
	struct stamp st;
	struct stat sb;

	set_times(sp->fd, sum);
	p->removed = (unsigned long)(c->now->n - sum->count - sum->hidden);
	p->left = (unsigned long)sum->count;
	if (file_now(sp->fd, &sb) == -1)
		memset(&sb, 0, sizeof(sb));
	stamp_of(&sb, &st);
	st.size = c->then.end;
	if (index_restamp(state, c->next.serial, &st, sum) == -1 && (c->cut ||
	    index_write(state, &st, &c->then, &c->next) == -1))
		log_error(&p->env, "index: cannot save it");
}

/* ---- where only the newest go ------------------------------------------- */

/* The first message that UPDATE changes, or all.n. */
static size_t
first_change(const struct change *c, const struct drop *d)
{
	size_t i;

	for (i = d->lowest; i < d->all.n; i++)
		if (changes(c, &d->all.v[i]))
			break;
	return i;
}

/*
 * Whether all messages from first on are deleted and none before it changes or
 * lacks its end: then *sum is what will be left.
 */
static bool
can_cut(struct drop *d, size_t first, struct summary *sum)
{
	*sum = d->sum;
	return first + d->ndeleted == d->all.n &&
	    index_can_cut(d->box.state, &d->all, &d->index, first, sum) &&
	    sum->abutting == 0 && (first == 0 || (index_entry(d->box.state,
	    &d->all, &d->index, first - 1) == 0 &&
	    mbox_lacks(&d->all.v[first - 1]) == 0));
}

/* The spool is cut, and nothing of it needs to be known but where. */
static int
cut_locked(struct pop *p, struct spool *sp, struct change *c, size_t first,
    const struct summary *sum, bool *begun)
{
	struct drop *d = &p->drop;
	uint64_t end = d->all.v[first].offset;

	if (journal_cut(sp, d->stamp.size, end, begun) == -1)
		return -1;
	c->cut = true;
	c->then.end = end;
	c->next = d->index;
	finish_update(p, sp, c, sum);
	return 0;
}

/* ---- all of it ----------------------------------------------------------- */

/*
 * The spool is another than the session's table says: the change by a new table
 * of it, with the session's flags.
 */
static int
change_anew(struct pop *p, struct spool *sp, struct change *c, bool *begun)
{
	struct drop *d = &p->drop;

	c->now = &c->fresh;
	msgs_free(c->now);
	if (file_now(sp->fd, &sp->st) == -1 ||
	    index_rest(d->box.state, &d->all, &d->index) == -1 ||
	    scan_file(sp->fd, (uint64_t)sp->st.st_size, c->now, &d->all) ==
	    -1 || carry_flags(d, c) == -1 ||
	    scan_numbers(sp->fd, c->now, &d->all) == -1)
		return -1;
	return apply_change(p, sp, c, begun);
}

/*
 * Whether the session's table is true where the change touches the spool.  The
 * stamp is a hint: so each message to be removed or rewritten must have the
 * header that the table knows, and each to be moved must begin as one.
 * 1, 0, or -1 with errno.
 */
static int
table_is_true(const struct change *c, size_t first)
{
	const struct msgs *t = c->now;
	char from[5];
	size_t i;
	int r = 1;

	for (i = first; i < t->n && r == 1; i++)
		if (changes(c, &t->v[i]))
			r = scan_same(c->fd, t, i);
		else if ((r = file_read(c->fd, from, sizeof(from),
		    t->v[i].offset)) == 0)
			r = memcmp(from, "From ", sizeof(from)) == 0;
	return r;
}

/* left: what is left if the newest go alone, or NULL. */
static int
update_locked(struct pop *p, struct spool *sp, struct change *c, size_t first,
    const struct summary *left, bool *begun)
{
	struct drop *d = &p->drop;
	struct summary sum;
	struct stamp st;
	int r;

	stamp_of(&sp->st, &st);
	r = d->moved || !d->settled || !stamp_same(&st, &d->stamp) ? 0 :
	    table_is_true(c, first);
	if (d->cloned)		/* while blocks are shared, writing needs more */
		drop_close_copy(d);
	if (r == 1 && left != NULL)
		r = cut_locked(p, sp, c, first, left, begun);
	else if (r == 1)
		r = index_rest(d->box.state, &d->all, &d->index) == -1 ? -1 :
		    apply_change(p, sp, c, begun);
	else if (r == 0)
		r = change_anew(p, sp, c, begun);
	/* mail came behind, from a program that sees neither lock */
	if (r == -1 && errno == EAGAIN && !*begun)
		r = change_anew(p, sp, c, begun);
	if (r == 0 && !c->cut) {
		summary_of(&c->then, &sum);
		finish_update(p, sp, c, &sum);
	}
	plan_free(&c->plan);
	msgs_free(&c->then);
	msgs_free(&c->fresh);
	return r;
}

int
updt_maildrop(struct pop *p, bool *begun)
{
	struct drop *d = &p->drop;
	struct summary left;
	struct change c;
	struct spool sp;
	size_t first;
	bool cut;
	int r = 0;

	*begun = false;
	if (d->ndeleted == 0 && (d->nseen == 0 || p->opt.nostatus))
		return 0;
	memset(&c, 0, sizeof(c));
	c.status = !p->opt.nostatus;
	c.ends = true;
	c.now = &d->all;
	if ((first = first_change(&c, d)) == d->all.n)
		return 0;
	cut = can_cut(d, first, &left);
	if ((!cut && drop_load(p) == -1) ||
	    lock_spool(&p->drop.box, SPOOL_WRITE, false, &sp) == -1)
		return -1;
	c.fd = sp.fd;
	if (sp.fd != -1)
		r = update_locked(p, &sp, &c, first, cut ? &left : NULL,
		    begun);
	unlock_spool(&p->drop.box, &sp);
	return r;
}

/* ---- QUIT ---------------------------------------------------------------- */

/* QUIT before login: nothing to update. */
enum result
pop_quit(struct pop *p)
{
	p->reason = END_QUIT;
	(void)reply_ok(&p->conn, "popper at %s signing off.", p->host);
	return CLOSE;
}

/*
 * QUIT in TRANSACTION: UPDATE, then the lock is released, then one reply that
 * tells the truth (RFC 1939, 6).
 */
enum result
pop_update(struct pop *p)
{
	bool begun = false;
	int r, saved;

	r = !p->drop.box.board ? updt_maildrop(p, &begun) : 0;
	saved = errno;
	drop_unlock(&p->drop);
	if (r == 0)
		return pop_quit(p);
	errno = saved;
	log_error(&p->env, "update");
	if (begun)
		(void)reply_err(&p->conn, "[SYS/TEMP] The update was cut off; "
		    "the next session shows what is left.");
	else if (saved == EAGAIN)
		(void)reply_err(&p->conn, "[IN-USE] The maildrop is locked by "
		    "another program; nothing was removed.");
	else
		(void)reply_err(&p->conn, "[SYS/TEMP] The maildrop could not "
		    "be updated; nothing was removed.");
	return CLOSE;
}
