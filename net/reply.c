/*
 * Replies: buffered, and written before anything is waited for.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/net.h"

int
reply_flush(struct conn *c)
{
	struct out *o = &c->out;
	struct timespec until;
	size_t done = 0;
	ssize_t n;

	if (o->n > 0 && o->state == IO_OK)
		conn_limit(c, &until);	/* of the whole buffer */
	while (o->state == IO_OK && done < o->n) {
		n = write(1, o->buf + done, o->n - done);
		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			o->state = conn_wait(c, 1, true, &until);
		else if (errno != EINTR)
			o->state = conn_failure();
	}
	o->n = 0;
	return o->state == IO_OK ? 0 : -1;
}

void
reply_put(struct conn *c, const void *data, size_t n)
{
	const char *s = data;
	size_t some;

	while (n > 0 && c->out.state == IO_OK) {
		some = sizeof(c->out.buf) - c->out.n;
		if (some > n)
			some = n;
		memcpy(c->out.buf + c->out.n, s, some);
		c->out.n += some;
		s += some;
		n -= some;
		if (c->out.n == sizeof(c->out.buf))
			(void)reply_flush(c);
	}
}

void
reply_puts(struct conn *c, const char *s)
{
	reply_put(c, s, strlen(s));
}

/* A line of foreign parts: cut to size, control octets made harmless. */
static void PRINTF(3, 0)
put_line(struct conn *c, const char *start, const char *fmt, va_list ap)
{
	char line[LINE_REPLY - 1];
	size_t i, n = strlen(start), room = sizeof(line) - n;
	int r;

	memcpy(line, start, n);
	r = vsnprintf(line + n, room, fmt, ap);
	if (r > 0)
		n += (size_t)r < room ? (size_t)r : room - 1;
	for (i = 0; i < n; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			line[i] = '?';	/* also where char is signed */
	if (line[0] == '.')
		reply_put(c, ".", 1);	/* no line of ours ends a reply */
	reply_put(c, line, n);
	reply_put(c, "\r\n", 2);
}

void
reply_line(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(c, "", fmt, ap);
	va_end(ap);
}

enum result
reply_ok(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(c, "+OK ", fmt, ap);
	va_end(ap);
	return OK;
}

enum result
reply_err(struct conn *c, const char *fmt, ...)
{
	char text[LINE_REPLY], *s;
	va_list ap;

	va_start(ap, fmt);
	put_line(c, "-ERR ", fmt, ap);
	va_end(ap);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (s = text; *s != '\0'; s++)	/* as words, not as fields */
		if (*s < 0x20 || *s > 0x7e || strchr("\"=\\", *s) != NULL)
			*s = '?';
	log_notice(c->env, "refused user=%s addr=%s: %s", c->env->who, c->addr,
	    text);
	return ERR;
}

void
reply_number(struct conn *c, uint64_t n)
{
	char text[24], *s = text + sizeof(text);

	do
		*--s = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	reply_put(c, s, (size_t)(text + sizeof(text) - s));
}

enum result
reply_dot(struct conn *c)
{
	reply_put(c, ".\r\n", 3);
	return OK;
}
