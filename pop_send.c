/*
 * The commands of TRANSACTION: those that need only the table of messages, and
 * RETR and TOP, whose text comes out of the temporary copy, block by block, so
 * that a session's memory does not grow with the message.
 */
#include <string.h>

#include "popper.h"

/* ---- the message that a command names ---------------------------------- */

/* The n-th message of the client, or NULL. */
struct msg *
list_msg(struct pop *p, uint64_t n)
{
	if (n == 0 || n > p->drop.sum.count)
		return NULL;
	return &p->drop.all.v[n - 1 + p->drop.sum.hidden];
}

size_t
list_number(struct pop *p, const struct msg *m)
{
	return (size_t)(m - p->drop.all.v) + 1 - (size_t)p->drop.sum.hidden;
}

/* No table, and without it the session is of no use. */
static enum result
say_no_table(struct pop *p)
{
	log_error(&p->env, "table: cannot read the maildrop again");
	return reply_err(&p->conn,
	    "[SYS/TEMP] The maildrop cannot be read now.");
}

enum result
list_load(struct pop *p)
{
	return drop_load(p) == 0 ? OK : say_no_table(p);
}

struct msg *
arg_msg(struct pop *p, int i)
{
	struct msg *m;
	uint64_t n;
	size_t at;

	if (!text_number(p->argv[i], UINT32_MAX, &n)) {
		(void)reply_err(&p->conn,
		    "That is not the number of a message.");
		return NULL;
	}
	if (n == 0 || n > p->drop.sum.count) {
		(void)reply_err(&p->conn, "Message %llu does not exist.",
		    (unsigned long long)n);
		return NULL;
	}
	at = (size_t)(n - 1 + p->drop.sum.hidden);
	if (drop_entry(p, at) == -1) {
		(void)say_no_table(p);
		return NULL;
	}
	m = &p->drop.all.v[at];
	if (!(m->flags & MSG_DELETED))
		return m;
	(void)reply_err(&p->conn, "Message %zu has been deleted.",
	    list_number(p, m));
	return NULL;
}

void
list_flag(struct pop *p, struct msg *m, uint32_t flag)
{
	struct drop *d = &p->drop;
	size_t i = (size_t)(m - d->all.v);

	if (d->ndeleted + d->nseen == 0 || i < d->lowest)
		d->lowest = i;
	d->ndeleted += (flag & ~m->flags & MSG_DELETED) != 0;
	d->nseen += (flag & ~m->flags & MSG_SEEN) != 0;
	m->flags |= flag;
	if (list_number(p, m) > d->last)
		d->last = list_number(p, m);
}

/* ---- commands ---------------------------------------------------------- */

static size_t
live_count(struct pop *p)
{
	return (size_t)p->drop.sum.count - p->drop.ndeleted;
}

static unsigned long long
live_octets(struct pop *p)
{
	return p->drop.sum.octets - p->drop.deleted_octets;
}

/* STAT: messages and octets, without deleted ones (RFC 1081). */
enum result
pop_stat(struct pop *p)
{
	return reply_ok(&p->conn, "%zu %llu", live_count(p), live_octets(p));
}

/* What LIST and UIDL have in common: one line of one message, or of all. */
static enum result
listing(struct pop *p, void (*show)(struct pop *, const struct msg *))
{
	struct msg *m;
	uint64_t n;

	if (p->argc == 1) {
		if ((m = arg_msg(p, 0)) == NULL)
			return ERR;
		reply_puts(&p->conn, "+OK ");
		show(p, m);
		return OK;
	}
	if (list_load(p) != OK)
		return ERR;
	(void)reply_ok(&p->conn, "%zu messages (%llu octets)", live_count(p),
	    live_octets(p));
	for (n = 1; (m = list_msg(p, n)) != NULL; n++)
		if (!(m->flags & MSG_DELETED))
			show(p, m);
	return reply_dot(&p->conn);
}

static void
scan_listing(struct pop *p, const struct msg *m)
{
	reply_number(&p->conn, list_number(p, m));
	reply_put(&p->conn, " ", 1);
	reply_number(&p->conn, m->octets);
	if (p->drop.box.board) {	/* RFC 1082: and MAXIMA */
		reply_put(&p->conn, " ", 1);
		reply_number(&p->conn, p->drop.maxima[m - p->drop.all.v]);
	}
	reply_put(&p->conn, "\r\n", 2);
}

static void
unique_id_listing(struct pop *p, const struct msg *m)
{
	const char *name = xuidl_find(&p->drop.names,
	    (size_t)(m - p->drop.all.v));
	char text[UID_TEXT];

	mbox_uid(m, text);
	reply_number(&p->conn, list_number(p, m));
	reply_put(&p->conn, " ", 1);
	reply_puts(&p->conn, name != NULL ? name : text);
	reply_put(&p->conn, "\r\n", 2);
}

/* LIST [msg] (RFC 1081), UIDL [msg] (RFC 1939, 7). */
enum result
pop_list(struct pop *p)
{
	return listing(p, scan_listing);
}

enum result
pop_uidl(struct pop *p)
{
	return listing(p, unique_id_listing);
}

/* DELE msg: only flagged; the spool is not touched before QUIT. */
enum result
pop_dele(struct pop *p)
{
	struct msg *m;

	if ((m = arg_msg(p, 0)) == NULL)
		return ERR;
	if (p->drop.box.board)		/* RFC 1082 */
		return reply_ok(&p->conn, "Bulletin boards are read-only.");
	list_flag(p, m, MSG_DELETED);
	p->drop.deleted_octets += m->octets;
	return reply_ok(&p->conn, "Message %zu has been deleted.",
	    list_number(p, m));
}

