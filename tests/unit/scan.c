/*
 * The scanner of mbox/scan.c, mbox/body.c and mbox/from.c against a naive one that
 * has the whole file before it and goes through it byte by byte: hand-made
 * files, then seeded random ones, cut into blocks of every size.  Then whether
 * it finds what an UPDATE has planned.
 */
#include <errno.h>
#include <regex.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* UPDATE's plan is tried as well; the program has these under their names. */
#define updt_maildrop	unit_updt_maildrop
#define pop_quit	unit_pop_quit
#define pop_update	unit_pop_update
#include "pop_updt.c"
#include "tap.h"

/* ---- the naive scanner: lines ------------------------------------------ */

/*
 * One line: its text without line end, and the bytes of that end.  A CR where
 * the text ends is an end, too, and makes no line empty.
 */
struct row {
	size_t at, len, end;
	bool cut;
};

static struct row
row_at(const struct buf *f, size_t at)
{
	struct row r = { at, 0, 0, false };

	while (at + r.len < f->n && f->p[at + r.len] != '\n')
		r.len++;
	if (at + r.len < f->n) {
		r.end = 1;
		if (r.len > 0 && f->p[at + r.len - 1] == '\r') {
			r.len--;
			r.end = 2;
		}
	} else if (r.len > 0 && f->p[f->n - 1] == '\r') {
		r.len--;
		r.end = 1;
		r.cut = true;
	}
	return r;
}

static size_t
after(struct row r)
{
	return r.at + r.len + r.end;
}

static bool
starts(const struct buf *f, struct row r, const char *with)
{
	return r.len >= strlen(with) &&
	    strncasecmp(f->p + r.at, with, strlen(with)) == 0;
}

/* CRLF is an empty line only in a message that has such line ends. */
static bool
is_empty(struct row r, bool crlf)
{
	return r.len == 0 && !r.cut && (r.end == 1 || (r.end == 2 && crlf));
}

/* ---- From_ lines ------------------------------------------------------- */

#define GAP	"[ \t]+"
#define MONTH	"([Jj][Aa][Nn]|[Ff][Ee][Bb]|[Mm][Aa][Rr]|[Aa][Pp][Rr]|" \
		"[Mm][Aa][Yy]|[Jj][Uu][Nn]|[Jj][Uu][Ll]|[Aa][Uu][Gg]|" \
		"[Ss][Ee][Pp]|[Oo][Cc][Tt]|[Nn][Oo][Vv]|[Dd][Ee][Cc])"
#define DAY	"[0-9]{1,2}"
#define TIME	"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?"
#define YEAR	"([0-9]{4}|[0-9]{2})"
#define ZONE	"([+-][0-9]{4}|[ABCDEFGHIJKLMNOPQRSTUVWXYZ]{1,5})"
#define ZONES	"(" GAP "(" ZONE "|[(]" ZONE "[)])){0,2}"
#define REMOTE	"(" GAP "remote" GAP "from" GAP "[^ \t]+)?"

static struct {
	const char *pattern;
	regex_t re;
} date = {
	.pattern = "[ \t](" MONTH GAP DAY GAP TIME ZONES GAP YEAR ZONES
	    "|" DAY GAP MONTH GAP YEAR GAP TIME ZONES ")" REMOTE "[ \t]*$"
}, hour = { .pattern = "(^|[^0-9])[0-9]{1,2}:[0-9][0-9]" },
year = { .pattern = "[ \t][0-9]{4}([ \t]|$)" };

static void
compile(void)
{
	if (regcomp(&date.re, date.pattern, REG_EXTENDED | REG_NOSUB) != 0 ||
	    regcomp(&hour.re, hour.pattern, REG_EXTENDED | REG_NOSUB) != 0 ||
	    regcomp(&year.re, year.pattern, REG_EXTENDED | REG_NOSUB) != 0)
		abort();
}

static bool
is_field(const struct buf *f, struct row r)
{
	size_t i;

	for (i = 0; i < r.len; i++)
		if (f->p[r.at + i] == ':')
			return i >= 1 && i <= 75;
		else if (f->p[r.at + i] <= ' ' || f->p[r.at + i] >= 127)
			return false;
	return false;
}

/*
 * Whether the line there has the form of one that begins a message; *half: it
 * may, if a field follows.
 */
static bool
is_dated(const struct buf *f, size_t at, bool *half)
{
	struct row r = row_at(f, at);
	char text[1025];
	size_t i;

	*half = false;
	if (r.len + r.end > 1024 || r.len < 5 ||
	    memcmp(f->p + at, "From ", 5) != 0)
		return false;
	for (i = 0; i < r.len; i++)	/* no blanks, no digits */
		text[i] = (f->p[at + i] >= ' ' && f->p[at + i] < 127) ||
		    f->p[at + i] == '\t' ? f->p[at + i] : '?';
	text[r.len] = '\0';
	*half = regexec(&hour.re, text + 4, 0, NULL, 0) == 0 &&
	    regexec(&year.re, text + 4, 0, NULL, 0) == 0 && r.end > 0 &&
	    !r.cut;
	return regexec(&date.re, text + 4, 0, NULL, 0) == 0;
}

static bool
is_from(const struct buf *f, size_t at)
{
	bool half;

	return is_dated(f, at, &half) ||
	    (half && is_field(f, row_at(f, after(row_at(f, at)))));
}

/* ---- Content-Length ---------------------------------------------------- */

/* Whether the line claims a length of the body, no greater than files are. */
static bool
is_claim(const struct buf *f, struct row r, uint64_t *length)
{
	size_t i = strlen("Content-Length:"), digits = 0;
	const char *p = f->p + r.at;

	*length = 0;
	if (!starts(f, r, "Content-Length:"))
		return false;
	while (i < r.len && (p[i] == ' ' || p[i] == '\t'))
		i++;
	for (; i < r.len && p[i] >= '0' && p[i] <= '9'; i++, digits++) {
		if (*length > (INT64_MAX - 9) / 10)
			return false;
		*length = *length * 10 + (uint64_t)(p[i] - '0');
	}
	while (i < r.len && (p[i] == ' ' || p[i] == '\t'))
		i++;
	return digits > 0 && i == r.len;
}

/* The end of a body of that length, if it is one; or 0. */
static size_t
proven(const struct buf *f, size_t body, uint64_t length, bool crlf)
{
	size_t at = body, end = body + (size_t)length;
	struct row r = { 0, 0, 0, false };
	bool blank = true;		/* the line that ends the header */

	if (length > f->n - body)
		return 0;
	for (; at < end; at = after(r)) {
		r = row_at(f, at);
		blank = is_empty(r, crlf);
	}
	if (end == f->n)
		return end;
	if (at > end)			/* in the middle of a line */
		return 0;
	if (blank && is_from(f, end))
		return end;
	r = row_at(f, end);
	at = after(r);
	return is_empty(r, crlf) && (at == f->n || is_from(f, at)) ? at : 0;
}

/* ---- messages ---------------------------------------------------------- */

/* A message and its parts: from..header..body..end. */
struct parts {
	size_t from, header, body, end;
	bool crlf;		/* has such line ends */
	bool bodied;		/* an empty line ends the header */
	bool odd;		/* with a CR, as no other line */
	bool blank;		/* so does one the message */
};

static bool
unhashed(const struct buf *f, struct row r)
{
	return starts(f, r, "Status:") || starts(f, r, "X-Status:") ||
	    starts(f, r, "X-Keywords:") || starts(f, r, "X-UID:") ||
	    starts(f, r, "X-UIDL:") || starts(f, r, "X-IMAP:") ||
	    starts(f, r, "X-IMAPbase:") || starts(f, r, "Content-Length:") ||
	    starts(f, r, "Lines:");
}

/*
 * The octets of f[from..to-1] on the wire, as a client counts them: these are
 * whole lines, or the last one gets an end.
 */
static uint64_t
wire_octets(const struct buf *f, size_t from, size_t to)
{
	struct buf cut = { f->p, to, 0 };
	uint64_t n = 0;
	struct row r;

	for (; from < to; from = after(r)) {
		r = row_at(&cut, from);
		n += r.len + 2;
	}
	return n;
}

static bool
in_row(const struct buf *f, struct row r, char c)
{
	return r.len > 7 && memchr(f->p + r.at + 7, c, r.len - 7) != NULL;
}

