/*
 * popcard: a POP3 client for the terminal. Its account, its options, and the
 * maildrop at the bottom of the stack of cards.
 */
#include "popcard.h"

#include <sys/stat.h>

#include <limits.h>
#include <locale.h>
#include <pwd.h>
#include <signal.h>

#define POPCARD_VERSION	"2.1"	/* as popper.h has it */

static const char usage[] =
    "usage: popcard [-hV] [-e command] [-P fd] [-p port] [-u user]\n"
    "               [host | pop-url]\n";

/* Decode the part of a URL from s up to end; false if it is no good. */
static bool
url_part(const char *s, const char *end, char *buf, size_t size)
{
	struct text t = { 0 };
	const char *p;
	size_t i;
	bool ok;

	for (ok = end > s, p = s; p < end; p++)
		ok = ok && (*p != '%' || (end - p > 2 &&
		    hex_digit(p[1]) != -1 && hex_digit(p[2]) != -1));
	hex_decode(s, (size_t)(end - s), '%', ' ', &t);
	for (i = 0; i < t.n; i++)
		ok = ok && (unsigned char)t.s[i] > ' ' && t.s[i] != 0x7f;
	ok = ok && (size_t)snprintf(buf, size, "%s", text_string(&t)) < size;
	text_free(&t);
	return ok;
}

/* Fill user, host, port and tls from a URL as of RFC 2384, or one with pops://;
 * NULL, or what is wrong with it. */
static const char *
url_account(struct pop *p, const char *url)
{
	const char *s, *at, *end, *semi;
	unsigned long port;

	p->tls = strncasecmp(url, "pops://", 7) == 0;
	if (!p->tls && strncasecmp(url, "pop://", 6) != 0)
		return "it begins with neither pop:// nor pops://";
	s = strchr(url, '/') + 2;
	end = s + strcspn(s, "/");
	if (*end != '\0' && end[1] != '\0')
		return "it has a path";
	if ((at = memchr(s, '@', (size_t)(end - s))) != NULL) {
		if ((semi = memchr(s, ';', (size_t)(at - s))) == NULL)
			semi = at;
		else if (strncasecmp(semi, ";AUTH=*@", 8) != 0)
			return "only ;AUTH=* may follow the user's name";
		if (memchr(s, ':', (size_t)(semi - s)) != NULL)
			return "it holds a password, which it must not";
		if (semi > s && !url_part(s, semi, p->user, sizeof(p->user)))
			return "the user's name is not valid";
		s = at + 1;
	}
	at = s + strcspn(s, *s == '[' ? "]/" : ":/");
	if ((*s == '[' && *at != ']') ||
	    !url_part(s + (*s == '['), at, p->host, sizeof(p->host)))
		return "the host is not valid";
	at += *s == '[';
	if (at == end) {
		if (p->tls)
			snprintf(p->port, sizeof(p->port), "995");
		return NULL;
	}
	s = p->port;
	return *at == ':' && url_part(at + 1, end, p->port, sizeof(p->port)) &&
	    text_number(&s, 65535, &port) && *s == '\0' && port > 0 ? NULL :
	    "the port is not valid";
}

static void
set_url(struct pop *p, const char *from, const char *url)
{
	const char *why;

	if ((why = url_account(p, url)) != NULL)
		error(EX_USAGE, "%s: %s", from, why);
}

/* Open the file with the password, which others may neither read nor change;
 * NULL, or what is wrong. */
static const char *
open_secret(const char *path, int *fd)
{
	struct stat st;

	*fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*fd == -1)
		return strerror(errno);
	if (fstat(*fd, &st) != -1 && S_ISREG(st.st_mode) &&
	    st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return NULL;
	close(*fd);
	return "the file must be yours alone (mode 0600)";
}

/* Read the password from a descriptor, which is closed: nothing is left for an
 * editor to inherit. NULL, or what is wrong. */
static const char *
read_secret(struct pop *p, int fd)
{
	FILE *f;
	size_t n;

	if ((f = fdopen(fd, "r")) == NULL)
		return strerror(errno);
	setvbuf(f, NULL, _IONBF, 0);	/* no copy is left in a buffer */
	if (fgets(p->pass, sizeof(p->pass), f) == NULL)
		p->pass[0] = '\0';
	fclose(f);
	n = strcspn(p->pass, "\r\n");
	if (n > POP_ARG)
		return "the password is too long";
	p->pass[n] = '\0';
	while (n > 0)
		if (iscntrl((unsigned char)p->pass[--n]))
			return "the password holds a control character";
	return p->pass[0] == '\0' ? "there is no password" : NULL;
}