enum result
pop_noop(struct pop *p)
{
	return reply_ok(&p->conn, "%s", "");	/* "+OK ": RFC 1957 */
}

/* LAST: the highest number accessed (RFC 1081). */
enum result
pop_last(struct pop *p)
{
	return reply_ok(&p->conn, "%llu is the last message seen.",
	    (unsigned long long)p->drop.last);
}

/* RSET: no flags, and LAST as it was at login (RFC 1081). */
enum result
pop_rset(struct pop *p)
{
	struct msg *m;
	uint64_t n;

	for (n = 1; p->drop.ndeleted > 0 && (m = list_msg(p, n)) != NULL; n++)
		m->flags &= ~(uint32_t)MSG_DELETED;
	p->drop.ndeleted = 0;
	p->drop.deleted_octets = 0;
	p->drop.last = p->drop.sum.last;
	return reply_ok(&p->conn, "Maildrop has %zu messages (%llu octets).",
	    live_count(p), live_octets(p));
}

/* ---- message text -------------------------------------------------------- */

/* Of the copy at a time, on the stack; TOP mostly wants a header alone. */
enum { PART = 32 * 1024, PART_TOP = 4096 };

/* Where TOP stops: after the header and so many lines of the body. */
struct limit {
	bool body;		/* the empty line has gone by */
	bool start;		/* at the start of a line */
	bool cr;		/* a CR was all of the line so far */
	uint64_t lines;
};

/*
 * How much of n bytes TOP sends; *done when it is all.  Lines are counted as
 * the client will see them, and the empty line is found in the text itself.
 */
static size_t
up_to_limit(struct limit *l, const char *s, size_t n, bool *done)
{
	const char *p = s, *end = s + n, *nl;
	size_t len;

	while (p < end && !*done) {
		if (l->body && l->lines == 0) {
			*done = true;
			break;
		}
		nl = memchr(p, '\n', (size_t)(end - p));
		len = (size_t)((nl == NULL ? end : nl) - p);
		if (nl == NULL) {
			l->cr = l->start && len == 1 && *p == '\r';
			l->start = false;
			return n;
		}
		if (l->body)
			l->lines--;
		else
			l->body = (l->start && (len == 0 ||
			    (len == 1 && *p == '\r'))) || (l->cr && len == 0);
		l->start = true;
		l->cr = false;
		p = nl + 1;
	}
	return (size_t)(p - s);
}

/*
 * Sends the text of a message, all of it or up to a limit.  ABORT where the
 * copy cannot be read: a partial message never ends in a dot.
 */
static enum result
send_text(struct pop *p, const struct msg *m, struct limit *l)
{
	_Alignas(PAGE) char part[PART];
	struct wire w = { .last = '\n' };
	uint64_t at = m->offset + m->from;
	uint64_t end = m->offset + m->length - (m->flags & MSG_TAIL);
	size_t n, some;
	bool done = false;

	if (l != NULL && l->lines == 0 && end > m->offset + m->head)
		end = m->offset + m->head;	/* the copy may end there */
	for (; at < end && !done && p->conn.out.state == IO_OK; at += n) {
		n = l == NULL ? PART - (size_t)(at % PAGE) : PART_TOP;
		if (n > end - at)
			n = (size_t)(end - at);
		if (file_read(p->drop.copy, part, n, at) == -1) {
			log_error(&p->env, "send: temporary copy");
			return ABORT;
		}
		some = l == NULL ? n : up_to_limit(l, part, n, &done);
		wire_text(&p->conn, &w, part, some);
	}
	wire_end(&p->conn, &w);
	if (m->flags & MSG_NOBLANK)
		reply_put(&p->conn, "\r\n", 2);
	return reply_dot(&p->conn);
}

/* Makes sure that the copy has a message, or says why not: OK, or ERR. */
static enum result
need_text(struct pop *p, const struct msg *m, enum part part)
{
	if (drop_text(p, m, part) != OK)
		return ERR;
	if (m->flags & MSG_GONE)
		return reply_err(&p->conn, "Another program has removed "
		    "message %zu.", list_number(p, m));
	return OK;
}

enum result
pop_retr(struct pop *p)
{
	struct msg *m;
	enum result r;

	if ((m = arg_msg(p, 0)) == NULL || need_text(p, m, PART_ALL) != OK)
		return ERR;
	(void)reply_ok(&p->conn, "%llu octets", (unsigned long long)m->octets);
	if ((r = send_text(p, m, NULL)) != OK || p->conn.out.state != IO_OK)
		return r;
	p->retrieved++;
	p->sent += m->octets;
	list_flag(p, m, MSG_SEEN);
	return OK;
}

enum result
pop_top(struct pop *p)
{
	struct limit l = { .start = true };
	struct msg *m;

	if ((m = arg_msg(p, 0)) == NULL)
		return ERR;
	if (!text_number(p->argv[1], UINT64_MAX, &l.lines))
		return reply_err(&p->conn, "The number of lines must be a "
		    "number.");
	if (need_text(p, m, l.lines == 0 ? PART_HEAD : PART_ALL) != OK)
		return ERR;
	(void)reply_ok(&p->conn, "Top of message follows");
	return send_text(p, m, &l);
}
