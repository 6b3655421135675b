/*
 * The commands that need only the table of messages: no text, no locks.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "popper.h"

/* ---- the message that a command names ---------------------------------- */

bool
text_number(struct str s, uint64_t max, uint64_t *value)
{
	uint64_t n = 0, digit;
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		digit = (uint64_t)(s.p[i] - '0');
		if (n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*value = n;
	return s.n > 0;
}

struct str
text_of(const char *s)
{
	return (struct str){ s, strlen(s) };
}

bool
text_is(struct str a, struct str b)
{
	return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

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
list_mark(struct pop *p, struct msg *m, uint32_t mark)
{
	struct drop *d = &p->drop;
	size_t i = (size_t)(m - d->all.v);

	if (d->ndeleted + d->nseen == 0 || i < d->lowest)
		d->lowest = i;
	d->ndeleted += (mark & ~m->flags & MSG_DELETED) != 0;
	d->nseen += (mark & ~m->flags & MSG_SEEN) != 0;
	m->flags |= mark;
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
	if (drop_load(p) == -1)
		return say_no_table(p);
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

/* DELE msg: only marked; the spool is not touched before QUIT. */
enum result
pop_dele(struct pop *p)
{
	struct msg *m;

	if ((m = arg_msg(p, 0)) == NULL)
		return ERR;
	if (p->drop.box.board)		/* RFC 1082 */
		return reply_ok(&p->conn, "Bulletin boards are read-only.");
	list_mark(p, m, MSG_DELETED);
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

/* RSET: no marks, and LAST as it was at login (RFC 1081). */
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

static enum result
sign_off(struct pop *p)
{
	p->reason = END_QUIT;
	(void)reply_ok(&p->conn, "popper at %s signing off.", p->host);
	return CLOSE;
}

/* QUIT before login: nothing to update. */
enum result
pop_quit(struct pop *p)
{
	return sign_off(p);
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
		return sign_off(p);
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
