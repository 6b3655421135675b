/*
 * Words, numbers and foreign text.
 */
#include <string.h>
#include <strings.h>

#include "lib/lib.h"

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

struct str
text_word(struct str *line)
{
	struct str w = { line->p, 0 };

	while (w.n < line->n && line->p[w.n] != ' ')
		w.n++;
	line->p += w.n;
	line->n -= w.n;
	return w;
}

void
text_blanks(struct str *line)
{
	while (line->n > 0 && *line->p == ' ') {
		line->p++;
		line->n--;
	}
}

bool
text_number(struct str s, uint64_t max, uint64_t *value)
{
	uint64_t n = 0, digit;
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		digit = (uint64_t)(s.p[i] - '0');
		if (digit > max || n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*value = n;
	return s.n > 0;
}

void
text_hex(char *to, const void *data, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;

	for (; n > 0; n--, p++) {
		*to++ = digits[*p >> 4];
		*to++ = digits[*p & 15];
	}
	*to = '\0';
}

const char *
text_clean(char *to, size_t room, const char *s, size_t n)
{
	size_t i, at = 0;

	for (i = 0; i < n && at + 5 <= room; i++) {
		if (s[i] > 0x20 && s[i] < 0x7f && strchr("\"=\\", s[i]) == NULL)
			to[at++] = s[i];
		else {
			memcpy(to + at, "\\x", 2);
			text_hex(to + at + 2, s + i, 1);
			at += 4;
		}
	}
	to[at] = '\0';
	return to;
}

void
text_wipe(void *p, size_t n)
{
	volatile unsigned char *s = p;

	while (n-- > 0)
		*s++ = 0;
}
