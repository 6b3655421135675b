/*
 * UPDATE: what the session's marks mean for the spool, as a plan; and its
 * twin, recovery: what an earlier session or an older popper left behind.
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
	int r, saved;

	if (!wants_status(c, m))
		return plan_add(&c->plan, SRC_SPOOL, m->offset, m->length,
		    true);
	if ((head = malloc(m->head)) == NULL)
		return -1;
	if ((r = file_read(c->fd, head, m->head, m->offset)) == 0)
		r = plan_status(c, head, m);
	saved = errno;
	free(head);
	errno = saved;
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

	if ((to = malloc((session->n + 1) * sizeof(*to))) == NULL)
		return -1;
	if (mbox_match(session, now, to) == -1) {
		free(to);
		return -1;
	}
	for (i = 0; i < session->n; i++)
		if (to[i] != SIZE_MAX)
			now->v[to[i]].flags |= session->v[i].flags &
			    (MSG_DELETED | MSG_SEEN);
	free(to);
	return 0;
}

/*
 * Shells say "new mail" where a spool was written after it was read; with
 * nothing unread in it, ours must not look new.
 */
static void
set_times(int fd, const struct msgs *t)
{
	struct timespec ts[2];
	struct stat sb;
	size_t i;

	for (i = 0; i < t->n; i++)
		if (!(t->v[i].flags & MSG_READ))
			break;
	if (fstat(fd, &sb) == -1)
		return;
	ts[0] = ts[1] = sb.st_mtim;
	if (i < t->n)
		ts[0].tv_sec--;
	(void)futimens(fd, ts);
}

static bool
is_full(int e)
{
	return e == ENOSPC || e == EDQUOT || e == EFBIG;
}

/* Carries the change out; on a full disk without what makes it larger. */
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
	if (r == -1 && !*begun && is_full(errno) && c->status) {
		pop_warn(p, "update: leaving out Status");
		c->status = false;
		return apply(p, sp, c, begun);
	}
	return r;
}

/* Keeps the table of the new spool, and what the end of session tells. */
static void
keep_index(struct pop *p, struct spool *sp, struct change *c)
{
	struct summary sum;
	struct stamp st;
	struct stat sb;

	set_times(sp->fd, &c->then);
	index_sum(&c->then, &sum);
	p->removed = c->removed;
	p->left = (unsigned long)sum.count;
	if (fstat(sp->fd, &sb) == -1 ||
	    (uint64_t)sb.st_size != c->plan.new_size) {
		(void)index_void(p->drop.work);	/* mail came: scan again */
		return;
	}
	index_stamp(&st, &sb);
	if (index_write(p->drop.work, &st, &c->then) == -1)
		pop_warn(p, "index: cannot save it");
}

static int
update_locked(struct pop *p, struct spool *sp, bool *begun)
{
	struct drop *d = &p->drop;
	struct change c;
	struct msgs now = { NULL, 0, 0 };
	struct stamp st;
	int r = 0, saved;

	memset(&c, 0, sizeof(c));
	c.fd = sp->fd;
	c.status = !p->opt.nostatus;
	c.now = &d->all;
	index_stamp(&st, &sp->st);
	if (d->moved || !index_same(&st, &d->stamp)) {
		r = scan_file(sp->fd, &now);
		if (r == 0)
			r = mbox_twins(&now, &d->all);
		if (r == 0)
			r = carry_marks(&d->all, &now);
		c.now = &now;
	}
	if (r == 0 && sp->fd != -1)
		r = apply(p, sp, &c, begun);
	if (r == 0 && sp->fd != -1)
		keep_index(p, sp, &c);
	saved = errno;
	plan_free(&c.plan);
	msgs_free(&c.then);
	msgs_free(&now);
	errno = saved;
	return r;
}

