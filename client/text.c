/*
 * Text that grows, and the small parsers that all files need; dates (RFC 5322
 * 3.3); charsets, those of most Western mail by tables, so that they are read
 * with any libc; base64 and quoted-printable (RFC 2045 6).
 */
#include "mime.h"

#include <iconv.h>

const unsigned short windows[32] = { 0x20ac, 0, 0x201a, 0x192, 0x201e,
    0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0, 0x17d, 0,
    0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122,
    0x161, 0x203a, 0x153, 0, 0x17e, 0x178 };

/* Where ISO-8859-15 is not ISO-8859-1, and the same in windows-1252. */
static const unsigned char latin9[][2] = { { 0xa4, 0x80 }, { 0xa6, 0x8a },
    { 0xa8, 0x9a }, { 0xb4, 0x8e }, { 0xb8, 0x9e }, { 0xbc, 0x8c },
    { 0xbd, 0x9c }, { 0xbe, 0x9f }, { 0, 0 } };

/* What a name means in mail, most often a larger charset; "": a guess. */
static const char *const known[][2] = { { "us-ascii", "" },
    { "iso-8859-1", "windows-1252" }, { "iso-8859-9", "windows-1254" },
    { "iso-8859-8-i", "iso-8859-8" }, { "gb2312", "gb18030" },
    { "gbk", "gb18030" }, { "euc-kr", "cp949" }, { "ks_c_5601-1987", "cp949" },
    { "shift_jis", "cp932" } };

/* Make room for n more octets and a '\0', up to TEXT_MAX; for how many. */
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
text_is_word(const char *s)
{
	return *s != '\0' && s[strspn(s, "-_.:0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

bool
text_among(const char *word, size_t n, const char *list)
{
	size_t k;

	for (; *list != '\0'; list += k + (list[k] == ' ')) {
		k = strcspn(list, " ");
		if (k == n && strncasecmp(list, word, n) == 0)
			return true;
	}
	return false;
}

bool
text_number(const char **s, unsigned long max, unsigned long *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(*s, &end, 10);
	if (!isdigit((unsigned char)**s) || errno != 0 || n > max ||
	    (*end != '\0' && text_blanks(end) == end))
		return false;
	*s = text_blanks(end);
	*out = n;
	return true;
}

size_t
text_line(const char *s, size_t n, size_t *len)
{
	const char *lf = memchr(s, '\n', n);

	*len = lf == NULL ? n : (size_t)(lf - s);
	n = *len + (lf != NULL);
	if (lf != NULL && *len > 0 && s[*len - 1] == '\r')
		--*len;
	return n;
}

bool
read_file(const char *path, struct text *t)
{
	char buf[8192];
	ssize_t n;
	int fd;

	text_free(t);
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return false;
	while ((n = read(fd, buf, sizeof(buf))) > 0 ||
	    (n == -1 && errno == EINTR))
		text_add(t, buf, n > 0 ? (size_t)n : 0);
	if (n == 0)
		errno = EFBIG;		/* if it is cut */
	close(fd);
	return n == 0 && !t->cut;
}

bool
date_parse(const char *value, time_t *out)
{
	struct tm tm = { 0 };
	const char *s, *zone;
	int hours = 0, minutes = 0;
	long year, month;
	long long t;

	/* Past the weekday. LC_TIME is not set, so months are English. */
	s = value + strcspn(value, "0123456789");
	if ((s = strptime(s, "%d %b %Y %H:%M", &tm)) == NULL)
		return false;
	/* A name of a zone is as good as none (RFC 5322 4.3). */
	zone = s + strcspn(s, "+-");
	if (sscanf(zone, "%3d%2d", &hours, &minutes) == 2 && *zone == '-')
		minutes = -minutes;
	strptime(s, " :%S", &tm);
	year = tm.tm_year + 1900;
	year += year < 50 ? 2000 : year < 1000 ? 1900 : 0;
	/* Days from 1 January 1970. The year is taken to begin in March, so
	 * that a leap day is its last. */
	year -= tm.tm_mon < 2;
	month = (tm.tm_mon + 10) % 12;
	t = year * 365 + year / 4 - year / 100 + year / 400 +
	    (month * 153 + 2) / 5 + tm.tm_mday - 719469;
	t = ((t * 24 + tm.tm_hour - hours) * 60 + tm.tm_min - minutes) * 60 +
	    tm.tm_sec;
	*out = (time_t)t;
	return *out == t;
}

void
date_short(time_t t, time_t now, char buf[8])
{
	struct tm then, today;

	if (localtime_r(&t, &then) == NULL ||
	    localtime_r(&now, &today) == NULL || strftime(buf, 8,
	    then.tm_year != today.tm_year ? "%Y" : then.tm_yday !=
	    today.tm_yday ? "%e %b" : "%H:%M", &then) == 0)
		buf[0] = '\0';
}

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

enum utf8_kind
utf8_kind(const char *s, size_t n)
{
	enum utf8_kind kind = UTF8_ASCII;
	unsigned long c;
	size_t k;

	for (; n > 0; s += k, n -= k) {
		if ((k = utf8_next(s, n, &c)) == 0)
			return UTF8_INVALID;
		kind = k > 1 ? UTF8_VALID : kind;
	}
	return kind;
}

void
utf8_add(struct text *out, unsigned long c)
{
	char s[4];
	size_t i, n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

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
	const char *meant = charset;
	size_t i;
	bool is_latin9, is_utf8;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcasecmp(charset, known[i][0]) == 0)
			meant = known[i][1];
	is_utf8 = strcasecmp(meant, "utf-8") == 0;
	is_latin9 = strcasecmp(meant, "iso-8859-15") == 0;
	if (!is_utf8 && !is_latin9 && strcasecmp(meant, "windows-1252") != 0) {
		/* libc sees no odd names, such as one with options */
		if (text_is_word(meant) && convert(meant, s, n, out))
			return;
		is_utf8 = utf8_kind(s, n) != UTF8_INVALID;
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
