/*
 * popcard -s, which stands in for sendmail.
 */
#define _XOPEN_SOURCE 700

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "account.h"
#include "mail.h"
#include "safe.h"
#include "submit.h"

/*
 * The bare addresses of an address list (RFC 5322 3.4), each with '\0' behind:
 * names, comments, groups and routes are left out.
 */
static void
addresses(const char *s, struct text *out)
{
	size_t start;
	int comment;
	bool quoted, angle, done;

	start = out->n;
	comment = 0;
	quoted = angle = done = false;
	for (;; s++) {
		if (*s == '\0' || (!quoted && !comment && !angle &&
		    (*s == ',' || *s == ';'))) {
			if (out->n > start)
				text_add(out, "", 1);
			start = out->n;
			angle = done = false;
			if (*s == '\0')
				return;
		} else if (*s == '\\' && s[1] != '\0' && (quoted || comment)) {
			if (quoted && !done)
				text_add(out, s, 2);
			s++;
		} else if (comment > 0 || (*s == '(' && !quoted))
			comment += (*s == '(') - (*s == ')');
		else if (*s == '"') {
			quoted = !quoted;
			if (!done)
				text_add(out, s, 1);
		} else if (!quoted && (*s == '<' || *s == ':')) {
			out->n = start;		/* a name, a route */
			angle = angle || *s == '<';
		} else if (!quoted && *s == '>') {
			angle = false;
			done = true;
		} else if ((quoted || !isspace((unsigned char)*s)) && !done)
			text_add(out, s, 1);
	}
}

/* The first address of a list that another list lacks; NULL if none. */
static const char *
lacking(const struct text *list, const struct text *other, size_t *from)
{
	const char *a, *b;

	while (*from < list->n) {
		a = list->s + *from;
		*from += strlen(a) + 1;
		for (b = other->s; other->n > 0 && b < other->s + other->n &&
		    strcasecmp(a, b) != 0; b += strlen(b) + 1)
			;
		if (other->n == 0 || b == other->s + other->n)
			return a;
	}
	return NULL;
}

/*
 * The server mails to those whom the header names. So recipients given as
 * arguments and missing there are added in a Bcc field, which sendmail takes
 * out again; and a header that names others than the arguments do is refused,
 * since they would get mail that was not for them.
 */
static bool
agree(const char *mail, size_t n, const struct text *args, struct text *bcc)
{
	static const char *const names[] = { "To", "Cc", "Bcc" };
	struct text value = { 0 }, named = { 0 };
	const char *a;
	size_t i;
	bool ok;

	ok = false;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mail_field(mail, n, names[i], &value))
			addresses(value.s, &named);
	i = 0;
	if (mail_field(mail, n, "Resent-To", &value) ||
	    mail_field(mail, n, "Resent-Cc", &value) ||
	    mail_field(mail, n, "Resent-Bcc", &value))
		error("a message with Resent- fields cannot be sent: who gets "
		    "it would be the server's guess");
	else if (args->n + named.n == 0)
		error("nobody is named as a recipient");
	else if (args->n > 0 && (a = lacking(&named, args, &i)) != NULL)
		error("the header names %s, the arguments do not", a);
	else
		ok = true;
	for (i = 0; (a = lacking(args, &named, &i)) != NULL;) {
		text_add(bcc, "Bcc: ", 5);
		text_add(bcc, a, strlen(a));
		text_add(bcc, "\n", 1);
	}
	text_free(&value);
	text_free(&named);
	return ok;
}

/* The message as a parcel; the header's end is marked where it is not. */
static int
post(struct pop *p, const char *s, size_t n, const struct text *bcc)
{
	size_t head;
	int r;

	head = mail_head(s, n);
	if ((r = pop_login(p)) != POP_OK || (r = pop_xmit(p)) != POP_OK ||
	    (r = pop_xmit_add(p, bcc->s, bcc->n)) != POP_OK ||
	    (r = pop_xmit_add(p, s, head)) != POP_OK)
		return r;
	if (head == n || (s[head] != '\n' && s[head] != '\r'))
		r = pop_xmit_add(p, "\n", 1);
	if (r != POP_OK || (r = pop_xmit_add(p, s + head, n - head)) !=
	    POP_OK)
		return r;
	return pop_xmit_end(p);
}

static int
misuse(const char *why)
{
	error("%s", why);
	return EX_USAGE;
}

int
submit_main(struct pop *p, int argc, char **argv)
{
	struct text mail = { 0 }, args = { 0 }, bcc = { 0 };
	const char *url, *why, *s;
	size_t skip;
	char *end;
	int c, fd, i, first;
	bool header;

	fd = -1;
	header = false;
	opterr = 0;		/* it would write what it was given */
	while ((c = getopt(argc, argv, "B:b:F:f:GimnN:o:P:R:r:stUV:v")) != -1)
		switch (c) {
		case 'P':
			fd = (int)strtol(optarg, &end, 10);
			if (*optarg == '\0' || *end != '\0' || fd < 3)
				return misuse("-P wants a descriptor above "
				    "2");
			break;
		case 'b':
			if (strcmp(optarg, "m") != 0)
				return misuse("of -b only -bm is known");
			break;
		case 't':
			header = true;
			break;
		case '?':
			return misuse("an option is not known or "
			    "lacks its argument");
		default:	/* sendmail's; the server decides */
			break;
		}
	url = getenv("POPCARD_URL");
	for (i = first = optind; i < argc; i++) {
		for (s = argv[i]; *s != '\0'; s++)
			if (iscntrl((unsigned char)*s))
				return misuse("a recipient is not valid");
		if (strncasecmp(argv[i], "pop://", 6) == 0 ||
		    strncasecmp(argv[i], "pops://", 7) == 0)
			url = argv[i];
		else	/* the recipients move together */
			argv[first++] = argv[i];
	}
	if (header && first > optind)
		return misuse("recipients come with -t or as arguments, "
		    "not both");
	if (url == NULL)
		return misuse("no account: give a POP URL or set "
		    "POPCARD_URL");
	if ((why = account_url(p, url)) != NULL) {
		error("the URL: %s", why);
		return EX_USAGE;
	}
	account_helper(p, NULL);
	if ((why = account_secret(p, fd)) != NULL) {
		if (*why == '\0')
			return misuse("no password: use -P or "
			    "POPCARD_PASSFILE");
		error("the password: %s", why);
		return EX_NOPERM;
	}
	/* All of it first: half a message is never sent. */
	if (!read_all(STDIN_FILENO, &mail)) {
		error("the message: %s", strerror(errno));
		c = mail.cut ? EX_DATAERR : EX_IOERR;
		text_free(&mail);
		return c;
	}
	if (mail.n == 0)
		text_add(&mail, "\n", 1);
	skip = 0;
	if (mail.n > 5 && memcmp(mail.s, "From ", 5) == 0 &&
	    (s = memchr(mail.s, '\n', mail.n)) != NULL)
		skip = (size_t)(s - mail.s) + 1;	/* mbox, not mail */
	for (i = optind; i < first; i++)
		addresses(argv[i], &args);
	c = EX_DATAERR;
	if (agree(mail.s + skip, mail.n - skip, &args, &bcc)) {
		c = EX_OK;
		if (post(p, mail.s + skip, mail.n - skip, &bcc) != POP_OK) {
			error("not sent: %s", p->text);
			c = p->code;
		} else
			pop_quit(p);	/* sent, whatever this says */
	}
	account_wipe(p);
	text_free(&mail);
	text_free(&args);
	text_free(&bcc);
	return c;
}
