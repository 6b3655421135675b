/*
 * A growing piece of text, and the small parsers that all files need.
 */
#define _XOPEN_SOURCE 700

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mime.h"

void
text_add(struct text *t, const char *s, size_t n)
{
	size_t room;

	if (n > TEXT_MAX - t->n) {
		n = TEXT_MAX - t->n;
		t->cut = true;
	}
	if (n >= t->room - t->n) {	/* with room for text_string() */
		for (room = t->room < 4096 ? 4096 : t->room; room <= t->n + n;)
			room *= 2;
		t->s = must(realloc(t->s, room));
		t->room = room;
	}
	if (n > 0)
		memcpy(t->s + t->n, s, n);
	t->n += n;
}

void
text_str(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

char *
text_string(struct text *t)
{
	text_add(t, "", 0);
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
