/*
 * Message text on its way to the wire.
 */
#include <string.h>

#include "net/net.h"

enum { WIRE_PIECE = 4096 };	/* bytes: few, so that writes are nearly full */

/*
 * Puts a piece of text at to, where there is room for twice its size and one
 * octet: LF becomes CRLF, a dot may become two.  Returns the end of it.  A
 * large RETR spends most of its time here.
 */
static char *
wire_piece(struct wire *w, char *to, const char *s, const char *end)
{
	const char *nl;
	size_t len;

	if (w->cr && *s != '\n')
		*to++ = '\r';
	w->cr = false;
	for (; s < end; s = nl + 1) {
		if (w->start && *s == '.')
			*to++ = '.';
		nl = memchr(s, '\n', (size_t)(end - s));
		len = (size_t)((nl == NULL ? end : nl) - s);
		memcpy(to, s, len);
		to += len;
		w->start = nl != NULL;
		w->cr = len > 0 && to[-1] == '\r';
		to -= w->cr;
		if (nl == NULL)
			return to;
		*to++ = '\r';
		*to++ = '\n';
		w->cr = false;
	}
	return to;
}

void
wire_text(struct conn *c, struct wire *w, const char *s, size_t n)
{
	struct out *o = &c->out;
	size_t some;

	for (; n > 0 && o->state == IO_OK; s += some, n -= some) {
		some = n < WIRE_PIECE ? n : WIRE_PIECE;
		if (sizeof(o->buf) - o->n < 2 * some + 1)
			(void)reply_flush(c);
		o->n = (size_t)(wire_piece(w, o->buf + o->n, s, s + some) -
		    o->buf);
	}
}

void
wire_end(struct conn *c, struct wire *w)
{
	if (w->cr)
		reply_put(c, "\r", 1);
	if (!w->start)
		reply_put(c, "\r\n", 2);
}
