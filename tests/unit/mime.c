/*
 * The formats of mail in the client: header fields, charsets, bodies, HTML,
 * dates, drafts, and messages made to take all time and memory.
 */
#include "client/mime.h"
#include "tap.h"

/* The text is what it should be; it is released. */
static void
is_made(struct text *t, const char *want, const char *what)
{
	size_t n = strlen(want);
	bool good = t->n == n && (n == 0 || memcmp(t->s, want, n) == 0);

	if (!ok(good, "%s", what)) {
		text_add(t, "", 1);
		note("got:  %s", t->s);
		note("want: %s", want);
	}
	text_free(t);
}

static void
is_decoded(const char *value, const char *want, const char *what)
{
	struct text t = { 0 };

	field_decode(value, &t);
	is_made(&t, want, what);
}

static void
words(void)
{
	is_decoded("plain = text ?= =?", "plain = text ?= =?", "no word");
	is_decoded("=?ISO-8859-1?Q?a?= b", "a b", "RFC 2047 8: word, text");
	is_decoded("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab",
	    "RFC 2047 8: no blank between words");
	is_decoded("=?ISO-8859-1?Q?a?=  \t =?utf-8?Q?b?=", "ab",
	    "nor any number of them, or between charsets");
	is_decoded("=?ISO-8859-1?Q?a_b?=", "a b", "RFC 2047 8: _ is a blank");
	is_decoded("=?utf-8?b?w?= =?utf-8?b?6Q==?=", "\351",
	    "half a group of base64 is nothing");
	is_decoded("=?utf-8?q?=C3?= =?utf-8?b?qQ==?=", "\303\251",
	    "a character split between two words");
	is_decoded("=?utf-8*en?q?x?=", "x", "RFC 2231 5: with a language");
	is_decoded("=?windows-1252?q?=80=93?=", "\342\202\254\342\200\234",
	    "windows-1252");
	is_decoded("=?iso-8859-15?q?=A4=BD?=", "\342\202\254\305\223",
	    "ISO-8859-15");
	is_decoded("=?iso-8859-1?q?=93?=", "\342\200\234",
	    "ISO-8859-1 is windows-1252 where it has only controls");
	is_decoded("=?x-unknown?q?=C3=A9?=", "\303\251",
	    "an unknown charset with valid UTF-8");
	is_decoded("=?x-unknown?q?=E9?=", "\303\251",
	    "an unknown charset without");
	is_decoded("=?../../x?q?a?=", "a", "a charset that is none");
	is_decoded("=?utf-8?q?a=0Ab=1B=00c?=", "a b  c",
	    "controls become blanks");
	is_decoded("=?utf-8?x?a?= =?utf-8?q?a", "=?utf-8?x?a?= =?utf-8?q?a",
	    "what is no word stays");
	is_decoded("=?utf-8?q?a?=b=?utf-8?q?c?=", "abc",
	    "words without blanks around them");
	is_decoded("caf\303\251 \351", "caf\303\203\302\251 \303\251",
	    "unencoded octets that are not UTF-8: windows-1252");
	is_decoded("  =?utf-8?q?a?=", "a", "no blanks at the beginning");
}

static void
is_list(const char *value, const char *want, const char *what)
{
	struct text t = { 0 };

	address_list(value, ADDRESS_SHOWN, &t);
	is_made(&t, want, what);
}

