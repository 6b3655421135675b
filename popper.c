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

static bool
has_xmit(struct pop *p)
{
	return !p->opt.noxmit;
}

/* STLS is the one capability that TRANSACTION does not repeat (RFC 2595). */
static bool
stls_offered(struct pop *p)
{
	return tls_offered(&p->conn) && p->state != ST_TRANS;
}

/* XTND with a word that no row of the table has. */
static enum result
reject_subcommand(struct pop *p)
{
	return reply_err(&p->conn, "Unknown XTND command.");
}

/* ---- the table --------------------------------------------------------- */

/*
 * The protocol: where a command is legal, what it takes, what CAPA says of
 * it, who does it, and where it leads.
 */
static const struct command {
	unsigned states;
	const char *name;
	int least, most;	/* arguments */
	bool rest;		/* the last one runs to the end of the line */
	bool secret;		/* the trace shows no arguments */
	const char *capa;
	bool (*offered)(struct pop *);	/* when CAPA says so; NULL: always */
	enum result (*handler)(struct pop *);
	enum state ok, no;	/* the next state */
} commands[] = {
	{ ST_USER, "USER", 1, 1, 0, 0, "USER", auth_clear_ok, pop_user,
	    ST_PASS, ST_USER },
	{ ST_PASS, "PASS", 1, 1, 1, 1, NULL, NULL, pop_pass,
	    ST_TRANS, ST_USER },
	{ ST_PASS, "RPOP", 1, 1, 0, 1, NULL, NULL, pop_rpop,
	    ST_SAME, ST_USER },
	{ ST_USER, "APOP", 2, 2, 0, 1, NULL, NULL, pop_apop,
	    ST_TRANS, ST_USER },
	{ ST_AUTH, "AUTH", 0, 2, 0, 1, "SASL PLAIN", auth_clear_ok, pop_auth,
	    ST_TRANS, ST_USER },
	{ ST_AUTH, "STLS", 0, 0, 0, 0, "STLS", stls_offered, pop_stls,
	    ST_USER, ST_SAME },
	{ ST_AUTH, "QUIT", 0, 0, 0, 0, NULL, NULL, pop_quit,
	    ST_SAME, ST_SAME },
	{ ST_ANY, "CAPA", 0, 0, 0, 0, "PIPELINING", NULL, pop_capa,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "STAT", 0, 0, 0, 0, NULL, NULL, pop_stat,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "LIST", 0, 1, 0, 0, NULL, NULL, pop_list,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "RETR", 1, 1, 0, 0, NULL, NULL, pop_retr,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "DELE", 1, 1, 0, 0, NULL, NULL, pop_dele,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "NOOP", 0, 0, 0, 0, NULL, NULL, pop_noop,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "LAST", 0, 0, 0, 0, NULL, NULL, pop_last,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "RSET", 0, 0, 0, 0, NULL, NULL, pop_rset,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "TOP", 2, 2, 0, 0, "TOP", NULL, pop_top,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "UIDL", 0, 1, 0, 0, "UIDL", NULL, pop_uidl,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "XTND XMIT", 0, 0, 0, 0, NULL, NULL, xtnd_xmit,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "XTND XLST", 1, 2, 0, 0, NULL, NULL, xtnd_xlst,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "XTND BBOARDS", 0, 1, 0, 0, NULL, NULL, xtnd_bboards,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "XTND ARCHIVE", 1, 1, 0, 0, NULL, NULL, xtnd_archive,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "XTND X-BBOARDS", 1, 1, 0, 0, NULL, NULL, xtnd_x_bboards,
	    ST_SAME, ST_SAME },
	{ ST_TRANS, "XTND", 1, 3, 0, 0, "X-XTND XMIT XLST BBOARDS", has_xmit,
	    reject_subcommand, ST_SAME, ST_SAME },
	{ ST_TRANS, "QUIT", 0, 0, 0, 0, NULL, NULL, pop_update,
	    ST_SAME, ST_SAME }
};

enum {
	BAD_MOST = 50,		/* bad lines in a session; each is logged */
	BAD_FREE = 4,		/* of them answered at once before login */
	BAD_WAIT = 30		/* seconds that the others wait at most */
};

enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* CAPA (RFC 2449, 5): what the table offers, and what holds for all of it. */
static enum result
pop_capa(struct pop *p)
{
	size_t i;

	(void)reply_ok(&p->conn, "Capabilities follow");
	for (i = 0; i < NCOMMANDS; i++)
		if (commands[i].capa != NULL && (commands[i].offered == NULL
		    || commands[i].offered(p)))
			reply_line(&p->conn, "%s", commands[i].capa);
	if (!has_xmit(p))
		reply_puts(&p->conn, "X-XTND XLST BBOARDS\r\n");
	reply_puts(&p->conn,
	    "RESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\n");
	if (p->state == ST_TRANS)
		reply_puts(&p->conn, "IMPLEMENTATION popper-" POPPER_VERSION
		    "\r\n");
	return reply_dot(&p->conn);
}

