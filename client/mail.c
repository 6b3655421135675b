/*
 * Mail on its way out: header fields and recipients, the account, and popcard
 * -s, which stands in for sendmail.
 */
#define _XOPEN_SOURCE 700

#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "popcard.h"

size_t
mail_head(const char *s, size_t n)
{
	const char *lf;
	size_t i, k, after;

	for (i = 0; i < n; i = after) {
		lf = memchr(s + i, '\n', n - i);
		after = lf != NULL ? (size_t)(lf - s) + 1 : n;
		if (i > 0 && (s[i] == ' ' || s[i] == '\t'))
			continue;
		for (k = i; k < after && s[k] > ' ' && s[k] != ':'; k++)
			;
		if (k == i || k == after || s[k] != ':')
			break;
	}
	return i;
}

bool
mail_field(const char *s, size_t n, const char *name, struct text *out)
{
	size_t i, len;
	bool found, in;

	n = mail_head(s, n);
	len = strlen(name);
	text_free(out);
	found = in = false;
	for (i = 0; i < n; i++) {
		if ((i == 0 || s[i - 1] == '\n') && s[i] != ' ' &&
		    s[i] != '\t') {
			in = n - i > len && s[i + len] == ':' &&
			    strncasecmp(s + i, name, len) == 0;
			if (in) {
				if (found)
					text_add(out, ", ", 2);
				found = true;
				i += len + 1;
				while (i < n && (s[i] == ' ' || s[i] == '\t'))
					i++;
				if (i == n)
					break;
			}
		}
		if (in && s[i] != '\n' && s[i] != '\r')
			text_add(out, s + i, 1);
	}
	text_add(out, "", 1);
	return found;
}

bool
mail_8bit(const char *s, size_t n)
{
	for (; n > 0; s++, n--)
		if ((unsigned char)*s > 0x7f)
			return true;
	return false;
}

bool
read_all(int fd, struct text *t)
{
	char buf[8192];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n == -1 && errno != EINTR)
			return false;
		if (n > 0)
			text_add(t, buf, (size_t)n);
	}
	errno = EFBIG;
	return !t->cut;
}

/* One %XX or plain octet at *s; -1 for a malformed or a control octet. */
static int
url_octet(const char **s)
{
	char hex[3];
	int c;

	c = (unsigned char)*(*s)++;
	if (c == '%') {
		if (!isxdigit((unsigned char)(*s)[0]) ||
		    !isxdigit((unsigned char)(*s)[1]))
			return -1;
		memcpy(hex, *s, 2);
		hex[2] = '\0';
		c = (int)strtol(hex, NULL, 16);
		*s += 2;
	}
	return c <= ' ' || c == 0x7f ? -1 : c;
}

/* Decode s up to end into a buffer of that size; false if it is no good. */
static bool
url_part(const char *s, const char *end, char *buf, size_t size)
{
	size_t n;
	int c;

	for (n = 0; s < end; n++) {
		if (n + 1 >= size || (c = url_octet(&s)) == -1 || s > end)
			return false;
		buf[n] = (char)c;
	}
	buf[n] = '\0';
	return n > 0;
}

const char *
account_url(struct pop *p, const char *url)
{
	const char *s, *at, *end, *semi;
	unsigned long port;

	if (strncasecmp(url, "pop://", 6) != 0)
		return "it does not begin with pop://";
	s = url + 6;
	end = s + strcspn(s, "/");
	if (*end != '\0' && end[1] != '\0')
		return "it has a path";
	if ((at = memchr(s, '@', (size_t)(end - s))) != NULL) {
		if ((semi = memchr(s, ';', (size_t)(at - s))) == NULL)
			semi = at;
		else if (strncasecmp(semi, ";AUTH=*@", 8) != 0)
			return "only ;AUTH=* (USER and PASS) may follow the "
			    "user's name";
		if (memchr(s, ':', (size_t)(semi - s)) != NULL)
			return "it holds a password, which it must not";
		if (semi > s && !url_part(s, semi, p->user, sizeof(p->user)))
			return "the user's name is not valid";
		s = at + 1;
	}
	at = s + strcspn(s, *s == '[' ? "]/" : ":/");
	if (*s == '[' && *at != ']')
		return "the ] behind the address is missing";
	if (!url_part(s + (*s == '['), at, p->host, sizeof(p->host)))
		return "the host is not valid";
	at += *s == '[';
	if (at == end)
		return NULL;
	if (*at++ != ':' || !url_part(at, end, p->port, sizeof(p->port)))
		return "the port is not valid";
	s = p->port;
	return text_number(&s, 65535, &port) && *s == '\0' && port > 0 ? NULL :
	    "the port is not valid";
}

