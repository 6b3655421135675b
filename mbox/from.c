/*
 * From_ lines: what begins a message, and which Content-Length to believe.
 * Pure, as mbox/scan.c.
 */
#include <string.h>
#include <strings.h>

#include "mbox/mbox.h"

enum {
	/*
	 * A look at text that is not in memory costs as much as scanning some
	 * 16 KiB.  With one for every 256 KiB of the file, and a few for small
	 * files, no choice of lengths makes a scan much slower.  A claim that
	 * is not looked at is not believed.
	 */
	LOOKS_FREE = 256,
	LOOK_EVERY = 256 * 1024
};

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- dates --------------------------------------------------------------- */

/* Whether s is digits only, from..to of them. */
static bool
digits(struct str s, size_t from, size_t to)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!digit(s.p[i]))
			return false;
	return s.n >= from && s.n <= to;
}

/* The English name of a month. */
static bool
month(struct str s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	size_t i;

	for (i = 0; s.n == 3 && names[i] != '\0'; i += 3)
		if (strncasecmp(s.p, names + i, 3) == 0)
			return true;
	return false;
}


static bool
day(struct str s)
{
	return digits(s, 1, 2);
}

static bool
year(struct str s)
{
	return digits(s, 4, 4) || digits(s, 2, 2);
}

/* h:mm or h:mm:ss, the hour with one digit or two. */
static bool
clock_time(struct str s)
{
	size_t h = s.n > 1 && s.p[1] == ':' ? 1 : 2;

	return (s.n == h + 3 || (s.n == h + 6 && s.p[h + 3] == ':' &&
	    digits((struct str){ s.p + h + 4, 2 }, 2, 2))) &&
	    s.p[h] == ':' && digits((struct str){ s.p, h }, 1, 2) &&
	    digits((struct str){ s.p + h + 1, 2 }, 2, 2);
}

/* A time zone: +0100, MET, or either in parentheses. */
static bool
zone(struct str s)
{
	size_t i;

	if (s.n > 2 && s.p[0] == '(' && s.p[s.n - 1] == ')')
		s = (struct str){ s.p + 1, s.n - 2 };
	if (s.n == 5 && (s.p[0] == '+' || s.p[0] == '-'))
		return digits((struct str){ s.p + 1, 4 }, 4, 4);
	for (i = 0; i < s.n; i++)
		if (s.p[i] < 'A' || s.p[i] > 'Z')
			return false;	/* prose has lower case there */
	return s.n >= 1 && s.n <= 5;
}

static bool
is_word(struct str s, const char *word)
{
	return s.n == strlen(word) && memcmp(s.p, word, s.n) == 0;
}

/* Takes the last word off a line; an empty one if there is none. */
static struct str
last_word(struct str *line)
{
	const char *p = line->p + line->n, *end;

	while (p > line->p && blank(p[-1]))
		p--;
	for (end = p; p > line->p && !blank(p[-1]);)
		p--;
	line->n = (size_t)(p - line->p);
	return (struct str){ p, (size_t)(end - p) };
}

/* Takes up to two time zones off a line and gives the word before them. */
static struct str
before_zones(struct str *line, struct str w)
{
	int i;

	for (i = 0; i < 2 && zone(w); i++)
		w = last_word(line);
	return w;
}

/* Takes "remote from host", by which UUCP ends the line, off it. */
static struct str
before_remote(struct str *line)
{
	struct str w = last_word(line), before = *line;

	if (is_word(last_word(line), "from") &&
	    is_word(last_word(line), "remote"))
		return last_word(line);
	*line = before;
	return w;
}

/*
 * Whether a line ends in a date, read from its end:
 *	month day time [zone [zone]] year [zone [zone]]	ctime(3), date(1)
 *	day month year time [zone [zone]]		RFC 822
 * A weekday before it is not asked for.
 */
static bool
ends_in_date(struct str line)
{
	struct str w = before_zones(&line, before_remote(&line));

	if (clock_time(w))
		return year(last_word(&line)) && month(last_word(&line)) &&
		    day(last_word(&line));
	return year(w) &&
	    clock_time(before_zones(&line, last_word(&line))) &&
	    day(last_word(&line)) && month(last_word(&line));
}

/* Whether a time and a year of four digits are somewhere in the line. */
static bool
has_time_and_year(struct str s)
{
	bool time = false, year_seen = false;
	size_t i, n;

	for (i = 0; i < s.n; i += n > 0 ? n : 1) {
		for (n = 0; i + n < s.n && digit(s.p[i + n]); n++)
			continue;
		if (n >= 1 && n <= 2 && s.n - i > n + 2 && s.p[i + n] == ':' &&
		    digit(s.p[i + n + 1]) && digit(s.p[i + n + 2]))
			time = true;
		if (n == 4 && (i == 0 || blank(s.p[i - 1])) &&
		    (i + 4 == s.n || blank(s.p[i + 4])))
			year_seen = true;
	}
	return time && year_seen;
}

/*
 * Whether p..end begins with the name of a header field and its colon.
 * FROM_MORE: it may, but the text ends too soon.
 */