/* The flags that fields of the header stand for. */
static uint32_t
header_flags(const struct buf *f, const struct parts *m, bool first)
{
	struct buf cut = { f->p, m->end, 0 };
	struct row r = row_at(&cut, m->from);
	unsigned status = 0, folder = 0;
	uint32_t flags = 0;
	bool ro = false;
	size_t at;

	if (starts(f, r, "From MAILER-DAEMON ") && memcmp(f->p + r.at + 5,
	    "MAILER-DAEMON", 13) == 0)
		folder |= 1;
	for (at = m->header; at < m->body; at = after(r)) {
		r = row_at(&cut, at);
		if (starts(f, r, "Status:")) {
			status++;
			ro = in_row(f, r, 'R') && in_row(f, r, 'O');
			if (in_row(f, r, 'R'))
				flags |= MSG_READ;
		}
		if (starts(f, r, "X-IMAP:"))
			folder |= 2;
		if (starts(f, r, "Subject: DON'T DELETE THIS MESSAGE -- "
		    "FOLDER INTERNAL DATA"))
			folder |= 4;
		if (starts(f, r, "Received:") || starts(f, r, "Return-Path:") ||
		    starts(f, r, "Delivered-To:"))
			folder |= 8;		/* it has been mailed */
	}
	if (status == 1 && ro)
		flags |= MSG_RO;
	if (first && folder == 7 && m->end - m->from <= 8192)
		flags |= MSG_HIDDEN;
	return flags;
}

/* What of its head a message is known by, and the size of its body. */
static void
identify(const struct buf *f, const struct parts *m, uint64_t octets,
    unsigned char uid[UID_LEN])
{
	struct buf cut = { f->p, m->end, 0 };
	struct row r = row_at(&cut, m->from);
	struct md5 md5;
	bool hash = true;
	char count[32];
	int n;

	md5_begin(&md5);
	md5_add(&md5, f->p + r.at, r.len);
	md5_add(&md5, "\n", 1);
	while (after(r) < m->body) {
		r = row_at(&cut, after(r));
		if (r.len == 0 && r.end > 0)
			break;
		if (f->p[r.at] != ' ' && f->p[r.at] != '\t')
			hash = !unhashed(f, r);
		if (hash) {
			md5_add(&md5, f->p + r.at, r.len);
			md5_add(&md5, "\n", 1);
		}
	}
	n = snprintf(count, sizeof(count), "%llu", (unsigned long long)octets);
	md5_add(&md5, count, (size_t)n);
	md5_end(&md5, uid);
}

/* The header of a message that begins there, in a file of so many bytes. */
static struct parts
header_at(const struct buf *f, size_t from, size_t limit)
{
	struct buf cut = { f->p, limit, 0 };
	struct row r = row_at(&cut, from);
	struct parts m = { .from = from, .header = after(r), .end = limit };
	size_t at;

	r = row_at(&cut, m.header);
	m.crlf = m.header < limit && (r.end == 2 || r.cut);
	for (at = m.header; at < limit && !m.bodied; at = after(r)) {
		r = row_at(&cut, at);
		m.bodied = r.len == 0 && r.end > 0;
	}
	m.body = at;
	m.odd = m.bodied && (r.end == 2 || r.cut) && !m.crlf;
	m.blank = m.bodied && is_empty(r, m.crlf);
	return m;
}

/* Whether the file has a message of that header, where the entry has it. */
static bool
stands(const struct buf *f, const struct msg *x)
{
	size_t limit = (size_t)(x->offset + x->head);
	unsigned char uid[UID_LEN];
	struct parts m;

	limit = limit < f->n ? limit : f->n;
	if (limit < x->offset + 5 ||
	    memcmp(f->p + x->offset, "From ", 5) != 0)
		return false;
	m = header_at(f, (size_t)x->offset, limit);
	identify(f, &m, m.bodied ? x->octets - wire_octets(f, m.header, m.body)
	    : 0, uid);
	return memcmp(uid, x->uid, UID_LEN) == 0;
}

/*
 * The next place after at where a message of the old table ended without an
 * empty line, and still does; or the end of the file.
 */
static size_t
known_end(const struct buf *f, const struct msgs *old, size_t at)
{
	size_t i, end, next = f->n;

	for (i = 0; old != NULL && i < old->n; i++) {
		end = (size_t)(old->v[i].offset + old->v[i].length);
		if (mbox_lacks(&old->v[i]) > 0 && end > at && end < next &&
		    is_from(f, end) && stands(f, &old->v[i]))
			next = end;
	}
	return next;
}

/* Where the old table has that very message end, or 0. */
static size_t
old_end(const struct buf *f, const struct msgs *old, const struct parts *m)
{
	size_t i;

	for (i = 0; old != NULL && i < old->n; i++)
		if (old->v[i].offset == m->from &&
		    old->v[i].head == m->body - m->from &&
		    stands(f, &old->v[i]))
			return m->from + (size_t)old->v[i].length;
	return 0;
}

/*
 * How far the body extends by the claims of its header, seen from the From_
 * line at at, of which that may be text.
 */
static size_t
claimed(const struct buf *f, const struct msgs *old, const struct parts *m,
    size_t from)
{
	size_t at, end, far = 0, known = old_end(f, old, m);
	unsigned claims = 0;
	bool asked = false;
	uint64_t n;
	struct row r;

	for (at = m->header; at < m->body && claims < 4; at = after(r)) {
		r = row_at(f, at);
		if (!is_claim(f, r, &n))
			continue;
		claims++;
		asked = asked || n > from - m->body;
		if ((end = proven(f, m->body, n, m->crlf)) > far)
			far = end;
	}
	if (asked && (known == from ||
	    (known > from && (known == f->n || is_from(f, known)))))
		return known;
	return far;
}

static struct parts
part(const struct buf *f, const struct msgs *old, size_t from)
{
	size_t limit = known_end(f, old, from), at, until = 0;
	struct buf cut = { f->p, limit, 0 };
	struct parts m = header_at(f, from, limit);
	bool asked = false;
	struct row r;

	for (at = m.body; m.bodied && at < limit; at = after(r)) {
		if (m.blank && is_from(&cut, at)) {
			if (!asked)
				until = claimed(f, old, &m, at);
			asked = true;
			if (at >= until)
				break;
		}
		r = row_at(&cut, at);
		m.blank = is_empty(r, m.crlf);
	}
	m.end = at;
	return m;
}

/* All that the table tells of a message. */
static struct msg
describe(const struct buf *f, const struct parts *m, bool first, bool abuts)
{
	struct buf cut = { f->p, m->end, 0 };
	struct msg d = { .offset = m->from, .length = m->end - m->from,
	    .from = (uint32_t)(m->header - m->from),
	    .head = (uint32_t)(m->body - m->from) };
	struct row last = { 0, 0, 0, false };
	uint64_t body = 0;
	size_t at;

	d.flags = header_flags(f, m, first) | (abuts ? MSG_ABUTS : 0);
	if (f->p[m->end - 1] != '\n')
		d.flags |= MSG_NOEOL;
	d.octets = wire_octets(f, m->header, m->body);
	if (m->odd)
		d.flags |= MSG_ODDBLANK;
	if (!m->bodied) {
		d.flags |= MSG_NOBLANK;
		d.octets += 2;
	}
	for (at = m->body; at < m->end; at = after(last))
		last = row_at(&cut, at);
	if (m->end > m->body && is_empty(last, m->crlf))
		d.flags |= (uint32_t)last.end;
	body = wire_octets(f, m->body, m->end - (d.flags & MSG_TAIL));
	d.octets += body;
	identify(f, m, body, d.uid);
	return d;
}

/*
 * The table of a file from a place on.  old: an earlier one, or NULL.  0, or
 * EILSEQ for what is no mbox.
 */
static int
naive(const struct buf *f, size_t at, const struct msgs *old, struct msgs *t)
{
	struct buf cut = { f->p, f->n, 0 };
	struct parts m;
	struct row r;
	struct msg d;
	bool abuts = false, whole = at == 0, half;

	t->end = f->n;
	while (at < f->n && (f->p[at] == '\0' || f->p[at] == '\n' ||
	    f->p[at] == '\r'))
		at++;
	if (at == f->n)
		return 0;
	cut.n = known_end(f, old, at);
	r = row_at(&cut, at);
	if (r.len < 5 || memcmp(f->p + at, "From ", 5) != 0 ||
	    (whole && memchr(f->p + at, '\r', r.len) != NULL &&
	    !is_dated(&cut, at, &half) && !half))
		return EILSEQ;
	for (; at < f->n; at = m.end) {
		m = part(f, old, at);
		d = describe(f, &m, whole && t->n == 0, abuts);
		if (msgs_add(t, &d) == -1)
			abort();
		abuts = !m.blank;
	}
	return 0;
}

/* ---- the comparison ---------------------------------------------------- */

static bool wide;		/* by wide vectors, where there are */

/* How a file is fed. */
struct way {
	size_t size;		/* through a buffer of that size */
	size_t chunk;		/* in reads of at most so many bytes */
	uint64_t *seed;		/* of random lengths up to it; or NULL */
	const struct msgs *old;	/* or NULL */
	size_t begin;		/* from here on */
	unsigned looks;		/* how often it was looked at elsewhere */
	const struct buf *f;
};

