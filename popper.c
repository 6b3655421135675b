/*
 * The server: options, the one table of commands, the loop that walks the
 * three states, and the commands that only look at the table of messages.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "popper.h"

/* ---- arguments --------------------------------------------------------- */

bool
arg_number(struct str s, uint64_t max, uint64_t *value)
{
	uint64_t n = 0, digit;
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		digit = (uint64_t)(s.p[i] - '0');
		if (n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*value = n;
	return s.n > 0;
}

/* The n-th message of the client, or NULL. */
static struct msg *
numbered(struct pop *p, uint64_t n)
{
	if (n == 0 || n > p->drop.sum.count)
		return NULL;
	return &p->drop.all.v[n - 1 + p->drop.sum.hidden];
}

static size_t
number_of(struct pop *p, const struct msg *m)
{
	return (size_t)(m - p->drop.all.v) + 1 - (size_t)p->drop.sum.hidden;
}

/* The table, or -ERR: without it the session is of no use. */
static bool
have_table(struct pop *p)
{
	if (drop_load(p) == 0)
		return true;
	pop_warn(p, "table: cannot read the maildrop again");
	(void)pop_err(p, "[SYS/TEMP] The maildrop cannot be read now.");
	return false;
}

struct msg *
arg_msg(struct pop *p, int i)
{
	struct str s = p->argv[i];
	struct msg *m = NULL;
	uint64_t n;

	if (!have_table(p))
		return NULL;
	if (arg_number(s, SIZE_MAX, &n))
		m = numbered(p, n);
	if (m == NULL)
		(void)pop_err(p, "Message %.*s does not exist.", (int)s.n,
		    s.p);
	else if (m->flags & MSG_DELETED) {
		(void)pop_err(p, "Message %zu has been deleted.",
		    number_of(p, m));
		m = NULL;
	}
	return m;
}

void
drop_accessed(struct pop *p, const struct msg *m)
{
	if (number_of(p, m) > p->drop.last)
		p->drop.last = number_of(p, m);
}

/* ---- commands ---------------------------------------------------------- */

static size_t
live_count(struct pop *p)
{
	return (size_t)p->drop.sum.count - p->drop.ndeleted;
}

static unsigned long long
live_octets(struct pop *p)
{
	return p->drop.sum.octets - p->drop.deleted_octets;
}

/* STAT: messages and octets, without deleted ones (RFC 1081). */
static enum result
pop_stat(struct pop *p)
{
	return pop_ok(p, "%zu %llu", live_count(p), live_octets(p));
}

/* What LIST and UIDL have in common: one line of one message, or of all. */
static enum result
listing(struct pop *p, void (*show)(struct pop *, const struct msg *))
{
	struct msg *m;
	uint64_t n;

	if (p->argc == 1) {
		if ((m = arg_msg(p, 0)) == NULL)
			return NO;
		pop_puts(p, "+OK ");
		show(p, m);
		return OK;
	}
	if (!have_table(p))
		return NO;
	(void)pop_ok(p, "%zu messages (%llu octets).", live_count(p),
	    live_octets(p));
	for (n = 1; (m = numbered(p, n)) != NULL; n++)
		if (!(m->flags & MSG_DELETED))
			show(p, m);
	return pop_dot(p);
}

static void
scan_listing(struct pop *p, const struct msg *m)
{
	pop_printf(p, "%zu %llu", number_of(p, m),
	    (unsigned long long)m->octets);
}

static void
unique_id_listing(struct pop *p, const struct msg *m)
{
	char text[UID_TEXT];

	mbox_uid(m, text);
	pop_printf(p, "%zu %s", number_of(p, m), text);
}

/* LIST [msg] (RFC 1081), UIDL [msg] (RFC 1939, 7). */
static enum result
pop_list(struct pop *p)
{
	return listing(p, scan_listing);
}

static enum result
pop_uidl(struct pop *p)
{
	return listing(p, unique_id_listing);
}

/* DELE msg: only marked; the spool is not touched before QUIT. */
static enum result
pop_dele(struct pop *p)
{
	struct msg *m;

	if ((m = arg_msg(p, 0)) == NULL)
		return NO;
	m->flags |= MSG_DELETED;
	p->drop.ndeleted++;
	p->drop.deleted_octets += m->octets;
	drop_accessed(p, m);
	return pop_ok(p, "Message %zu has been deleted.", number_of(p, m));
}

static enum result
pop_noop(struct pop *p)
{
	return pop_ok(p, "%s", "");	/* "+OK ": RFC 1957 */
}

/* LAST: the highest number accessed (RFC 1081). */
static enum result
pop_last(struct pop *p)
{
	return pop_ok(p, "%llu is the last message seen.",
	    (unsigned long long)p->drop.last);
}

/* RSET: no marks, and LAST as it was at login (RFC 1081). */
static enum result
pop_rset(struct pop *p)
{
	struct msg *m;
	uint64_t n;

	for (n = 1; p->drop.ndeleted > 0 && (m = numbered(p, n)) != NULL; n++)
		m->flags &= ~(uint32_t)MSG_DELETED;
	p->drop.ndeleted = 0;
	p->drop.deleted_octets = 0;
	p->drop.last = p->drop.sum.last;
	return pop_ok(p, "Maildrop has %zu messages (%llu octets).",
	    live_count(p), live_octets(p));
}

static enum result
sign_off(struct pop *p)
{
	p->reason = END_QUIT;
	(void)pop_ok(p, "popper at %s signing off.", p->host);
	return BYE;
}

/* QUIT before login: nothing to update. */
static enum result
pop_quit(struct pop *p)
{
	return sign_off(p);
}

/*
 * QUIT in TRANSACTION: UPDATE, then the lock is released, then one reply that
 * tells the truth (RFC 1939, 6).
 */
static enum result
pop_update(struct pop *p)
{
	bool begun;
	int r, saved;

	r = updt_maildrop(p, &begun);
	saved = errno;
	drop_close(p);
	if (r == 0)
		return sign_off(p);
	p->reason = END_ERROR;
	errno = saved;
	pop_warn(p, "update");
	if (begun)
		(void)pop_err(p, "[SYS/TEMP] The update was interrupted; the "
		    "next session completes it.");
	else if (saved == EAGAIN)
		(void)pop_err(p, "[IN-USE] The maildrop is locked by another "
		    "program; nothing was removed.");
	else
		(void)pop_err(p, "[SYS/TEMP] The maildrop could not be "
		    "updated; nothing was removed.");
	return BYE;
}

static enum result pop_capa(struct pop *p);

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
	enum result (*handler)(struct pop *);
	enum state ok, no;	/* the next state */
} commands[] = {
	{ ST_USER, "USER", 1, 1, 1, 0, "USER", pop_user, ST_PASS, ST_USER },
	{ ST_PASS, "PASS", 1, 1, 1, 1, NULL, pop_pass, ST_TRANS, ST_USER },
	{ ST_PASS, "RPOP", 1, 1, 0, 1, NULL, pop_rpop, ST_SAME, ST_USER },
	{ ST_AUTH, "QUIT", 0, 0, 0, 0, NULL, pop_quit, ST_SAME, ST_SAME },
	{ ST_ANY, "CAPA", 0, 0, 0, 0, "PIPELINING", pop_capa, ST_SAME,
	    ST_SAME },
	{ ST_TRANS, "STAT", 0, 0, 0, 0, NULL, pop_stat, ST_SAME, ST_SAME },
	{ ST_TRANS, "LIST", 0, 1, 0, 0, NULL, pop_list, ST_SAME, ST_SAME },
	{ ST_TRANS, "RETR", 1, 1, 0, 0, NULL, pop_retr, ST_SAME, ST_SAME },
	{ ST_TRANS, "DELE", 1, 1, 0, 0, NULL, pop_dele, ST_SAME, ST_SAME },
	{ ST_TRANS, "NOOP", 0, 0, 0, 0, NULL, pop_noop, ST_SAME, ST_SAME },
	{ ST_TRANS, "LAST", 0, 0, 0, 0, NULL, pop_last, ST_SAME, ST_SAME },
	{ ST_TRANS, "RSET", 0, 0, 0, 0, NULL, pop_rset, ST_SAME, ST_SAME },
	{ ST_TRANS, "TOP", 2, 2, 0, 0, "TOP", pop_top, ST_SAME, ST_SAME },
	{ ST_TRANS, "UIDL", 0, 1, 0, 0, "UIDL", pop_uidl, ST_SAME, ST_SAME },
	{ ST_TRANS, "QUIT", 0, 0, 0, 0, NULL, pop_update, ST_SAME, ST_SAME }
};

enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* CAPA (RFC 2449, 5): what the table offers, and what holds for all of it. */
static enum result
pop_capa(struct pop *p)
{
	size_t i;

	(void)pop_ok(p, "Capabilities follow.");
	for (i = 0; i < NCOMMANDS; i++)
		if (commands[i].capa != NULL)
			pop_printf(p, "%s", commands[i].capa);
	pop_puts(p, "RESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\n");
	if (p->state == ST_TRANS)
		pop_puts(p, "IMPLEMENTATION popper-" POPPER_VERSION "\r\n");
	return pop_dot(p);
}

/* ---- the loop ---------------------------------------------------------- */

static bool
word_is(struct str s, const char *name)
{
	return s.n == strlen(name) && strncasecmp(s.p, name, s.n) == 0;
}

/* Takes the next word off the line. */
static struct str
next_word(struct str *line)
{
	struct str w = { line->p, 0 };

	while (w.n < line->n && line->p[w.n] != ' ')
		w.n++;
	line->p += w.n;
	line->n -= w.n;
	return w;
}

static void
skip_blanks(struct str *line)
{
	while (line->n > 0 && *line->p == ' ') {
		line->p++;
		line->n--;
	}
}

/* Splits the rest of the line; more words than fit are only counted. */
static void
split(struct pop *p, const struct command *c, struct str line)
{
	struct str w;

	p->argc = 0;
	if (c->rest && line.n > 0) {	/* RFC 1939, 7: spaces and all */
		p->argv[0].p = line.p + 1;
		p->argv[0].n = line.n - 1;
		p->argc = line.n > 1;
		return;
	}
	for (skip_blanks(&line); line.n > 0; skip_blanks(&line)) {
		w = next_word(&line);
		if (p->argc < ARGS_MAX)
			p->argv[p->argc] = w;
		p->argc++;
	}
}