static void
addresses(void)
{
	struct text t = { 0 };

	is_list("a@b", "a@b", "an address");
	is_list("A B <a@b>,c@d , \"E, F\" <e@f>",
	    "A B <a@b>, c@d, \"E, F\" <e@f>", "a list");
	is_list("a@b (A (nested) B)", "\"A (nested) B\" <a@b>",
	    "a comment is a name");
	is_list("\"A, \\\"B\\\"\" <a@b>", "\"A, 'B'\" <a@b>",
	    "quotes in a name");
	is_list("=?utf-8?q?x=40evil=2C?= <a@b>", "\"x@evil,\" <a@b>",
	    "an encoded comma makes no second address");
	is_list("\"=?utf-8?q?J=C3=BC?=\" <a@b>", "J\303\274 <a@b>",
	    "a word in quotes");
	is_list("friends: a@b, C <c@d>;", "a@b, C <c@d>", "a group");
	is_list("friends (all): a@b", "a@b", "a group with a comment");
	is_list("undisclosed-recipients:;", "undisclosed-recipients:;",
	    "an empty group");
	is_list("\"john doe\"@b", "\"john doe\"@b", "a quoted local part");
	is_list("<a@b", "a@b", "an unclosed bracket");
	is_list("", "", "nothing");
	is_list(", ,", ", ,", "nothing but commas");
	address_list("=?utf-8?q?J=C3=BC?= <a@b>, c@d", ADDRESS_SENDER, &t);
	is_made(&t, "J\303\274", "the sender is a name");
	address_list("a@b", ADDRESS_SENDER, &t);
	is_made(&t, "a@b", "or an address");
	address_list("J\303\274 <a@b>, C <c@d>", ADDRESS_WIRE, &t);
	is_made(&t, "=?UTF-8?B?SsO8?= <a@b>, C <c@d>",
	    "encoded where needed");
}

static void
is_param(const char *value, const char *want, const char *what)
{
	struct text t = { 0 };

	field_param(value, "name", &t);
	is_made(&t, want, what);
}

static void
params(void)
{
	is_param("a/b; name=x.txt", "x.txt", "a token");
	is_param("a/b; x=\"; name=no\"; NAME = \"a \\\" b;c\" ; y=z",
	    "a \" b;c", "a quoted string");
	is_param("a/b; name=two words.txt ; x=y", "two words.txt",
	    "blanks without quotes");
	is_param("a/b; name*=utf-8'de'%C3%BC%20b", "\303\274 b", "RFC 2231");
	is_param("a/b; name*1=\"b c\"; x*0=z; name*0=a", "ab c",
	    "sections in any order");
	is_param("a/b; name*0*=iso-8859-1''%FC; name*1=%FC; name*2*=%FC",
	    "\303\274%FC\303\274", "sections encoded and not");
	is_param("a/b; name=old; name*=utf-8''new", "new",
	    "the encoded one goes first");
	is_param("a/b; name=\"=?utf-8?q?=C3=BC?=\"", "\303\274",
	    "an encoded word");
	is_param("a/b; name*0=a; name*2=c", "a", "a section is missing");
	is_param("a/b; name*=none", "none", "no charset");
	is_param("a/b; names=x; name*x=y; name*999=z; name", "", "other names");
	is_param("a/b; name=", "", "an empty one");
}

static void
is_body(void (*decode)(const char *, size_t, struct text *), const char *in,
    const char *want, const char *what)
{
	struct text t = { 0 };

	decode(in, strlen(in), &t);
	is_made(&t, want, what);
}

static void
bodies(void)
{
	is_body(base64_decode, "Zm9v\r\nY!m E=\nZm9v", "fooba",
	    "base64 skips what is none, and ends at padding");
	is_body(base64_decode, "Zm9vYg", "foob", "base64 without padding");
	is_body(qp_decode, "a=3D=\r\nb  \r\n=c3=A9 =zz =\n",
	    "a=b\n\303\251 =zz ", "quoted-printable");
	is_body(qp_decode, "end=", "end", "quoted-printable that ends softly");
}

static void
is_page(const char *in, const char *want, const char *what)
{
	struct text t = { 0 };

	html_text(in, &t);
	is_made(&t, want, what);
}

