/*
 * The scanner of pop_mbox.c against a naive one that has the whole file
 * before it and goes through it byte by byte: hand-made files, then seeded
 * random ones, cut into blocks of every size.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "maildrop.h"
#include "tap.h"

/* ---- the naive scanner ------------------------------------------------- */

/* One line: its text without line end, and the bytes of that end. */
struct row {
	size_t at, len, end;
};

static struct row
row_at(const struct buf *f, size_t at)
{
	struct row r = { at, 0, 0 };

	while (at + r.len < f->n && f->p[at + r.len] != '\n')
		r.len++;
	if (at + r.len < f->n) {
		r.end = 1;
		if (r.len > 0 && f->p[at + r.len - 1] == '\r') {
			r.len--;
			r.end = 2;
		}
	}
	return r;
}

static bool
starts(const struct buf *f, struct row r, const char *with)
{
	return r.len >= strlen(with) &&
	    strncasecmp(f->p + r.at, with, strlen(with)) == 0;
}

static bool
is_from(const struct buf *f, struct row r)
{
	return r.len >= 5 && memcmp(f->p + r.at, "From ", 5) == 0;
}

static bool
num(char c)
{
	return c >= '0' && c <= '9';
}

/* An hh:mm and a year of four digits, both after "From ". */
static bool
dated(const struct buf *f, struct row r)
{
	const char *p = f->p + r.at;
	bool clock = false, year = false;
	size_t i;

	if (r.len > 1024)
		r.len = 1024;	/* as far as the scanner looks */
	for (i = 5; i < r.len; i++) {
		if (num(p[i - 1]))
			continue;	/* not where a number begins */
		if (i + 5 <= r.len && num(p[i]) && num(p[i + 1]) &&
		    p[i + 2] == ':' && num(p[i + 3]) && num(p[i + 4]))
			clock = true;
		if (p[i - 1] == ' ' && i + 4 <= r.len && num(p[i]) &&
		    num(p[i + 1]) && num(p[i + 2]) && num(p[i + 3]) &&
		    (i + 4 == r.len || p[i + 4] == ' '))
			year = true;
	}
	return clock && year;
}

static bool
unhashed(const struct buf *f, struct row r)
{
	return starts(f, r, "Status:") || starts(f, r, "X-Status:") ||
	    starts(f, r, "X-Keywords:") || starts(f, r, "X-UID:") ||
	    starts(f, r, "X-UIDL:") || starts(f, r, "X-IMAP:") ||
	    starts(f, r, "X-IMAPbase:") || starts(f, r, "Content-Length:") ||
	    starts(f, r, "Lines:");
}

/* The octets of f[from..to-1] on the wire, as a client counts them. */
static uint64_t
wire_octets(const struct buf *f, size_t from, size_t to)
{
	uint64_t n = 0;
	size_t i;

	for (i = from; i < to; i++)
		if (f->p[i] == '\n')
			n += 2;
		else if (f->p[i] != '\r' || i + 1 == to || f->p[i + 1] != '\n')
			n++;
	if (to > from && f->p[to - 1] != '\n')
		n += 2;
	return n;
}

static bool
in_row(const struct buf *f, struct row r, char c)
{
	return r.len > 7 && memchr(f->p + r.at + 7, c, r.len - 7) != NULL;
}

/* The message f[from..to-1]: all that the table tells of it. */
static void
describe(const struct buf *f, size_t from, size_t to, bool first,
    struct msg *m)
{
	struct buf cut = { f->p, to, 0 };
	struct row r = row_at(&cut, from), before = { 0, 0, 0 };
	struct md5 md5;
	size_t at = from + r.len + r.end, body;
	unsigned status = 0, folder = 0;
	bool hash = true, ro = false;
	char count[32];
	int n;

