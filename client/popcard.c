/*
 * popcard: a POP3 client for the terminal. Its options, and the maildrop at the
 * bottom of the stack of cards.
 */
#define _XOPEN_SOURCE 700

#include <locale.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "popcard.h"

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
