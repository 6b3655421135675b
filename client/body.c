/*
 * Bodies: base64 and quoted-printable (RFC 2045 6), format=flowed (RFC 3676).
 */
#define _XOPEN_SOURCE 700

#include <string.h>

#include "mime.h"

int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ?
	    c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int
base64_digit(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ?
	    c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ?
	    62 : c == '/' ? 63 : -1;
}

void
base64_decode(const char *s, size_t n, struct text *out)
{
	unsigned long bits;
	size_t digits;
	char o[3];
	int d;

	for (bits = digits = 0; n > 0 && !(*s == '=' && digits > 1); s++, n--) {
		if ((d = base64_digit(*s)) == -1)
			continue;
		bits = bits << 6 | (unsigned long)d;
		if (++digits == 4) {
			o[0] = (char)(bits >> 16 & 0xff);
			o[1] = (char)(bits >> 8 & 0xff);
			o[2] = (char)(bits & 0xff);
			text_add(out, o, 3);
			bits = digits = 0;
		}
	}
	/* The last group is short by the digits that padding stands for. */
	o[0] = (char)(bits >> (digits == 3 ? 10 : 4) & 0xff);
	o[1] = (char)(bits >> 2 & 0xff);
	if (digits > 1)
		text_add(out, o, digits - 1);
}

/* Append a line of quoted-printable without its line end; true where it ends
 * softly, with a "=". */
static bool
qp_line(const char *s, size_t n, struct text *out)
{
	size_t i;
	char c;

	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;		/* RFC 2045 6.7 (3): added on the way */
	for (i = 0; i < n; i++) {
		c = s[i];
		if (c == '=' && i + 1 == n)
			return true;
		if (c == '=' && n - i > 2 && hex_digit(s[i + 1]) != -1 &&
		    hex_digit(s[i + 2]) != -1) {
			c = (char)(hex_digit(s[i + 1]) << 4 |
			    hex_digit(s[i + 2]));
			i += 2;
		}
		text_add(out, &c, 1);
	}
	return false;
}

size_t
body_line(const char *s, size_t n, size_t *len)
{
	const char *lf;
	size_t whole;

	lf = memchr(s, '\n', n);
	*len = whole = lf == NULL ? n : (size_t)(lf - s) + 1;
	*len -= lf != NULL;
	if (lf != NULL && *len > 0 && s[*len - 1] == '\r')
		--*len;
	return whole;
}

void
qp_decode(const char *s, size_t n, struct text *out)
{
	size_t k, len;

	for (; n > 0; s += k, n -= k) {
		k = body_line(s, n, &len);
		if (!qp_line(s, len, out) && s[k - 1] == '\n')
			text_add(out, "\n", 1);
	}
}

/* A paragraph under way: its depth of quoting, and whether a line of it is
 * still to come. */
struct flow {
	size_t depth;
	bool open;
};

/* Append one line of a flowed text. */
static void
flowed_line(struct flow *f, const char *s, size_t n, bool delsp,
    struct text *out)
{
	size_t depth, i;
	bool signature, more;

	for (depth = 0; depth < n && s[depth] == '>'; depth++)
		;
	s += depth;
	n -= depth;
	if (n > 0 && *s == ' ') {	/* stuffed */
		s++;
		n--;
	}
	signature = n == 3 && memcmp(s, "-- ", 3) == 0;
	if (f->open && (depth != f->depth || signature)) {
		text_add(out, "\n", 1);
		f->open = false;
	}
	if (!f->open)
		for (i = 0; i < depth; i++)
			text_add(out, "> ", i + 1 < depth ? 1 : 2);
	more = n > 0 && s[n - 1] == ' ' && !signature;
	text_add(out, s, more && delsp ? n - 1 : n);
	if (!more)
		text_add(out, "\n", 1);
	f->open = more;
	f->depth = depth;
}

void
flowed_join(const char *s, size_t n, bool delsp, struct text *out)
{
	struct flow f = { 0, false };
	size_t k, len;

	for (; n > 0; s += k, n -= k) {
		k = body_line(s, n, &len);
		flowed_line(&f, s, len, delsp, out);
	}
	if (f.open)
		text_add(out, "\n", 1);
}
