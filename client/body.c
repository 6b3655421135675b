/*
 * Bodies: base64 and quoted-printable (RFC 2045 6).
 */
#define _XOPEN_SOURCE 700

#include <string.h>

#include "mime.h"

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(const char *s, size_t n, struct text *out)
{
	unsigned char o[3];
	unsigned long bits;
	size_t i, k;

	for (; n > 0; s += k, n -= k) {
		memset(o, 0, sizeof(o));
		k = n < 3 ? n : 3;
		memcpy(o, s, k);
		bits = (o[0] * 256ul + o[1]) * 256 + o[2];
		for (i = 0; i < 4; i++)
			text_add(out, i > k ? "=" :
			    &base64[bits >> (18 - 6 * i) & 63], 1);
	}
}

void
base64_decode(const char *s, size_t n, struct text *out)
{
	const char *p;
	unsigned long bits;
	size_t digits;
	char o[3];

	for (bits = digits = 0; n > 0 && !(*s == '=' && digits > 1); s++, n--) {
		if ((p = memchr(base64, *s, sizeof(base64) - 1)) == NULL)
			continue;
		bits = bits << 6 | (unsigned long)(p - base64);
		if (++digits < 4)
			continue;
		o[0] = (char)(bits >> 16 & 0xff);
		o[1] = (char)(bits >> 8 & 0xff);
		o[2] = (char)(bits & 0xff);
		text_add(out, o, 3);
		bits = digits = 0;
	}
	/* The last group is short by the digits that padding stands for. */
	o[0] = (char)(bits >> (digits == 3 ? 10 : 4) & 0xff);
	o[1] = (char)(bits >> 2 & 0xff);
	if (digits > 1)
		text_add(out, o, digits - 1);
}

int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ?
	    c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void
hex_decode(const char *s, size_t n, char mark, char blank, struct text *out)
{
	char c;

	for (; n > 0; s++, n--) {
		c = (char)(*s == blank ? ' ' : *s);
		if (c == mark && n > 2 && hex_digit(s[1]) != -1 &&
		    hex_digit(s[2]) != -1) {
			c = (char)(hex_digit(s[1]) << 4 | hex_digit(s[2]));
			s += 2;
			n -= 2;
		}
		text_add(out, &c, 1);
	}
}

void
qp_decode(const char *s, size_t n, struct text *out)
{
	size_t k, len;
	bool soft;

	for (; n > 0; s += k, n -= k) {
		k = text_line(s, n, &len);
		while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
			len--;		/* RFC 2045 6.7 (3): added on the way */
		soft = len > 0 && s[len - 1] == '=';
		hex_decode(s, len - soft, '=', ' ', out);
		if (!soft && s[k - 1] == '\n')
			text_str(out, "\n");
	}
}