static enum from
field_next(const char *p, const char *end, bool last)
{
	const char *from = p;

	while (p < end && p - from < FIELD_NAME && *p > ' ' && *p < 0x7f &&
	    *p != ':')
		p++;
	if (p == end && p - from < FIELD_NAME && !last)
		return FROM_MORE;
	return p < end && p > from && p - from < FIELD_NAME && *p == ':' ?
	    FROM_YES : FROM_NO;
}

/* The same for a line that has a date of an odd form, if any: see mbox_from(). */
static enum from
odd_from(struct str line, const char *next, const char *end, bool last)
{
	enum from r = field_next(next, end, last);

	return r == FROM_NO || !has_time_and_year(line) ? FROM_NO : r;
}

enum from
mbox_from(const char *p, const char *end, bool last)
{
	size_t n = (size_t)(end - p), most = n < FROM_MOST ? n : FROM_MOST;
	struct str line;
	const char *nl;

	if (memcmp(p, "From ", n < 5 ? n : 5) != 0)
		return FROM_NO;
	nl = memchr(p, '\n', most);
	if (nl == NULL && (most == FROM_MOST || n < 5 || !last))
		return most == FROM_MOST || last ? FROM_NO : FROM_MORE;
	line = (struct str){ p + 5, (size_t)((nl == NULL ? end : nl) - p) - 5 };
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (ends_in_date(line))
		return FROM_YES;
	return nl == NULL ? FROM_NO : odd_from(line, nl + 1, end, last);
}

/* ---- Content-Length ------------------------------------------------------ */

void
mbox_claim(struct scan *s, struct str value)
{
	uint64_t n = 0;
	size_t i = 0;

	while (i < value.n && blank(value.p[i]))
		i++;
	while (value.n > i && blank(value.p[value.n - 1]))
		value.n--;
	if (i == value.n || s->nclaims == CLAIMS)
		return;
	for (; i < value.n; i++) {
		if (!digit(value.p[i]) || n > UINT64_MAX / 10 - 1)
			return;
		n = n * 10 + (uint64_t)(value.p[i] - '0');
	}
	if (n > INT64_MAX)
		return;
	s->claim[s->nclaims++] = n;
}

/*
 * Text around the place at of the file: *n bytes, of which LOOK_BACK are before
 * it.  From the block p..end, which begins at the scanner's place, or by a
 * look into the file.  NULL: it cannot be seen.
 */
static const char *
text_at(struct scan *s, uint64_t at, const char *p, const char *end,
    char room[LOOK], size_t *n)
{
	uint64_t from = at - LOOK_BACK, have = (uint64_t)(end - p);
	uint64_t want = s->size - from < LOOK ? s->size - from : LOOK;
	ssize_t r;

	*n = (size_t)want;
	if (from >= s->pos && from - s->pos + want <= have)
		return p + (from - s->pos);
	if (s->look == NULL || s->looks >= LOOKS_FREE +
	    (s->pos - s->begin) / LOOK_EVERY)
		return NULL;
	s->looks++;
	r = s->look(s->look_arg, room, *n, from);
	return r == (ssize_t)*n ? room : NULL;
}

/* The bytes of an empty line at p, 0 if there is none. */
static size_t
empty_line(const struct scan *s, const char *p, const char *end)
{
	if (p < end && *p == '\n')
		return 1;
	return s->crlf && end - p > 1 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;
}

/* Whether the file ends there, or is known to have ended there once. */
static bool
file_ended(const struct scan *s, uint64_t at)
{
	const struct msgs *old = s->old;
	size_t low = 0, high, i;

	if (at == s->size)
		return true;
	if (old == NULL)
		return false;
	if (at == old->end)
		return true;
	for (high = old->n; low < high;) {
		i = low + (high - low) / 2;
		if (old->v[i].offset < at)
			low = i + 1;
		else
			high = i;
	}
	return low < old->n && old->v[low].offset == at &&
	    old->v[low].flags & MSG_ABUTS;
}

/*
 * Whether the body of this message ends at the place at: the file ends there, or
 * did so once, or a message begins there as it would without the claim, with at
 * most one empty line in between.  Agents that quote From_ lines quote each after an
 * empty line; so a claim can take away beginnings and never add one.
 */
static bool
proves(struct scan *s, uint64_t at, const char *p, const char *end)
{
	char room[LOOK];
	const char *text, *q, *stop;
	size_t n, gap;

	if (at > s->size || at < s->pos + LOOK_BACK)
		return false;
	if (file_ended(s, at))
		return true;
	if ((text = text_at(s, at, p, end, room, &n)) == NULL)
		return false;
	q = text + LOOK_BACK;
	stop = text + n;
	if (q[-1] == '\n' && (gap = empty_line(s, q, stop)) > 0) {
		if (file_ended(s, at + gap))
			return true;
		q += gap;
	} else if (q[-1] != '\n' || (q[-2] != '\n' && (!s->crlf ||
	    q[-2] != '\r' || q[-3] != '\n')))
		return false;
	return mbox_from(q, stop, at - LOOK_BACK + n == s->size) == FROM_YES;
}

bool
mbox_claimed(struct scan *s, const char *p, const char *end)
{
	unsigned i;

	for (i = 0; i < s->nclaims; i++)
		if (s->claim[i] > s->pos && s->claim[i] > s->until &&
		    proves(s, s->claim[i], p, end))
			s->until = s->claim[i];
	s->nclaims = 0;			/* each is looked at once */
	return s->pos < s->until;
}
