/*
 * Text from outside made safe. It reaches the terminal through glyph() alone,
 * in the cards and outside of them, so none of it can steer it.
 */
#define _XOPEN_SOURCE 700

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "popcard.h"

enum {
	TAB_STOP = 8,
	MARKS = 2,		/* accents over one letter; more are spelt
				   out */
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
	bool accent;

	c = (unsigned char)*s;
	k = 1;
	accent = false;
	if (c >= ' ' && c < 0x7f) {
		*width = 1;
		out[0] = (char)c;
		out[1] = '\0';
	} else if (c == '\t') {
		*width = TAB_STOP - col % TAB_STOP;
		snprintf(out, GLYPH, "%*s", *width, "");
	} else if (c < 0x80) {
		*width = snprintf(out, GLYPH, "^%c", c ^ 0x40);
	} else if ((k = utf8_next(s, n, &code)) == 0) {
		k = 1;
		*width = snprintf(out, GLYPH, "\\x%02X", c);
	} else {
		wc = (wchar_t)code;
		memset(&state, 0, sizeof(state));
		own = wcrtomb(out, wc, &state);
		*width = iswprint((wint_t)wc) ? wcwidth(wc) : -1;
		accent = *width == 0;
		if (own < GLYPH && !unseen(code) && *width >= 0 &&
		    (!accent || *marks < MARKS))
			out[own] = '\0';
		else
			*width = snprintf(out, GLYPH, "<U+%04lX>", code);
	}
	*marks = accent ? *marks + 1 : 0;
	return k;
}

static void PRINTF(1, 0)
write_error(const char *fmt, va_list ap)
{
	struct text out = { 0 };
	char s[2048], g[GLYPH];
	size_t i, k, len;
	int marks, w;

	if (vsnprintf(s, sizeof(s), fmt, ap) < 0)
		s[0] = '\0';
	len = strlen(s);
	marks = 0;
	text_str(&out, "popcard: ");
	for (i = 0; i < len; i += k) {
		k = glyph(s + i, len - i, 0, &marks, g, &w);
		text_str(&out, g);
	}
	text_str(&out, "\n");
	term_stop();
	term_write(STDERR_FILENO, out.s, out.n);
	text_free(&out);
}

void
error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_error(fmt, ap);
	va_end(ap);
}

_Noreturn void
fail(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_error(fmt, ap);
	va_end(ap);
	exit(code);
}