	memset(m, 0, sizeof(*m));
	m->offset = from;
	m->length = to - from;
	m->from = (uint32_t)(r.len + r.end);
	folder |= r.len > 18 && memcmp(f->p + r.at + 5, "MAILER-DAEMON", 13) == 0;
	md5_begin(&md5);
	md5_add(&md5, f->p + r.at, r.len);
	md5_add(&md5, "\n", 1);
	for (r.end = 0; at < to; at += r.len + r.end) {
		r = row_at(&cut, at);
		if (r.len == 0 && r.end > 0)
			break;
		if (f->p[at] != ' ' && f->p[at] != '\t') {
			hash = !unhashed(f, r);
			if (starts(f, r, "Status:")) {
				status++;
				ro = in_row(f, r, 'R') && in_row(f, r, 'O');
				if (in_row(f, r, 'R'))
					m->flags |= MSG_READ;
			}
			if (starts(f, r, "X-IMAP:"))
				folder |= 2;
			if (starts(f, r, "Subject: DON'T DELETE THIS MESSAGE"))
				folder |= 4;
		}
		if (hash) {
			md5_add(&md5, f->p + r.at, r.len);
			md5_add(&md5, "\n", 1);
		}
	}
	if (status == 1 && ro)
		m->flags |= MSG_RO;
	if (first && folder == 7)
		m->flags |= MSG_HIDDEN;
	if (to - from > m->from && f->p[to - 1] != '\n')
		m->flags |= MSG_NOEOL;
	if (at >= to) {			/* no empty line ends the header */
		m->flags |= MSG_NOBLANK;
		m->head = (uint32_t)(to - from);
		m->octets = wire_octets(f, from + m->from, to) + 2;
		n = snprintf(count, sizeof(count), "0");
	} else {
		body = at + r.end;
		m->head = (uint32_t)(body - from);
		for (at = body; at < to; at += before.len + before.end)
			before = row_at(&cut, at);
		if (to > body && before.len == 0)
			m->flags |= (uint32_t)before.end;
		m->octets = wire_octets(f, body, to - (m->flags & MSG_TAIL));
		n = snprintf(count, sizeof(count), "%llu",
		    (unsigned long long)m->octets);
		m->octets += wire_octets(f, from + m->from, body);
	}
	md5_add(&md5, count, (size_t)n);
	md5_end(&md5, m->uid);
}

/* 0, or EILSEQ for what is no mbox. */
static int
naive(const struct buf *f, struct msgs *t)
{
	struct row r;
	struct msg m;
	size_t at = 0, from;
	bool blank = false;

	while (at < f->n && (f->p[at] == '\0' || f->p[at] == '\n' ||
	    f->p[at] == '\r'))
		at++;
	if (at == f->n)
		return 0;
	if (!is_from(f, row_at(f, at)))
		return EILSEQ;
	for (from = at; at < f->n; at += r.len + r.end) {
		r = row_at(f, at);
		if (at > from && blank && is_from(f, r) && dated(f, r)) {
			describe(f, from, at, t->n == 0, &m);
			if (msgs_add(t, &m) == -1)
				abort();
			from = at;
		}
		blank = r.len == 0 && r.end > 0;
	}
	describe(f, from, f->n, t->n == 0, &m);
	if (msgs_add(t, &m) == -1)
		abort();
	return 0;
}

/* ---- the comparison ---------------------------------------------------- */

static bool wide;		/* by wide vectors, where there are */

/*
 * Feeds the file through a buffer of that size, in reads of at most chunk
 * bytes (or of random lengths up to it).
 */
static int
feed(const struct buf *f, size_t size, size_t chunk, uint64_t *seed,
    const struct msgs *old, struct msgs *t)
{
	struct scan s;
	char *block;
	size_t at = 0, have = 0, n, used;

	mbox_begin(&s, t, old);
	if (wide)
		(void)mbox_wide(&s);
	do {
		n = seed != NULL ? 1 + below(seed, chunk) : chunk;
		n = n < size - have ? n : size - have;
		n = n < f->n - at ? n : f->n - at;
		/* of exactly that size: a sanitizer sees what reads past it */
		if ((block = malloc(have + n + (have + n == 0))) == NULL)
			abort();
		if (have + n > 0)
			memcpy(block, f->p + at - have, have + n);
		at += n;
		have += n;
		used = mbox_feed(&s, block, have, at == f->n && n == 0);
		free(block);
		have -= used;
	} while (n > 0);
	if (have > 0)
		return -2;
	return mbox_end(&s) == 0 ? 0 : errno;
}

