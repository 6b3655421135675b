/*
 * The mbox scanner: bytes in, a table of messages out.  It knows no file and
 * no session, and takes its bytes in blocks of any size.
 *
 * What begins a message: see begins() below, and mbox_from() and mbox_claimed()
 * in mbox/from.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mbox/mbox.h"

/* The signs of c-client's folder data; what was delivered has a trace. */
enum {
	FOLDER_FROM = 1, FOLDER_SUBJECT = 2, FOLDER_IMAP = 4, FOLDER_ALL = 7,
	FOLDER_TRACE = 8,
	FOLDER_MOST = 8192	/* bytes: some 500, and names of flags */
};

/*
 * Fields that mail programs rewrite in place: they must not change the
 * unique-id (RFC 1939, 7: it persists across sessions).
 */
static bool
volatile_field(struct str line)
{
	static const char *const names[] = { "Status:", "Content-Length:",
	    "Lines:", "X-Status:", "X-Keywords:", "X-UID:", "X-UIDL:",
	    "X-IMAP:", "X-IMAPbase:" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		/* most lines are seen by their first character to be others */
		if ((names[i][0] | ' ') == (line.p[0] | ' ') &&
		    mbox_field(line, names[i]))
			return true;
	return false;
}

void
mbox_begin(struct scan *s, struct msgs *table, const struct msgs *old,
    uint64_t begin, uint64_t size)
{
	memset(s, 0, offsetof(struct scan, kept));
	s->table = table;
	s->old = old;
	s->begin = s->pos = begin;
	s->size = size;
	s->bound = UINT64_MAX;
	s->where = SCAN_START;
}

void
mbox_bound(struct scan *s)
{
	s->bound = s->pos;
}

/* Octets from the end of the From_ line to pos: RFC 1939, 11. */
static uint64_t
octets_so_far(const struct scan *s)
{
	return s->pos - s->cur.offset - s->cur.from + s->lone;
}

/* Whether cur is the first message of the file, and may be folder data. */
static bool
is_first(const struct scan *s)
{
	return s->begin == 0 && s->table->n == 0;
}

/* ---- what the uid is made of --------------------------------------------- */

/* Keeps text of the header: most headers are known, and need no digest. */
static void
keep_header(struct scan *s, const char *p, size_t n)
{
	if (n > MBOX_KEPT - s->nkept) {
		if (!s->spilled)
			md5_begin(&s->md5);
		s->spilled = true;
		md5_add(&s->md5, s->kept, s->nkept);
		s->nkept = 0;
	}
	if (n > MBOX_KEPT)
		md5_add(&s->md5, p, n);
	else {
		memcpy(s->kept + s->nkept, p, n);
		s->nkept += n;
	}
}

/* The old table's entry for the place of cur, or NULL. */
static const struct msg *
old_entry(struct scan *s)
{
	const struct msgs *old = s->old;

	while (old != NULL && s->at_old < old->n &&
	    (old->v[s->at_old].offset < s->cur.offset ||
	    old->v[s->at_old].flags & MSG_GONE))
		s->at_old++;
	return old != NULL && s->at_old < old->n &&
	    old->v[s->at_old].offset == s->cur.offset ?
	    &old->v[s->at_old] : NULL;
}

/* Whether all that an old entry says is true of m, as far as it was scanned. */
static bool
old_holds(const struct scan *s, const struct msg *x, const struct msg *m)
{
	return x != NULL && m->check != 0 && x->check == m->check &&
	    (s->octets > 0 ||
	    (x->length == m->length && x->octets == m->octets)) &&
	    !(x->flags & MSG_DUPLICATE);
}

/*
 * The unique-id of a message with the header that was kept: MD5 of that and of
 * the octets of the body as digits, for which there is room.  If the old table
 * has a message with the same check, at the same place and of the same size, its
 * unique-id is known.
 */
static void
identify(struct scan *s, struct msg *m, uint64_t body)
{
	const struct msg *x = old_entry(s);
	struct md5 md5 = s->md5;
	size_t n = s->nkept;

	n += (size_t)snprintf(s->kept + n, sizeof(s->kept) - n, "%llu",
	    (unsigned long long)body);
	if (!s->spilled) {
		m->check = key_sum(&s->table->key, s->kept, n);
		if (old_holds(s, x, m)) {
			memcpy(m->uid, x->uid, UID_LEN);
			return;
		}
		md5_begin(&md5);
	}
	md5_add(&md5, s->kept, n);
	md5_end(&md5, m->uid);
}

/* Whether the old table has m, and not as folder data: it was not the first. */
static bool
was_shown(struct scan *s, const struct msg *m)
{
	const struct msg *x = old_entry(s);

	return x != NULL && !(x->flags & MSG_HIDDEN) &&
	    memcmp(x->uid, m->uid, UID_LEN) == 0;
}

/*
 * Where the message that the scanner is in ended in the old table, if that has
 * one of the same header at the same place; else 0.  0, too, if no claim reaches
 * beyond the scanner's place.
 */
static uint64_t
known_end(struct scan *s)
{
	const struct msg *x;
	struct msg m;
	unsigned i;

	for (i = 0; i < s->nclaims && s->claim[i] <= s->pos; i++)
		;
	if (i == s->nclaims || (x = old_entry(s)) == NULL ||
	    x->head != s->cur.head)
		return 0;
	m = *x;
	identify(s, &m, x->octets - s->head_octets);
	return memcmp(m.uid, x->uid, UID_LEN) == 0 ? x->offset + x->length : 0;
}

/* Ends the message that the scanner is in, at pos. */
static void
end_message(struct scan *s)
{
	struct msg *m = &s->cur;
	uint64_t body;

	m->length = s->pos - m->offset;
	m->octets = octets_so_far(s);
	if (s->midline && s->hashed && s->where != SCAN_BODY)
		keep_header(s, "\n", 1);
	if (s->midline || s->cut)
		m->flags |= MSG_NOEOL;
	if (s->midline && m->length > m->from)
		m->octets += 2;
	if (s->where != SCAN_BODY) {	/* RFC 822: an empty line ends it */
		m->head = m->length < UINT32_MAX ? (uint32_t)m->length :
		    UINT32_MAX;
		m->flags |= MSG_NOBLANK;
		m->octets += 2;
		body = 0;
	} else {
		if (s->empty > 0) {	/* the mbox's, not the message's */
			m->flags |= s->empty;
			m->octets -= 2;
		}
		body = (s->octets > 0 ? s->octets : m->octets) -
		    s->head_octets;
	}
	if (s->status != 1)
		m->flags &= ~(uint32_t)MSG_RO;
	identify(s, m, body);
	if (is_first(s) && s->folder == FOLDER_ALL &&
	    m->length <= FOLDER_MOST && !was_shown(s, m))
		m->flags |= MSG_HIDDEN;
	if (msgs_add(s->table, m) == -1)
		s->error = ENOMEM;
}

static void
begin_message(struct scan *s, struct str line)
{
	memset(&s->cur, 0, sizeof(s->cur));
	s->cur.offset = s->pos;
	s->until = 0;
	s->nclaims = 0;
	s->crlf = s->field = false;
	s->lone = 0;
	s->where = SCAN_FROM;
	s->status = s->folder = 0;
	s->empty = 0;
	s->hashed = true;
	if (line.n > 18 && memcmp(line.p + 5, "MAILER-DAEMON", 13) == 0)
		s->folder = FOLDER_FROM;
	s->nkept = 0;
	s->spilled = false;
}

/* Takes what a header field means here, of its first line or piece. */
static void
take_field(struct scan *s, struct str line)
{
	struct str value;
	bool read, old;

	if (mbox_value(line, "Status:", &value)) {
		/* as System V mail has it, in any order */
		read = memchr(value.p, 'R', value.n) != NULL;
		old = memchr(value.p, 'O', value.n) != NULL;
		s->status++;
		s->cur.flags |= (read ? MSG_READ : 0u) |
		    (read && old ? MSG_RO : 0u);
	}
	if (mbox_value(line, "Content-Length:", &value))
		mbox_claim(s, value);
	if (!is_first(s))
		return;
	if (mbox_field(line, "X-IMAP:"))
		s->folder |= FOLDER_IMAP;
	if (mbox_field(line, "Subject: DON'T DELETE THIS MESSAGE -- FOLDER "
	    "INTERNAL DATA"))
		s->folder |= FOLDER_SUBJECT;
	if (mbox_field(line, "Received:") || mbox_field(line, "Return-Path:") ||
	    mbox_field(line, "Delivered-To:"))
		s->folder |= FOLDER_TRACE;
}

/* Ends the header at pos: from now on Content-Length is a place. */
static void
end_header(struct scan *s)
{
	unsigned i;

	s->where = SCAN_BODY;
	s->cur.head = s->pos - s->cur.offset < UINT32_MAX ?
	    (uint32_t)(s->pos - s->cur.offset) : UINT32_MAX;
	s->head_octets = octets_so_far(s);
	for (i = 0; i < s->nclaims; i++)
		s->claim[i] += s->pos;
}

/* A line, or a piece of one, up to the empty line that ends the header. */
static void
scan_header(struct scan *s, struct str line, bool first, bool end)
{
	if (s->where == SCAN_HEAD && first) {
		if (line.n == 0) {
			end_header(s);
			return;
		}
		if (s->note != NULL)
			s->note(s->note_arg, s->table->n, line);
		if (line.p[0] != ' ' && line.p[0] != '\t') {	/* or folded */
			s->hashed = !volatile_field(line);
			take_field(s, line);
		}
	}
	if (s->hashed) {
		keep_header(s, line.p, line.n);
		if (end)
			keep_header(s, "\n", 1);
	}
	if (s->where == SCAN_FROM && end)
		s->where = SCAN_HEAD;
}

/*
 * Takes n bytes: a line with its end, or a piece of one that is too long to
 * wait for (end is false).  An end that is a CR alone, where the text ends, is
 * that of a CRLF: so it stays the same when UPDATE adds the LF.
 */
static void
scan_line(struct scan *s, const char *p, size_t n, bool end)
{
	struct str line = { p, n };
	bool first = !s->midline, crlf = false, odd;

	s->cut = end && p[n - 1] != '\n';
	if (end) {
		line.n -= !s->cut;
		crlf = line.n > 0 && p[line.n - 1] == '\r';
		line.n -= crlf;
	}
	if (s->where == SCAN_START) {
		if (line.n < 5 || memcmp(line.p, "From ", 5) != 0) {
			s->error = EILSEQ;
			return;
		}
		begin_message(s, line);
	}
	if (s->where == SCAN_FROM && is_first(s) &&
	    memchr(p, '\r', line.n) != NULL &&
	    mbox_from(p, p + n, p[n - 1] != '\n') == FROM_NO) {
		s->error = EILSEQ;	/* its line ends are lone CRs */
		return;
	}
	s->pos += n;
	s->midline = !end;
	if (s->where == SCAN_FROM)
		s->cur.from += (uint32_t)n;
	else if (end && (!crlf || s->cut))
		s->lone++;	/* two octets, and one byte */
	if (s->where == SCAN_HEAD && end && !s->field) {
		s->crlf = crlf;
		s->field = true;
	}
	/* a lone CR is not empty where lines end in LF */
	odd = crlf && !s->crlf;
	s->blank = first && end && line.n == 0 && !s->cut && !odd;
	if (s->where == SCAN_BODY)
		s->empty = s->blank ? (uint32_t)n : 0;
	else {
		scan_header(s, line, first, end);
		if (s->where == SCAN_BODY && odd)
			s->cur.flags |= MSG_ODDBLANK;
	}
}

/*
 * Takes header lines as they are, as long as there is nothing in them but text
 * for the uid.  Returns where it stopped.
 */
static const char *
take_header(struct scan *s, const char *from, const char *end)
{
	const char *p = from, *nl;
	struct str line;

	if (s->midline || s->note != NULL || is_first(s))
		return p;
	for (; p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL;
	    p = nl + 1) {
		line = (struct str){ p, (size_t)(nl - p) };
		if (line.n == 0 || nl[-1] == '\r')
			break;
		if (*p == ' ' || *p == '\t' ? !s->hashed :
		    volatile_field(line))
			break;
		s->hashed = s->field = true;
		s->lone++;
	}
	keep_header(s, from, (size_t)(p - from));
	s->pos += (uint64_t)(p - from);
	return p;
}

/*
 * Whether a message begins at p, the scanner's place, which follows an empty
 * line or is where the file once ended.  Ends the one before it, then.
 */
static enum from
begins(struct scan *s, const char *p, const char *end, bool last)
{
	bool after_blank = s->where == SCAN_BODY && !s->midline && s->blank;
	bool bound = s->pos == s->bound;
	enum from r;

	if (s->where == SCAN_START || (!bound && (!after_blank ||
	    s->pos < s->until)))
		return FROM_NO;
	if ((r = mbox_from(p, end, last)) != FROM_YES)
		return r;
	if (!bound && mbox_claimed(s, known_end(s), p, end))
		return FROM_NO;
	end_message(s);
	begin_message(s, (struct str){ p, (size_t)(end - p) });
	s->midline = false;
	if (!after_blank)
		s->cur.flags |= MSG_ABUTS;
	return FROM_YES;
}

/*
 * Takes one line, or a piece of one, from p..end.  Returns what follows it; p
 * if there must be more first.
 */
static const char *
one_line(struct scan *s, const char *p, const char *end, bool last)
{
	const char *nl;
	size_t some = (size_t)(end - p);

	if (begins(s, p, end, last) == FROM_MORE)
		return p;
	if ((nl = memchr(p, '\n', some)) != NULL) {
		scan_line(s, p, (size_t)(nl + 1 - p), true);
		return nl + 1;
	}
	if (!last && some < MBOX_LINE)
		return p;
	if (!last && end[-1] == '\r')	/* its LF is still to come */
		some--;
	scan_line(s, p, some, last && end[-1] == '\r');
	return p + some;
}

size_t
mbox_feed(struct scan *s, const char *buf, size_t n, bool last)
{
	const char *p = buf, *end = buf + n, *q;

	for (; p < end && s->error == 0; p = q) {
		q = p;
		if (s->where == SCAN_START &&
		    (*p == '\n' || *p == '\r' || *p == '\0')) {
			q++;		/* other programs' debris */
			s->pos++;
			continue;
		}
		if (s->where == SCAN_BODY && s->pos != s->bound)
			q = mbox_body(s, p, end);
		else if (s->where == SCAN_HEAD && s->pos != s->bound)
			q = take_header(s, p, end);
		if (q == p && s->where == SCAN_BODY && !last &&
		    end - p < MBOX_WINDOW)
			break;		/* with more after it, it is faster */
		if (q == p && (q = one_line(s, p, end, last)) == p)
			break;
	}
	return s->error != 0 ? n : (size_t)(p - buf);
}

int
mbox_end(struct scan *s)
{
	if (s->error == 0 && s->where != SCAN_START)
		end_message(s);
	if (s->error != 0) {
		errno = s->error;
		return -1;
	}
	s->table->end = s->pos;
	return 0;
}
