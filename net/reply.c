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
	int64_t until = conn_limit(c);	/* for the whole buffer */
	size_t done = 0;
	ssize_t n;

	while (o->state == IO_OK && done < o->n) {
		n = write(1, o->buf + done, o->n - done);
		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			o->state = conn_wait(c, 1, true, until);
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

void
reply_line(struct conn *c, const char *fmt, ...)
{
	char line[LINE_REPLY - 1], *s;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	for (s = line; *s != '\0'; s++)
		if (*s < 0x20 || *s > 0x7e)
			*s = '?';	/* also where char is signed */
	if (line[0] == '.')
		reply_put(c, ".", 1);	/* or the line could end a reply */
	reply_puts(c, line);
	reply_put(c, "\r\n", 2);
}

enum result
reply_err(struct conn *c, const char *fmt, ...)
{
	char text[LINE_REPLY - sizeof("-ERR ")], *s;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	reply_line(c, "-ERR %s", text);
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
