/*
 * A growing piece of text, and the small parsers that all files need.
 */
#define _XOPEN_SOURCE 700

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mime.h"

/* Make room for n more octets and a '\0', up to TEXT_MAX; how many of them
 * there is room for. */
static size_t
make_room(struct text *t, size_t n)
{
	size_t room;

	if (n > TEXT_MAX - t->n) {
		n = TEXT_MAX - t->n;
		t->cut = true;
	}
	if (n >= t->room - t->n) {
		for (room = t->room < 4096 ? 4096 : t->room; room <= t->n + n;)
			room *= 2;
		t->s = must(realloc(t->s, room));
		t->room = room;
	}
	return n;
}

void
text_add(struct text *t, const char *s, size_t n)
{
	if (n > 0 && (n = make_room(t, n)) > 0)
		memcpy(t->s + t->n, s, n);
	t->n += n;
}

void
text_str(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void
text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap;
	size_t n;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len <= 0)
		return;
	n = make_room(t, (size_t)len);
	va_start(ap, fmt);
	vsnprintf(t->s + t->n, n + 1, fmt, ap);
	va_end(ap);
	t->n += n;
}

char *
text_string(struct text *t)
{
	make_room(t, 0);
	t->s[t->n] = '\0';
	return t->s;
}

void
text_free(struct text *t)
{
	free(t->s);
	memset(t, 0, sizeof(*t));
}

const char *
text_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

bool
text_number(const char **s, unsigned long max, unsigned long *out)
{
	unsigned long n, d;
	const char *q;

	for (n = 0, q = *s; isdigit((unsigned char)*q); q++) {
		d = (unsigned long)(*q - '0');
		if (d > max || n > (max - d) / 10)
			return false;
		n = n * 10 + d;
	}
	if (q == *s || (*q != '\0' && text_blanks(q) == q))
		return false;
	*s = text_blanks(q);
	*out = n;
	return true;
}

size_t
text_line(const char *s, size_t n, size_t *len)
{
	const char *lf;

	lf = memchr(s, '\n', n);
	*len = lf == NULL ? n : (size_t)(lf - s);
	n = *len + (lf != NULL);
	if (lf != NULL && *len > 0 && s[*len - 1] == '\r')
		--*len;
	return n;
}

bool
read_all(int fd, struct text *t)
{
	char buf[8192];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n == -1 && errno != EINTR)
			return false;
		if (n > 0)
			text_add(t, buf, (size_t)n);
	}
	errno = EFBIG;
	return !t->cut;
}

bool
write_all(int fd, const char *s, size_t n)
{
	ssize_t w;
	int e;

	if (fd == -1)
		return false;
	while (n > 0 && ((w = write(fd, s, n)) >= 0 || errno == EINTR))
		if (w > 0) {
			s += w;
			n -= (size_t)w;
		}
	if (n == 0 && fsync(fd) == 0)
		return close(fd) == 0;
	e = errno;
	close(fd);
	errno = e;
	return false;
}
