/*
 * The server: options, the one table of commands, and the loop that walks the
 * three states.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check/check.h"
#include "xtnd/xtnd.h"

static enum result pop_capa(struct pop *p);

/* STLS is the one capability that TRANSACTION does not repeat (RFC 2595). */
static bool
stls_offered(struct pop *p)
{
	return tls_offered(&p->conn) && p->state != ST_TRANS;
}

/* A password must not cross a network in the clear (RFC 4616, 4). */
static bool
plain_offered(struct pop *p)
{
	return auth_clear_ok(p) && (p->conn.tls || p->conn.loopback);
}

/* XTND with a word that no row of the table has. */
static enum result
reject_subcommand(struct pop *p)
{
	return reply_err(&p->conn, "Unknown XTND command.");
}

/* ---- the table --------------------------------------------------------- */

enum {
	REST = 1,		/* the last argument runs to the end of the line */
	SECRET = 2		/* the trace shows no arguments */
};

/*
 * The protocol: where a command is legal, which function carries it out, what
 * arguments it takes, the state that follows +OK and -ERR, and what CAPA says.
 */
static const struct command {
	unsigned states;
	const char *name;
	enum result (*handler)(struct pop *);
	int least, most;	/* arguments */
	unsigned flags;
	enum state ok, err;	/* the next state */
	const char *capa;
	bool (*offered)(struct pop *);	/* when CAPA says so; NULL: always */
} commands[] = {
	{ ST_USER, "USER", pop_user, 1, 1, 0, ST_PASS, ST_USER,
	    "USER", auth_clear_ok },
	{ ST_PASS, "PASS", pop_pass, 1, 1, REST | SECRET, ST_TRANS, ST_USER,
	    NULL, NULL },
	{ ST_PASS, "RPOP", pop_rpop, 1, 1, SECRET, ST_SAME, ST_USER,
	    NULL, NULL },
	{ ST_USER, "APOP", pop_apop, 2, 2, SECRET, ST_TRANS, ST_USER,
	    NULL, NULL },
	{ ST_AUTH, "AUTH", pop_auth, 0, 2, SECRET, ST_TRANS, ST_SAME,
	    "SASL PLAIN", plain_offered },
	{ ST_AUTH, "STLS", pop_stls, 0, 0, 0, ST_USER, ST_SAME,
	    "STLS", stls_offered },
	{ ST_AUTH, "QUIT", pop_quit, 0, 0, 0, ST_SAME, ST_SAME, NULL, NULL },
	{ ST_ANY, "CAPA", pop_capa, 0, 0, 0, ST_SAME, ST_SAME,
	    "PIPELINING", NULL },
	{ ST_TRANS, "STAT", pop_stat, 0, 0, 0, ST_SAME, ST_SAME, NULL, NULL },
	{ ST_TRANS, "LIST", pop_list, 0, 1, 0, ST_SAME, ST_SAME, NULL, NULL },
	{ ST_TRANS, "RETR", pop_retr, 1, 1, 0, ST_SAME, ST_SAME, NULL, NULL },
	{ ST_TRANS, "DELE", pop_dele, 1, 1, 0, ST_SAME, ST_SAME, NULL, NULL },
	{ ST_TRANS, "NOOP", pop_noop, 0, 0, 0, ST_SAME, ST_SAME, NULL, NULL },
	{ ST_TRANS, "LAST", pop_last, 0, 0, 0, ST_SAME, ST_SAME, NULL, NULL },
	{ ST_TRANS, "RSET", pop_rset, 0, 0, 0, ST_SAME, ST_SAME, NULL, NULL },
	{ ST_TRANS, "TOP", pop_top, 2, 2, 0, ST_SAME, ST_SAME, "TOP", NULL },
	{ ST_TRANS, "UIDL", pop_uidl, 0, 1, 0, ST_SAME, ST_SAME, "UIDL", NULL },
	{ ST_TRANS, "XTND XMIT", xtnd_xmit, 0, 0, 0, ST_SAME, ST_SAME,
	    NULL, NULL },
	{ ST_TRANS, "XTND XLST", xtnd_xlst, 1, 2, 0, ST_SAME, ST_SAME,
	    NULL, NULL },
	{ ST_TRANS, "XTND BBOARDS", xtnd_bboards, 0, 1, 0, ST_SAME, ST_SAME,
	    NULL, NULL },
	{ ST_TRANS, "XTND ARCHIVE", xtnd_archive, 1, 1, 0, ST_SAME, ST_SAME,
	    NULL, NULL },
	{ ST_TRANS, "XTND X-BBOARDS", xtnd_x_bboards, 1, 1, 0, ST_SAME, ST_SAME,
	    NULL, NULL },
	{ ST_TRANS, "XTND", reject_subcommand, 1, 3, 0, ST_SAME, ST_SAME,
	    NULL, NULL },
	{ ST_TRANS, "QUIT", pop_update, 0, 0, 0, ST_SAME, ST_SAME, NULL, NULL }
};

