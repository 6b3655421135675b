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

#include "popcard.h"

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
 * The server sends the message to the addresses in the header. So recipients
 * given as arguments that are missing there are added in a Bcc field, which
 * sendmail removes; and a header with an address that the arguments lack
 * is refused, because it would get the message as well.
 */
static void
add_recipients(const char *mail, size_t n, const struct text *args,
    struct text *out)
{
	static const char *const names[] = { "To", "Cc", "Bcc" };
	struct text value = { 0 }, named = { 0 };
	const char *a;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mail_field(mail, n, names[i], &value))
			address_bare(value.s, &named);
	if (mail_field(mail, n, "Resent-To", &value) ||
	    mail_field(mail, n, "Resent-Cc", &value) ||
	    mail_field(mail, n, "Resent-Bcc", &value))
		fail(EX_DATAERR, "a message with Resent- fields cannot be "
		    "sent: who gets it would be the server's guess");
	if (args->n + named.n == 0)
		fail(EX_DATAERR, "there is no recipient");
	i = 0;
	if (args->n > 0 && (a = lacking(&named, args, &i)) != NULL)
		fail(EX_DATAERR, "the header names %s, the arguments do not",
		    a);
	for (i = 0; (a = lacking(args, &named, &i)) != NULL;)
		text_printf(out, "Bcc: %s\n", a);
	text_free(&value);
	text_free(&named);
}

/* The options of sendmail. */
static void
submit_options(int argc, char **argv, int *fd, bool *header)
{
	int c;

	opterr = 0;		/* it would write what it was given */
	while ((c = getopt(argc, argv, "B:b:F:f:GimnN:o:P:R:r:stUV:v")) != -1)
		switch (c) {
		case 'P':
			if (!account_fd(optarg, fd))
				fail(EX_USAGE, "-P wants a descriptor above 2");
			break;
		case 'b':
			if (strcmp(optarg, "m") != 0)
				fail(EX_USAGE, "of -b only -bm is known");
			break;
		case 't':
			*header = true;
			break;
		case '?':
			fail(EX_USAGE, "an option is not known or lacks its "
			    "argument");
		default:	/* sendmail's; the server decides */
			break;
		}
}

/* Append the addresses of the arguments to args; *url is the last URL there. */
static void
submit_arguments(char **arg, const char **url, struct text *args)
{
	const char *s;

	for (; *arg != NULL; arg++) {
		for (s = *arg; *s != '\0'; s++)
			if (iscntrl((unsigned char)*s))
				fail(EX_USAGE, "a recipient is not valid");
		if (strncasecmp(*arg, "pop://", 6) == 0 ||
		    strncasecmp(*arg, "pops://", 7) == 0)
			*url = *arg;
		else
			address_bare(*arg, args);
	}
}

/* Find the account by its URL, and the password. */
static void
submit_account(struct pop *p, const char *url, int fd)
{
	const char *why;

	if (url == NULL)
		fail(EX_USAGE, "no account: give a POP URL or set POPCARD_URL");
	if ((why = account_url(p, url)) != NULL)
		fail(EX_USAGE, "the URL: %s", why);
	account_helper(p, NULL);
	if ((why = account_secret(p, fd)) == NULL)
		return;
	if (*why == '\0')
		fail(EX_USAGE, "no password: use -P or POPCARD_PASSFILE");
	fail(EX_NOPERM, "the password: %s", why);
}

/* What is sent of a message: Bcc fields for the arguments, its header, an empty
 * line even if it has none, its text. */
static void
submit_message(const struct text *mail, const struct text *args,
    struct text *out)
{
	const char *s = mail->s;
	size_t head, len, n;

	/* A From_ line is of an mbox, not of the message. */
	if (strncmp(s, "From ", 5) == 0)
		s += text_line(s, mail->n, &len);
	n = mail->n - (size_t)(s - mail->s);
	head = mail_head(s, n);
	add_recipients(s, n, args, out);
	text_add(out, s, head);
	if (head == n || (s[head] != '\n' && s[head] != '\r'))
		text_str(out, "\n");
	text_add(out, s + head, n - head);
	if (out->cut)
		fail(EX_DATAERR, "the message is too large");
}

int
submit_main(struct pop *p, int argc, char **argv)
{
	struct text args = { 0 }, mail = { 0 }, out = { 0 };
	const char *url;
	int fd;
	bool header;

	fd = -1;
	header = false;
	url = getenv("POPCARD_URL");
	submit_options(argc, argv, &fd, &header);
	submit_arguments(argv + optind, &url, &args);
	if (header && args.n > 0)
		fail(EX_USAGE, "recipients come with -t or as arguments, not "
		    "both");
	submit_account(p, url, fd);
	if (!read_all(STDIN_FILENO, &mail))
		fail(mail.cut ? EX_DATAERR : EX_IOERR, "the message: %s",
		    strerror(errno));
	text_string(&mail);
	submit_message(&mail, &args, &out);
	if (pop_login(p) != POP_OK || pop_xmit(p, &out) != POP_OK)
		fail(p->code, "not sent: %s", p->text);
	pop_quit(p);		/* sent, whatever this says */
	text_free(&args);
	text_free(&mail);
	text_free(&out);
	return EX_OK;
}
