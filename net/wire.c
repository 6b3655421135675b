/*
 * Message text on its way to the wire.
 */
#include <string.h>

#include "net/net.h"

/* So much text at a time: small, so that writes stay nearly full. */
enum { WIRE_PIECE = 4096 };

/*
 * Puts a piece of text at to, where there is room for twice its size and one
 * octet: a line end may become two, and so may a dot.  Returns the end of it.
 * Most of the time of a large RETR is spent here.
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

/*
 * Sends n bytes of message text in whole lines where it can (RFC 1081: lines
 * end with CRLF, a leading dot is doubled).  A CR before LF is that line's
 * end; any other CR is text.
 */
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

/* Ends a last line that has no end of its own. */
void
wire_end(struct conn *c, struct wire *w)
{
	if (w->cr)
		reply_put(c, "\r", 1);
	if (!w->start)
		reply_put(c, "\r\n", 2);
}
