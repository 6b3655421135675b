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

static bool
account_fd(const char *arg, int *fd)
{
	unsigned long n;

	if (!text_number(&arg, INT_MAX, &n) || *arg != '\0' || n < 3)
		return false;
	*fd = (int)n;
	return true;
}

static const char *
account_url(struct pop *p, const char *url)
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
		return "the ] after the address is missing";
	if (!url_part(s + (*s == '['), at, p->host, sizeof(p->host)))
		return "the host is not valid";
	at += *s == '[';
	if (at == end) {
		if (p->tls)
			snprintf(p->port, sizeof(p->port), "995");
		return NULL;
	}
	if (*at++ != ':' || !url_part(at, end, p->port, sizeof(p->port)))
		return "the port is not valid";
	s = p->port;
	return text_number(&s, 65535, &port) && *s == '\0' && port > 0 ? NULL :
	    "the port is not valid";
}

static const char *
account_secret(struct pop *p, int fd)
{
	const char *path;
	struct stat st;
	FILE *f;
	size_t n;

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
	if ((f = fdopen(fd, "r")) == NULL)
		return strerror(errno);
	setvbuf(f, NULL, _IONBF, 0);	/* no copy is left in a buffer */
	if (fgets(p->pass, sizeof(p->pass), f) == NULL)
		p->pass[0] = '\0';
	fclose(f);		/* nothing for an editor to inherit */
	n = strcspn(p->pass, "\r\n");
	if (n > POP_ARG)
		return "the password is too long";
	p->pass[n] = '\0';
	for (; n > 0; n--)
		if (iscntrl((unsigned char)p->pass[n - 1]))
			return "the password holds a control character";
	return p->pass[0] == '\0' ? "there is no password" : NULL;
}

static void
account_helper(struct pop *p, const char *cmd)
{
	if (cmd == NULL)
		cmd = getenv("POPCARD_HELPER");
	if (cmd != NULL && *cmd != '\0')
		p->helper = cmd;
	else if (p->tls)
		p->helper = "openssl s_client -quiet -verify_return_error "
		    "-verify_hostname %h -connect %h:%p";
}

#define POPCARD_VERSION	"2.1"	/* as popper.h has it */

static const char usage[] =
    "usage: popcard [-hV] [-e command] [-P fd] [-p port] [-u user]\n"
    "               [host | pop-url]\n";

/* End the session: DELE, QUIT. False if the user wants to stay, else *status
 * is the program's exit status. */
static bool
leave(struct session *s, bool delete, int *status)
{
	size_t deleted;
	int c, r;

	deleted = delete ? s->deleted : 0;
	if (deleted > 0) {
		c = choice(&s->screen, "ync", "Delete the %zu flagged "
		    "messages? (y)es, (n)o, (c)ancel", deleted);
		if (c == 'c' || (c == 'y' && !send_flags(s)))
			return false;
		deleted = c == 'y' ? deleted : 0;
	}
	r = pop_quit(&s->pop);
	term_stop();
	*status = EX_OK;
	if (r != POP_OK && deleted > 0) {
		error("some of the flagged messages may not be deleted: %s",
		    s->pop.text);
		*status = s->pop.code;
	} else if (deleted > 0)
		printf("%zu deleted, %zu left\n", deleted, s->total - deleted);
	return true;
}

static int
mail_card(struct session *s)
{
	int c, status;

	do {
		while ((c = list_card(s)) == 'b')
			boards_card(s);
	} while (!leave(s, c == 'q', &status));
	return status;
}

/* Copy an option's argument into a buffer of that size. */
static bool
set_option(char *to, size_t size, const char *value)
{
	return (size_t)snprintf(to, size, "%s", value) < size;
}

/* The account of a URL that comes from somewhere. */
static void
set_url(struct pop *p, const char *from, const char *url)
{
	const char *why;

	if ((why = account_url(p, url)) != NULL)
		fail(EX_USAGE, "%s: %s", from, why);
}

/* The options, and the server; false for wrong usage. */
static bool
parse_options(struct pop *p, int argc, char **argv, int *fd)
{
	const char *helper;
	int c;
	bool ok;

	helper = NULL;
	opterr = 0;		/* it would write what it was given */
	for (ok = true; ok && (c = getopt(argc, argv, "e:hP:p:u:V")) != -1;)
		switch (c) {
		case 'e':
			helper = optarg;
			break;
		case 'h':
			printf("%s", usage);
			exit(EX_OK);
		case 'P':
			ok = account_fd(optarg, fd);
			break;
		case 'p':
			ok = set_option(p->port, sizeof(p->port), optarg);
			break;
		case 'u':
			ok = set_option(p->user, sizeof(p->user), optarg);
			break;
		case 'V':
			printf("popcard %s\n", POPCARD_VERSION);
			exit(EX_OK);
		default:
			ok = false;
		}
	if (!ok || argc - optind > 1)
		return false;
	if (optind < argc && strncasecmp(argv[optind], "pop", 3) == 0 &&
	    strchr(argv[optind], ':') != NULL)
		set_url(p, argv[optind], argv[optind]);
	else if (optind < argc) {
		snprintf(p->host, sizeof(p->host), "%s", argv[optind]);
		p->tls = false;
	}
	account_helper(p, helper);
	return true;
}

static void
start_cards(struct session *s)
{
	if (!term_start(idle, s))
		fail(EX_UNAVAILABLE, "this needs a terminal with ANSI "
		    "sequences");
}

/* Find the password, if need be from the user, and log in. The server is tried
 * before it is asked for. */
static void
log_in(struct session *s, int fd)
{
	struct pop *p = &s->pop;
	const char *why;
	char what[sizeof(p->user) + sizeof(p->host) + 32];
	char line[2 * sizeof(p->pass)] = "";

	why = account_secret(p, fd);
	if (why != NULL && *why == '\0') {
		if (pop_connect(p) != POP_OK)
			fail(p->code, "%s", p->text);
		start_cards(s);
		snprintf(what, sizeof(what), "Password of %s at %s: ", p->user,
		    p->host);
		why = "there was none, or one that is too long";
		if (prompt(&s->screen, what, true, line, sizeof(line)) &&
		    strlen(line) <= POP_ARG) {
			memcpy(p->pass, line, strlen(line) + 1);
			why = NULL;
		}
	}
	if (why != NULL)
		fail(EX_NOPERM, "the password: %s", why);
	enter(s);
	start_cards(s);
}

int
main(int argc, char **argv)
{
	static struct session s;	/* large for a stack */
	struct pop *p = &s.pop;
	struct passwd *pw;
	const char *url;
	int fd, status;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a draft that is too large */
	p->dial.fd = fd = -1;
	snprintf(p->host, sizeof(p->host), "localhost");
	snprintf(p->port, sizeof(p->port), "110");
	if ((pw = getpwuid(getuid())) != NULL)
		snprintf(p->user, sizeof(p->user), "%s", pw->pw_name);
	if ((url = getenv("POPCARD_URL")) != NULL)
		set_url(p, "POPCARD_URL", url);
	if (!parse_options(p, argc, argv, &fd)) {
		fprintf(stderr, "%s", usage);
		return EX_USAGE;
	}
	log_in(&s, fd);
	load(&s);
	compose_kept(&s);
	status = mail_card(&s);
	farewell(&s);
	return status;
}
