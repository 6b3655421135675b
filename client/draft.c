/*
 * Messages that are written: a reply or a forwarded message to begin with, and
 * a draft turned into what the standards allow on the wire.
 */
#include "mime.h"

#include <langinfo.h>

enum {
	LINE = 78,		/* characters of a line: RFC 5322 2.1.1 */
	FIELD_LINE = 76,	/* ... with encoded words: RFC 2047 2 */
	LINE_MOST = 998,	/* octets that a line may have at all */
	QUOTES = 50,		/* marks of quoting that are repeated */
	THREAD = 1000		/* octets of the last Message-IDs of many */
};

/* Append n octets in lines of so many characters, broken at blanks. A longer
 * word stays whole if it may. All but the first line begin with a mark. */
static void
wrap(const char *s, size_t n, const char *mark, size_t marks, size_t most,
    struct text *out)
{
	size_t blank, chars, from, i;

	for (from = marks, chars = 0;; from = 0, chars = marks) {
		for (i = blank = 0; i < n && i + marks < LINE_MOST &&
		    (chars < most || blank == 0); i++) {
			chars += ((unsigned char)s[i] & 0xc0) != 0x80;
			if (i > from && s[i] == ' ' && s[i - 1] != ' ')
				blank = i;
		}
		if (i == n || blank == 0)
			blank = i;
		while (blank < n && blank + 3 > i && (s[blank] & 0xc0) == 0x80)
			blank--;	/* no character is cut */
		text_add(out, s, blank);
		text_str(out, "\n");
		if (blank == n)
			return;
		blank += s[blank] == ' ';
		s += blank;
		n -= blank;
		text_add(out, mark, marks);
	}
}

/* Append what is sent of a text: its fields, an empty line, its lines. 8bit
 * stays readable for every program, and a server whose next one takes only
 * ASCII encodes it (RFC 6152 3). */
static void
add_body(const char *s, size_t n, struct text *out)
{
	static const char *const charsets[] = { "us-ascii", "utf-8",
	    "unknown-8bit" };
	enum utf8_kind kind = utf8_kind(s, n);
	size_t k, len, marks;

	text_printf(out, "Content-Type: text/plain; charset=%s\n"
	    "Content-Transfer-Encoding: %s\n\n", charsets[kind],
	    kind == UTF8_ASCII ? "7bit" : "8bit");
	for (; n > 0; s += k, n -= k) {
		k = text_line(s, n, &len);
		for (marks = 0; marks < len && marks < QUOTES &&
		    s[marks] == '>'; marks++)
			;
		marks += marks > 0 && marks < len && s[marks] == ' ';
		wrap(s, len, s, marks, LINE, out);
	}
}

/* Append a field in ASCII, folded, unless it is one that is made here. */
static void
add_field(const char *field, struct text *out)
{
	struct text t = { 0 };
	size_t name = strcspn(field, ":");
	const char *value = text_blanks(field + name + 1);

	if (strncasecmp(field, "Content-", 8) == 0 ||
	    text_among(field, name, "mime-version date message-id"))
		return;
	text_printf(&t, "%.*s: ", (int)name, field);
	if (utf8_kind(value, strlen(value)) == UTF8_ASCII)
		text_str(&t, value);
	else if (text_among(field, name, "from to cc bcc reply-to sender"))
		address_list(value, ADDRESS_WIRE, &t);
	else
		field_encode(value, strlen(value), &t);
	wrap(t.s, t.n, " ", 1, FIELD_LINE, out);
	text_free(&t);
}