static ssize_t
look(void *arg, void *p, size_t n, uint64_t at)
{
	struct way *w = arg;

	w->looks++;
	if (at >= w->f->n)
		return 0;
	if (n > w->f->n - (size_t)at)
		n = w->f->n - (size_t)at;
	memcpy(p, w->f->p + at, n);
	return (ssize_t)n;
}

/* Feeds f[at..end-1].  How much of it is left, which must be 0. */
static size_t
feed_part(struct scan *s, const struct way *w, size_t at, size_t end)
{
	size_t have = 0, n;
	char *block;

	do {
		n = w->seed != NULL ? 1 + below(w->seed, w->chunk) : w->chunk;
		n = n < w->size - have ? n : w->size - have;
		n = n < end - at ? n : end - at;
		/* of exactly that size: a sanitizer sees what reads past it */
		if ((block = malloc(have + n + (have + n == 0))) == NULL)
			abort();
		if (have + n > 0)
			memcpy(block, w->f->p + at - have, have + n);
		at += n;
		have += n;
		have -= mbox_feed(s, block, have, at == end && n == 0);
		free(block);
	} while (n > 0);
	return have;
}

/* Makes the table of a file, as scan_part() does. */
static int
feed(const struct buf *f, struct way *w, struct msgs *t)
{
	size_t at = w->begin, end;
	struct scan s;

	w->f = f;
	w->looks = 0;
	mbox_begin(&s, t, w->old, at, f->n);
	s.look = look;
	s.look_arg = w;
	s.asked = s.wide = wide;	/* to ask each time is slow */
	do {
		end = known_end(f, w->old, at);
		if (feed_part(&s, w, at, end) > 0)
			return -2;
		mbox_bound(&s);
		at = end;
	} while (at < f->n);
	return mbox_end(&s) == 0 ? 0 : errno;
}

static struct way
at_once(const struct msgs *old)
{
	struct way w = { .size = BLOCK, .chunk = BLOCK, .old = old };

	return w;
}

static bool
same_msg(const struct msg *x, const struct msg *y)
{
	return x->offset == y->offset && x->length == y->length &&
	    x->octets == y->octets && x->from == y->from &&
	    x->head == y->head &&
	    (x->flags | MSG_DUPLICATE) == (y->flags | MSG_DUPLICATE) &&
	    memcmp(x->uid, y->uid, UID_LEN) == 0;
}

static void
note_msg(const char *what, const struct msg *m)
{
	note("%s at %llu len %llu octets %llu from %u head %u flags %x uid "
	    "%02x%02x", what, (unsigned long long)m->offset,
	    (unsigned long long)m->length, (unsigned long long)m->octets,
	    m->from, m->head, m->flags, m->uid[0], m->uid[1]);
}

/*
 * Feeds it by scan_part(), from a file, where each message is what it is; then
 * duplicates get their numbers.
 */
static int
from_file(const struct buf *f, const struct msgs *old, struct msgs *t)
{
	FILE *file = tmpfile();
	size_t i;
	int r;

	if (file == NULL || file_write(fileno(file), f->p, f->n, 0) == -1)
		abort();
	r = scan_file(fileno(file), f->n, t, old) == 0 ? 0 : errno;
	for (i = 0; r == 0 && i < t->n; i++)
		if (scan_same(fileno(file), t, i) != 1) {
			note_msg("not the same", &t->v[i]);
			r = -1;
		}
	if (r == 0 && scan_numbers(fileno(file), t, old) == -1)
		abort();
	(void)fclose(file);
	return r;
}

static bool
same(const struct msgs *a, const struct msgs *b, const char *what)
{
	size_t i;

	if (a->n != b->n) {
		note("%s: %zu messages, not %zu", what, a->n, b->n);
		return false;
	}
	for (i = 0; i < a->n; i++)
		if (!same_msg(&a->v[i], &b->v[i])) {
			note("%s: message %zu", what, i + 1);
			note_msg("is", &a->v[i]);
			note_msg("not", &b->v[i]);
			return false;
		}
	return true;
}

static bool
try(const struct buf *f, struct way w, const struct msgs *want, int error,
    const char *what)
{
	struct msgs t = { .n = 0 };
	char name[160];
	bool good;
	int r;

	(void)snprintf(name, sizeof(name), "%s, buffer %zu, reads %zu", what,
	    w.size, w.chunk);
	r = feed(f, &w, &t);
	good = r == error;
	if (!good)
		note("%s: error %d, not %d", name, r, error);
	if (good && error == 0)
		good = same(&t, want, name);
	msgs_free(&t);
	return good;
}

/* One file in many cuts: all must find what the naive scanner finds. */
static bool
check(const struct buf *f, const struct msgs *old, uint64_t *seed,
    unsigned cuts, const char *what)
{
	struct msgs want = { .n = 0 };
	int error = naive(f, 0, old, &want);
	struct way w = at_once(old);
	unsigned i;
	bool good;

	good = try(f, w, &want, error, what);
	w.seed = seed;
	for (i = 0; i < cuts && good; i++) {
		w.size = MBOX_LINE + below(seed, 20000);
		w.chunk = 1 + below(seed, i % 2 == 0 ? 100 : 20000);
		good = try(f, w, &want, error, what);
	}
	msgs_free(&want);
	return good;
}

/* ---- hand-made files --------------------------------------------------- */

#define F1 "From bob@example.org Sat Jan  3 01:05:34 1996\n"
#define F2 "From carol@example.org Sat Jan  3 01:06:00 1996\n"
#define C1 "From bob@example.org Sat Jan  3 01:05:34 1996\r\n"
#define C2 "From carol@example.org Sat Jan  3 01:06:00 1996\r\n"
#define FOLDER "From MAILER-DAEMON Sat Jan  3 01:05:34 1996\nSubject: " \
	"DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n"

static const struct {
	const char *name, *text;
	size_t n, messages;
} made[] = {
#define MADE(name, text, messages) { name, text, sizeof(text) - 1, messages }
	MADE("nothing at all", "", 0),
	MADE("debris only", "\n\r\n\0\0\n", 0),
	MADE("debris first", "\0\n\r\n" F1 "A: b\n\nx\n\n", 1),
	MADE("two messages", F1 "A: b\n\nx\n\n" F2 "C: d\n\ny\n\n", 2),
	MADE("the same with CRLF", C1 "A: b\r\n\r\nx\r\n\r\n" C2
	    "C: d\r\n\r\ny\r\n\r\n", 2),
	MADE("LF and CRLF mixed", F1 "A: b\r\n\nx\r\n\n" C2 "C: d\n\r\ny\n", 2),
	MADE("no final line end", F1 "A: b\n\nx", 1),
	MADE("a final CR without LF", F1 "A: b\n\nx\r", 1),
	MADE("a header that ends in a CR", F1 "A: b\r", 1),
	MADE("a header with the CR of an empty line", F1 "A: b\r\n\r", 1),
	MADE("a body with that", C1 "A: b\r\n\r\nx\r\n\r", 1),
	MADE("a From_ line that ends in a CR", F1 "A: b\n\nx\n\n" F2 "\n\n"
	    "From dave Sat Jan  3 01:05:34 1996\r", 3),
	MADE("a header without end", F1 "A: b\n", 1),
	MADE("a header without its line end", F1 "A: b", 1),
	MADE("a header and its empty line", F1 "A: b\n\n", 1),
	MADE("header-only ones", F1 "A: b\n\n" F2 "C: d\n\n", 2),
	MADE("a From_ line alone", F1, 1),
	MADE("a From_ line and an empty one", F1 "\n", 1),
	MADE("empty messages", F1 "\n" F2 "\n" F1 "\n\n", 3),
	MADE("From_ lines that follow one another", F1 F2 F1, 1),
	MADE("a body of empty lines", F1 "A: b\n\n\n\n\n" F2 "\nx\n", 2),
	MADE("NULs", F1 "A: \0b\n\n\0\n\0\0x\n\0\n\n" F2 "\n\0", 2),
	MADE("bare CRs", F1 "A: \rb\n\nx\ry\r\r\n\r\r\n\n" F2 "\nz\n", 2),
	MADE("a CR that makes no line empty", F1 "A: b\n\nx\n\r\r\n" F2 "\n", 1),
	MADE("prose that begins From", F1 "A: b\n\nx\n\nFrom here on\n\n"
	    "From 12:30 on, 1996 times\n\nFrom x 12:30\nA: b\n\n"
	    "From y 1996\nA: b\n", 1),
	MADE("a CR in the first line", "From bob\rSat Jan  3 01:05:34 1996\n"
	    "A: b\n\nx\n", 1),
	MADE("a CR in the first line, without a date", "From bob\rSat\n"
	    "A: b\n\nx\n", 0),
	MADE("a CR in another", F1 "\n\nFrom c\rd Sat Jan  3 01:06 1996\n"
	    "A: b\n\nx\n", 2),
	MADE("a file with CRs only", "From bob Sat Jan  3 01:05:34 1996\rA: b\r"
	    "\rx\r", 0),
	MADE("a CRLF line in a message with LF", F1 "A: b\n\nx\r\n\r\n" C2
	    "\r\n\n" F2 "\n", 2),
	MADE("empty lines with LF in a message with CRLF", C1 "\r\nx\n\n" F2
	    "\n", 2),
	MADE("a From_ line after the header", F1 "A: b\r\n\r\n" F2 "\n", 2),
	MADE("no empty line before it", F1 "A: b\n\nx\n" F2 "C: d\n\ny\n", 1),
	MADE("one in the header", F1 "A: b\n" F2 "C: d\n\ny\n", 1),
	MADE("a quoted one", F1 "A: b\n\nx\n\n>" F2 "\n", 1),
	MADE("From without a blank", F1 "A: b\n\nx\n\nFrom: x 01:05 1996\n", 1),
	MADE("a word that begins Fr", F1 "A: b\n\nx\nFriday\n\nFrost\n", 1),
	MADE("not an mbox", "Hello\n\n" F1 "\nx\n", 0),
	MADE("too short for an mbox", "From", 0),
	MADE("Status of all kinds", F1 "Status: RO\n\nx\n\n" F2
	    "status: O\nSTATUS: R\n\ny\n\n" F1 "Status: OR\n\n\n" F2
	    "Status: O\n\n\n" F1 "X: y\n Status: RO\n\nStatus: RO\n", 5),
	MADE("Status, folded", F1 "Status: RO\n\tmore\nA: b\n\nx\n", 1),
	MADE("an empty line of blanks in the header", F1 "A: b\n \n\nx\n", 1),
	MADE("folded before any field", F1 " b\n\nx\n", 1),
	MADE("a stuffed dot", F1 "A: b\n\n.\n..\n.x\n", 1),
	MADE("c-client's folder data", FOLDER "Status: RO\n\ntext\n\n" F2
	    "\ny\n", 2),
	MADE("folder data, later", F1 "\n\n" FOLDER "\ntext\n", 2),
	MADE("folder data that was mailed", FOLDER "received: x\n\ntext\n", 1),
	MADE("the same by another field", FOLDER "Delivered-To: x\n\n\n", 1),
	MADE("the same by a third", FOLDER "Return-Path: x\n\n\n", 1),
	MADE("folder data in another name", "From bob" FOLDER, 1),
	MADE("half of c-client's signs", "From MAILER-DAEMON Sat Jan  3 "
	    "01:05:34 1996\nX-IMAPbase: 1 2\nSubject: DON'T DELETE THIS "
	    "MESSAGE\n\ntext\n", 1),
	MADE("8-bit", F1 "A: \xe4\xff\n\n\x80\xfe\n\n\xc3\xa4\n", 1),
};

