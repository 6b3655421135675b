/*
 * popcard: a POP3 client for the terminal. Account, options, and what is
 * at the bottom of the stack of cards: the maildrop and the boards.
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

/* Decode the part of a URL at *s up to one of these characters, and move past
 * it; false if it is no good. */
static bool
url_part(const char **s, const char *stops, char *buf, size_t size)
{
	size_t n;
	int c, high, low;

	for (n = 0; **s != '\0' && strchr(stops, **s) == NULL; ++*s) {
		c = (unsigned char)**s;
		if (c == '%') {
			high = hex_digit(*++*s);
			low = high == -1 ? -1 : hex_digit(*++*s);
			c = low == -1 ? 0 : high << 4 | low;
		}
		if (c <= ' ' || c == 0x7f || n + 1 == size)
			return false;
		buf[n++] = (char)c;
	}
	buf[n] = '\0';
	return n > 0;
}

/* Fill user, host, port and tls from a URL of RFC 2384, or a pops:// one. */
static void
set_url(struct pop *p, const char *from, const char *url)
{
	const char *s, *port = p->port;
	unsigned long n;
	bool ok, six;

	p->tls = strncasecmp(url, "pops://", 7) == 0;
	ok = p->tls || strncasecmp(url, "pop://", 6) == 0;
	s = ok ? strchr(url, '/') + 2 : "";
	if (strchr(s, '@') != NULL) {
		ok = url_part(&s, ";:@/", p->user, sizeof(p->user));
		s += strncasecmp(s, ";AUTH=*@", 8) == 0 ? 7 : 0;
		ok = ok && *s++ == '@';
	}
	six = ok && *s == '[';
	s += six;
	ok = ok && url_part(&s, six ? "]/" : ":/", p->host, sizeof(p->host)) &&
	    (!six || *s++ == ']');
	if (ok && *s == ':') {
		s++;
		ok = url_part(&s, "/", p->port, sizeof(p->port)) &&
		    text_number(&port, 65535, &n) && *port == '\0' && n > 0;
	} else if (p->tls)
		snprintf(p->port, sizeof(p->port), "995");
	if (!ok || (*s != '\0' && strcmp(s, "/") != 0))
		error(EX_USAGE, from, ": this POP URL is not valid");
}

/* Read the password from a file, which others may neither read nor change, or a
 * descriptor, if there is one, which is closed: nothing is left for an editor
 * to inherit. NULL, or what is wrong. */
static const char *
read_secret(struct pop *p, const char *path, int fd)
{
	struct stat st;
	FILE *f;
	size_t n;

	if (fd == -1) {
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
		    st.st_uid != geteuid() ||
		    (st.st_mode & (S_IRWXG | S_IRWXO)) != 0))
			return "the file must be yours alone (mode 0600)";
	}
	if (fd == -1 || (f = fdopen(fd, "r")) == NULL)
		return strerror(errno);
	setvbuf(f, NULL, _IONBF, 0);	/* no copy is left in a buffer */
	if (fgets(p->pass, sizeof(p->pass), f) == NULL)
		p->pass[0] = '\0';
	fclose(f);
	n = strcspn(p->pass, "\r\n");
	if (n > POP_ARG)
		return "it is too long";
	p->pass[n] = '\0';
	while (n > 0)
		if (iscntrl((unsigned char)p->pass[--n]))
			return "it holds a control character";
	return p->pass[0] == '\0' ? "there is none" : NULL;
}

static void
start_cards(void)
{
	if (!term_start())
		error(EX_UNAVAILABLE, "this needs a terminal with ANSI "
		    "sequences", "");
}

/* Find the password, or ask for it; the server is tried before. And log in. */
static void
log_in(struct session *s, int fd)
{
	const char *path = getenv("POPCARD_PASSFILE"), *why = NULL;
	struct pop *p = &s->pop;
	char what[sizeof(p->user) + sizeof(p->host) + 32];

	if (fd == -1 && path == NULL) {
		if (!pop_connect(p))
			gone(s);
		pop_quit(p);
		start_cards();
		snprintf(what, sizeof(what), "Password of %s at %s: ", p->user,
		    p->host);
		if (!prompt(&s->screen, what, true, p->pass, sizeof(p->pass)) ||
		    strlen(p->pass) > POP_ARG)
			why = "there was none, or one that is too long";
	} else
		why = read_secret(p, path, fd);
	if (why != NULL)
		error(EX_NOPERM, "the password: ", why);
	pop_login(p);
	start_cards();
}

static void
set_defaults(struct session *s)
{
	struct pop *p = &s->pop;
	struct passwd *pw;
	const char *home, *url;

	snprintf(p->host, sizeof(p->host), "localhost");
	snprintf(p->port, sizeof(p->port), "110");
	if ((pw = getpwuid(getuid())) != NULL)
		snprintf(p->user, sizeof(p->user), "%s", pw->pw_name);
	if ((url = getenv("POPCARD_URL")) != NULL)
		set_url(p, "POPCARD_URL", url);
	home = getenv("HOME");
	if ((size_t)snprintf(s->draft, sizeof(s->draft), "%s/.popcard/draft",
	    home != NULL ? home : "") >= sizeof(s->draft))
		error(EX_USAGE, "the path in HOME is too long", "");
	snprintf(s->mail, sizeof(s->mail), "%s.eml", s->draft);
}