enum {
	NCOMMANDS = sizeof(commands) / sizeof(commands[0]),
	BAD_MOST = 50,		/* bad lines in a session; each is logged */
	BAD_FREE = 4,		/* of them answered at once before login */
	BAD_WAIT = 30		/* seconds that the others wait at most */
};

/* CAPA (RFC 2449, 5): what the table offers, and what holds for all of it. */
static enum result
pop_capa(struct pop *p)
{
	const struct command *c;

	(void)reply_ok(&p->conn, "Capabilities follow");
	for (c = commands; c < commands + NCOMMANDS; c++)
		if (c->capa != NULL && (c->offered == NULL || c->offered(p)))
			reply_line(&p->conn, "%s", c->capa);
	reply_line(&p->conn, "X-XTND%s XLST BBOARDS", p->opt.noxmit ? "" :
	    " XMIT");
	reply_puts(&p->conn,
	    "RESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\n");
	if (p->state == ST_TRANS)
		reply_puts(&p->conn, "IMPLEMENTATION popper-" POPPER_VERSION
		    "\r\n");
	return reply_dot(&p->conn);
}

/* ---- the loop ---------------------------------------------------------- */

/* Splits what follows the name; more words than fit are only counted. */
static void
split_arguments(struct pop *p, const struct command *c, struct str line)
{
	struct str w;

	p->argc = 0;
	if (c->flags & REST && line.n > 0) {	/* RFC 1939, 7: spaces and all */
		p->argv[0].p = line.p + 1;
		p->argv[0].n = line.n - 1;
		p->argc = line.n > 1;
		return;
	}
	for (text_blanks(&line); line.n > 0; text_blanks(&line)) {
		w = text_word(&line);
		if (p->argc < ARGS_MAX)
			p->argv[p->argc] = w;
		p->argc++;
	}
}

/* Whether a line begins with a name of one or two words; *rest follows it. */
static bool
has_name(struct str line, const char *name, struct str *rest)
{
	struct str want = text_of(name);

	while (text_is(text_word(&line), text_word(&want))) {
		if (want.n == 0) {
			*rest = line;
			return true;
		}
		text_blanks(&line);
		text_blanks(&want);
	}
	return false;
}

/* The row for a line, whose arguments are *rest.  NULL: there is none. */
static const struct command *
find_command(enum state state, struct str line, struct str *rest,
    bool *elsewhere)
{
	size_t i;

	*elsewhere = false;
	for (i = 0; i < NCOMMANDS; i++)
		if (has_name(line, commands[i].name, rest)) {
			if (commands[i].states & state)
				return &commands[i];
			*elsewhere = true;
		}
	return NULL;
}

/*
 * The client, which knows the word, gets it back, but the log does not: it may
 * be a password that went astray.
 */
static enum result
reject_unknown(struct pop *p, struct str word)
{
	reply_line(&p->conn, "-ERR Unknown command: \"%.*s\".",
	    word.n < 40 ? (int)word.n : 40, word.p);
	log_notice(&p->env, "refused user=%s addr=%s: unknown command",
	    p->env.who, p->conn.addr);
	return ERR;
}

static enum result
execute(struct pop *p, struct str line)
{
	const struct command *c;
	struct str word, rest;
	enum state next;
	enum result r;
	bool elsewhere, fits;

	if ((c = find_command(p->state, line, &rest, &elsewhere)) == NULL) {
		word = text_word(&line);
		p->bad++;
		return elsewhere ? reply_err(&p->conn, "The %.*s command is "
		    "not possible now.", (int)word.n, word.p) :
		    reject_unknown(p, word);
	}
	log_debug(&p->env, "command user=%s %s%s", p->env.who, c->name,
	    c->flags & SECRET ? " ..." : "");
	split_arguments(p, c, rest);
	fits = p->argc >= c->least && p->argc <= c->most;
	r = fits ? c->handler(p) : reply_err(&p->conn, "Too %s arguments for "
	    "the %s command.", p->argc < c->least ? "few" : "many", c->name);
	if (r == ERR && (!fits || p->state != ST_TRANS))
		p->bad++;
	next = r == OK ? c->ok : c->err;
	if (next != ST_SAME)
		p->state = next;
	return r;
}