static void
html(void)
{
	is_page("a\n  <b>b</b>c<br>d", "a bc\nd\n", "words and a line break");
	is_page("<p>a</p>\n<p>b<p>c", "a\n\nb\n\nc\n", "paragraphs");
	is_page("<div>a</div><div><br></div><div>b</div>", "a\n\nb\n",
	    "an empty line as mail programs write it");
	is_page("a<script>\"</p>\"</script><STYLE>x{}</style >"
	    "<!-- <p>--><!doctype x><?php ?>b", "ab\n", "what is no text");
	is_page("&lt;&amp;&#65;&#x42;&eacute;&euro;&yuml;&nbsp;x&bogus;&",
	    "<&AB\303\251\342\202\254\303\277 x&bogus;&\n",
	    "entities");
	is_page("it&#146;s &#x80;5", "it\342\200\231s \342\202\2545\n",
	    "numbers that are octets of windows-1252");
	is_page("&#0;&#xd800;&#1114112;&#99999999999999999999;",
	    "&#0;\357\277\275\357\277\275\357\277\275\n",
	    "numbers that are no character");
	is_page("1 < 2 <3 >", "1 < 2 <3 >\n", "what is no tag");
	is_page("<ul><li>a<li><p>b</p><ul><li>c</ul></ul>d",
	    "* a\n* b\n* c\nd\n", "lists");
	is_page("<table><tr><td>a<td>b<tr><th>c</table>", "a b\nc\n",
	    "a table");
	is_page("<a href='http://x/?a=1&amp;b=2'>x</a> and "
	    "<a href=\"HTTPS://y\n/\">y</a>.",
	    "x [1] and y [2].\n\n[1] http://x/?a=1&b=2\n[2] HTTPS://y/\n",
	    "links");
	is_page("<a href=mailto:a@b>a@b</a> <a href=javascript:x>z</a> "
	    "<a name=q>w</a>", "a@b [1] z w\n\n[1] mailto:a@b\n",
	    "other links");
	is_page("<a href='http://x&#10;[2] http://y'>x</a>",
	    "x [1]\n\n[1] http://x [2]http://y\n", "an address in one line");
	is_page("<p title='a > b' x=\">\">c", "c\n", "> in an attribute");
	is_page("a&zwnj;&shy;\342\200\213b", "ab\n", "filler");
	is_page("a<p", "a\n", "a tag without an end");
	is_page("a<!--", "a\n", "a comment without an end");
}

static void
is_date(const char *value, long long want)
{
	time_t t = 0;
	bool good = date_parse(value, &t);

	ok(want == -1 ? !good : good && t == want, "date: %s", value);
}

static void
dates(void)
{
	char buf[48];

	is_date("Fri, 27 Nov 2026 14:05:00 +0100", 1795784700);
	is_date("27 Nov 2026 14:05 +0100", 1795784700);
	is_date(" Fri , 27 nov 2026 13:05:00 GMT (UTC)", 1795784700);
	is_date("Fri, 27 Nov 26 13:05:00 UT", 1795784700);
	is_date("Fri, 27 Nov 26 13:05:00 EST", 1795784700);
	is_date("Thu, 1 Jan 70 00:00:00 -0000", 0);
	is_date("Mon, 29 Feb 2016 23:59:60 Z", 1456790400);
	is_date("1 Mar 2000 00:00:00 XYZ", 951868800);
	is_date("Sat, 1 January 2000 00:00:00 +0530", 946665000);
	is_date("", -1);
	is_date("yesterday", -1);
	is_date("32 Nov 2026 14:05:00 +0100", -1);
	is_date("27 Nix 2026 14:05:00 +0100", -1);
	is_date("27 Nov 2026 24:05:00 +0100", -1);
	is_date("27 Nov 2026", -1);
	setenv("TZ", "CET-1", 1);
	date_short(1795784700, 1795784701, buf);
	ok(strcmp(buf, "14:05") == 0, "short: today: %s", buf);
	date_short(1795784700 - 20 * 86400, 1795784700, buf);
	ok(strcmp(buf, " 7 Nov") == 0, "short: this year: %s", buf);
	date_short(1795784700 - 400 * 86400, 1795784700, buf);
	ok(strcmp(buf, "2025") == 0, "short: before: %s", buf);
}

/* A draft, as it is sent. */
static void
is_sent(const char *draft, const char *want, const char *what)
{
	struct text t = { 0 }, d = { 0 }, none = { 0 };

	text_str(&d, draft);
	draft_finish(&d, &none, 1795784700, "<id@host>", &t);
	is_made(&t, want, what);
	text_free(&d);
}

