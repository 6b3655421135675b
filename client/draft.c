/*
 * Messages that are written: a reply or a forwarded message to begin with, and
 * a draft turned into what the standards allow on the wire.
 */
#include "mime.h"

#include <langinfo.h>

enum {
	LINE = 78,		/* characters of a line: RFC 5322 2.1.1 */
	LINE_MOST = 998,	/* octets that a line may have at all */
	BASE64_LINE = 57,	/* octets in a line of base64, of 76 */
	REFERENCES = 20,	/* of a thread: its latest messages */
	ID_MOST = 250		/* octets of a Message-ID that is repeated */
};

/* Append n octets of a line in lines of LINE, each with its marks of quoting. A
 * word that is longer stays whole. */
static void
wrap_line(const char *s, size_t n, struct text *out)
{
	const char *p;
	size_t blank, chars, i, marks;

	for (marks = 0; marks < n && s[marks] == '>'; marks++)
		;
	marks += marks > 0 && marks < n && s[marks] == ' ';
	for (p = s + marks, n -= marks;; p += blank + 1, n -= blank + 1) {
		chars = marks;
		for (i = blank = 0; i < n && (chars < LINE || blank == 0);
		    i++) {
			chars += ((unsigned char)p[i] & 0xc0) != 0x80;
			if (i > 0 && p[i] == ' ' && p[i - 1] != ' ')
				blank = i;
		}
		text_add(out, s, marks);
		text_add(out, p, i == n ? n : blank);
		text_str(out, "\n");
		if (i == n)
			return;
	}
}

/* Is there a line that is longer than RFC 5322 2.1.1 allows? */
static bool
has_long_line(const char *s, size_t n)
{
	size_t k, len;

	for (len = 0; n > 0 && len <= LINE_MOST; s += k, n -= k)
		k = text_line(s, n, &len);
	return len > LINE_MOST;
}

/* Append what is sent of a text: its fields, an empty line, its lines. 8bit
 * stays readable for every program, and a server whose next one takes only
 * ASCII encodes it (RFC 6152 3). */
static void
add_body(const char *s, size_t n, struct text *out)
{
	struct text body = { 0 };
	const char *charset;
	size_t i, k, len;
	bool plain;

	charset = !mail_8bit(s, n) ? "us-ascii" : utf8_valid(s, n) ? "utf-8" :
	    "unknown-8bit";
	for (; n > 0; s += k, n -= k) {
		k = text_line(s, n, &len);
		wrap_line(s, len, &body);
	}
	/* RFC 5322 2.3: lines of at most 998 octets, no CR and no NUL. */
	plain = strlen(text_string(&body)) == body.n &&
	    strchr(body.s, '\r') == NULL && !has_long_line(body.s, body.n);
	text_printf(out, "Content-Type: text/plain; charset=%s\n"
	    "Content-Transfer-Encoding: %s\n\n", charset, !plain ? "base64" :
	    strcmp(charset, "us-ascii") == 0 ? "7bit" : "8bit");
	for (i = 0; !plain && i < body.n; i += k) {
		k = body.n - i < BASE64_LINE ? body.n - i : BASE64_LINE;
		base64_encode(body.s + i, k, out);
		text_str(out, "\n");
	}
	if (plain)
		text_add(out, body.s, body.n);
	text_free(&body);
}

/* Append a field of n octets, its continuation lines among them, in ASCII and
 * in lines that are not too long. */
static void
add_field(const char *s, size_t n, struct text *out)
{
	static const char lists[] = " from: to: cc: bcc: reply-to: sender: ";
	struct text value = { 0 };
	char name[16];
	size_t i, len;

	if (!mail_8bit(s, n) && !has_long_line(s, n)) {
		text_add(out, s, n);
		text_str(out, s[n - 1] == '\n' ? "" : "\n");
		return;
	}
	len = strcspn(s, ":") + 1;
	snprintf(name, sizeof(name), " %.*s ", (int)len, s);
	for (i = 0; name[i] != '\0'; i++)
		name[i] = (char)tolower((unsigned char)name[i]);
	for (i = len + strspn(s + len, " \t"); i < n; i++)
		if (s[i] != '\r' && s[i] != '\n')
			text_add(&value, s + i, 1);
	text_add(out, s, len);
	/* An encoded word after a long name would make the line too long. */
	text_str(out, len < 11 ? " " : "\n ");
	if (strstr(lists, name) != NULL)
		address_list(text_string(&value), true, out);
	else
		field_encode(value.s, value.n, out);
	text_str(out, "\n");
	text_free(&value);
}

/* The fields of a header of n octets, but for those of MIME, which are made
 * here. */
static void
add_fields(const char *s, size_t n, struct text *out)
{
	size_t i, k, len;

	for (; n > 0; s += i, n -= i) {
		i = text_line(s, n, &len);
		for (; i < n && (s[i] == ' ' || s[i] == '\t'); i += k)
			k = text_line(s + i, n - i, &len);
		if (strncasecmp(s, "Content-", 8) != 0 &&
		    strncasecmp(s, "MIME-Version:", 13) != 0)
			add_field(s, i, out);
	}
}