static const struct command *
find(enum state state, struct str word, bool *elsewhere)
{
	size_t i;

	*elsewhere = false;
	for (i = 0; i < NCOMMANDS; i++)
		if (word_is(word, commands[i].name)) {
			if (commands[i].states & state)
				return &commands[i];
			*elsewhere = true;
		}
	return NULL;
}

/*
 * An unknown word is said back to the client, who knows it, but not logged:
 * it may be a password that went astray.
 */
static enum result
unknown(struct pop *p, struct str word)
{
	pop_printf(p, "-ERR Unknown command: \"%.*s\".",
	    word.n < 40 ? (int)word.n : 40, word.p);
	pop_log(p, LV_NOTICE, "refused user=%s addr=%s: unknown command",
	    p->who, p->addr);
	return NO;
}

static enum result
execute(struct pop *p, struct str line)
{
	const struct command *c;
	struct str word;
	enum state next;
	enum result r;
	bool elsewhere;

	word = next_word(&line);
	if ((c = find(p->state, word, &elsewhere)) == NULL)
		return elsewhere ? pop_err(p, "The %.*s command is not "
		    "possible now.", (int)word.n, word.p) : unknown(p, word);
	pop_log(p, LV_DEBUG, "command user=%s %s%s", p->who, c->name,
	    c->secret ? " ..." : "");
	split(p, c, line);
	if (p->argc < c->least)
		return pop_err(p, "Too few arguments for the %s command.",
		    c->name);
	if (p->argc > c->most)
		return pop_err(p, "Too many arguments for the %s command.",
		    c->name);
	r = c->handler(p);
	next = r == OK ? c->ok : c->no;
	if (next != ST_SAME)
		p->state = next;
	return r;
}

/* A line that cannot be a command, or the end of all lines. */
static enum result
no_command(struct pop *p, enum line what)
{
	switch (what) {
	case IN_LONG:
		return pop_err(p, "The line is too long.");
	case IN_CONTROL:
		return pop_err(p, "The line has a control character.");
	case IN_TIMEOUT:
		p->reason = END_TIMEOUT;	/* RFC 1939, 3: no reply */
		return CUT;
	case IN_SIGNAL:
		p->reason = END_SIGNAL;
		return CUT;
	case IN_ERROR:
		pop_warn(p, "connection");
		p->reason = END_ERROR;
		return CUT;
	default:
		p->reason = END_LOST;
		return CUT;
	}
}