static void
hand_made(void)
{
	struct msgs t;
	struct buf f;
	uint64_t seed = 77;
	size_t i;

	for (i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		memset(&f, 0, sizeof(f));
		memset(&t, 0, sizeof(t));
		buf_add(&f, made[i].text, made[i].n);
		(void)naive(&f, 0, NULL, &t);
		ok(check(&f, NULL, &seed, 20, made[i].name) &&
		    t.n == made[i].messages, "%s", made[i].name);
		msgs_free(&t);
		buf_free(&f);
	}
}

/* The same files from files. */
static void
files(void)
{
	struct msgs want, t;
	struct buf f;
	size_t i;
	bool good = true;

	for (i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		memset(&f, 0, sizeof(f));
		memset(&want, 0, sizeof(want));
		t = want;
		buf_add(&f, made[i].text, made[i].n);
		good = from_file(&f, NULL, &t) == naive(&f, 0, NULL, &want) &&
		    same(&t, &want, made[i].name) && good;
		msgs_free(&t);
		msgs_free(&want);
		buf_free(&f);
	}
	ok(good, "%zu files, and each message in them again", i);
}

/* Lines after an empty one, and whether they begin a message. */
static const struct {
	bool begins;
	const char *text;
} from_lines[] = {
	{ true, "From bob Sat Jan  3 01:05:34 1996\n" },
	{ true, "From bob Sat Jan  3 01:05:34 1996" },
	{ true, "From bob Sat Jan  3 01:05:34 1996\r\n" },
	{ true, "From bob Sat JAN\t3 1:05 96 \t\n" },
	{ true, "From Jan 3 01:05 1996\n" },
	{ true, "From x y z  Fri, jul 01 09:13:09 1994\n" },
	{ true, "From bob Sat Jan  3 01:05:34 MET 1996\n" },
	{ true, "From bob Sat Jan  3 01:05:34 MET DST 1996\n" },
	{ true, "From bob Sat Jan  3 01:05:34 +0100 (CET) 1996\n" },
	{ true, "From bob Sat Jan  3 01:05:34 1996 -0700\n" },
	{ true, "From bob Sat Jan  3 01:05:34 1996 (+0700)\n" },
	{ true, "From bob Sat Jan  3 01:05:34 Z 1996 (ABCDE) X\n" },
	{ true, "From bob Wed, 3 Jan 1996 01:05:34 +0000 (GMT)\n" },
	{ true, "From bob 03 jan 96 1:05\n" },
	{ true, "From u Sat Jan  3 01:06 MET DST 1996 remote from host\n" },
	{ true, "From u 3 Jan 1996 01:06 remote from \xe4, \n" },
	{ true, "From u Sat Jan  3 01:06 1996 remote from VAX\n" },
	{ true, "From u Sat Jan  3 01:06 1996 remote from 386\n" },
	{ true, "From u Sat Jan  3 01:06 1996 remote from 86\n" },
	{ false, "from bob Sat Jan  3 01:05:34 1996\n" },
	{ false, ">From bob Sat Jan  3 01:05:34 1996\n" },
	{ false, "From:bob Sat Jan  3 01:05:34 1996\n" },
	{ false, "From\n" },
	{ true, "From bob Sat Jan  3 01:05:34 1996\r" },
	{ false, "From \nA: b\n" },
	{ false, "From bob 820631160\nA: b\n" },
	{ false, "From bob Sat Jan  3 1996\nA: b\n" },
	{ false, "From bob Sat Jan  3 01:05:34\nA: b\n" },
	{ false, "From bob Sat Jan  3 01:05:34 1996.\n" },
	{ false, "From bob Sat Jan  3 01:05:34 1996 to\n" },
	{ false, "From bob Sat Jan  3 01:05:34 1996\r\r\n" },
	{ false, "From bob Sat Jan 003 01:05:34 1996\n" },
	{ false, "From bob Sat Janu 3 01:05:34 1996\n" },
	{ false, "From bob Sat Jan  3 1:5 1996\n" },
	{ false, "From bob Sat Jan  3 001:05 1996\n" },
	{ false, "From bob Sat Jan  3 01:05:4 1996\n" },
	{ false, "From bob Sat Jan  3 01:05:34 996\n" },
	{ false, "From bob Sat Jan  3 01:05:34 met 1996\n" },
	{ false, "From bob Sat Jan  3 01:05:34 ABCDEF 1996\n" },
	{ false, "From bob Sat Jan  3 01:05:34 A B C 1996\n" },
	{ false, "From bob Sat Jan  3 01:05:34 1996 A B C\n" },
	{ false, "From bob Sat Jan  3 01:05:34 +010 1996\n" },
	{ false, "From bob Sat Jan  3 01:05:34 (MET 1996\n" },
	{ false, "From bob 3 Jan 1996 MET 01:05\n" },
	{ false, "From bob Sat Jan  3 01:05 1996 remote from\n" },
	{ false, "From bob Sat Jan  3 01:05 1996 remote from a b\n" },
	{ false, "From bob Sat Jan  3 01:05 1996 Remote from a\n" },
	{ true, "From bob sam. janv.  3 01:06:00 1996\nA: b\n" },
	{ true, "From bob sam. janv.  3 01:06:00 1996\r\nA:" },
	{ true, "From 1996 1:30\nA: b\n" },
	{ true, "From 1:300\t1996\t\n!:\n" },
	{ false, "From bob sam. janv.  3 01:06:00 1996\nA : b\n" },
	{ false, "From bob sam. janv.  3 01:06:00 1996\n: b\n" },
	{ false, "From bob sam. janv.  3 01:06:00 1996\n A: b\n" },
	{ false, "From bob sam. janv.  3 01:06:00 1996\nA\nB: c\n" },
	{ false, "From bob sam. janv.  3 01:06:00 1996\nA" },
	{ false, "From bob sam. janv.  3 01:06:00 1996\n\nA: b\n" },
	{ false, "From bob sam. janv.  3 01:06:00 1996.\nA: b\n" },
	{ false, "From bob sam. janv.  3 01:06:00 x1996\nA: b\n" },
	{ false, "From 09:00 to 17:00 on 12 June 2024 we are closed.\n" },
	{ true, "From 09:00 to 17:00 on 12 June 2024 we are closed.\nA:\n" },
};