int
updt_maildrop(struct pop *p, bool *begun)
{
	struct spool sp;
	int r, saved;

	*begun = false;
	if (p->drop.ndeleted == 0 && (p->drop.nseen == 0 || p->opt.nostatus))
		return 0;
	if (drop_load(p) == -1 || lock_spool(p, SPOOL_WRITE, false, &sp) == -1)
		return -1;
	r = update_locked(p, &sp, begun);
	saved = errno;
	unlock_spool(p, &sp);
	errno = saved;
	return r;
}

/* ---- recovery ---------------------------------------------------------- */

/* A message as the next one's From_ line needs it: an empty line behind. */
static int
plan_whole(struct plan *pl, const struct msg *m)
{
	int r = plan_add(pl, SRC_WORK, m->offset, m->length, true);
	bool ended = m->flags & MSG_TAIL || (m->head == m->length &&
	    !(m->flags & MSG_NOBLANK));

	if (r == 0 && (m->flags & MSG_NOEOL || m->from == m->length))
		r = plan_add(pl, SRC_LF, 0, 1, false);
	if (r == 0 && !ended)
		r = plan_add(pl, SRC_LF, 0, 1, false);
	return r;
}

/*
 * Whether two messages of one uid have the same body: a torn one may have kept
 * its length.  Bodies of other lengths differ in line ends at most.
 */
static int
same_body(int work, const struct msg *a, int spool, const struct msg *b)
{
	uint64_t n = a->length - a->head - (a->flags & MSG_TAIL), at = 0;
	uint64_t m = b->length - b->head - (b->flags & MSG_TAIL);
	char x[4096], y[4096];
	size_t some;

	for (; n == m && at < n; at += some) {
		some = n - at < sizeof(x) ? (size_t)(n - at) : sizeof(x);
		if (file_read(work, x, some, a->offset + a->head + at) == -1 ||
		    file_read(spool, y, some, b->offset + b->head + at) == -1)
			return -1;
		if (memcmp(x, y, some) != 0)
			return 0;
	}
	return 1;
}

/*
 * Whether the spool holds the message m of the work file: its partner among
 * those of the same uid, or another one of them.  1, 0, or -1 with errno.
 */
static int
holds(int work, const struct msg *m, int spool, const struct msgs *t,
    size_t partner)
{
	size_t i;
	int r;

	if (partner == SIZE_MAX)
		return 0;
	if ((r = same_body(work, m, spool, &t->v[partner])) != 0)
		return r;
	for (i = 0; i < t->n && r == 0; i++)
		if (memcmp(t->v[i].uid, m->uid, UID_LEN) == 0)
			r = same_body(work, m, spool, &t->v[i]);
	return r;
}

/*
 * Plans left's messages in front of the spool: those that it does not hold.
 * An update that died half-way had written some of them back.
 */
static int
plan_merge(int work, const struct msgs *left, const struct spool *sp,
    const struct msgs *spool, struct plan *pl)
{
	size_t *to, i;
	int r, have;

	plan_begin(pl, (uint64_t)sp->st.st_size, 0);
	if ((to = malloc((left->n + 1) * sizeof(*to))) == NULL)
		return -1;
	r = mbox_match(left, spool, to);
	for (i = 0; i < left->n && r == 0; i++) {
		have = holds(work, &left->v[i], sp->fd, spool, to[i]);
		if (have == -1)
			r = -1;
		else if (have == 0 && !(left->v[i].flags & MSG_HIDDEN))
			r = plan_whole(pl, &left->v[i]);
	}
	free(to);
	if (pl->n == 0)
		return r;
	for (i = 0; i < spool->n && r == 0; i++)
		r = plan_add(pl, SRC_SPOOL, spool->v[i].offset,
		    spool->v[i].length, true);
	return r;
}

/* Mail in the work file that the spool may lack. */
struct rest {
	uint64_t end;		/* of a left-over's, from 0 on; 0: none */
	struct part parts[2];	/* a journal's texts */
	uint64_t base, area;	/* of that journal; behind its texts */
};