/* Add a field that a message has once, unless it is there. */
static void
add_missing(const struct text *draft, const char *name, const char *value,
    struct text *out)
{
	struct text t = { 0 };

	if (!mail_field(draft->s, draft->n, name, &t))
		text_printf(out, "%s: %s\n", name, value);
	text_free(&t);
}

/* The draft as a string in UTF-8; in no charset that is known it is left as it
 * is. */
static void
draft_utf8(const struct text *draft, struct text *t)
{
	if (!utf8_valid(draft->s, draft->n))
		charset_decode(nl_langinfo(CODESET), draft->s, draft->n, t);
	if (t->n == 0 || !utf8_valid(t->s, t->n)) {
		t->n = 0;
		text_add(t, draft->s, draft->n);
	}
	text_string(t);
}

void
draft_finish(const struct text *draft, const struct text *mail, time_t now,
    const char *id, struct text *out)
{
	struct text t = { 0 };
	char date[48], mark[160];
	size_t head, len, skip;

	draft_utf8(draft, &t);
	head = mail_head(t.s, t.n);
	skip = head < t.n ? text_line(t.s + head, t.n - head, &len) : 0;
	skip = head + (skip > 0 && len == 0 ? skip : 0);
	date_rfc5322(now, date);
	add_fields(t.s, head, out);
	add_missing(&t, "Date", date, out);
	add_missing(&t, "Message-ID", id, out);
	text_str(out, "MIME-Version: 1.0\n");
	snprintf(mark, sizeof(mark), "%.*s", (int)strcspn(id + 1, "@>"),
	    id + 1);
	if (mail->n > 0)
		text_printf(out, "Content-Type: multipart/mixed; "
		    "boundary=\"%s\"\n\n--%s\n", mark, mark);
	add_body(t.s + skip, t.n - skip, out);
	if (mail->n > 0) {
		text_printf(out, "\n--%s\nContent-Type: message/rfc822\n"
		    "Content-Disposition: attachment\n"
		    "Content-Transfer-Encoding: %s\n\n", mark,
		    mail_8bit(mail->s, mail->n) ? "8bit" : "7bit");
		text_add(out, mail->s, mail->n);
		text_printf(out, "\n--%s--\n", mark);
	}
	text_free(&t);
}

void
draft_id(char id[160])
{
	char host[65] = "";
	struct timespec ts = { 0 };

	if (gethostname(host, sizeof(host) - 1) == -1 || !text_is_word(host))
		snprintf(host, sizeof(host), "localhost");
	clock_gettime(CLOCK_REALTIME, &ts);
	snprintf(id, 160, "<%lld.%09ld.%ld@%s>", (long long)ts.tv_sec,
	    ts.tv_nsec, (long)getpid(), host);
}

/* Append "Subject: " and a message's subject, with a prefix unless the subject
 * has it. */
static void
add_subject(const struct mime *m, const char *prefix, struct text *out)
{
	struct text value = { 0 }, subject = { 0 };

	mail_field(m->s, m->n, "Subject", &value);
	field_decode(value.s, &subject);
	text_string(&subject);
	text_printf(out, "Subject: %s%s\n", strncasecmp(subject.s, prefix,
	    strlen(prefix) - 1) != 0 ? prefix : "", subject.s);
	text_free(&value);
	text_free(&subject);
}

/* The Message-ID at s; its length, or 0 where it is none. */
static size_t
id_length(const char *s)
{
	size_t n;

	for (n = 1; *s == '<' && n < ID_MOST && s[n] > ' ' && s[n] < 0x7f &&
	    s[n] != '<' && s[n] != '>'; n++)
		;
	return *s == '<' && s[n] == '>' ? n + 1 : 0;
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
	text_str(out, ids > 0 ? name : "");
	for (s = value; *s != '\0'; s++)
		if ((n = id_length(s)) > 0 && ids-- <= REFERENCES)
			text_printf(out, "%s%.*s%s", s == value ? " " : "\n ",
			    (int)n, s, ids == 0 ? "\n" : "");
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
	text_printf(&refs, " %s", id.s);
	add_ids("References:", text_blanks(refs.s), out);
	text_free(&id);
	text_free(&refs);
}

/* Append the text of a message quoted, without its signature. */
static void
add_quote(const struct mime *m, struct text *out)
{
	struct text t = { 0 }, line = { 0 };
	size_t i, k, len;

	mime_text(m, &t);
	for (i = 0; i < t.n; i += k) {
		k = text_line(t.s + i, t.n - i, &len);
		if (len == 3 && memcmp(t.s + i, "-- ", 3) == 0)
			break;
		line.n = 0;
		text_str(&line, len > 0 && t.s[i] != '>' ? "> " : ">");
		text_add(&line, t.s + i, len);
		wrap_line(line.s, line.n, out);
	}
	text_free(&t);
	text_free(&line);
}

void
draft_reply(const struct mime *m, struct text *out)
{
	struct text value = { 0 };

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
	add_quote(m, out);
	text_free(&value);
}

void
draft_forward(const struct mime *m, struct text *out)
{
	text_str(out, "To: \n");
	add_subject(m, "Fwd: ", out);
	text_str(out, "\n");
}
