/*
 * Messages that are written: a reply or a forwarded message to begin with, and
 * a draft turned into what the standards allow on the wire.
 */
#define _XOPEN_SOURCE 700

#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "mime.h"

enum {
	LINE = 78,		/* characters of a line: RFC 5322 2.1.1 */
	LINE_MOST = 998,	/* octets that a line may have at all */
	QP_LINE = 76,		/* of quoted-printable: RFC 2045 6.7 */
	REFERENCES = 20,	/* of a thread: its latest messages */
	ID_MOST = 250		/* octets of a Message-ID that is repeated */
};

/* Append n octets of a line in lines of LINE that flow on (RFC 3676 4.2), each
 * with the first `quote' octets of it. */
static void
wrap_line(const char *s, size_t n, size_t quote, struct text *out)
{
	const char *p = s + quote;
	size_t i, blank, chars;
	bool stuff;

	for (n -= quote;; p += blank, n -= blank) {
		stuff = quote == 0 && n > 0 && (*p == ' ' || *p == '>' ||
		    (n >= 5 && memcmp(p, "From ", 5) == 0));
		chars = quote + stuff;
		for (i = blank = 0; i < n && (chars < LINE || blank == 0);
		    i++) {
			chars += ((unsigned char)p[i] & 0xc0) != 0x80;
			if (p[i] == ' ')
				blank = i + 1;
		}
		if (i == n)
			blank = n;
		text_add(out, s, quote);
		text_str(out, stuff ? " " : "");
		text_add(out, p, blank);
		text_add(out, "\n", 1);
		if (blank == n)
			return;
	}
}

/* A text as format=flowed. Blanks at the end of a line would join it to the
 * next: only quoted lines, which may flow already, and the line above a
 * signature keep them. */
static void
flow_text(const char *s, size_t n, struct text *out)
{
	size_t k, len, quote;

	for (; n > 0; s += k, n -= k) {
		k = text_line(s, n, &len);
		for (quote = 0; quote < len && s[quote] == '>'; quote++)
			;
		if (quote > 0 && quote < len && s[quote] == ' ')
			quote++;
		else if (quote == 0 && !(len == 3 && memcmp(s, "-- ", 3) == 0))
			while (len > 0 && s[len - 1] == ' ')
				len--;
		wrap_line(s, len, quote, out);
	}
}

/* Is there a line that is longer than RFC 5322 2.1.1 allows? */
static bool
has_long_line(const char *s, size_t n)
{
	size_t k, len;

	for (; n > 0; s += k, n -= k) {
		k = text_line(s, n, &len);
		if (len > LINE_MOST)
			return true;
	}
	return false;
}

static void
qp_encode(const char *s, size_t n, struct text *out)
{
	char hex[4];
	size_t col, i, k;

	for (col = i = 0; i < n; i++) {
		k = (s[i] > ' ' && s[i] < 0x7f && s[i] != '=') ||
		    (s[i] == ' ' && i + 1 < n && s[i + 1] != '\n') ? 1 : 3;
		if (s[i] == '\n')
			k = col = 0;
		else if (col + k >= QP_LINE) {
			text_add(out, "=\n", 2);
			col = 0;
		}
		snprintf(hex, sizeof(hex), "=%02X", (unsigned char)s[i]);
		text_add(out, k == 3 ? hex : s + i, k == 3 ? 3 : 1);
		col += k;
	}
}

/* The fields for a text, the empty line, and the text. It is sent as 8bit where
 * its lines allow that: it stays readable for every program, and a server whose
 * next one takes only ASCII encodes it (RFC 6152 3). */
static void
add_body(const char *s, size_t n, struct text *out)
{
	struct text body = { 0 };
	bool qp;

	flow_text(s, n, &body);
	/* RFC 5322 2.3: lines of at most 998 octets, no CR and no NUL. */
	qp = body.n > 0 && (has_long_line(body.s, body.n) ||
	    memchr(body.s, '\r', body.n) != NULL ||
	    memchr(body.s, '\0', body.n) != NULL);
	text_str(out, "MIME-Version: 1.0\nContent-Type: text/plain; charset=");
	text_str(out, !mail_8bit(s, n) ? "us-ascii" : utf8_valid(s, n) ?
	    "utf-8" : "unknown-8bit");
	text_str(out, "; format=flowed\nContent-Transfer-Encoding: ");
	text_str(out, qp ? "quoted-printable\n\n" : mail_8bit(s, n) ?
	    "8bit\n\n" : "7bit\n\n");
	if (qp)
		qp_encode(body.s, body.n, out);
	else
		text_add(out, body.s, body.n);
	text_free(&body);
}