/* Answers a line that cannot be a command, or ends the session. */
static enum result
input_failed(struct pop *p, enum io what)
{
	p->bad++;
	switch (what) {
	case IO_LONG:
		return reply_err(&p->conn, "The line is too long.");
	case IO_CONTROL:
		return reply_err(&p->conn, "The line has a control character.");
	case IO_TIMEOUT:
		p->reason = END_TIMEOUT;	/* RFC 1939, 3: no reply */
		return ABORT;
	case IO_SIGNAL:
		p->reason = END_SIGNAL;
		return ABORT;
	case IO_ERROR:
		log_error(&p->env, "connection");
		return ABORT;
	default:
		p->reason = END_LOST;
		return ABORT;
	}
}

/*
 * A client that guesses gets slower answers before login, and in the end none:
 * a sleeping process costs less than a busy one.
 */
static enum result
penalize(struct pop *p, enum result r, unsigned before)
{
	unsigned extra;
	int64_t when;

	if (p->bad == before || r != ERR)
		return r;
	if (p->bad > BAD_MOST) {
		log_notice(&p->env, "refused user=%s addr=%s: too many "
		    "lines that are no commands", p->env.who, p->conn.addr);
		return CLOSE;
	}
	if (p->state != ST_TRANS && p->bad > BAD_FREE) {
		extra = p->opt.fail * (p->bad - BAD_FREE);
		when = wait_deadline(extra < BAD_WAIT ? extra : BAD_WAIT);
		(void)wait_sleep(&p->env, when < p->conn.login ? when :
		    p->conn.login);
		if (wait_now() >= p->conn.login)
			return input_failed(p, IO_TIMEOUT);
	}
	return r;
}

static void
serve(struct pop *p)
{
	struct str line;
	enum result r;
	enum io what;
	unsigned bad;

	do {
		what = line_read(&p->conn, LINE_COMMAND, &line);
		bad = p->bad;
		r = what == IO_OK ? execute(p, line) : input_failed(p, what);
		r = penalize(p, r, bad);
		if (p->conn.out.state != IO_OK && p->conn.out.state != what)
			r = input_failed(p, p->conn.out.state);
	} while (r == OK || r == ERR);
	if (r == CLOSE && reply_flush(&p->conn) == -1 && p->reason == END_QUIT)
		p->reason = END_LOST;
	if (r == CLOSE && p->reason != END_QUIT)
		conn_drain(&p->conn);
}

/* ---- options ----------------------------------------------------------- */

enum { EXIT_USAGE = 64 };

/* A word of a list as its place in it, from 1 on; 0: none of them. */
static unsigned
one_of(const char *s, const char *const *words)
{
	unsigned i;

	for (i = 0; words[i] != NULL; i++)
		if (strcmp(s, words[i]) == 0)
			return i + 1;
	return 0;
}

static bool
seconds(const char *s, unsigned *value)
{
	uint64_t n;

	if (!text_number(text_of(s), 24 * 60 * 60, &n))
		return false;
	*value = (unsigned)n;
	return true;
}

static bool
set_option(struct options *o, int c, const char *arg)
{
	static const char *const clear[] = { "never", "tls", "local",
	    "always", NULL };
	static const char *const proxy[] = { "on", "tls", NULL };
	struct str s = text_of(arg == NULL ? "" : arg);

	switch (c) {
	case 'n': o->check = true; return true;
	case 'V': o->version = true; return true;
	case 'r': o->noresolve = true; return true;
	case 's': o->nostatus = true; return true;
	case 'x': o->noxmit = true; return true;
	case 'U': o->xuidl = true; return true;
	case 'S': o->hosts = true; return true;
	case 'T': o->tls = true; return true;
	case 'A': o->accounts.allow = arg; return true;
	case 'N': o->accounts.deny = arg; return true;
	case 'a': o->accounts.secrets = arg; return true;
	case 'b': o->boards = arg; return true;
	case 'c': o->accounts.checker = arg; return true;
	case 'P': return (o->clear = one_of(arg, clear)) != CLEAR_DEFAULT;
	case 'H': return (o->proxy = one_of(arg, proxy)) != PROXY_OFF;
	case 'u': return text_number(s, UINT32_MAX, &o->accounts.minuid);
	case 'z': return text_number(s, INT64_MAX, &o->outgoing);
	case 'M': o->sendmail = arg; return true;
	case 'm': o->dir = arg; return true;
	case 'p': o->accounts.passwd = arg; return true;
	case 't': o->trace = arg; return true;
	case 'f': return seconds(arg, &o->fail);
	case 'i': return seconds(arg, &o->idle);
	case 'l': return seconds(arg, &o->login);
	case 'w': return seconds(arg, &o->wait);
	default: return false;
	}
}

