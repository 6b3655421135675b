/*
 * The lines that the scanner looks into: From_ lines, which begin a message,
 * header fields, and Content-Length: which to believe.  Pure, as mbox/scan.c.
 */
#include <string.h>
#include <strings.h>

#include "mbox/mbox.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ---- dates --------------------------------------------------------------- */

/* Whether a word has one of the forms, in which 0 stands for any digit. */
static bool
has_form(struct str word, const char *form)
{
	size_t i;

	for (;; form++) {
		for (i = 0; i < word.n && *form != '\0' && (*form == '0' ?
		    is_digit(word.p[i]) : *form == word.p[i]); i++)
			form++;
		if (i == word.n && (*form == ' ' || *form == '\0'))
			return true;
		while (*form != ' ' && *form != '\0')
			form++;
		if (*form == '\0')
			return false;
	}
}

static bool
is_month(struct str word)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	size_t i;

	for (i = 0; word.n == 3 && names[i] != '\0'; i += 3)
		if (strncasecmp(word.p, names + i, 3) == 0)
			return true;
	return false;
}

/* A time zone: +0100, MET, or either in parentheses. */
static bool
is_zone(struct str word)
{
	size_t i;

	if (word.n > 2 && word.p[0] == '(' && word.p[word.n - 1] == ')')
		word = (struct str){ word.p + 1, word.n - 2 };
	if (has_form(word, "+0000 -0000"))
		return true;
	for (i = 0; i < word.n; i++)
		if (word.p[i] < 'A' || word.p[i] > 'Z')
			return false;	/* prose has lower case there */
	return word.n >= 1 && word.n <= 5;
}

/* Takes the last word off a line; an empty one if there is none. */
static struct str
last_word(struct str *line)
{
	const char *p = line->p + line->n, *end;

	while (p > line->p && is_blank(p[-1]))
		p--;
	for (end = p; p > line->p && !is_blank(p[-1]);)
		p--;
	line->n = (size_t)(p - line->p);
	return (struct str){ p, (size_t)(end - p) };
}

/* Takes up to two time zones off a line, w the last word, and then a word. */
static struct str
before_zones(struct str *line, struct str w)
{
	int i;

	for (i = 0; i < 2 && is_zone(w); i++)
		w = last_word(line);
	return w;
}

/* Takes "remote from host", which UUCP adds, off a line, and then a word. */
static struct str
before_remote(struct str *line)
{
	struct str w = last_word(line), before = *line;

	if (has_form(last_word(line), "from") &&
	    has_form(last_word(line), "remote"))
		return last_word(line);
	*line = before;
	return w;
}

/*
 * Whether a line ends in a date, read from its end:
 *	month day time [zone [zone]] year [zone [zone]]	ctime(3), date(1)
 *	day month year time [zone [zone]]		RFC 822
 * A weekday before it is not required.
 */
static bool
ends_in_date(struct str line)
{
	static const char time[] = "00:00:00 00:00 0:00:00 0:00";
	static const char day[] = "0 00", year[] = "0000 00";
	struct str w = before_zones(&line, before_remote(&line));

	if (has_form(w, time))
		return has_form(last_word(&line), year) &&
		    is_month(last_word(&line)) &&
		    has_form(last_word(&line), day);
	return has_form(w, year) &&
	    has_form(before_zones(&line, last_word(&line)), time) &&
	    has_form(last_word(&line), day) && is_month(last_word(&line));
}

/* Whether a time and a year of four digits are somewhere in the line. */
static bool
has_time_and_year(struct str s)
{
	bool time_seen = false, year_seen = false;
	size_t i, n;

	for (i = 0; i < s.n; i += n > 0 ? n : 1) {
		for (n = 0; i + n < s.n && is_digit(s.p[i + n]); n++)
			continue;
		if (n >= 1 && n <= 2 && s.n - i - n >= 3 &&
		    has_form((struct str){ s.p + i + n, 3 }, ":00"))
			time_seen = true;
		if (n == 4 && (i == 0 || is_blank(s.p[i - 1])) &&
		    (i + 4 == s.n || is_blank(s.p[i + 4])))
			year_seen = true;
	}
	return time_seen && year_seen;
}

/*
 * Whether p..end begins with the name of a header field and its colon.
 * FROM_MORE: it may, but the text ends too soon.
 */