/* What mbox_from() says of a line, and that more bytes do not change that. */
static bool
same_from(const struct buf *f, const char *what)
{
	enum from want = is_from(f, 0) ? FROM_YES : FROM_NO, some;
	char *block;
	size_t n;
	bool good = true;

	for (n = 0; n <= f->n && good; n++) {
		if ((block = malloc(n + (n == 0))) == NULL)
			abort();
		memcpy(block, f->p, n);
		some = mbox_from(block, block + n, false);
		good = some == want || (some == FROM_MORE && n < 1024 + 76);
		if (good && n == f->n)
			good = mbox_from(block, block + n, true) == want;
		free(block);
	}
	if (!good)
		note("%s: %.*s: %sa From_ line: %zu bytes say something else",
		    what, (int)f->n, f->p, want == FROM_NO ? "not " : "",
		    n - 1);
	return good;
}

static void
hand_made_lines(void)
{
	struct buf f = { NULL, 0, 0 };
	size_t i, n;
	bool good = true;

	for (i = 0; i < sizeof(from_lines) / sizeof(from_lines[0]); i++) {
		f.n = 0;
		buf_str(&f, from_lines[i].text);
		if (is_from(&f, 0) != from_lines[i].begins) {
			note("naive: %s", from_lines[i].text);
			good = false;
		}
		good = same_from(&f, "made") && good;
	}
	ok(good, "%zu lines that begin From", i);
	for (good = true, n = 1015; n < 1030; n++)
		for (i = 0; i < 4; i++) {
			f.n = 0;
			buf_str(&f, "From ");
			buf_fill(&f, 'x', n - 5 - 24);
			buf_str(&f, i < 2 ? " Sat Jan  3 01:05:34 1996" :
			    " sam janv 3 01:05:34 1996");
			buf_str(&f, i % 2 == 0 ? "\nA: b\n" : "\r\nA: b\n");
			good = same_from(&f, "long") && good;
		}
	ok(good, "and such that are as long as they may be, or more");
	for (good = true, n = 70; n < 80; n++) {
		f.n = 0;
		buf_str(&f, "From x 01:05:34 1996 on\n");
		buf_fill(&f, 'x', n);
		buf_str(&f, ": b\n");
		good = same_from(&f, "field") && is_from(&f, 0) == (n <= 75) &&
		    good;
	}
	ok(good, "and such before fields of long names");
	buf_free(&f);
}

/* Folder data of some bytes, and a first line with a CR at some place. */
static void
limits(void)
{
	struct buf f = { NULL, 0, 0 };
	struct msgs t = { .n = 0 };
	uint64_t seed = 3;
	bool good = true;
	size_t n;

	for (n = 8190; n <= 8194; n++) {
		f.n = 0;
		buf_str(&f, FOLDER "\n");
		buf_fill(&f, 'x', n - f.n - 2);
		buf_str(&f, "\n\n" F2 "\n");
		good = check(&f, NULL, &seed, 5, "folder data") && good;
		(void)naive(&f, 0, NULL, &t);
		good = (t.v[0].flags & MSG_HIDDEN) == (n <= 8192 ? MSG_HIDDEN :
		    0) && good;
		msgs_free(&t);
	}
	ok(good, "folder data of 8 KiB, and more");
	for (good = true, n = 10; n < 40000; n += n / 100 == 82 ? 1 : 111) {
		f.n = 0;
		buf_str(&f, "From ");
		buf_fill(&f, 'x', n);
		buf_str(&f, n % 2 == 0 ? "\rx\nA: b\n\n" : "\r\nA: b\n\n");
		good = check(&f, NULL, &seed, 1, "first line") && good;
	}
	ok(good, "a CR somewhere in the first line");
	for (good = true, n = 8100; n < 8300; n += n / 10 == 819 ? 1 : 9) {
		f.n = 0;
		buf_str(&f, F1 "A: ");
		buf_fill(&f, 'x', n);
		buf_str(&f, "\r\n\r\nx\r\n\r\n" C2 "\r\n");
		good = check(&f, NULL, &seed, 5, "first field") && good;
	}
	ok(good, "a long first field that ends in CRLF");
	buf_free(&f);
}

/* Wire sizes that are known beforehand, so that both cannot be wrong. */
static void
known_sizes(void)
{
	static const struct {
		const char *text;
		uint64_t octets;
	} known[] = {
		{ F1 "A: b\n\nx\n\n", 11 },	/* A: b CRLF CRLF x CRLF */
		{ C1 "A: b\r\n\r\nx\r\n\r\n", 11 },
		{ F1 "A: b\n\nx", 11 },
		{ C1 "A: b\r\n\r\nx\r", 11 },
		{ C1 "A: b\r\n\r", 8 },
		{ C1 "A: b\r", 8 },
		{ F1 "A: b\n\n\n", 8 },
		{ F1 "A: b\n\n", 8 },
		{ F1 "A: b\n", 8 },
		{ F1 "A: b", 8 },
		{ F1 "\n", 2 },
		{ F1, 2 },
		{ F1 "\n.\n", 5 },
	};
	struct way w = at_once(NULL);
	struct msgs t;
	struct buf f;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		memset(&f, 0, sizeof(f));
		memset(&t, 0, sizeof(t));
		buf_str(&f, known[i].text);
		ok(feed(&f, &w, &t) == 0 && t.n == 1 &&
		    t.v[0].octets == known[i].octets, "wire size %llu, %zu",
		    (unsigned long long)known[i].octets, i);
		msgs_free(&t);
		buf_free(&f);
	}
}

/* ---- long and large ---------------------------------------------------- */

static void
long_lines(void)
{
	static const size_t lengths[] = { 4094, 4095, 4096, 4097, 8190, 8191,
	    8192, 8193, 65536, 1 << 20 };
	static const char *const ends[] = { "\n", "\r\n", "", "\r" };
	struct buf f = { NULL, 0, 0 };
	uint64_t seed = 5;
	size_t i, j, head;
	bool good = true;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (j = 0; j < sizeof(ends) / sizeof(ends[0]); j++)
			for (head = 0; head < 2; head++) {
				f.n = 0;
				buf_str(&f, F1);
				buf_str(&f, head ? "X: " : "A: b\n\n");
				buf_fill(&f, 'x', lengths[i]);
				buf_str(&f, ends[j]);
				if (j < 2) {
					buf_str(&f, head ? "\ny\n\n" : "\n");
					buf_str(&f, F2 "\nz\n");
				}
				good = check(&f, NULL, &seed, 4,
				    "a long line") && good;
			}
	ok(good, "lines up to a megabyte, in header and body");
	f.n = 0;
	buf_str(&f, F1 "\n");
	for (i = 0; i < 3000; i++)
		buf_str(&f, i % 7 == 0 ? "\n\r\r" : "\r");
	buf_str(&f, "\n\n" F2 "\n");
	ok(check(&f, NULL, &seed, 200, "CRs"),
	    "a CR at the end of every block");
	buf_free(&f);
}

/* A separator at every place around the end of a window and of a block. */
static void
edges(void)
{
	static const size_t sizes[] = { 4096, 8192, 16384 };
	static const char *const seps[] = { "\n\n" F2, "\r\n\r\n" C2,
	    "\nFriday\n", "\n\nFrom here on\n", "\n" F2, "\r\n\nFrom a 1996\n",
	    "\n\n\n" F2 };
	struct buf f = { NULL, 0, 0 };
	uint64_t seed = 9;
	size_t i, j, k, after;
	bool good;

	for (j = 0; j < sizeof(seps) / sizeof(seps[0]); j++) {
		good = true;
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			for (k = 0; k < TAP_MANY(80) && good; k++)
				for (after = 0; after < 3 && good; after++) {
					f.n = 0;
					buf_str(&f, F1 "\n");
					buf_fill(&f, 'x', sizes[i] - k -
					    f.n % 97);
					buf_str(&f, seps[j]);
					buf_str(&f, "\ny\n");
					buf_fill(&f, 'z', after * 5000);
					buf_str(&f, after == 1 ? "\n\n" F1
					    "\n" : "\n");
					good = check(&f, NULL, &seed, 1,
					    "an edge");
				}
		ok(good, "the edge of every block: separator %zu", j);
	}
	buf_free(&f);
}

/*
 * The same, and other ends of a body, at every place in a window: these begin
 * where the body does, and not with a line.
 */