/* ---- the loop ---------------------------------------------------------- */

/* Splits the rest of the line; more words than fit are only counted. */
static void
split_arguments(struct pop *p, const struct command *c, struct str line)
{
	struct str w;

	p->argc = 0;
	if (c->rest && line.n > 0) {	/* RFC 1939, 7: spaces and all */
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

/* Whether the line begins with a name of one or two words: takes them off. */
static bool
takes_name(struct str *line, const char *name)
{
	struct str rest = *line, want = text_of(name);

	for (;;) {
		if (!text_is(text_word(&rest), text_word(&want)))
			return false;
		if (want.n == 0)
			break;
		text_blanks(&rest);
		text_blanks(&want);
	}
	*line = rest;
	return true;
}

/* The row for a line, which loses the row's name.  NULL: there is none. */
static const struct command *
find_command(enum state state, struct str *line, bool *elsewhere)
{
	struct str rest;
	size_t i;

	*elsewhere = false;
	for (i = 0; i < NCOMMANDS; i++) {
		rest = *line;
		if (!takes_name(&rest, commands[i].name))
			continue;
		if (commands[i].states & state) {
			*line = rest;
			return &commands[i];
		}
		*elsewhere = true;
	}
	return NULL;
}

/*
 * An unknown word is said back to the client, who knows it, but not logged:
 * it may be a password that went astray.
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
	struct str word;
	enum state next;
	enum result r;
	bool elsewhere;

	if ((c = find_command(p->state, &line, &elsewhere)) == NULL) {
		word = text_word(&line);
		p->bad++;
		return elsewhere ? reply_err(&p->conn, "The %.*s command is "
		    "not possible now.", (int)word.n, word.p) :
		    reject_unknown(p, word);
	}
	log_debug(&p->env, "command user=%s %s%s", p->env.who, c->name,
	    c->secret ? " ..." : "");
	split_arguments(p, c, line);
	if (p->argc < c->least || p->argc > c->most) {
		p->bad++;
		return reply_err(&p->conn, "Too %s arguments for the %s "
		    "command.", p->argc < c->least ? "few" : "many", c->name);
	}
	r = c->handler(p);
	if (r == ERR && p->state != ST_TRANS)
		p->bad++;
	next = r == OK ? c->ok : c->no;
	if (next != ST_SAME)
		p->state = next;
	return r;
}

/* A line that cannot be a command, or the end of all lines. */
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
 * Somebody who only tries things out gets slower answers before login, at the
 * cost of a sleeping process, and none at all in the end.
 */
static enum result
penalize(struct pop *p, enum result r, unsigned before)
{
	struct timespec when;
	unsigned extra;

	if (p->bad == before || r != ERR)
		return r;
	if (p->bad > BAD_MOST) {
		log_notice(&p->env, "refused user=%s addr=%s: too many "
		    "lines that are no commands", p->env.who, p->conn.addr);
		return CLOSE;
	}
	if (p->state != ST_TRANS && p->bad > BAD_FREE) {
		extra = p->opt.fail * (p->bad - BAD_FREE);
		wait_deadline(&when, extra < BAD_WAIT ? extra : BAD_WAIT);
		if (wait_left(&when) > wait_left(&p->conn.login))
			when = p->conn.login;
		(void)wait_sleep(&p->env, &when);
		if (wait_left(&p->conn.login) <= 0)
			return input_failed(p, IO_TIMEOUT);
	}
	return r;
}

/* Walks the states until the session ends. */
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
	case 'T': o->tls = true; return true;
	case 'A': o->accounts.allow = arg; return true;
	case 'N': o->accounts.deny = arg; return true;
	case 'a': o->accounts.secrets = arg; return true;
	case 'b': o->boards = arg; return true;
	case 'c': o->accounts.checker = arg; return true;
	case 'P': return (o->clear = one_of(arg, clear)) != CLEAR_DEFAULT;
	case 'H': return (o->proxy = one_of(arg, proxy)) != PROXY_OFF;
	case 'u': return text_number(s, UINT32_MAX, &o->accounts.minuid);
	case 'z': return text_number(s, INT64_MAX, &o->parcel);
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
	o->parcel = 32 << 20;
	o->idle = 600;		/* RFC 1939, 3: at least ten minutes */
	o->login = 60;
	o->wait = 30;
	o->fail = 3;
	opterr = 0;
	while ((c = getopt(argc, argv,
	    "A:a:b:c:df:H:i:l:M:m:nN:P:p:rsTt:Uu:Vw:xz:")) != -1)
		if (c == 'd')
			p->env.debug = true;
		else if (!set_option(o, c, optarg))
			return false;
	return optind == argc;
}

/*
 * Our name, as the domain of a msg-id, since APOP's timestamp is one (RFC 1939,
 * 7; RFC 822, 6.1): words with single dots between them.  What cannot be in it
 * is left out here, so that the stamp is summed as it is sent.
 */
static void
find_host(struct pop *p)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	char name[256] = "";
	const char *s = name;
	size_t n = 0;

	if (gethostname(name, sizeof(name) - 1) == -1 ||
	    strcmp(name, "(none)") == 0)	/* Linux, before it has one */
		name[0] = '\0';
	for (; *s != '\0' && n < sizeof(p->host) - 1; s++)
		if (strchr(allowed, *s) != NULL &&
		    (*s != '.' || (n > 0 && p->host[n - 1] != '.')))
			p->host[n++] = *s;
	n -= n > 0 && p->host[n - 1] == '.';
	p->host[n] = '\0';
	if (n == 0)
		(void)snprintf(p->host, sizeof(p->host), "localhost");
}

