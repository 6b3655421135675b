/*
 * Octets to text: charsets, those of most Western mail by tables, so that they
 * are read with any libc, and all others by iconv(3); base64 and
 * quoted-printable (RFC 2045 6).
 */
#include "mime.h"

#include <iconv.h>

/* GCC's analyzer takes (iconv_t)-1 for memory. */
#if defined(__GNUC__) && __GNUC__ >= 10 && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* 0x80 to 0x9f in windows-1252; 0: nothing is there. */
static const unsigned short windows[] = { 0x20ac, 0, 0x201a, 0x192, 0x201e,
    0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0, 0x17d, 0,
    0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122,
    0x161, 0x203a, 0x153, 0, 0x17e, 0x178 };

/* Where ISO-8859-15 is not ISO-8859-1, and the same in windows-1252. */
static const unsigned char latin9[][2] = { { 0xa4, 0x80 }, { 0xa6, 0x8a },
    { 0xa8, 0x9a }, { 0xb4, 0x8e }, { 0xb8, 0x9e }, { 0xbc, 0x8c },
    { 0xbd, 0x9c }, { 0xbe, 0x9f }, { 0, 0 } };

/* What a name means in mail, most often a larger charset; "": a guess. */
static const char *const known[][2] = { { "us-ascii", "" },
    { "unknown-8bit", "" }, { "iso-8859-1", "windows-1252" },
    { "iso-8859-9", "windows-1254" }, { "iso-8859-8-i", "iso-8859-8" },
    { "gb2312", "gb18030" }, { "gbk", "gb18030" }, { "euc-kr", "cp949" },
    { "ks_c_5601-1987", "cp949" }, { "shift_jis", "cp932" },
    { "x-sjis", "cp932" } };

size_t
utf8_next(const char *s, size_t n, unsigned long *c)
{
	static const unsigned long least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	size_t i, len;

	if (n == 0)
		return 0;
	len = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 :
	    *p < 0xf5 ? 4 : 0;
	if (len == 0 || len > n)
		return 0;
	*c = len == 1 ? *p : *p & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	return *c < least[len] || *c > 0x10ffff ||
	    (*c >= 0xd800 && *c < 0xe000) ? 0 : len;
}

bool
utf8_valid(const char *s, size_t n)
{
	unsigned long c;
	size_t k;

	for (; n > 0; s += k, n -= k)
		if ((k = utf8_next(s, n, &c)) == 0)
			return false;
	return true;
}

void
utf8_add(struct text *out, unsigned long c)
{
	char s[4];
	size_t i, n;

	n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (i = n - 1; i > 0; i--, c >>= 6)
		s[i] = (char)(0x80 | (c & 0x3f));
	s[0] = (char)(n == 1 ? c : c | (0xf00 >> n & 0xff));
	text_add(out, s, n);
}

/* Append octets of windows-1252 or ISO-8859-15 by the tables. */
static void
add_octets(const char *s, size_t n, bool is_latin9, struct text *out)
{
	unsigned long c;
	size_t i;

	for (; n > 0; s++, n--) {
		c = (unsigned char)*s;
		for (i = 0; is_latin9 && latin9[i][0] != 0; i++)
			if (latin9[i][0] == c)
				c = latin9[i][1];
		if (c >= 0x80 && c < 0xa0)
			c = windows[c - 0x80];
		if (c == 0)
			text_add(out, s, 1);
		else
			utf8_add(out, c);
	}
}

/* Convert by libc; false if it does not know the charset. An octet that it
 * refuses is passed on, and the next one tried. */
static bool
convert(const char *charset, const char *s, size_t n, struct text *out)
{
	char buf[4096], *in, *to;
	size_t r, room;
	iconv_t cd;
	bool end;

	if ((cd = iconv_open("UTF-8", charset)) == (iconv_t)-1)
		return false;
	in = (char *)s;
	for (end = false; !end;) {
		end = n == 0;	/* the last call is for what cd holds back */
		to = buf;
		room = sizeof(buf);
		r = iconv(cd, end ? NULL : &in, end ? NULL : &n, &to, &room);
		text_add(out, buf, sizeof(buf) - room);
		if (r == (size_t)-1 && errno != E2BIG && n > 0) {
			text_add(out, in++, 1);
			n--;
		}
	}
	iconv_close(cd);
	return true;
}

void
charset_decode(const char *charset, const char *s, size_t n,
    struct text *out)
{
	const char *meant;
	size_t i;
	bool is_latin9, is_utf8;

	meant = charset;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcasecmp(charset, known[i][0]) == 0)
			meant = known[i][1];
	is_utf8 = strcasecmp(meant, "utf-8") == 0;
	is_latin9 = strcasecmp(meant, "iso-8859-15") == 0;
	if (!is_utf8 && !is_latin9 && strcasecmp(meant, "windows-1252") != 0) {
		/* libc sees no odd names, such as one with options */
		if (text_is_word(meant) && convert(meant, s, n, out))
			return;
		is_utf8 = utf8_valid(s, n);
	}
	if (is_utf8)
		text_add(out, s, n);
	else
		add_octets(s, n, is_latin9, out);
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(const char *s, size_t n, struct text *out)
{
	unsigned long bits;
	size_t i, pending;

	for (bits = i = pending = 0; i < n; i++) {
		bits = bits << 8 | (unsigned char)s[i];
		for (pending += 8; pending >= 6;) {
			pending -= 6;
			text_add(out, &base64[bits >> pending & 63], 1);
		}
	}
	if (pending > 0)
		text_add(out, &base64[bits << (6 - pending) & 63], 1);
	text_add(out, "==", (3 - n % 3) % 3);
}

void
base64_decode(const char *s, size_t n, struct text *out)
{
	const char *p;
	unsigned long bits;
	size_t pending;
	char o;

	/* An "=" is padding where it can be, and ends it. */
	for (bits = pending = 0; n > 0 && !(*s == '=' && pending % 6 != 0);
	    s++, n--) {
		if ((p = memchr(base64, *s, sizeof(base64) - 1)) == NULL)
			continue;
		bits = bits << 6 | (unsigned long)(p - base64);
		if ((pending += 6) < 8)
			continue;
		pending -= 8;
		o = (char)(bits >> pending & 0xff);
		text_add(out, &o, 1);
	}
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