static bool
same(const struct msgs *a, const struct msgs *b, const char *what)
{
	const struct msg *x, *y;
	size_t i;

	if (a->n != b->n) {
		note("%s: %zu messages, not %zu", what, a->n, b->n);
		return false;
	}
	for (i = 0; i < a->n; i++) {
		x = &a->v[i];
		y = &b->v[i];
		if (x->offset == y->offset && x->length == y->length &&
		    x->octets == y->octets && x->from == y->from &&
		    x->head == y->head && x->flags == y->flags &&
		    memcmp(x->uid, y->uid, UID_LEN) == 0)
			continue;
		note("%s: message %zu: at %llu len %llu octets %llu from %u "
		    "head %u flags %x, not at %llu len %llu octets %llu "
		    "from %u head %u flags %x%s", what, i + 1,
		    (unsigned long long)x->offset,
		    (unsigned long long)x->length,
		    (unsigned long long)x->octets, x->from, x->head, x->flags,
		    (unsigned long long)y->offset,
		    (unsigned long long)y->length,
		    (unsigned long long)y->octets, y->from, y->head, y->flags,
		    memcmp(x->uid, y->uid, UID_LEN) != 0 ? ", uid" : "");
		return false;
	}
	return true;
}

static bool
try(const struct buf *f, size_t size, size_t chunk, uint64_t *seed,
    const struct msgs *want, int error, const char *what)
{
	struct msgs t = { NULL, 0, 0 };
	char name[160];
	int r;
	bool good;

	(void)snprintf(name, sizeof(name), "%s, buffer %zu, reads %zu", what,
	    size, chunk);
	r = feed(f, size, chunk, seed, NULL, &t);
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
check(const struct buf *f, uint64_t *seed, unsigned cuts, const char *what)
{
	struct msgs want = { NULL, 0, 0 };
	int error = naive(f, &want);
	bool good;
	unsigned i;

	good = try(f, BLOCK, BLOCK, NULL, &want, error, what);
	for (i = 0; i < cuts && good; i++)
		good = try(f, MBOX_LINE + below(seed, 20000),
		    1 + below(seed, i % 2 == 0 ? 100 : 20000), seed, &want,
		    error, what);
	msgs_free(&want);
	return good;
}

/* ---- hand-made files --------------------------------------------------- */

#define F1 "From bob@example.org Sat Jan  3 01:05:34 1996\n"
#define F2 "From carol@example.org Sat Jan  3 01:06:00 1996\n"
#define C1 "From bob@example.org Sat Jan  3 01:05:34 1996\r\n"
#define C2 "From carol@example.org Sat Jan  3 01:06:00 1996\r\n"

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
	    "From 12:30 on, 1996 times\n\nFrom x 12:30\n\nFrom y 1996\n", 2),
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
	MADE("c-client's folder data", "From MAILER-DAEMON Sat Jan  3 "
	    "01:05:34 1996\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER "
	    "INTERNAL DATA\nX-IMAP: 1 2\nStatus: RO\n\ntext\n\n" F2
	    "\ny\n", 2),
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
		(void)naive(&f, &t);
		ok(check(&f, &seed, 20, made[i].name) &&
		    t.n == made[i].messages, "%s", made[i].name);
		msgs_free(&t);
		buf_free(&f);
	}
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
		{ F1 "A: b\n\n\n", 8 },
		{ F1 "A: b\n\n", 8 },
		{ F1 "A: b\n", 8 },
		{ F1 "A: b", 8 },
		{ F1 "\n", 2 },
		{ F1, 2 },
		{ F1 "\n.\n", 5 },
	};
	struct msgs t;
	struct buf f;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		memset(&f, 0, sizeof(f));
		memset(&t, 0, sizeof(t));
		buf_str(&f, known[i].text);
		ok(feed(&f, BLOCK, BLOCK, NULL, NULL, &t) == 0 && t.n == 1 &&
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
	static const char *const ends[] = { "\n", "\r\n", "" };
	struct buf f = { NULL, 0, 0 };
	uint64_t seed = 5;
	size_t i, j, head;
	bool good = true;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (j = 0; j < 3; j++)
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
				good = check(&f, &seed, 4, "a long line") &&
				    good;
			}
	ok(good, "lines up to a megabyte, in header and body");
	f.n = 0;
	buf_str(&f, F1 "\n");
	for (i = 0; i < 3000; i++)
		buf_str(&f, i % 7 == 0 ? "\n\r\r" : "\r");
	buf_str(&f, "\n\n" F2 "\n");
	ok(check(&f, &seed, 200, "CRs"), "a CR at the end of every block");
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
					good = check(&f, &seed, 1, "an edge");
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
				buf_fill(&f, 'z', after * (2 * MBOX_WINDOW + 9));
				good = check(&f, &seed, 0, "a window");
			}
		ok(good, "every place in a window: end %zu", i);
	}
	buf_free(&f);
}