#define STAMP	"Date: Fri, 27 Nov 2026 14:05:00 +0100\n" \
		"Message-ID: <id@host>\n"
#define MIME(charset, encoding) \
		"MIME-Version: 1.0\n" TEXT(charset, encoding)
#define TEXT(charset, encoding) \
		"Content-Type: text/plain; charset=" charset "\n" \
		"Content-Transfer-Encoding: " encoding "\n\n"

static void
drafts(void)
{
	struct text draft = { 0 }, mail = { 0 }, t = { 0 };
	const char *body;
	size_t i;

	is_sent("To: a@b\nSubject: s\n\nx\n",
	    "To: a@b\nSubject: s\n" STAMP MIME("us-ascii", "7bit") "x\n",
	    "plain text");
	is_sent("To: J\303\274 <a@b>\nSubject: \303\274\nDate: d\n"
	    "Message-ID: <m>\n\n\303\274\n",
	    "To: =?UTF-8?B?SsO8?= <a@b>\nSubject: =?UTF-8?B?w7w=?=\n"
	    STAMP MIME("utf-8", "8bit") "\303\274\n",
	    "UTF-8; a date and an ID of the draft's own do not count");
	is_sent("To: a@b\nSubject: \303\251l\303\251phants, "
	    "\303\251cureuils et h\303\251rissons en \303\251t\303\251\n\n",
	    "To: a@b\nSubject: "
	    "=?UTF-8?B?w6lsw6lwaGFudHMsIMOpY3VyZXVpbHMgZXQgaMOpcmlz?=\n"
	    " =?UTF-8?B?c29ucyBlbiDDqXTDqQ==?=\n"
	    STAMP MIME("us-ascii", "7bit"), "a long subject");
	is_sent("Subject: \351\n\n\351\n",
	    "Subject: =?unknown-8bit?B?6Q==?=\n" STAMP
	    MIME("unknown-8bit", "8bit") "\351\n", "in no known charset");
	is_sent("To: a@b\nContent-Type: text/html;\n x=y\nMime-Version: 2\n"
	    "X: z\n\nx\n", "To: a@b\nX: z\n" STAMP MIME("us-ascii", "7bit")
	    "x\n", "MIME fields of the draft's own do not count");
	is_sent("To: a@b\n\n"
	    "0123456789 123456789 123456789 123456789 123456789 123456789 "
	    "123456789 12345678 0\n"
	    "> 23456789 123456789 123456789 123456789 123456789 123456789 "
	    "123456789 12345678 0\n",
	    "To: a@b\n" STAMP MIME("us-ascii", "7bit")
	    "0123456789 123456789 123456789 123456789 123456789 123456789 "
	    "123456789\n12345678 0\n"
	    "> 23456789 123456789 123456789 123456789 123456789 123456789 "
	    "123456789\n> 12345678 0\n", "long lines are broken");
	text_str(&draft, "To: a@b\n\nx");
	for (i = 0; i < 500; i++)
		text_str(&draft, "\303\274");
	draft_finish(&draft, &mail, 0, "<id@host>", &t);
	body = strstr(text_string(&t), "Encoding: 8bit\n\n");
	ok(body != NULL && strcspn(body + 16, "\n") == 997 &&
	    strlen(body + 16) == 997 + 1 + 4 + 1, "a word that is too long is cut "
	    "between two characters");
	draft.n = t.n = 0;
	text_str(&draft, "To: a@b\n\nx");
	text_add(&draft, "\0\ry\r\n", 5);
	draft_finish(&draft, &mail, 0, "<id@host>", &t);
	body = strstr(text_string(&t), "Encoding: 7bit\n\n");
	ok(body != NULL && strcmp(body + 16, "x  y\n") == 0,
	    "a NUL or a bare CR is a blank");
	draft.n = t.n = 0;
	text_str(&draft, "To: a@b\n\nx\n");
	text_str(&mail, "Subject: s\n\n\303\274\n");
	draft_finish(&draft, &mail, 1795784700, "<1.2@host>", &t);
	is_made(&t, "To: a@b\nDate: Fri, 27 Nov 2026 14:05:00 +0100\n"
	    "Message-ID: <1.2@host>\nMIME-Version: 1.0\n"
	    "Content-Type: multipart/mixed; boundary=\"1.2\"\n\n--1.2\n"
	    TEXT("us-ascii", "7bit") "x\n\n--1.2\n"
	    "Content-Type: message/rfc822\nContent-Disposition: attachment\n"
	    "Content-Transfer-Encoding: 8bit\n\nSubject: s\n\n\303\274\n\n"
	    "--1.2--\n", "a message is attached");
	text_free(&mail);
	text_free(&draft);
	text_free(&t);
}

