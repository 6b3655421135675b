/*
 * Lines of the client.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/net.h"

/* Waits for octets and reads what there is into the free end of the buffer. */
static enum io
fill_input(struct conn *c, int64_t until)
{
	struct in *in = &c->in;
	enum io r;
	ssize_t n;

	if (in->start > 0) {
		memmove(in->buf, in->buf + in->start, in->end - in->start);
		in->end -= in->start;
		in->start = 0;
	}
	do {
		if ((r = conn_wait(c, 0, false, until)) != IO_OK)
			return r;
		n = read(0, in->buf + in->end, sizeof(in->buf) - in->end);
	} while (n == -1 && (errno == EAGAIN || errno == EINTR));
	if (n == -1)
		return conn_failure();
	if (n == 0)		/* an unterminated last line is dropped */
		return IO_EOF;
	in->end += (size_t)n;
	return IO_OK;
}

/* Whether a line has a character that no command may have (RFC 2449, 3). */
static bool
has_control(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

/* Takes a complete line from the buffer, if any; a bare LF ends one as well. */
static bool
take_line(struct in *in, size_t max, struct str *line, enum io *what)
{
	const char *p = in->buf + in->start;
	const char *nl = memchr(p, '\n', in->end - in->start);
	size_t n = nl == NULL ? in->end - in->start : (size_t)(nl + 1 - p);

	if (nl == NULL && n <= max && !in->skip)
		return false;
	if (nl == NULL) {		/* too long: drop all of it */
		in->skip = true;
		in->start = in->end;
		return false;
	}
	in->start += n;
	*what = in->skip || n > max ? IO_LONG : IO_OK;
	in->skip = false;
	line->p = p;
	line->n = n - 1;
	if (line->n > 0 && p[line->n - 1] == '\r')
		line->n--;
	if (*what == IO_OK && has_control(*line))
		*what = IO_CONTROL;
	return true;
}

enum io
line_read(struct conn *c, size_t max, struct str *line)
{
	int64_t until;
	enum io what;

	if (take_line(&c->in, max, line, &what))
		return what;
	if (reply_flush(c) == -1)
		return c->out.state;
	until = conn_limit(c);		/* for the whole line */
	do {
		if ((what = fill_input(c, until)) != IO_OK)
			return what;
	} while (!take_line(&c->in, max, line, &what));
	return what;
}

enum io
line_octets(struct conn *c, size_t n, int64_t until, struct str *octets)
{
	enum io what;

	while (c->in.end - c->in.start < n) {
		if (reply_flush(c) == -1)
			return c->out.state;
		if ((what = fill_input(c, until)) != IO_OK)
			return what;
	}
	octets->p = c->in.buf + c->in.start;
	octets->n = c->in.end - c->in.start;
	return IO_OK;
}

void
line_used(struct conn *c, size_t n)
{
	c->in.start += n;
}

bool
line_pending(const struct conn *c)
{
	return c->in.start != c->in.end;
}

void
line_wipe(struct conn *c)
{
	struct in *in = &c->in;

	text_wipe(in->buf, in->start);
	text_wipe(in->buf + in->end, sizeof(in->buf) - in->end);
}