/* A field of n octets, its continuation lines among them. */
static void
add_field(const char *s, size_t n, struct text *out)
{
	static const char *const lists[] = { "From", "To", "Cc", "Bcc",
	    "Reply-To", "Sender" };
	struct text value = { 0 };
	size_t i, len;
	bool list;

	if (!mail_8bit(s, n) && !has_long_line(s, n)) {
		text_add(out, s, n);
		if (s[n - 1] != '\n')
			text_add(out, "\n", 1);
		return;
	}
	len = strcspn(s, ":");
	for (list = false, i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		list = list || (strlen(lists[i]) == len &&
		    strncasecmp(s, lists[i], len) == 0);
	text_add(out, s, len + 1);
	/* An encoded word after a long name would make the line too long. */
	text_str(out, len < 10 ? " " : "\n ");
	for (i = len + 1; i < n; i++)
		if (s[i] != '\r' && s[i] != '\n' && (value.n > 0 ||
		    (s[i] != ' ' && s[i] != '\t')))
			text_add(&value, s + i, 1);
	if (list)
		address_list(text_string(&value), true, out);
	else
		field_encode(value.s, value.n, out);
	text_add(out, "\n", 1);
	text_free(&value);
}

/* The fields of a header of n octets. */
static void
add_fields(const char *s, size_t n, struct text *out)
{
	size_t i, k, len;

	for (; n > 0; s += i, n -= i) {
		i = text_line(s, n, &len);
		for (; i < n && (s[i] == ' ' || s[i] == '\t'); i += k)
			k = text_line(s + i, n - i, &len);
		add_field(s, i, out);
	}
}

/* Add a field that a message has once, unless it is there. */
static void
add_missing(const struct text *draft, const char *name, const char *value,
    struct text *out)
{
	struct text t = { 0 };

	if (!mail_field(draft->s, draft->n, name, &t)) {
		text_str(out, name);
		text_str(out, ": ");
		text_str(out, value);
		text_str(out, "\n");
	}
	text_free(&t);
}

void
draft_finish(const char *draft, size_t n, time_t now, const char *id,
    struct text *out)
{
	struct text t = { 0 }, type = { 0 };
	const char *charset = nl_langinfo(CODESET);
	char date[48];
	size_t head, len, skip;

	if (!utf8_valid(draft, n) && strstr(charset, "ASCII") == NULL)
		charset_decode(charset, draft, n, &t);
	if (!utf8_valid(t.s, t.n))
		t.n = 0;	/* in no charset that is known: left as it is */
	if (t.n == 0)
		text_add(&t, n > 0 ? draft : "\n", n > 0 ? n : 1);
	head = mail_head(t.s, t.n);
	skip = head < t.n ? text_line(t.s + head, t.n - head, &len) : 0;
	skip = skip > 0 && len == 0 ? skip : 0;		/* the empty line */
	date_rfc5322(now, date);
	add_fields(t.s, head, out);
	add_missing(&t, "Date", date, out);
	add_missing(&t, "Message-ID", id, out);
	if (mail_field(t.s, t.n, "Content-Type", &type)) {
		text_str(out, "\n");
		text_add(out, t.s + head + skip, t.n - head - skip);
	} else
		add_body(t.s + head + skip, t.n - head - skip, out);
	text_free(&t);
	text_free(&type);
}

void
draft_id(time_t now, char id[160])
{
	char host[65] = "", date[32] = "";
	struct timespec ts = { 0 };
	struct tm tm;

	if (gethostname(host, sizeof(host) - 1) == -1 || host[0] == '\0' ||
	    host[strspn(host, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")] != '\0')
		snprintf(host, sizeof(host), "localhost");
	if (gmtime_r(&now, &tm) != NULL)
		strftime(date, sizeof(date), "%Y%m%d%H%M%S", &tm);
	clock_gettime(CLOCK_REALTIME, &ts);
	snprintf(id, 160, "<%s.%09ld.%ld@%s>", date, ts.tv_nsec,
	    (long)getpid(), host);
}

/* Append "Subject: " and a message's subject, with a prefix unless the subject
 * has it. */
static void
add_subject(const struct mime *m, const char *prefix, struct text *out)
{
	struct text value = { 0 }, subject = { 0 };

	mail_field(m->s, m->n, "Subject", &value);
	field_decode(value.s, &subject);
	text_str(out, "Subject: ");
	if (strncasecmp(text_string(&subject), prefix, strlen(prefix) - 1) != 0)
		text_str(out, prefix);
	text_str(out, subject.s);
	text_str(out, "\n");
	text_free(&value);
	text_free(&subject);
}

/* The Message-ID at s; its length, or 0 where it is none. */
static size_t
id_length(const char *s)
{
	size_t n;

	if (*s != '<')
		return 0;
	for (n = 1; n < ID_MOST && s[n] > ' ' && s[n] < 0x7f && s[n] != '<' &&
	    s[n] != '>'; n++)
		;
	return s[n] == '>' ? n + 1 : 0;
}

/* Append a field with the Message-IDs of a value, from the last ones of many,
 * a line each; nothing where there are none. */
static void
add_ids(const char *name, const char *value, struct text *out)
{
	const char *s;
	size_t ids, n;

	for (ids = 0, s = value; *s != '\0'; s++)
		ids += id_length(s) > 0;
	if (ids > 0)
		text_str(out, name);
	for (s = value; *s != '\0'; s++)
		if ((n = id_length(s)) > 0 && ids-- <= REFERENCES) {
			text_str(out, s == value ? " " : "\n ");
			text_add(out, s, n);
			text_str(out, ids == 0 ? "\n" : "");
		}
}

/* RFC 5322 3.6.4: the message that is answered, and what it answers. */
static void
add_thread(const struct mime *m, struct text *out)
{
	struct text id = { 0 }, refs = { 0 };

	mail_field(m->s, m->n, "Message-ID", &id);
	add_ids("In-Reply-To:", id.s, out);
	if (!mail_field(m->s, m->n, "References", &refs))
		mail_field(m->s, m->n, "In-Reply-To", &refs);
	text_str(&refs, " ");
	text_str(&refs, id.s);
	add_ids("References:", text_blanks(text_string(&refs)), out);
	text_free(&id);
	text_free(&refs);
}

/* Append a text quoted, in lines of LINE, without its signature. */
static void
add_quote(const struct text *t, struct text *out)
{
	struct text line = { 0 };
	size_t i, k, len, quote;

	for (i = 0; i < t->n; i += k) {
		k = text_line(t->s + i, t->n - i, &len);
		if (len == 3 && memcmp(t->s + i, "-- ", 3) == 0)
			break;
		line.n = 0;
		text_add(&line, "> ", len > 0 && t->s[i] != '>' ? 2 : 1);
		text_add(&line, t->s + i, len);
		for (quote = 0; quote < line.n && line.s[quote] == '>';)
			quote++;
		quote += quote < line.n && line.s[quote] == ' ';
		wrap_line(line.s, line.n, quote, out);
	}
	text_free(&line);
}

void
draft_reply(const struct mime *m, struct text *out)
{
	struct text value = { 0 }, text = { 0 };

	if (!mail_field(m->s, m->n, "Reply-To", &value))
		mail_field(m->s, m->n, "From", &value);
	text_str(out, "To: ");
	address_list(value.s, false, out);
	text_str(out, "\n");
	add_subject(m, "Re: ", out);
	add_thread(m, out);
	text_str(out, "\n");
	if (mail_field(m->s, m->n, "Date", &value)) {
		text_str(out, "On ");
		field_decode(value.s, out);
		text_str(out, ", ");
	}
	mail_field(m->s, m->n, "From", &value);
	address_sender(value.s, out);
	text_str(out, " wrote:\n");
	mime_text(m, &text);
	add_quote(&text, out);
	text_free(&value);
	text_free(&text);
}

void
draft_forward(const struct mime *m, struct text *out)
{
	text_str(out, "To: \n");
	add_subject(m, "Fwd: ", out);
	text_str(out, "\n\n---- Forwarded message ----\n");
	mime_brief(m->s, m->n, out);
	text_str(out, "\n");
	mime_text(m, out);
	if (m->files > 0)
		text_str(out, "\n");
	mime_files(m, out);
}