static void
windows(void)
{
	static const char *const ends[] = { "\n\n" F2 "\ny\n",
	    "\r\n\r\n" C2 "\r\ny\r\n", "\n\r\n" F2 "\n", "\r\n\n" C2 "\r\n",
	    "\r\n\r\n", "\n\n", "\r\n", "\r", "\n\r", "\r\r\n\r\n" C2 "\n",
	    "\r\nFr\r\n\r\nFrom\r\n" };
	struct buf f = { NULL, 0, 0 };
	uint64_t seed = 11;
	size_t i, k, after;
	bool good;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		good = true;
		for (k = 0; k < MBOX_WINDOW + 8 && good; k++)
			for (after = 0; after < 2 && good; after++) {
				f.n = 0;
				buf_str(&f, F1 "A: b\n\n");
				buf_fill(&f, 'x', MBOX_WINDOW - 4 + k);
				buf_str(&f, ends[i]);
				/* so that the window after it is one as well */
				buf_fill(&f, 'z', after * (2 * MBOX_WINDOW +
				    9));
				good = check(&f, NULL, &seed, 0, "a window");
			}
		ok(good, "every place in a window: end %zu", i);
	}
	buf_free(&f);
}

/* ---- claims ------------------------------------------------------------ */

/* A body with From_ lines in it: is the first of them text, as is claimed? */
static const struct {
	const char *name, *head, *body;
	size_t n;		/* its length, as Content-Length says */
	bool inside;
} claims_made[] = {
#define INNER	"x\n\n" F2 "C: d\n\ny\n"
#define MINE	(sizeof(INNER) - 1)
#define OUTER	"\n" F1 "E: f\n\nz\n"
	{ "one that is right", F1, INNER OUTER, MINE, true },
	{ "one with the empty line", F1, INNER OUTER, MINE + 1, true },
	{ "one to the end of the file", F1, INNER, MINE, true },
	{ "one to the empty line at the end", F1, INNER "\n", MINE, true },
	{ "one too short", F1, INNER OUTER, MINE - 1, false },
	{ "one too long", F1, INNER OUTER, MINE + 2, false },
	{ "one too short, at the end", F1, INNER, MINE - 1, false },
	{ "one too long, at the end", F1, INNER, MINE + 1, false },
	{ "a second one that reaches further", F1 "Content-Length: 59\n",
	    INNER "\n" F2 "\n" OUTER, MINE + 51, true },
	{ "the same the other way round", F1 "Content-Length: 110\n",
	    INNER "\n" F2 "\n" OUTER, MINE, true },
	{ "two empty lines after it", F1, INNER "\n" OUTER, MINE, false },
	{ "no empty line after it", F1, INNER F1 "\n", MINE, false },
	{ "none, and a From_ line", F1, F2 "\n\ny\n", 0, false },
	{ "an empty line with CRLF after LF", F1, INNER "\r\n" F1 "E: f\n",
	    MINE, false },
	{ "no From_ line after it", F1, INNER "\nFrom here on\n", MINE, false },
};

static void
hand_made_claims(void)
{
	struct buf f = { NULL, 0, 0 };
	struct msgs t = { .n = 0 };
	uint64_t seed = 21;
	char field[80];
	size_t i, k;
	bool good;

	for (i = 0; i < sizeof(claims_made) / sizeof(claims_made[0]); i++) {
		f.n = 0;
		buf_str(&f, claims_made[i].head);
		(void)snprintf(field, sizeof(field), "Content-Length: %zu\n\n",
		    claims_made[i].n);
		buf_str(&f, field);
		k = f.n + (size_t)(strstr(claims_made[i].body, "From ") -
		    claims_made[i].body);
		buf_str(&f, claims_made[i].body);
		good = check(&f, NULL, &seed, 10, claims_made[i].name);
		(void)naive(&f, 0, NULL, &t);
		good = good && t.n >= 1 &&
		    (t.v[0].length > k) == claims_made[i].inside;
		ok(good, "a claim: %s", claims_made[i].name);
		msgs_free(&t);
	}
	buf_free(&f);
}

/*
 * The messages found in a file of so many that claim more than they have, one
 * that has a message inside, as it claims, and another one.
 */
static size_t
claim_far(unsigned wrong, unsigned *looks)
{
	struct buf f = { NULL, 0, 0 };
	struct msgs t = { .n = 0 };
	struct way w = { .size = MBOX_LINE + 999, .chunk = 5000 };
	unsigned i;
	size_t n;

	for (i = 0; i < wrong; i++)
		buf_str(&f, F1 "Content-Length: 99990\n\nx\n\n");
	buf_str(&f, F1 "Content-Length: 250000\n\n");
	n = f.n;
	buf_str(&f, "\n" F2 "\n");
	buf_fill(&f, 'x', n + 249998 - f.n);
	buf_str(&f, "\n\n" F1 "\n");
	*looks = feed(&f, &w, &t) == 0 ? w.looks : 0;
	n = t.n;
	msgs_free(&t);
	buf_free(&f);
	return n;
}

static void
many_claims(void)
{
	unsigned looks;

	ok(claim_far(0, &looks) == 2 && looks == 1,
	    "a claim that reaches far is believed");
	ok(claim_far(5000, &looks) == 5002 && looks > 0 && looks <= 5001,
	    "so it is after 5000 wrong ones, and each is looked at once");
}

/* Whether a long line is a separator must not depend on where it stands. */
static void
long_from(void)
{
	struct buf f = { NULL, 0, 0 };
	struct way w = at_once(NULL);
	struct msgs t;
	size_t at;
	bool good = true;

	for (at = 0; at < 20; at++) {
		memset(&t, 0, sizeof(t));
		f.n = 0;
		buf_str(&f, F1 "\n");
		buf_fill(&f, 'x', BLOCK - 15000 + at * 1000);
		buf_str(&f, "\n\nFrom ");
		buf_fill(&f, 'y', 10000);
		buf_str(&f, " Sat Jan  3 01:06:00 1996\nA: b\n\nz\n");
		good = feed(&f, &w, &t) == 0 && t.n == 1 && good;
		msgs_free(&t);
	}
	ok(good, "a line of 10 kB that begins From is text everywhere");
	buf_free(&f);
}

/* ---- random files ------------------------------------------------------ */

/* The parts of dates by the characters of a pattern; the last are wrong. */
static void
random_word(struct buf *b, uint64_t *seed, char what)
{
	static const char *const words[][12] = {
		{ "m", "Jan", "feb", "MAR", "aPr", "Dec", "Sep", "May",
		    "Juni" },
		{ "d", "3", "03", "31", "0", "99", "1", "22", "003" },
		{ "t", "1:05", "01:05", "01:05:34", "99:99", "1:05:00", "1:00",
		    "00:00:00", "1:5" },
		{ "y", "1996", "2026", "96", "00", "0000", "1996", "1999",
		    "996" },
		{ "z", "+0100", "-0700", "(+0000)", "MET", "(CET)", "Z",
		    "ABCDE", "ABCDEF" },
		{ "r", "remote from x", "remote from x!y", "remote  from\tz",
		    "remote from 1996", "remote from +0000", "remote from x",
		    "remote from x", "remote from" },
		{ "w", "Sat", "Sat,", "x@y", "(x", "MET", "to", "remote",
		    "from" },
	};
	size_t i;

	if (below(seed, 20) == 0)
		what = "mdtyzrw"[below(seed, 7)];
	for (i = 0; words[i][0][0] != what; i++)
		;
	buf_str(b, words[i][1 + below(seed, below(seed, 4) == 0 ? 8 : 7)]);
}

/* A From_ line without its end, or what is almost one. */
static void
random_from(struct buf *b, uint64_t *seed)
{
	static const char *const patterns[] = { "wwmdty", "wmdty", "mdty",
	    "wwmdtzy", "wmdtzzy", "wmdtyz", "wmdtyzz", "wmdtyr", "wmdtzzyzzr",
	    "wwdmyt", "wdmyt", "wdmytz", "dmytzz", "wdmytzr", "wty", "wyt",
	    "wtyww", "wmdtzzzy", "wdmytzzz", "wyw", "wt", "mdtyrw" };
	const char *p = patterns[below(seed,
	    sizeof(patterns) / sizeof(patterns[0]))];

	buf_str(b, below(seed, 30) > 0 ? "From" : "from");
	for (; *p != '\0'; p++) {
		buf_str(b, below(seed, 12) > 0 ? " " : "\t  ");
		random_word(b, seed, *p);
		if (below(seed, 150) == 0)
			buf_add(b, &"\0\r.x1"[below(seed, 5)], 1);
	}
	if (below(seed, 10) == 0)
		buf_str(b, below(seed, 2) == 0 ? " " : " \t");
}