/* The Message-IDs of a long thread: the last 1,000 octets of them, in lines that
 * are not too long when the answer is sent. */
static void
thread(void)
{
	struct text mail = { 0 }, want = { 0 }, t = { 0 }, sent = { 0 };
	struct text none = { 0 };
	struct mime m;
	char id[80];
	int i;

	text_str(&mail, "From: a@b\nReferences: <no id> <>");
	text_str(&want, "To: a@b\nSubject: Re: \nReferences:");
	for (i = 0; i < 30; i++) {
		snprintf(id, sizeof(id), "\n <%d.%050d@example.org>", i, i);
		text_str(&mail, id);
		text_str(&want, i < 16 ? "" : id);
	}
	text_str(&mail, "\n\n");
	text_str(&want, "\n" STAMP MIME("us-ascii", "7bit") "a@b wrote:\n");
	mime_open(&m, mail.s, mail.n);
	draft_begin(&m, true, &t);
	draft_finish(&t, &none, 1795784700, "<id@host>", &sent);
	is_made(&sent, text_string(&want), "a long thread");
	free(m.part);
	text_free(&mail);
	text_free(&want);
	text_free(&t);
}

static void
answers(void)
{
	static const char mail[] =
	    "From: =?utf-8?q?J=C3=BC?= <a@b>\n"
	    "Subject: =?utf-8?q?s=C3=BC?=\nDate: Fri, 27 Nov\n"
	    "Message-ID: <3@x>\nReferences: <1@x>\n\t<2@x>\n\n"
	    "a\n\n> b\n-- \nme\n";
	struct text t = { 0 };
	struct mime m;

	mime_open(&m, mail, sizeof(mail) - 1);
	draft_begin(&m, true, &t);
	is_made(&t, "To: J\303\274 <a@b>\nSubject: Re: s\303\274\n"
	    "In-Reply-To: <3@x>\nReferences: <1@x> <2@x> <3@x>\n\n"
	    "J\303\274 wrote:\n> a\n>\n>> b\n", "a reply");
	draft_begin(&m, false, &t);
	is_made(&t, "To: \nSubject: Fwd: s\303\274\n\n",
	    "a forwarded message");
	free(m.part);
}

/* What is shown of a message. */
static void
is_shown(const char *mail, const char *want, const char *what)
{
	struct text t = { 0 };
	struct mime m;

	mime_open(&m, mail, strlen(mail));
	mime_text(&m, &t);
	mime_files(&m, &t);
	is_made(&t, want, what);
	free(m.part);
}

#define MIXED	"Content-Type: multipart/mixed; boundary=x\n\n"
#define ALTERNATIVE \
		"Content-Type: multipart/alternative; boundary=x\n\n"