static bool
parse_options(struct pop *p, int argc, char **argv, int *fd)
{
	const char *s;
	unsigned long n;
	int c;

	p->helper = getenv("POPCARD_HELPER");
	opterr = 0;		/* it would write what it was given */
	while ((c = getopt(argc, argv, "e:hP:p:u:V")) != -1) {
		s = optarg;
		if (c == 'h' || c == 'V') {
			printf("%s", c == 'h' ? usage :
			    "popcard " POPCARD_VERSION "\n");
			exit(EX_OK);
		} else if (c == 'e')
			p->helper = s;
		else if (c == 'P' && text_number(&s, INT_MAX, &n) &&
		    *s == '\0' && n > 2)
			*fd = (int)n;
		else if (c == 'p' && strlen(s) < sizeof(p->port))
			memcpy(p->port, s, strlen(s) + 1);
		else if (c == 'u' && strlen(s) < sizeof(p->user))
			memcpy(p->user, s, strlen(s) + 1);
		else
			return false;
	}
	if (argc - optind > 1)
		return false;
	s = argv[optind];
	if (s != NULL && strstr(s, "://") != NULL)
		set_url(p, s, s);
	else if (s != NULL) {
		snprintf(p->host, sizeof(p->host), "%s", s);
		p->tls = false;
	}
	if (p->helper == NULL || *p->helper == '\0')
		p->helper = !p->tls ? NULL : "openssl s_client -quiet "
		    "-verify_return_error -verify_hostname %h -connect %h:%p";
	return true;
}

enum { MAX_BOARDS = 10000 };

static void
board_row(struct screen *s, void *owner, size_t i, bool current)
{
	const struct board *list = owner;
	char line[128];

	snprintf(line, sizeof(line), "%c %-40s %10lu", current ? '>' : ' ',
	    list[i].name, list[i].maxima);
	put(s, line, strlen(line), s->left);
}

/* The boards (RFC 1082), and back to the user's maildrop. */
static void
boards_card(struct session *s)
{
	struct board *list, *b;
	struct view v = { .row = board_row };
	int c;

	if (!pop_command(&s->pop, "XTND BBOARDS")) {
		say(&s->screen, "%s", s->pop.text);
		return;
	}
	v.owner = list = must(calloc(MAX_BOARDS + 1, sizeof(*list)));
	while (pop_next(&s->pop, POP_LINE)) {
		b = &list[v.n];		/* its name and maxima (RFC 1082) */
		v.n += v.n < MAX_BOARDS && sscanf(s->pop.line.s,
		    " %63[a-zA-Z0-9-] %lu", b->name, &b->maxima) == 2;
	}
	do {
		snprintf(s->screen.title, sizeof(s->screen.title),
		    "boards at %s: %zu", s->pop.host, v.n);
		c = card(&s->screen, &v, "Enter open  a archive  "
		    "? help  q back to your mail");
		if (c == '?')
			help_card(s, true);
		else if ((c == '\r' || c == 'a') && v.cur < v.n &&
		    open_board(s, c == 'a' ? "ARCHIVE" : "BBOARDS",
		    &list[v.cur], false))
			list_card(s);
	} while (c != 'q' && c != KEY_ESC);
	free(list);
	if (s->how == NULL)
		return;
	/* RFC 1082 has no way back to the user's maildrop but a new session. */
	s->how = NULL;
	pop_quit(&s->pop);
	pop_login(&s->pop);
	load(s, false);
}

/* From the list to QUIT; an exit status. */
static int
use(struct session *s)
{
	size_t deleted;
	int c;
	bool ok;

	load(s, false);
	compose(s, NULL, NULL);
	do {
		while ((c = list_card(s)) == 'b')
			boards_card(s);
		c = c == 'q' ? settle_flags(s) : 'n';
	} while (c == 'c');
	deleted = c == 'y' ? s->deleted : 0;
	ok = pop_quit(&s->pop) || deleted == 0;
	term_stop();
	if (!ok)
		error(EX_OK, "some of the flagged messages may not be "
		    "deleted: ", s->pop.text);
	else if (deleted > 0)
		printf("%zu deleted, %lu left\n", deleted,
		    s->total - (unsigned long)deleted);
	farewell(s);
	return ok ? EX_OK : s->pop.code;
}

int
main(int argc, char **argv)
{
	static struct session session;	/* large for a stack */
	struct session *s = &session;
	int fd;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a draft that is too large */
	atexit(term_end);
	s->pop.screen = &s->screen;
	s->pop.gone = gone;
	s->pop.owner = s;
	s->screen.keys.tick = pop_idle;
	s->screen.keys.owner = &s->pop;
	s->pop.fd = fd = -1;
	set_defaults(s);
	if (!parse_options(&s->pop, argc, argv, &fd)) {
		fprintf(stderr, "%s", usage);
		return EX_USAGE;
	}
	log_in(s, fd);
	return use(s);
}