/* Some lines and parts of lines. */
static void
random_text(struct buf *f, uint64_t *seed, size_t words)
{
	static const struct {
		const char *text;
		size_t n;
	} word[] = {
#define WORD(text) { text, sizeof(text) - 1 }
		WORD("\n"), WORD("\n"), WORD("\r\n"), WORD("\r"), WORD("\0"),
		WORD("\n\n" F1), WORD("\n\n" F2), WORD("\r\n\r\n" C1), WORD(F1),
		WORD("\n\nFrom here on\n"), WORD("From "), WORD("F"),
		WORD("Fr"), WORD(">From "), WORD("Status: RO\n"),
		WORD("\nStatus: O\n"), WORD("X-UID: 3\n"), WORD("A: b\n"),
		WORD("A: b\r\n"), WORD("\n "), WORD("\nFriday\n"), WORD("\n\n"),
		WORD("\r\n\r\n"), WORD("12:34 1996"), WORD("lorem ipsum "),
		WORD("\nContent-Length: 9\n"), WORD("\n\nFrom x 1:30 1996 on\n")
	};
	size_t i, w;
	char c;

	for (i = 0; i < words; i++) {
		w = below(seed, sizeof(word) / sizeof(word[0]) + 8);
		if (w < sizeof(word) / sizeof(word[0]))
			buf_add(f, word[w].text, word[w].n);
		else if (w % 8 < 4) {
			buf_str(f, &"\n\n\n"[below(seed, 3)]);
			random_from(f, seed);
			buf_str(f, below(seed, 4) > 0 ? "\nA: b\n" : "A: b\n");
		} else if (w % 8 < 7) {
			c = "aF.\r"[below(seed, 4)];
			buf_fill(f, c, below(seed, 90));
		} else
			buf_fill(f, 'b', below(seed, 9000));
	}
}

/* A Content-Length field of that value, or almost one. */
static void
random_claim(struct buf *h, uint64_t *seed, size_t n)
{
	static const char *const forms[][2] = { { "Content-Length: ", "\n" },
	    { "content-length:\t ", "\t \n" }, { "Content-Length:", "\r\n" },
	    { "Content-Length: 000", "\n" }, { "Content-Length: +", "\n" },
	    { "Content-Length: ", "x\n" }, { "Content-Length : ", "\n" },
	    { "Content-Length:\n ", "\n" }, { "Content-Length: 1 ", "\n" },
	    { "Content-Length: 99999999999999999999", "\n" } };
	size_t form = below(seed, 2 * sizeof(forms) / sizeof(forms[0]));
	char digits[24];

	if (form >= sizeof(forms) / sizeof(forms[0]))
		form = 0;
	(void)snprintf(digits, sizeof(digits), "%zu", n);
	buf_str(h, forms[form][0]);
	buf_str(h, digits);
	buf_str(h, forms[form][1]);
}

/* The same with other line ends: of all lines, or of some. */
static void
random_ends(struct buf *b, uint64_t *seed, bool all)
{
	struct buf was = *b;
	size_t i;

	memset(b, 0, sizeof(*b));
	for (i = 0; i < was.n; i++) {
		if (was.p[i] == '\n' && (i == 0 || was.p[i - 1] != '\r') &&
		    (all || below(seed, 2) == 0))
			buf_str(b, "\r");
		buf_add(b, was.p + i, 1);
	}
	buf_free(&was);
}

enum { PLACES = 8 };

/*
 * A message before the n bytes of a file in which others begin at places (from
 * its end): its header claims that its body extends to one of them.
 */
static void
random_msg(struct buf *m, uint64_t *seed, size_t n,
    const size_t places[PLACES + 1], size_t nplaces)
{
	size_t ends = below(seed, 6), fields = below(seed, 3) == 0 ? 6 : 2;
	struct buf body = { NULL, 0, 0 };
	size_t to;

	random_text(&body, seed, below(seed, 10));
	if (below(seed, 30) == 0)
		buf_fill(&body, 'z', 30000);
	buf_str(&body, &"\n\n\n"[below(seed, 4)]);
	if (ends < 2)
		random_ends(&body, seed, ends == 0);
	if (below(seed, 15) == 0)
		buf_str(m, FOLDER);
	else if (below(seed, 4) > 0)
		buf_str(m, F1);
	else {
		random_from(m, seed);
		buf_str(m, "\n");
	}
	if (below(seed, 3) > 0)
		buf_str(m, "A: b\n");
	if (below(seed, 6) == 0)
		random_text(m, seed, below(seed, 5));
	for (fields = below(seed, fields + 1); fields > 0; fields--) {
		to = body.n + n - places[below(seed, nplaces)];
		if (below(seed, 2) == 0)
			to = to + 1 - below(seed, 4);
		random_claim(m, seed, below(seed, 6) > 0 ? to :
		    below(seed, 1 + 2 * to));
	}
	if (below(seed, 30) == 0)
		buf_str(m, "Delivered-To: x\n");
	buf_str(m, "\n");
	if (ends < 2)
		random_ends(m, seed, ends == 0);
	buf_add(m, body.p, body.n);
	buf_free(&body);
}

/* Messages, the last first: claims of the others extend to it. */
static void
random_file(struct buf *f, uint64_t *seed)
{
	size_t places[PLACES + 1] = { 0 }, n = 1, want = below(seed, PLACES);
	struct buf m = { NULL, 0, 0 };
	size_t debris;

	f->n = 0;
	while (n <= want) {
		random_msg(&m, seed, f->n, places, n);
		places[n++] = m.n + f->n;
		buf_add(&m, f->p, f->n);
		f->n = 0;
		buf_add(f, m.p, m.n);
		m.n = 0;
	}
	if (below(seed, 10) == 0) {
		debris = below(seed, 4);
		buf_add(&m, &"\n\r\n\0\n"[debris], 1 + below(seed, 2));
	}
	if (below(seed, 20) == 0)
		buf_str(&m, below(seed, 2) == 0 ? C1 : "A: b\n");
	buf_add(&m, f->p, f->n);
	f->n = 0;
	buf_add(f, m.p, m.n);
	buf_free(&m);
}

static void
random_lines(void)
{
	struct buf f = { NULL, 0, 0 };
	unsigned i, wrong = 0, good = 0, lines = TAP_MANY(10000);
	uint64_t seed = 1234;

	for (i = 0; i < lines && wrong < 5; i++) {
		f.n = 0;
		random_from(&f, &seed);
		buf_str(&f, below(&seed, 4) > 0 ? "\n" : "\r\n");
		buf_str(&f, below(&seed, 3) == 0 ? "A: b\n" : "x\n");
		wrong += !same_from(&f, "random");
		good += is_from(&f, 0);
	}
	ok(wrong == 0 && good > i / 4 && good < i / 4 * 3,
	    "%u random From_ lines, %u good", i, good);
	buf_free(&f);
}

/* A part of the file, from some message on. */
static bool
check_part(const struct buf *f, uint64_t *seed)
{
	struct msgs all = { .n = 0 }, want = all;
	struct way w = at_once(NULL);
	bool good = true;

	if (naive(f, 0, NULL, &all) == 0 && all.n > 0) {
		w.begin = (size_t)all.v[below(seed, all.n)].offset;
		good = naive(f, w.begin, NULL, &want) == 0 &&
		    try(f, w, &want, 0, "a part");
	}
	msgs_free(&all);
	msgs_free(&want);
	return good;
}

static void
random_files(void)
{
	struct buf f = { NULL, 0, 0 };
	uint64_t seed, was;
	unsigned i, wrong = 0, files = TAP_MANY(4000);

	for (i = 0; i < files && wrong < 5; i++) {
		was = seed = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
		random_file(&f, &seed);
		if (!check(&f, NULL, &seed, 6, "random") ||
		    !check_part(&f, &seed)) {
			wrong++;
			note("the file of seed %llx",
			    (unsigned long long)was);
		}
	}
	ok(wrong == 0, "%u random files in random blocks", i);
	buf_free(&f);
}

/*
 * A file that has changed a little since the table of it was made: a byte is
 * another one, or gone, or there are more.
 */
static void
change(struct buf *f, uint64_t *seed)
{
	size_t at = below(seed, f->n + 1), n = 1 + below(seed, 40);

	switch (below(seed, 4)) {
	case 0:
		break;
	case 1:
		if (at < f->n)
			f->p[at] = "aF\n\rS"[below(seed, 5)];
		break;
	case 2:
		if (at == f->n)
			break;
		n = n < f->n - at ? n : f->n - at;
		memmove(f->p + at, f->p + at + n, f->n - at - n);
		f->n -= n;
		break;
	default:
		buf_str(f, "\n\n" F2 "A: b\n\nmore\n");
	}
}

/* The file ends somewhere, and mail is added there. */
static void
cut(struct buf *f, uint64_t *seed)
{
	struct buf more = { NULL, 0, 0 };
	size_t at = below(seed, f->n + 1);

	if (below(seed, 2) == 0)
		f->n = at;
	random_file(&more, seed);
	buf_add(f, more.p, more.n);
	buf_free(&more);
}

