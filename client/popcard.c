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

#include "account.h"
#include "cards.h"
#include "safe.h"
#include "submit.h"
#include "term.h"

static int
usage(void)
{
	fprintf(stderr, "usage: popcard [-P fd] [-p port] [-u user] "
	    "[host | pop-url]\n"
	    "       popcard -s [-P fd] [sendmail options] [pop-url] "
	    "[recipient ...]\n");
	return EX_USAGE;
}

/* The user's maildrop is the bottom of the stack; an exit status. */
static int
mail_card(struct session *s)
{
	size_t marked;
	int c, r;

	for (;;) {
		c = list_card(s);
		marked = s->deleted;
		if (c == 'b') {
			boards_card(s);
			continue;
		}
		if (c == 'x')
			marked = 0;
		if (marked > 0) {
			c = choice(&s->screen, "ync", "Delete the %zu marked messages? "
			    "(y)es, (n)o, (c)ancel", marked);
			if (c == 'c' || (c == 'y' && !send_flags(s)))
				continue;
			marked = c == 'y' ? marked : 0;
		}
		r = pop_quit(&s->pop);
		term_stop();
		if (r != POP_OK && marked > 0) {
			error("some of the marked messages may not be "
			    "deleted: %s", s->pop.text);
			return s->pop.code;
		}
		if (marked > 0)
			printf("%zu deleted, %zu left\n", marked,
			    s->total - marked);
		return EX_OK;
	}
}

int
main(int argc, char **argv)
{
	static struct session s;	/* large for a stack */
	struct pop *p = &s.pop;
	struct passwd *pw;
	const char *name, *url, *why;
	char *end;
	int c, fd;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a draft that is too large */
	p->fd = -1;
	p->owner = s.screen.arg = &s;
	s.screen.tick = idle;
	snprintf(p->host, sizeof(p->host), "localhost");
	snprintf(p->port, sizeof(p->port), "110");
	if ((pw = getpwuid(getuid())) != NULL)
		snprintf(p->user, sizeof(p->user), "%s", pw->pw_name);
	name = strrchr(argv[0], '/');
	name = name != NULL ? name + 1 : argv[0];
	if (strcmp(name, "sendmail") == 0 ||
	    (argc > 1 && strcmp(argv[1], "-s") == 0))
		return submit_main(p, argc, argv);
	fd = -1;
	url = getenv("POPCARD_URL");
	if (url != NULL && (why = account_url(p, url)) != NULL) {
		error("POPCARD_URL: %s", why);
		return EX_USAGE;
	}
	opterr = 0;		/* it would write what it was given */
	while ((c = getopt(argc, argv, "P:p:u:")) != -1)
		switch (c) {
		case 'P':
			fd = (int)strtol(optarg, &end, 10);
			if (*optarg == '\0' || *end != '\0' || fd < 3)
				return usage();
			break;
		case 'p':
			if (strlen(optarg) >= sizeof(p->port))
				return usage();
			snprintf(p->port, sizeof(p->port), "%s", optarg);
			break;
		case 'u':
			if (strlen(optarg) >= sizeof(p->user))
				return usage();
			snprintf(p->user, sizeof(p->user), "%s", optarg);
			break;
		default:
			return usage();
		}
	if (argc - optind > 1)
		return usage();
	if (optind < argc && strncasecmp(argv[optind], "pop:", 4) == 0) {
		if ((why = account_url(p, argv[optind])) != NULL) {
			error("%s: %s", argv[optind], why);
			return EX_USAGE;
		}
	} else if (optind < argc)
		snprintf(p->host, sizeof(p->host), "%s", argv[optind]);
	why = account_secret(p, fd);
	if (why != NULL && *why == '\0')
		why = secret(p->pass, sizeof(p->pass), "Password of %s at %s: ",
		    p->user, p->host) ? NULL :
		    "none was given, or too long a one";
	if (why != NULL) {
		error("the password: %s", why);
		return EX_NOPERM;
	}
	enter(&s);
	if (!term_start()) {
		error("this needs a terminal with ANSI sequences");
		return EX_UNAVAILABLE;
	}
	p->progress = progress;
	load(&s);
	c = mail_card(&s);
	account_wipe(p);
	return c;
}