static bool
options(struct pop *p, int argc, char **argv)
{
	struct options *o = &p->opt;
	int c;

	o->dir = POPPER_SPOOL;
	o->sendmail = POPPER_SENDMAIL;
	o->outgoing = 32 << 20;
	o->idle = 600;		/* RFC 1939, 3: at least ten minutes */
	o->login = 60;
	o->wait = 30;
	o->fail = 3;
	opterr = 0;
	while ((c = getopt(argc, argv, OPTION_LETTERS)) != -1)
		if (c == 'd')
			p->env.debug = true;
		else if (!set_option(o, c, optarg))
			return false;
	return optind == argc;
}

/*
 * The greeting has a "<" only if APOP is on offer, and then a timestamp that
 * no other greeting has (RFC 1939, 7; RFC 2449, 3).
 */
static void
greet(struct pop *p)
{
	struct timespec ts;

	host_name(p->host, sizeof(p->host));
	if (p->opt.accounts.secrets != NULL && clock_gettime(CLOCK_REALTIME,
	    &ts) == 0)
		(void)snprintf(p->stamp, sizeof(p->stamp), "<%ld.%lld.%ld@%s>",
		    (long)getpid(), (long long)ts.tv_sec, ts.tv_nsec,
		    p->host);
	(void)reply_ok(&p->conn, "popper " POPPER_VERSION " at %s ready.%s%s",
	    p->host, p->stamp[0] != '\0' ? " " : "", p->stamp);
	(void)reply_flush(&p->conn);	/* no client waits for our log */
	log_start(p);
}

/* popper -V: what was built, and with what in it. */
static int
version(void)
{
	printf("popper %s\nspool directory: %s\nsendmail: %s\n"
	    "system calls: %s\n", POPPER_VERSION, POPPER_SPOOL,
	    POPPER_SENDMAIL, POPPER_CALLS);
	return fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* popper -n */
static int
check(struct pop *p)
{
	if (log_open(&p->env, p->opt.trace) == -1) {
		printf("FAIL  trace file %s: must be a regular file of yours "
		    "with one name\n", p->opt.trace);
		return EXIT_FAILURE;
	}
	tls_begin(&p->conn);
	return check_installation(p) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Nothing is known of the client yet. */
static void
begin_session(struct pop *p)
{
	p->conn.env = &p->env;
	p->ids.uid = geteuid();
	p->ids.gid = p->ids.spoolgid = getegid();
	p->state = ST_USER;
	p->env.who[0] = '-';
	p->start = wait_now();
	p->conn.login = wait_deadline(p->opt.login);
	p->conn.idle = p->opt.idle;
	drop_init(p, &p->drop);
}

/* The client sees the end first; what takes a while comes after it. */
static void
end_session(struct pop *p, bool served)
{
	drop_unlock(&p->drop);		/* they may come again at once */
	conn_end(&p->conn);
	(void)close(0);
	(void)close(1);
	(void)close(2);			/* inetd's */
	drop_close(&p->drop);
	if (served)
		log_end(p);
	log_check_name(p);
}

int
main(int argc, char **argv)
{
	static struct pop session;	/* large, and zero at no cost */
	struct pop *p = &session;
	bool served;

	if (!options(p, argc, argv)) {
		fprintf(stderr, "usage: popper [-dnrSsTUVx] [-A file] [-a file] "
		    "[-b file] [-c program]\n\t[-f seconds] [-H on|tls] "
		    "[-i seconds] [-l seconds] [-M program]\n\t[-m dir] "
		    "[-N file] [-P never|tls|local|always] [-p file]\n\t"
		    "[-t file] [-u uid] [-w seconds] [-z bytes]\n");
		(void)log_open(&p->env, NULL);
		log_notice(&p->env, "usage: wrong options, no session");
		return EXIT_USAGE;
	}
	if (p->opt.version)
		return version();
	begin_session(p);
	if (p->opt.check)
		return check(p);
	if (conn_begin() == -1 || log_open(&p->env, p->opt.trace) == -1 ||
	    wait_begin(&p->env) == -1 || conn_unblock(&p->conn) == -1)
		return EXIT_FAILURE;
	peer_find(&p->conn, p->opt.tls);
	tls_begin(&p->conn);
	p->conn.tls = p->opt.tls;
	served = p->opt.proxy == PROXY_OFF ||
	    proxy_header(&p->conn, p->opt.proxy == PROXY_TLS);
	if (served) {
		greet(p);
		serve(p);
	}
	end_session(p, served);
	return EXIT_SUCCESS;
}