/*
 * The greeting has a "<" only if APOP is on offer, and then a timestamp that
 * no other greeting has (RFC 1939, 7; RFC 2449, 3).
 */
static void
greet(struct pop *p)
{
	struct timespec ts;

	find_host(p);
	if (p->opt.accounts.secrets != NULL && clock_gettime(CLOCK_REALTIME,
	    &ts) == 0)
		(void)snprintf(p->stamp, sizeof(p->stamp), "<%ld.%lld.%ld@%s>",
		    (long)getpid(), (long long)ts.tv_sec, ts.tv_nsec,
		    p->host);
	(void)reply_ok(&p->conn, "popper " POPPER_VERSION " at %s ready.%s%s",
	    p->host, p->stamp[0] != '\0' ? " " : "", p->stamp);
	(void)reply_flush(&p->conn);	/* nobody waits for our log */
	log_start(p);
}

/* popper -V: what was built, and with what in it. */
static int
version(void)
{
	printf("popper %s\nspool directory: %s\nsendmail: %s\n"
	    "system calls: %s\n", POPPER_VERSION, POPPER_SPOOL,
	    POPPER_SENDMAIL, file_calls());
	return fflush(stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* popper -n */
static int
check(struct pop *p)
{
	if (log_open(&p->env, p->opt.trace) == -1) {
		printf("mend  trace file %s: must be a regular file of yours "
		    "with one name\n", p->opt.trace);
		return EXIT_FAILURE;
	}
	tls_begin(&p->conn);
	return check_installation(p) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	static struct pop session;	/* large, and zero at no cost */
	struct pop *p = &session;
	bool served;

	p->conn.env = &p->env;
	drop_init(p, &p->drop);
	p->ids.uid = geteuid();
	p->ids.gid = p->ids.spoolgid = getegid();
	p->state = ST_USER;
	p->env.who[0] = '-';
	if (!options(p, argc, argv)) {
		fprintf(stderr, "usage: popper [-dnrsTUVx] [-A file] [-a file] "
		    "[-b file] [-c program]\n\t[-f seconds] [-H on|tls] "
		    "[-i seconds] [-l seconds] [-M program]\n\t[-m dir] "
		    "[-N file] [-P never|tls|local|always] [-p file]\n\t"
		    "[-t file] [-u uid] [-w seconds] [-z bytes]\n");
		return EXIT_USAGE;
	}
	if (p->opt.version)
		return version();
	wait_deadline(&p->start, 0);
	wait_deadline(&p->conn.login, p->opt.login);
	p->conn.idle = p->opt.idle;
	if (p->opt.check)
		return check(p);
	if (log_open(&p->env, p->opt.trace) == -1 ||
	    wait_begin(&p->env) == -1 || conn_unblock() == -1)
		return EXIT_FAILURE;
	peer_find(&p->conn, p->opt.tls);
	tls_begin(&p->conn);
	p->conn.tls = p->opt.tls;
	served = p->opt.proxy == PROXY_OFF ||
	    proxy_header(&p->conn, p->opt.proxy == PROXY_TLS);
	if (served) {
		greet(p);
		serve(p);
		drop_unlock(&p->drop);	/* he may come again at once */
	}
	conn_end();
	(void)close(0);
	(void)close(1);
	(void)close(2);		/* inetd's: the client sees the end now */
	drop_close(&p->drop);
	if (served)
		log_end(p);
	log_check_name(p);
	return EXIT_SUCCESS;
}