static void
parts(void)
{
	is_shown("", "", "nothing");
	is_shown("Subject: x\n", "", "a header alone");
	is_shown("no header\n", "no header\n", "a text alone");
	is_shown(MIXED "pre\n--x\n\na\n--x--\nepi\n", "a\n",
	    "no preamble and no epilogue");
	is_shown(MIXED "--x\n\na\n\n--xx\n--x\t\r\nX: y\r\n\r\nb\r\n--x--",
	    "a\n\n--xx\n\nb\n", "boundaries, and what is none");
	is_shown(MIXED "--x\n\na\n--x\n", "a\n", "a part without an end");
	is_shown(MIXED "--x\n--x\nContent-Type: text/html\n--x\n\nb\n--x--",
	    "b\n", "boundaries in a row");
	is_shown("Content-Type: multipart/mixed\n\n--x\n\na\n--x--\n",
	    "--x\n\na\n--x--\n", "no boundary");
	is_shown(ALTERNATIVE "--x\n\na\n--x\nContent-Type: text/html\n\n"
	    "<b>b</b>\n--x--\n", "a\n", "plain text before HTML");
	is_shown(ALTERNATIVE "--x\n\n\n--x\nContent-Type: text/html\n\n"
	    "<b>b</b>\n--x--\n", "b\n", "HTML where the plain text is empty");
	is_shown(ALTERNATIVE "--x\nContent-Type: text/html\n\n<i>b</i>\n"
	    "--x\nContent-Type: text/calendar\n\nBEGIN\n--x--\n",
	    "b\n[1] text/calendar, 5 octets\n", "an invitation is a file");
	is_shown(MIXED "--x\nContent-Disposition: attachment; filename=f\n\n"
	    "a\n--x--\n", "[1] f, text/plain, 1 octets\n",
	    "an attached text is a file");
	is_shown("Content-Type: multipart/digest; boundary=x\n\n--x\n\n"
	    "Subject: s\n\na\n--x--\n", "Subject: s\n\na\n", "a digest");
}

/* Messages of many parts, deep ones, and fields and entities without end. */
static void
bombs(void)
{
	struct text mail = { 0 }, t = { 0 };
	struct mime m;
	size_t i;

	text_str(&mail, MIXED);
	for (i = 0; i < 100000; i++)
		text_str(&mail, "--x\n\na\n");
	mime_open(&m, mail.s, mail.n);
	ok(m.parts == MIME_PARTS && m.cut, "100,000 parts: %zu are read",
	    m.parts);
	free(m.part);
	mail.n = 0;
	for (i = 0; i < 100000; i++)
		text_str(&mail, "Content-Type: multipart/mixed; boundary=x\n\n"
		    "--x\n");
	mime_open(&m, mail.s, mail.n);
	mime_text(&m, &t);
	ok(m.parts <= MIME_PARTS, "100,000 multiparts in each other: %zu parts",
	    m.parts);
	free(m.part);
	mail.n = t.n = 0;
	for (i = 0; i < 100000; i++)
		text_str(&mail, "Content-Type: message/rfc822\n\n");
	mime_open(&m, mail.s, mail.n);
	mime_text(&m, &t);
	ok(m.parts == MIME_DEPTH + 1, "100,000 messages in each other: "
	    "%zu parts", m.parts);
	free(m.part);
	mail.n = t.n = 0;
	text_str(&mail, "Content-Type: text/plain");
	for (i = 0; i < 500000; i++)
		text_str(&mail, ";\n name*1*=''%41\"(<=?utf-8?q?");
	mime_open(&m, mail.s, mail.n);
	ok(m.parts == 1, "a header of %zu octets", mail.n);
	free(m.part);
	mail.n = 0;
	for (i = 0; i < 200000; i++)
		text_str(&mail, "&aacut;&#1;<a href=\"<!--<b");
	html_text(text_string(&mail), &t);
	ok(t.n > 0, "HTML of %zu octets", mail.n);
	mail.n = t.n = 0;
	for (i = 0; i < 500000; i++)
		text_str(&mail, "=?=?a?q?=");
	text_add(&mail, "", 1);
	field_decode(mail.s, &t);
	address_list(mail.s, ADDRESS_SHOWN, &t);
	ok(t.n > mail.n, "a field of %zu octets", mail.n);
	text_free(&mail);
	text_free(&t);
}

int
main(void)
{
	words();
	addresses();
	params();
	bodies();
	html();
	dates();
	drafts();
	answers();
	thread();
	parts();
	bombs();
	return tap_end();
}