/* Whether a long line is a separator must not depend on where it stands. */
static void
long_from(void)
{
	struct buf f = { NULL, 0, 0 };
	struct msgs t;
	size_t at, first = 0;
	bool good = true;

	for (at = 0; at < 20; at++) {
		memset(&t, 0, sizeof(t));
		f.n = 0;
		buf_str(&f, F1 "\n");
		buf_fill(&f, 'x', BLOCK - 15000 + at * 1000);
		buf_str(&f, "\n\nFrom ");
		buf_fill(&f, 'y', 10000);
		buf_str(&f, " Sat Jan  3 01:06:00 1996\nA: b\n\nz\n");
		good = feed(&f, BLOCK, BLOCK, NULL, NULL, &t) == 0 && good;
		if (at == 0)
			first = t.n;
		good = good && t.n == first;
		msgs_free(&t);
	}
	ok(good, "a line of 10 kB that begins From is the same everywhere");
	buf_free(&f);
}

/* ---- random files ------------------------------------------------------ */

static void
random_file(struct buf *f, uint64_t *seed)
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
		WORD("\r\n\r\n"), WORD("12:34 1996"), WORD("lorem ipsum ")
	};
	size_t i, words = below(seed, 60), w;

	f->n = 0;
	if (below(seed, 10) == 0)
		buf_str(f, below(seed, 2) == 0 ? "\n" : "\r\n");
	if (below(seed, 20) > 0)
		buf_str(f, below(seed, 2) == 0 ? F1 : C1);
	for (i = 0; i < words; i++) {
		w = below(seed, sizeof(word) / sizeof(word[0]) + 4);
		if (w < sizeof(word) / sizeof(word[0]))
			buf_add(f, word[w].text, word[w].n);
		else if (w % 4 > 0)
			buf_fill(f, "aF.\r"[below(seed, 4)], below(seed, 90));
		else
			buf_fill(f, 'b', below(seed, 9000));
	}
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
		if (!check(&f, &seed, 6, "random")) {
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
		n = n < f->n - at ? n : f->n - at;
		memmove(f->p + at, f->p + at + n, f->n - at - n);
		f->n -= n;
		break;
	default:
		buf_str(f, "\n\n" F2 "A: b\n\nmore\n");
	}
}

/* A scan that knows an old table finds what the naive scanner finds. */
static void
changed_files(void)
{
	struct msgs old = { NULL, 0, 0 }, want = old, t = old;
	struct buf f = { NULL, 0, 0 };
	unsigned i, wrong = 0, files = TAP_MANY(4000), same_uid = 0;
	uint64_t seed = 99;
	int error, r;
	size_t k;

	for (i = 0; i < files && wrong < 5; i++) {
		random_file(&f, &seed);
		(void)feed(&f, BLOCK, BLOCK, NULL, NULL, &old);
		change(&f, &seed);
		error = naive(&f, &want);
		r = feed(&f, MBOX_LINE + below(&seed, 20000), 20000, NULL,
		    &old, &t);
		if (r != error || (r == 0 && !same(&t, &want, "changed")))
			wrong++;
		for (k = 0; k < t.n && k < old.n; k++)
			same_uid += memcmp(t.v[k].uid, old.v[k].uid,
			    UID_LEN) == 0;
		msgs_free(&old);
		msgs_free(&want);
		msgs_free(&t);
	}
	ok(wrong == 0 && same_uid > files, "%u files that changed, %u messages"
	    " in them as they were", i, same_uid);
	buf_free(&f);
}

static void
all(void)
{
	hand_made();
	known_sizes();
	long_lines();
	edges();
	windows();
	long_from();
	random_files();
	changed_files();
}

int
main(void)
{
	struct scan s;

	all();
	mbox_begin(&s, NULL, NULL);
	wide = mbox_wide(&s);
	if (wide)
		all();
	else
		note("no wide vectors here: that way is not tried");
	return tap_end();
}