/* A scan that knows an old table finds what the naive scanner finds. */
static void
changed_files(void)
{
	struct msgs old = { .n = 0 }, want = old, t = old, none = old;
	struct buf f = { NULL, 0, 0 };
	unsigned i, wrong = 0, files = TAP_MANY(4000), same_uid = 0, known = 0;
	uint64_t seed = 99;
	struct way w;
	int error, r;
	size_t k;

	for (i = 0; i < files && wrong < 5; i++) {
		if (i % 4 == 0) {
			random_file(&f, &seed);
			msgs_free(&old);
			old = none;
			w = at_once(NULL);
			(void)feed(&f, &w, &old);
			old.key.k[0] = 1;
		}
		if (below(&seed, 2) == 0)
			change(&f, &seed);
		else
			cut(&f, &seed);
		want = t = none;
		t.key = old.key;
		error = naive(&f, 0, &old, &want);
		w = at_once(&old);
		w.size = MBOX_LINE + below(&seed, 20000);
		r = i % 8 > 0 ? feed(&f, &w, &t) : from_file(&f, &old, &t);
		if (r != error || (r == 0 && !same(&t, &want, "changed"))) {
			note("changed file %u: error %d, not %d", i, r, error);
			wrong++;
		}
		for (k = 0; k < t.n; k++) {
			known += (t.v[k].flags & MSG_ABUTS) != 0;
			same_uid += k < old.n && memcmp(t.v[k].uid,
			    old.v[k].uid, UID_LEN) == 0;
		}
		msgs_free(&want);
		msgs_free(&old);
		old = t;
	}
	ok(wrong == 0 && same_uid > files && known > files / 10,
	    "%u files that changed, %u messages in them as they were, %u where "
	    "they once ended", i, same_uid, known);
	msgs_free(&old);
	buf_free(&f);
}

/* ---- what UPDATE leaves ------------------------------------------------- */

/*
 * The same as random_file(), but a message may claim some of those after it, as
 * if the others were removed.
 */
static void
random_spool(struct buf *f, uint64_t *seed)
{
	size_t size[PLACES], to[PLACES + 1], n, i, k, want = below(seed, 6);
	struct buf m = { NULL, 0, 0 };

	f->n = 0;
	for (n = 0; n <= want; n++) {
		for (i = 0; i <= PLACES; i++)
			for (to[i] = f->n, k = 0; k < n; k++)
				to[i] -= below(seed, 2) * size[k];
		random_msg(&m, seed, f->n, to, PLACES + 1);
		size[n] = m.n;
		buf_add(&m, f->p, f->n);
		f->n = 0;
		buf_add(f, m.p, m.n);
		m.n = 0;
	}
	if (below(seed, 4) == 0)
		f->n -= below(seed, f->n < 9 ? f->n : 9);
	if (below(seed, 8) == 0)
		buf_add(f, &"\r\0\r\n"[below(seed, 3)], 1);
	if (below(seed, 10) == 0) {	/* debris first */
		buf_add(&m, &"\0\n\r\n"[below(seed, 3)], 1);
		buf_add(&m, f->p, f->n);
		f->n = 0;
		buf_add(f, m.p, m.n);
	}
	buf_free(&m);
}

/* The spool that a plan makes. */
static void
carry_out(const struct plan *plan, const struct buf *f, struct buf *then)
{
	const struct entry *e;
	struct str add;

	then->n = 0;
	buf_add(then, f->p, (size_t)plan->first);
	for (e = plan->v; e < plan->v + plan->n; e++) {
		add = plan_splice(e->add);
		buf_add(then, f->p + e->src, e->at);
		buf_add(then, add.p, add.n);
		buf_add(then, f->p + e->src + e->at + e->drop,
		    (size_t)e->len - e->at - e->drop);
		buf_fill(then, '\n', e->ends);
	}
}

/* Whether the messages that stay are what they were for a client. */
static bool
same_to_client(const struct change *c)
{
	const struct msg *m = c->now->v, *x = c->then.v;
	size_t i;

	for (i = 0; i < c->now->n; i++, m++) {
		if (m->flags & MSG_DELETED)
			continue;
		if (memcmp(m->uid, x->uid, UID_LEN) != 0 ||
		    (!(m->flags & MSG_SEEN) && m->octets != x->octets)) {
			note_msg("was", m);
			note_msg("is", x);
			return false;
		}
		x++;
	}
	return true;
}

/*
 * Whether a scan of f, which knows the table old, finds the messages of t, and
 * then nothing or a message that begins where they end.  *now: what it finds.
 */
static bool
finds(const struct buf *f, const struct msgs *old, const struct msgs *t,
    struct msgs *now, const char *what)
{
	int r = from_file(f, old, now);
	struct msgs found = *now;
	size_t i;

	if (r != 0) {
		note("%s: error %d", what, r);
		return false;
	}
	for (i = 0; old != NULL && now->n == t->n && i < t->n; i++)
		if (now->v[i].number != t->v[i].number) {
			note("%s: message %zu has number %u, not %u", what,
			    i + 1, now->v[i].number, t->v[i].number);
			return false;
		}
	found.n = found.n < t->n ? found.n : t->n;
	if (now->n > t->n && now->v[t->n].offset != t->end) {
		note("%s: the next one is not where they end", what);
		return false;
	}
	return same(&found, t, what);
}

/* Whether the old table is needed to scan a spool as it was. */
static bool
needs_old(const struct buf *f)
{
	struct row r;
	uint64_t n;
	size_t at;

	for (at = 0; at < f->n; at = after(r)) {
		r = row_at(f, at);
		if (is_claim(f, r, &n) || starts(f, r, "X-IMAP:"))
			return true;
	}
	return false;
}

/* Flags some messages as seen and some as deleted. */
static void
flag_some(struct msgs *t, uint64_t *seed)
{
	struct msg *m;

	for (m = t->v; m < t->v + t->n; m++)
		if (below(seed, 3) == 0)
			m->flags |= MSG_SEEN;
		else if (below(seed, 2) == 0 && !(m->flags & MSG_HIDDEN))
			m->flags |= MSG_DELETED;
}

/* QUIT, for the spool f, whose table is c->now. */
static void
update(const struct buf *f, struct change *c, struct buf *then)
{
	FILE *file = tmpfile();
	uint64_t size = f->n;

	if (file == NULL || file_write(fileno(file), f->p, f->n, 0) == -1)
		abort();
	c->fd = fileno(file);
	if (make_plan(c, &size) == -1)
		abort();
	(void)fclose(file);
	carry_out(&c->plan, f, then);
	c->then.end = then->n;
}

/*
 * A session, and then mail: scans find what QUIT has planned.  f and t become
 * the spool after it and its table.
 */
static bool
one_session(struct buf *f, struct msgs *t, uint64_t *seed)
{
	struct change c = { .status = below(seed, 2) == 0,
	    .ends = below(seed, 6) > 0, .now = t };
	struct msgs now = { .n = 0 };
	struct buf then = { NULL, 0, 0 }, mail = then;
	bool good;

	flag_some(t, seed);
	update(f, &c, &then);
	good = same_to_client(&c) &&
	    finds(&then, &c.then, &c.then, &now, "after QUIT");
	msgs_free(&now);
	if (good && c.ends && !needs_old(&then))
		good = finds(&then, NULL, &c.then, &now, "without the index");
	msgs_free(&now);
	random_spool(&mail, seed);
	buf_str(&then, F2);
	buf_add(&then, mail.p, mail.n);
	good = good && finds(&then, &c.then, &c.then, &now, "and mail");
	msgs_free(&c.then);
	plan_free(&c.plan);
	msgs_free(t);
	*t = now;
	buf_free(&mail);
	buf_free(f);
	*f = then;
	return good;
}

static void
updates(void)
{
	struct buf f = { NULL, 0, 0 };
	struct msgs t = { .n = 0 };
	unsigned i, k, wrong = 0, spools = TAP_MANY(3000), messages = 0;
	uint64_t seed, was;

	for (i = 0; i < spools && wrong < 5; i++) {
		was = seed = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
		random_spool(&f, &seed);
		k = from_file(&f, NULL, &t) == 0 ? 0 : 3;
		for (; k < 3 && one_session(&f, &t, &seed); k++)
			messages += (unsigned)t.n;
		if (k < 3) {
			wrong++;
			note("the spool of seed %llx", (unsigned long long)was);
		}
		msgs_free(&t);
	}
	ok(wrong == 0 && messages > 10 * i, "%u spools and three sessions "
	    "each: after QUIT there is what it has planned", i);
	buf_free(&f);
}

static void
all(void)
{
	hand_made();
	hand_made_lines();
	files();
	hand_made_claims();
	limits();
	many_claims();
	known_sizes();
	long_lines();
	edges();
	windows();
	long_from();
	random_lines();
	random_files();
	changed_files();
}

int
main(void)
{
	struct scan s;

	compile();
	all();
	mbox_begin(&s, NULL, NULL, 0, 0);
	wide = mbox_wide(&s);
	if (wide)
		all();
	else
		note("no wide vectors here: that way is not tried");
	updates();
	return tap_end();
}