/* The options, and the server; false for wrong usage. */
static bool
parse_options(struct pop *p, int argc, char **argv, int *fd)
{
	const char *s;
	unsigned long n;
	int c;
	bool ok;

	opterr = 0;		/* it would write what it was given */
	for (ok = true; ok && (c = getopt(argc, argv, "e:hP:p:u:V")) != -1;) {
		s = optarg;
		if (c == 'e')
			p->helper = s;
		else if (c == 'P') {
			ok = text_number(&s, INT_MAX, &n) && *s == '\0' &&
			    n > 2;
			*fd = (int)n;
		} else if (c == 'p')
			ok = (size_t)snprintf(p->port, sizeof(p->port), "%s",
			    s) < sizeof(p->port);
		else if (c == 'u')
			ok = (size_t)snprintf(p->user, sizeof(p->user), "%s",
			    s) < sizeof(p->user);
		else if (c == 'h' || c == 'V') {
			printf("%s", c == 'h' ? usage :
			    "popcard " POPCARD_VERSION "\n");
			exit(EX_OK);
		} else
			ok = false;
	}
	if (!ok || argc - optind > 1)
		return false;
	s = argv[optind];
	if (s != NULL && strncasecmp(s, "pop", 3) == 0 &&
	    strchr(s, ':') != NULL)
		set_url(p, s, s);
	else if (s != NULL) {
		snprintf(p->host, sizeof(p->host), "%s", s);
		p->tls = false;
	}
	return true;
}

/* What the environment and the system know. */
static void
set_defaults(struct pop *p)
{
	struct passwd *pw;
	const char *url;

	p->dial.fd = -1;
	snprintf(p->host, sizeof(p->host), "localhost");
	snprintf(p->port, sizeof(p->port), "110");
	if ((pw = getpwuid(getuid())) != NULL)
		snprintf(p->user, sizeof(p->user), "%s", pw->pw_name);
	if ((url = getenv("POPCARD_URL")) != NULL)
		set_url(p, "POPCARD_URL", url);
}

/* Which program speaks TLS, if no option names one. */
static void
set_helper(struct pop *p)
{
	if (p->helper == NULL)
		p->helper = getenv("POPCARD_HELPER");
	if (p->helper != NULL && *p->helper != '\0')
		return;
	p->helper = !p->tls ? NULL : "openssl s_client -quiet "
	    "-verify_return_error -verify_hostname %h -connect %h:%p";
}

static void
start_cards(struct session *s)
{
	if (!term_start(idle, s))
		error(EX_UNAVAILABLE, "this needs a terminal with ANSI "
		    "sequences");
}

/* Ask for the password; the server is tried before. NULL, or what is wrong. */
static const char *
ask_secret(struct session *s)
{
	struct pop *p = &s->pop;
	char what[sizeof(p->user) + sizeof(p->host) + 32];
	char line[2 * sizeof(p->pass)] = "";

	if (pop_connect(p) != POP_OK)
		error(p->code, "%s", p->text);
	start_cards(s);
	snprintf(what, sizeof(what), "Password of %s at %s: ", p->user,
	    p->host);
	if (!prompt(&s->screen, what, true, line, sizeof(line)) ||
	    strlen(line) > POP_ARG)
		return "there was none, or one that is too long";
	memcpy(p->pass, line, strlen(line) + 1);
	return NULL;
}

/* Find the password, and log in. */
static void
log_in(struct session *s, int fd)
{
	const char *path, *why;

	why = NULL;
	path = fd == -1 ? getenv("POPCARD_PASSFILE") : NULL;
	if (path != NULL)
		why = open_secret(path, &fd);
	if (why == NULL)
		why = fd == -1 ? ask_secret(s) : read_secret(&s->pop, fd);
	if (why != NULL)
		error(EX_NOPERM, "the password: %s", why);
	enter(s);
	start_cards(s);
}

/* End the session: DELE, QUIT. False if the user wants to stay, else *status
 * is the program's exit status. */
static bool
leave(struct session *s, bool delete, int *status)
{
	size_t deleted;
	int c, r;

	if ((c = delete ? settle_flags(s) : 'n') == 'c')
		return false;
	deleted = c == 'y' ? s->deleted : 0;
	r = pop_quit(&s->pop);
	term_stop();
	*status = EX_OK;
	if (r != POP_OK && deleted > 0) {
		error(EX_OK, "some of the flagged messages may not be "
		    "deleted: %s", s->pop.text);
		*status = s->pop.code;
	} else if (deleted > 0)
		printf("%zu deleted, %zu left\n", deleted, s->total - deleted);
	return true;
}

int
main(int argc, char **argv)
{
	static struct session s;	/* large for a stack */
	int c, fd, status;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a draft that is too large */
	fd = -1;
	set_defaults(&s.pop);
	if (!parse_options(&s.pop, argc, argv, &fd)) {
		fprintf(stderr, "%s", usage);
		return EX_USAGE;
	}
	set_helper(&s.pop);
	log_in(&s, fd);
	load(&s);
	compose_kept(&s);
	do
		while ((c = list_card(&s)) == 'b')
			boards_card(&s);
	while (!leave(&s, c == 'q', &status));
	farewell(&s);
	return status;
}