/* Walks the states until the session ends. */
static void
serve(struct pop *p)
{
	struct timespec login, idle;
	struct str line;
	enum result r;
	enum line what;

	io_deadline(&login, p->opt.login);
	do {
		io_deadline(&idle, p->opt.idle);
		what = pop_line(p, LINE_COMMAND,
		    p->state == ST_TRANS ? &idle : &login, &line);
		r = what == IN_LINE ? execute(p, line) : no_command(p, what);
		if (p->out.state != IN_LINE)
			r = no_command(p, p->out.state);
	} while (r == OK || r == NO);
	if (r == BYE && pop_flush(p) == -1 && p->reason == END_QUIT)
		p->reason = END_LOST;
}

/* The line for the log that says all about the session. */
static void
log_end(struct pop *p)
{
	static const char *const reasons[] = { "quit", "lost", "timeout",
	    "signal", "auth", "error" };
	struct timespec now;

	io_deadline(&now, 0);
	pop_log(p, LV_NOTICE, "end user=%s addr=%s reason=%s retrieved=%lu "
	    "sent=%llu deleted=%lu left=%lu seconds=%lld", p->who, p->addr,
	    reasons[p->reason], p->retrieved, (unsigned long long)p->sent,
	    p->removed, p->left,
	    (long long)(now.tv_sec - p->start.tv_sec));
}

/* ---- options ----------------------------------------------------------- */

enum { EXIT_USAGE = 64 };

static bool
seconds(const char *s, unsigned *value)
{
	uint64_t n;

	if (!arg_number((struct str){ s, strlen(s) }, 24 * 60 * 60, &n))
		return false;
	*value = (unsigned)n;
	return true;
}

static bool
one_option(struct options *o, int c, const char *arg)
{
	switch (c) {
	case 'd': o->debug = true; return true;
	case 'r': o->noresolve = true; return true;
	case 's': o->nostatus = true; return true;
	case 'm': o->dir = arg; return true;
	case 'p': o->passwd = arg; return true;
	case 't': o->trace = arg; return true;
	case 'f': return seconds(arg, &o->fail);
	case 'i': return seconds(arg, &o->idle);
	case 'l': return seconds(arg, &o->login);
	case 'w': return seconds(arg, &o->wait);
	default: return false;
	}
}

static bool
options(struct options *o, int argc, char **argv)
{
	int c;

	o->dir = POPPER_SPOOL;
	o->idle = 600;		/* RFC 1939, 3: at least ten minutes */
	o->login = 60;
	o->wait = 30;
	o->fail = 3;
	opterr = 0;
	while ((c = getopt(argc, argv, "df:i:l:m:p:rst:w:")) != -1)
		if (!one_option(o, c, optarg))
			return false;
	return optind == argc;
}

int
main(int argc, char **argv)
{
	static struct pop session;	/* large, and zero at no cost */
	struct pop *p = &session;

	p->drop.dir = p->drop.work = p->drop.copy = -1;
	p->state = ST_USER;
	p->reason = END_ERROR;
	p->who[0] = '-';
	if (!options(&p->opt, argc, argv)) {
		fprintf(stderr, "usage: popper [-drs] [-f seconds] "
		    "[-i seconds] [-l seconds] [-m dir] [-p file]\n"
		    "\t[-t file] [-w seconds]\n");
		return EXIT_USAGE;
	}
	io_deadline(&p->start, 0);
	if (log_begin(p) == -1 || io_begin(p) == -1)
		return EXIT_FAILURE;
	log_peer(p);
	if (gethostname(p->host, sizeof(p->host) - 1) == -1)
		p->host[0] = '\0';
	(void)pop_ok(p, "popper " POPPER_VERSION " at %s ready.", p->host);
	pop_log(p, LV_NOTICE, "start addr=%s version=" POPPER_VERSION,
	    p->addr);
	serve(p);
	drop_close(p);
	log_end(p);
	io_end(p);
	(void)close(0);
	(void)close(1);
	(void)close(2);		/* inetd's: the client sees the end now */
	log_check_name(p);
	return EXIT_SUCCESS;
}