/* Adds the messages of a journal's text that are not in the table yet. */
static int
add_text(int work, const struct part *x, struct msgs *left)
{
	struct msgs text;
	size_t *to = NULL, i;
	int r;

	if (x->from == x->end)
		return 0;
	if (scan_part(work, x->from, x->end, &text, NULL, NULL) == -1)
		return errno == EILSEQ ? 0 : -1;	/* a part of one */
	if (x->cut && text.n > 0)
		text.n--;
	r = (to = malloc((text.n + 1) * sizeof(*to))) == NULL ? -1 :
	    mbox_match(&text, left, to);
	for (i = 0; i < text.n && r == 0; i++)
		if (to[i] == SIZE_MAX)
			r = msgs_add(left, &text.v[i]);
	free(to);
	msgs_free(&text);
	return r;
}

/*
 * Merges it into the spool.  The new journal takes the place of the one whose
 * text it saves, or stands behind a left-over's mail.
 */
static int
merge(struct pop *p, struct spool *sp, const struct rest *x)
{
	struct msgs left = { NULL, 0, 0 }, spool = { NULL, 0, 0 };
	uint64_t base = x->base;
	struct plan pl;
	bool begun;
	int r = 0, saved, i;

	plan_begin(&pl, 0, 0);
	if (x->end > 0)
		r = scan_part(p->drop.work, 0, x->end, &left, NULL, NULL);
	for (i = 0; i < 2 && r == 0; i++)
		r = add_text(p->drop.work, &x->parts[i], &left);
	if (r == 0)
		r = scan_file(sp->fd, &spool);
	if (r == 0)
		r = plan_merge(p->drop.work, &left, sp, &spool, &pl);
	if (r == 0 && pl.n > 0) {
		pop_log(p, LV_NOTICE, "recover user=%s: putting back mail "
		    "from .%s.pop", p->who, p->who);
		if (x->area == 0)
			r = journal_behind(p->drop.work, x->end, &base);
		if (r == 0)
			r = journal_apply(p, sp, &pl, base, x->area, &begun);
	}
	saved = errno;
	plan_free(&pl);
	msgs_free(&left);
	msgs_free(&spool);
	errno = saved;
	return r;
}

static int
recover_locked(struct pop *p, struct spool *sp, enum work kind,
    uint64_t base, uint64_t end)
{
	struct rest x = { .end = end, .base = base };
	int r = 0, i;

	if (kind == WORK_JOURNAL || base > 0)
		r = journal_redo(p, sp, base, x.parts);
	for (i = 0; i < 2; i++)
		if (x.parts[i].end > x.area)
			x.area = x.parts[i].end;
	if (r != -1 && sp->fd != -1 && fstat(sp->fd, &sp->st) == -1)
		r = -1;
	if (r == 0 && kind == WORK_MBOX) {	/* that may have been all */
		r = journal_kind(p->drop.work, &kind, &base, &end);
		if (r == 0 && kind == WORK_MBOX)
			r = 1;
	}
	if (r == 1)
		r = x.end == 0 && x.area == 0 ? 0 : merge(p, sp, &x);
	/* the spool may be right and not on the disk: its writer was killed */
	if (r == 0 && sp->fd != -1)
		r = fsync(sp->fd);
	if (r == 0)
		r = index_void(p->drop.work);
	if (r == 0)
		r = file_sync(p->drop.work);
	return r;
}

int
updt_recover(struct pop *p)
{
	enum work kind;
	uint64_t base, end;
	struct spool sp;
	int r, saved;

	if (journal_kind(p->drop.work, &kind, &base, &end) == -1)
		return -1;
	if (kind == WORK_EMPTY || kind == WORK_INDEX)
		return 0;
	if (kind == WORK_ALIEN) {
		errno = EILSEQ;
		return -1;
	}
	if (lock_spool(p, SPOOL_WRITE, true, &sp) == -1)
		return -1;
	r = recover_locked(p, &sp, kind, base, end);
	saved = errno;
	unlock_spool(p, &sp);
	errno = saved;
	return r;
}