static enum from
field_follows(const char *p, const char *end, bool last)
{
	const char *name = p;

	while (p < end && p - name < FIELD_NAME && *p > ' ' && *p < 0x7f &&
	    *p != ':')
		p++;
	if (p - name == FIELD_NAME)
		return FROM_NO;
	if (p == end)
		return last ? FROM_NO : FROM_MORE;
	return *p == ':' && p > name ? FROM_YES : FROM_NO;
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
	return nl != NULL && has_time_and_year(line) ?
	    field_follows(nl + 1, end, last) : FROM_NO;
}

/* ---- header fields ------------------------------------------------------- */

bool
mbox_field(struct str line, const char *name)
{
	size_t n = strlen(name);

	return line.n >= n && strncasecmp(line.p, name, n) == 0;
}

struct str
mbox_trimmed(struct str s)
{
	for (; s.n > 0 && is_blank(*s.p); s.n--)
		s.p++;
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
mbox_value(struct str line, const char *name, struct str *value)
{
	size_t n = strlen(name);

	if (!mbox_field(line, name))
		return false;
	*value = mbox_trimmed((struct str){ line.p + n, line.n - n });
	return true;
}

/* ---- where a body ends --------------------------------------------------- */

uint32_t
mbox_blank_before(const struct scan *s, const char *q)
{
	if (q[-1] != '\n')
		return 0;
	return q[-2] == '\n' ? 1 :
	    s->crlf && q[-2] == '\r' && q[-3] == '\n' ? 2 : 0;
}

/*
 * Text around the offset at of the file: *n bytes, of which MBOX_LOOK_BACK are
 * before it.  From the block p..end, which begins at the scanner's place, or
 * read from the file to room.  NULL: it cannot be seen.
 */
static const char *
text_around(struct scan *s, uint64_t at, const char *p, const char *end,
    char room[MBOX_LOOK], size_t *n)
{
	uint64_t from = at - MBOX_LOOK_BACK, have = (uint64_t)(end - p);
	uint64_t want = s->size - from < MBOX_LOOK ? s->size - from : MBOX_LOOK;

	*n = (size_t)want;
	if (from >= s->pos && from - s->pos + want <= have)
		return p + (from - s->pos);
	return s->look != NULL &&
	    s->look(s->look_arg, room, *n, from) == (ssize_t)*n ? room : NULL;
}

/*
 * Whether the body of this message ends at the offset at: the file ends there,
 * or a message begins there as it would without the claim, with at most one
 * empty line in between, or, if it is known to have ended there, with none at
 * all.  Agents that quote From_ lines quote each one after an empty line; so a
 * claim can remove beginnings and never add one.
 */
static bool
claim_holds(struct scan *s, uint64_t at, bool known, const char *p,
    const char *end)
{
	char room[MBOX_LOOK];
	const char *text, *q, *stop;
	size_t n, gap;

	if (at > s->size || at < s->pos + MBOX_LOOK_BACK)
		return false;
	if (at == s->size)
		return true;
	if ((text = text_around(s, at, p, end, room, &n)) == NULL)
		return false;
	q = text + MBOX_LOOK_BACK;
	stop = text + n;
	gap = stop - q > 0 && mbox_blank_before(s, q + 1) == 1 ? 1 :
	    stop - q > 1 && mbox_blank_before(s, q + 2) == 2 ? 2 : 0;
	if (gap == 0 && !known && mbox_blank_before(s, q) == 0)
		return false;
	return at + gap == s->size || mbox_from(q + gap, stop,
	    at - MBOX_LOOK_BACK + n == s->size) == FROM_YES;
}

void
mbox_claim(struct scan *s, struct str value)
{
	uint64_t n;

	if (s->nclaims < MBOX_CLAIMS && text_number(value, INT64_MAX, &n))
		s->claim[s->nclaims++] = n;
}

bool
mbox_claimed(struct scan *s, uint64_t known, const char *p, const char *end)
{
	unsigned i;

	if (known == s->pos || (known > s->pos &&
	    claim_holds(s, known, true, p, end)))
		s->until = known;
	else
		for (i = 0; i < s->nclaims; i++)
			if (s->claim[i] > s->pos && s->claim[i] > s->until &&
			    claim_holds(s, s->claim[i], false, p, end))
				s->until = s->claim[i];
	s->nclaims = 0;			/* each is looked at once */
	return s->pos < s->until;
}