const char *
account_secret(struct pop *p, int fd)
{
	const char *path;
	struct stat st;
	size_t n;
	ssize_t r;
	char c;

	if (fd == -1) {
		if ((path = getenv("POPCARD_PASSFILE")) == NULL)
			return "";
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd == -1)
			return strerror(errno);
		/* A password that others can read or change is none. */
		if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
		    st.st_uid != geteuid() ||
		    (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
			close(fd);
			return "the file must be yours alone (mode 0600)";
		}
	}
	c = '\0';
	for (n = 0; (r = read(fd, &c, 1)) != 0 && c != '\n';) {
		if (r == -1 && errno != EINTR)
			break;
		if (r == 1 && n < sizeof(p->pass) - 1)
			p->pass[n++] = c;
		else if (r == 1)
			n = sizeof(p->pass);
		if (n == sizeof(p->pass))
			break;
	}
	close(fd);		/* nothing for an editor to inherit */
	if (n == sizeof(p->pass))
		return "the password is too long";
	if (n > 0 && p->pass[n - 1] == '\r')
		n--;
	p->pass[n] = '\0';
	for (; n > 0; n--)
		if (iscntrl((unsigned char)p->pass[n - 1]))
			return "the password holds a control character";
	return p->pass[0] == '\0' ? "there is no password" : NULL;
}

void
account_wipe(struct pop *p)
{
	volatile char *s;

	for (s = p->pass; s < p->pass + sizeof(p->pass); s++)
		*s = '\0';
}

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
	if ((r = pop_login(p)) != POP_OK || (r = pop_parcel(p)) != POP_OK ||
	    (r = pop_parcel_add(p, bcc->s, bcc->n)) != POP_OK ||
	    (r = pop_parcel_add(p, s, head)) != POP_OK)
		return r;
	if (head == n || (s[head] != '\n' && s[head] != '\r'))
		r = pop_parcel_add(p, "\n", 1);
	if (r != POP_OK || (r = pop_parcel_add(p, s + head, n - head)) !=
	    POP_OK)
		return r;
	return pop_parcel_end(p);
}

static int
usage(const char *why)
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
				return usage("-P wants a descriptor above 2");
			break;
		case 'b':
			if (strcmp(optarg, "m") != 0)
				return usage("of -b only -bm is known");
			break;
		case 't':
			header = true;
			break;
		case '?':
			return usage("an option is not known or lacks its "
			    "argument");
		default:	/* sendmail's; the server decides */
			break;
		}
	url = getenv("POPCARD_URL");
	for (i = first = optind; i < argc; i++) {
		for (s = argv[i]; *s != '\0'; s++)
			if (iscntrl((unsigned char)*s))
				return usage("a recipient is not valid");
		if (strncasecmp(argv[i], "pop://", 6) == 0)
			url = argv[i];
		else	/* the recipients move together */
			argv[first++] = argv[i];
	}
	if (header && first > optind)
		return usage("recipients come with -t or as arguments, "
		    "not both");
	if (url == NULL)
		return usage("no account: give a POP URL or set POPCARD_URL");
	if ((why = account_url(p, url)) != NULL) {
		error("the URL: %s", why);
		return EX_USAGE;
	}
	if ((why = account_secret(p, fd)) != NULL) {
		if (*why == '\0')
			return usage("no password: use -P or POPCARD_PASSFILE");
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
