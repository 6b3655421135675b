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
			address_bare(value.s, &named);
	i = 0;
	if (mail_field(mail, n, "Resent-To", &value) ||
	    mail_field(mail, n, "Resent-Cc", &value) ||
	    mail_field(mail, n, "Resent-Bcc", &value))
		error("a message with Resent- fields cannot be sent: who gets "
		    "it would be the server's guess");
	else if (args->n + named.n == 0)
		error("there is no recipient");
	else if (args->n > 0 && (a = lacking(&named, args, &i)) != NULL)
		error("the header names %s, the arguments do not", a);
	else
		ok = true;
	for (i = 0; (a = lacking(args, &named, &i)) != NULL;)
		text_printf(bcc, "Bcc: %s\n", a);
	text_free(&value);
	text_free(&named);
	return ok;
}

static int
misuse(const char *why)
{
	error("%s", why);
	return EX_USAGE;
}

/* The options of sendmail; an exit status. */
static int
submit_options(int argc, char **argv, int *fd, bool *header)
{
	char *end;
	int c;

	opterr = 0;		/* it would write what it was given */
	while ((c = getopt(argc, argv, "B:b:F:f:GimnN:o:P:R:r:stUV:v")) != -1)
		switch (c) {
		case 'P':
			*fd = (int)strtol(optarg, &end, 10);
			if (*optarg == '\0' || *end != '\0' || *fd < 3)
				return misuse("-P wants a descriptor above "
				    "2");
			break;
		case 'b':
			if (strcmp(optarg, "m") != 0)
				return misuse("of -b only -bm is known");
			break;
		case 't':
			*header = true;
			break;
		case '?':
			return misuse("an option is not known or "
			    "lacks its argument");
		default:	/* sendmail's; the server decides */
			break;
		}
	return EX_OK;
}

/* Append the addresses of the arguments to args; *url is the last URL there. */
static int
submit_arguments(char **arg, const char **url, struct text *args)
{
	const char *s;

	for (; *arg != NULL; arg++) {
		for (s = *arg; *s != '\0'; s++)
			if (iscntrl((unsigned char)*s))
				return misuse("a recipient is not valid");
		if (strncasecmp(*arg, "pop://", 6) == 0 ||
		    strncasecmp(*arg, "pops://", 7) == 0)
			*url = *arg;
		else
			address_bare(*arg, args);
	}
	return EX_OK;
}

/* Find the account by its URL, and the password; an exit status. */
static int
submit_account(struct pop *p, const char *url, int fd)
{
	const char *why;

	if (url == NULL)
		return misuse("no account: give a POP URL or set "
		    "POPCARD_URL");
	if ((why = account_url(p, url)) != NULL) {
		error("the URL: %s", why);
		return EX_USAGE;
	}
	account_helper(p, NULL);
	if ((why = account_secret(p, fd)) == NULL)
		return EX_OK;
	if (*why == '\0')
		return misuse("no password: use -P or POPCARD_PASSFILE");
	error("the password: %s", why);
	return EX_NOPERM;
}

/* Send a message, with Bcc fields before it, and an empty line after the header
 * if it has none; an exit status. */
static int
post(struct pop *p, const char *s, size_t n, struct text *out)
{
	size_t head;

	head = mail_head(s, n);
	text_add(out, s, head);
	if (head == n || (s[head] != '\n' && s[head] != '\r'))
		text_str(out, "\n");
	text_add(out, s + head, n - head);
	if (out->cut) {
		error("the message is too large");
		return EX_DATAERR;
	}
	if (pop_login(p) != POP_OK || pop_xmit(p, out) != POP_OK) {
		error("not sent: %s", p->text);
		return p->code;
	}
	pop_quit(p);		/* sent, whatever this says */
	return EX_OK;
}

/* Read the message from standard input, all of it, and send it. */
static int
submit_message(struct pop *p, const struct text *args)
{
	struct text mail = { 0 }, out = { 0 };
	size_t k, len;
	int code;

	if (!read_all(STDIN_FILENO, &mail)) {
		error("the message: %s", strerror(errno));
		code = mail.cut ? EX_DATAERR : EX_IOERR;
	} else {
		/* A From_ line is of an mbox, not of the message. */
		k = strncmp(text_string(&mail), "From ", 5) == 0 ?
		    text_line(mail.s, mail.n, &len) : 0;
		code = agree(mail.s + k, mail.n - k, args, &out) ?
		    post(p, mail.s + k, mail.n - k, &out) : EX_DATAERR;
	}
	text_free(&mail);
	text_free(&out);
	return code;
}

int
submit_main(struct pop *p, int argc, char **argv)
{
	struct text args = { 0 };
	const char *url;
	int code, fd;
	bool header;

	fd = -1;
	header = false;
	url = getenv("POPCARD_URL");
	code = submit_options(argc, argv, &fd, &header);
	if (code == EX_OK)
		code = submit_arguments(argv + optind, &url, &args);
	if (code == EX_OK && header && args.n > 0)
		code = misuse("recipients come with -t or as arguments, "
		    "not both");
	if (code == EX_OK)
		code = submit_account(p, url, fd);
	if (code == EX_OK)
		code = submit_message(p, &args);
	wipe(p->pass, sizeof(p->pass));
	text_free(&args);
	return code;
}
