/*
 * Text from outside made safe. It reaches the terminal through glyph() alone,
 * in the cards and outside of them, so none of it can steer it.
 */
#define _XOPEN_SOURCE 700

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "popcard.h"

enum {
	TAB_STOP = 8,
	MARKS = 2,		/* accents over one letter; more are spelt
				   out */
	SAFE = 8192	/* a line in which each one may get longer */
};

/* Characters that show nothing and could mislead: writing directions, joiners
 * and the like. */
static bool
unseen(unsigned long c)
{
	return c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	    c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || c >= 0xe0000;
}

size_t
glyph(const char *s, size_t n, int col, int *marks, char out[GLYPH], int *width)
{
	mbstate_t state;
	wchar_t wc;
	unsigned long code;
	size_t k, own;
	unsigned char c;
	int w;

	c = (unsigned char)*s;
	if (c >= ' ' && c < 0x7f) {
		*marks = 0;
		out[0] = (char)c;
		out[1] = '\0';
		*width = 1;
		return 1;
	}
	if (c == '\t') {
		*marks = 0;
		*width = TAB_STOP - col % TAB_STOP;
		snprintf(out, GLYPH, "%*s", *width, "");
		return 1;
	}
	if (c < ' ' || c == 0x7f) {
		*marks = 0;
		snprintf(out, GLYPH, "^%c", c ^ 0x40);
		*width = 2;
		return 1;
	}
	if ((k = utf8_next(s, n, &code)) == 0) {
		k = 1;
		snprintf(out, GLYPH, "\\x%02X", c);
	} else {
		wc = (wchar_t)code;
		memset(&state, 0, sizeof(state));
		own = wcrtomb(out, wc, &state);
		if (own < GLYPH && iswprint((wint_t)wc) && !unseen(code) &&
		    (w = wcwidth(wc)) >= 0) {
			*marks = w == 0 ? *marks + 1 : 0;
			if (*marks <= MARKS) {
				out[own] = '\0';
				*width = w;
				return k;
			}
		}
		snprintf(out, GLYPH, "<U+%04lX>", code);
	}
	*width = (int)strlen(out);
	return k;
}

/* A line made safe, for what is shown outside of the cards. */
static void PRINTF(2, 0)
safe_line(char out[SAFE], const char *fmt, va_list ap)
{
	char s[2048], g[GLYPH];
	size_t i, k, len, n;
	int marks, w;

	if (vsnprintf(s, sizeof(s), fmt, ap) < 0)
		s[0] = '\0';
	len = strlen(s);
	marks = 0;
	for (i = n = 0; i < len && n + GLYPH < SAFE; i += k) {
		k = glyph(s + i, len - i, 0, &marks, g, &w);
		memcpy(out + n, g, strlen(g));
		n += strlen(g);
	}
	out[n] = '\0';
}

void
error(const char *fmt, ...)
{
	char s[SAFE];
	va_list ap;

	va_start(ap, fmt);
	safe_line(s, fmt, ap);
	va_end(ap);
	term_stop();
	term_write(STDERR_FILENO, "popcard: ", 9);
	term_write(STDERR_FILENO, s, strlen(s));
	term_write(STDERR_FILENO, "\n", 1);
}

bool
secret(char *buf, size_t size, const char *prompt, ...)
{
	char s[SAFE];
	va_list ap;

	va_start(ap, prompt);
	safe_line(s, prompt, ap);
	va_end(ap);
	return term_secret(s, buf, size);
}

void
last_words(const char *fmt, ...)
{
	char s[SAFE];
	va_list ap;

	va_start(ap, fmt);
	safe_line(s, fmt, ap);
	va_end(ap);
	term_last_words(s);
}
