/*
 * RETR and TOP: message text out of the temporary copy, block by block, so
 * that a session's memory does not grow with the message.
 */
#include <errno.h>
#include <string.h>

#include "popper.h"

/* Of the copy at a time, on the stack; TOP mostly wants a header alone. */
enum { PART = 32 * 1024, PART_TOP = 4096 };

/* Where TOP stops: behind the header and so many lines of the body. */
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
	struct wire w = { .start = true };
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

enum result
pop_retr(struct pop *p)
{
	struct msg *m;
	enum result r;

	if ((m = arg_msg(p, 0)) == NULL || drop_copy(p, m, PART_ALL) != OK)
		return ERR;
	(void)reply_ok(&p->conn, "%llu octets", (unsigned long long)m->octets);
	if ((r = send_text(p, m, NULL)) != OK || p->conn.out.state != IO_OK)
		return r;
	p->retrieved++;
	p->sent += m->octets;
	list_mark(p, m, MSG_SEEN);
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
	if (drop_copy(p, m, l.lines == 0 ? PART_HEAD : PART_ALL) != OK)
		return ERR;
	(void)reply_ok(&p->conn, "Top of message follows");
	return send_text(p, m, &l);
}