void
draft_finish(const struct text *draft, const struct text *mail, time_t now,
    const char *id, struct text *out)
{
	struct text t = { 0 };
	struct tm tm = { 0 };
	char date[48] = "", mark[160];
	size_t body, head, i, k, len;

	charset_decode(utf8_kind(draft->s, draft->n) != UTF8_INVALID ?
	    "utf-8" : nl_langinfo(CODESET), draft->s, draft->n, &t);
	head = mail_head(text_string(&t), t.n, &body);
	for (i = 1; i < head; i++)	/* unfold the header */
		if (t.s[i - 1] == '\n' && (t.s[i] == ' ' || t.s[i] == '\t'))
			t.s[i - 1] = ' ';
	for (i = 0; i < t.n; i++)	/* RFC 5322 2.3, RFC 2045 2.8 */
		if (t.s[i] == '\0' || (t.s[i] == '\r' && t.s[i + 1] != '\n'))
			t.s[i] = ' ';
	for (i = 0; i < head; i += k) {
		k = text_line(t.s + i, head - i, &len);
		t.s[i + len] = '\0';
		add_field(t.s + i, out);
	}
	if (localtime_r(&now, &tm) == NULL || strftime(date, sizeof(date),
	    "%a, %d %b %Y %H:%M:%S %z", &tm) == 0)
		date[0] = '\0';
	text_printf(out, "Date: %s\nMessage-ID: %s\nMIME-Version: 1.0\n", date,
	    id);
	snprintf(mark, sizeof(mark), "%.*s", (int)strcspn(id + 1, "@>"),
	    id + 1);
	if (mail->n > 0)
		text_printf(out, "Content-Type: multipart/mixed; "
		    "boundary=\"%s\"\n\n--%s\n", mark, mark);
	add_body(t.s + body, t.n - body, out);
	if (mail->n > 0) {
		text_printf(out, "\n--%s\nContent-Type: message/rfc822\n"
		    "Content-Disposition: attachment\n"
		    "Content-Transfer-Encoding: %s\n\n", mark,
		    utf8_kind(mail->s, mail->n) == UTF8_ASCII ? "7bit" :
		    "8bit");
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

/* Append a field with the last Message-IDs of a value, if there are any. */
static void
add_ids(const char *name, const struct text *value, struct text *out)
{
	const char *s;

	s = strchr(value->s + (value->n > THREAD ? value->n - THREAD : 0), '<');
	if (s == NULL)
		return;
	text_str(out, name);
	field_plain("", s, strlen(s), out);
	text_str(out, "\n");
}

/* RFC 5322 3.6.4: the message that is answered, and what it answers. */
static void
add_thread(const struct mime *m, struct text *out)
{
	struct text id = { 0 }, refs = { 0 };

	mail_field(m->s, m->n, "Message-ID", &id);
	add_ids("In-Reply-To: ", &id, out);
	if (!mail_field(m->s, m->n, "References", &refs))
		mail_field(m->s, m->n, "In-Reply-To", &refs);
	text_printf(&refs, "%s%s", id.n > 0 && refs.n > 0 ? " " : "", id.s);
	add_ids("References: ", &refs, out);
	text_free(&id);
	text_free(&refs);
}

static void
add_quote(const struct mime *m, struct text *out)
{
	struct text t = { 0 };
	size_t i, k, len;

	mime_text(m, &t);
	for (i = 0; i < t.n; i += k) {
		k = text_line(t.s + i, t.n - i, &len);
		if (len == 3 && memcmp(t.s + i, "-- ", 3) == 0)
			break;
		text_str(out, len > 0 && t.s[i] != '>' ? "> " : ">");
		text_add(out, t.s + i, len);
		text_str(out, "\n");
	}
	text_free(&t);
}

void
draft_begin(const struct mime *m, bool reply, struct text *out)
{
	const char *prefix = reply ? "Re: " : "Fwd: ";
	struct text value = { 0 }, t = { 0 };

	text_str(out, "To: ");
	if (reply && (mail_field(m->s, m->n, "Reply-To", &value) ||
	    mail_field(m->s, m->n, "From", &value)))
		address_list(value.s, ADDRESS_SHOWN, out);
	mail_field(m->s, m->n, "Subject", &value);
	field_decode(value.s, &t);
	text_string(&t);
	text_printf(out, "\nSubject: %s%s\n", strncasecmp(t.s, prefix,
	    strlen(prefix) - 1) != 0 ? prefix : "", t.s);
	if (reply)
		add_thread(m, out);
	text_str(out, "\n");
	if (reply) {
		mail_field(m->s, m->n, "From", &value);
		address_list(value.s, ADDRESS_SENDER, out);
		text_str(out, " wrote:\n");
		add_quote(m, out);
	}
	text_free(&value);
	text_free(&t);
}
