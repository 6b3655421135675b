/*
 * UPDATE: what the session's marks mean for the spool, as a plan.
 *
 * The spool is changed in place, never replaced: a delivery agent may hold
 * the old file open and would deliver into nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

enum { HEAD_MOST = 1 << 20 };	/* a larger header keeps its Status */

/* A change being worked out. */
struct change {
	int fd;			/* the spool */
	bool status;		/* Status: lines are written */
	struct msgs *now;	/* the spool, with the session's marks */
	struct msgs fresh;	/* is that where another program changed it */
	struct msgs then;	/* what it will be */
	struct plan plan;
	unsigned long removed;
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
 * The header of *m with one "Status: RO" and no other Status line: the first
 * one is replaced, or one is put in before the empty line.
 */
static int
plan_status(struct change *c, const char *head, struct msg *m)
{
	const char *p = head + m->from, *end = head + m->head, *nl, *from;
	enum src line = end[-2] == '\r' ? SRC_STATUS_CRLF : SRC_STATUS;
	uint64_t at = m->offset;
	uint32_t added = (uint32_t)plan_literal(line).n, lost = 0;
	bool put = false, fold = false;
	size_t n;
	int r = 0;

	for (from = head; p < end && r == 0; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			break;
		n = (size_t)(nl + 1 - p);
		fold = fold && (*p == ' ' || *p == '\t');
		fold = fold || mbox_field((struct str){ p, n }, "Status:");
		if (!fold && nl + 1 < end)
			continue;
		/* a Status line, or the empty one: what is before it stays */
		r = plan_add(&c->plan, SRC_SPOOL, at + (uint64_t)(from - head),
		    (uint64_t)(p - from), from == head);
		if (r == 0 && !put)
			r = plan_add(&c->plan, line, 0, added, false);
		put = true;
		from = fold ? nl + 1 : p;
		if (fold) {
			lost += (uint32_t)n;
			m->octets -= n + (n < 2 || nl[-1] != '\r');
		}
	}
	if (r == 0)
		r = plan_add(&c->plan, SRC_SPOOL, at + (uint64_t)(from - head),
		    m->length - (uint64_t)(from - head), false);
	m->octets += plan_literal(SRC_STATUS_CRLF).n;
	m->length += added;
	m->length -= lost;
	m->head += added;
	m->head -= lost;
	m->flags |= MSG_READ | MSG_RO;
	return r;
}

static int
plan_message(struct change *c, struct msg *m)
{
	char *head;
	int r;

	if (!wants_status(c, m))
		return plan_add(&c->plan, SRC_SPOOL, m->offset, m->length,
		    true);
	if ((head = malloc(m->head)) == NULL)
		return -1;
	if ((r = file_read(c->fd, head, m->head, m->offset)) == 0)
		r = plan_status(c, head, m);
	file_free(head);
	return r;
}

/* Works out the new spool from the first change on. */
static int
make_plan(struct change *c, uint64_t size)
{
	struct msg m;
	uint64_t at;
	size_t i, first;

	msgs_free(&c->then);
	plan_free(&c->plan);
	c->removed = 0;
	for (first = 0; first < c->now->n; first++)
		if (changes(c, &c->now->v[first]))
			break;
	c->then.key = c->now->key;
	plan_begin(&c->plan, size, first < c->now->n ?
	    c->now->v[first].offset : size);
	for (i = 0; i < c->now->n; i++) {
		m = c->now->v[i];
		if (m.flags & MSG_DELETED) {
			c->removed++;
			continue;
		}
		at = i < first ? m.offset : c->plan.new_size;
		if (i >= first && plan_message(c, &m) == -1)
			return -1;
		m.offset = at;
		m.flags &= ~(uint32_t)MSG_MARKS;
		if (msgs_add(&c->then, &m) == -1)
			return -1;
	}
	return 0;
}

/* Puts the session's marks on a table of the spool as it is now. */
static int
carry_marks(const struct msgs *session, struct msgs *now)
{
	size_t *to, i;
	int r;

	if ((to = malloc((session->n + 1) * sizeof(*to))) == NULL)
		return -1;
	r = mbox_match(session, now, to);
	for (i = 0; i < session->n && r == 0; i++)
		if (to[i] != SIZE_MAX)
			now->v[to[i]].flags |= session->v[i].flags &
			    (MSG_DELETED | MSG_SEEN);
	file_free(to);
	return r;
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

	if (fstat(fd, &sb) == -1)
		return;
	ts[0] = ts[1] = sb.st_mtim;
	if (sum->unread > 0)
		ts[0].tv_sec--;
	(void)futimens(fd, ts);
}

/* Why a spool cannot grow: a full disk, or mail stands there by now. */
static bool
no_room(int e)
{
	return e == ENOSPC || e == EDQUOT || e == EFBIG || e == EAGAIN;
}

/* Carries the change out; where there is no room, without what needs it. */
static int
apply(struct pop *p, struct spool *sp, struct change *c, bool *begun)
{
	uint64_t size = (uint64_t)sp->st.st_size;
	int r;

	*begun = false;
	if (make_plan(c, size) == -1)
		return -1;
	if (c->plan.n == 0 && c->plan.new_size == size)
		return 0;
	r = journal_apply(p, sp, &c->plan, 0, 0, begun);
	if (r == -1 && !*begun && no_room(errno) && c->status) {
		pop_warn(p, "update: leaving out Status");
		c->status = false;
		return apply(p, sp, c, begun);
	}
	return r;
}

/*
 * Tells the end of the session what has become of the maildrop, and stamps the
 * new spool.  Where mail came by, that is the stamp of no spool: the next
 * session scans it, and knows by the table which message of twins is which.
 */
static void
settle(struct pop *p, struct spool *sp, const struct change *c,
    const struct summary *sum, struct stamp *st)
{
	struct stat sb;

	set_times(sp->fd, sum);
	p->removed = c->removed;
	p->left = (unsigned long)sum->count;
	if (fstat(sp->fd, &sb) == -1)
		memset(&sb, 0, sizeof(sb));
	index_stamp(st, &sb);
	st->size = c->plan.new_size;
}

static void
keep_index(struct pop *p, struct spool *sp, struct change *c)
{
	struct summary sum;
	struct stamp st;
	struct pages pg = { .n = 0 };

	index_sum(&c->then, &sum);
	settle(p, sp, c, &sum, &st);
	if (index_write(p->drop.work, &st, &c->then, &pg) == -1)
		pop_warn(p, "index: cannot save it");
	pages_free(&pg);
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
 * Whether all messages from first on are deleted and none before it changes:
 * then *sum is what will be left.
 */
static bool
can_cut(const struct drop *d, size_t first, struct summary *sum)
{
	return d->pages.n > 0 && first + d->ndeleted == d->all.n &&
	    index_part(d->work, &d->all, &d->pages, first, sum) == 0;
}

/*
 * The spool is cut, and nothing of it needs to be known but where.  1: a
 * journal is needed, and takes the index's place.
 */
static int
cut_locked(struct pop *p, struct spool *sp, struct change *c, size_t first,
    const struct summary *sum, bool *begun)
{
	struct drop *d = &p->drop;
	struct stamp st;
	int r;

	c->removed = d->all.n - first;
	plan_begin(&c->plan, d->stamp.size, d->all.v[first].offset);
	if ((r = journal_cut(sp, &c->plan, begun)) != 0)
		return r;
	settle(p, sp, c, sum, &st);
	if (index_cut(d->work, &st, &d->all, &d->pages, first) == -1)
		pop_warn(p, "index: cannot save it");
	return 0;
}

/* ---- all of it ----------------------------------------------------------- */

/*
 * The spool is another than the session's table says: a new table of it, with
 * the session's marks.
 */
static int
look_again(struct pop *p, struct spool *sp, struct change *c)
{
	struct drop *d = &p->drop;

	c->now = &c->fresh;
	if (index_rest(d->work, &d->all, &d->pages) == -1 ||
	    scan_file(sp->fd, (uint64_t)sp->st.st_size, c->now, &d->all) ==
	    -1 ||
	    mbox_twins(c->now, &d->all) == -1)
		return -1;
	return carry_marks(&d->all, c->now);
}

static int
update_locked(struct pop *p, struct spool *sp, struct change *c, size_t first,
    const struct summary *left, bool *begun)
{
	struct drop *d = &p->drop;
	struct stamp st;
	int r = 0;

	index_stamp(&st, &sp->st);
	if (d->moved || !index_same(&st, &d->stamp))
		r = look_again(p, sp, c);
	else if (left != NULL) {
		if ((r = cut_locked(p, sp, c, first, left, begun)) != 1)
			return r;
		r = index_rest(d->work, &d->all, &d->pages);
	}
	if (r == 0)
		r = apply(p, sp, c, begun);
	if (r == 0)
		keep_index(p, sp, c);
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
	c.now = &d->all;
	if ((first = first_change(&c, d)) == d->all.n)
		return 0;
	cut = can_cut(d, first, &left);
	if ((!cut && drop_load(p) == -1) ||
	    lock_spool(p, SPOOL_WRITE, false, &sp) == -1)
		return -1;
	c.fd = sp.fd;
	if (sp.fd != -1)
		r = update_locked(p, &sp, &c, first, cut ? &left : NULL,
		    begun);
	unlock_spool(p, &sp);
	return r;
}
