/*
 * AUTHORIZATION.  popper runs as root until user_become() returns; that is:
 *
 *	popper.c	options, the greeting, the loop, CAPA, the end of a
 *			session without a login
 *	pop_auth.c	the other commands before login, and pop_quit()
 *	pop_log.c	the lines of the start, of a refusal and of the end
 *	net/		lines in and replies out, bounded; the proxy's header;
 *			STLS
 *	login/		accounts and passwords, in a process of its own; opening
 *			the spool directory, making .user.pop, becoming the user
 *	lib/		the log and the trace file, files of accounts, waiting,
 *			starting the program of -c
 *
 * and drop_refuse(), if becoming the user fails.  popper -n runs as root too,
 * but has no client; it tries each maildrop in a child that becomes the user.
 *
 * A refusal is sent at a fixed time after the command, whatever was wrong, so
 * neither its text nor its delay says who exists (RFC 1939, 13).
 */
#include <sys/wait.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "popper.h"

/* ---- the commands -------------------------------------------------------- */

/* By default passwords are taken in the clear if there is no TLS on offer. */
bool
auth_clear_ok(struct pop *p)
{
	enum clear c = p->opt.clear;

	if (c == CLEAR_DEFAULT)
		c = p->conn.tlsfd[TLS_CTL] != -1 || p->conn.tls ? CLEAR_LOCAL :
		    CLEAR_ALWAYS;
	return c == CLEAR_ALWAYS || (c == CLEAR_LOCAL && p->conn.loopback) ||
	    (c != CLEAR_NEVER && p->conn.tls);
}

/* The same for every name, before anything is looked up (RFC 8314, 4.1). */
static enum result
refuse_clear(struct pop *p)
{
	return reply_err(&p->conn, "[AUTH] Passwords are not taken on this "
	    "connection%s.", p->conn.tlsfd[TLS_CTL] != -1 ? "; use STLS first" :
	    "");
}

/* Notes the user's name; one that is too long matches no account. */
static void
set_user(struct pop *p, const char *name, size_t n)
{
	if (n >= sizeof(p->user))
		n = 0;
	memcpy(p->user, name, n);
	p->user[n] = '\0';
	(void)text_clean(p->env.who, sizeof(p->env.who), n == 0 ? "?" : name,
	    n == 0 ? 1 : n);
}

enum result
pop_user(struct pop *p)
{
	if (!auth_clear_ok(p))
		return refuse_clear(p);
	set_user(p, p->argv[0].p, p->argv[0].n);
	return reply_ok(&p->conn, "Password required for %.*s.",
	    (int)p->argv[0].n, p->argv[0].p);
}

enum result
pop_rpop(struct pop *p)
{
	return reply_err(&p->conn, "[AUTH] Trust by host name is not given "
	    "here.");
}

static enum result
refuse(struct pop *p, const char *reason, int64_t when)
{
	p->reason = END_AUTH;
	log_refused_login(p, reason);
	(void)wait_sleep(&p->env, when);
	reply_line(&p->conn, "-ERR [AUTH] Password supplied for \"%s\" is "
	    "incorrect.", p->user);
	return CLOSE;
}

static int
open_spool_dir(struct pop *p, const struct account *a)
{
	return dir_open(&p->ids, p->opt.dir, p->user, a, p->drop.box.name);
}

/*
 * The way to a maildrop.  If only root can have put its directory there, root
 * opens it and makes .user.pop, otherwise the user does both; then root's
 * privileges are dropped.  If pr is not NULL nothing is made, and pr tells
 * whether root would make it.
 */
static enum fault
reach_maildrop(struct pop *p, const struct account *a, struct probe *pr)
{
	struct maildrop *box = &p->drop.box;
	char state[STATE_NAME];

	if ((box->dir = open_spool_dir(p, a)) != -1) {
		state_name(box->name, state);
		if (pr != NULL)
			pr->made = dir_would_make_state(box->dir, state);
		else if (p->ids.uid == 0)
			dir_make_state(box->dir, state, a);
	}
	(void)snprintf(p->home, sizeof(p->home), "%s", a->home);
	if (user_become(&p->ids, a, p->user, box->dir, p->opt.boards != NULL)
	    == -1)
		return file_permanent(errno) ? FAULT_ACCOUNT : FAULT_READ;
	if (box->dir == -1 && (box->dir = open_spool_dir(p, a)) == -1)
		return file_permanent(errno) ? FAULT_DIR : FAULT_READ;
	return FAULT_NONE;
}

enum fault
auth_probe(struct pop *p, const char *name, const struct account *a,
    struct probe *pr)
{
	enum fault f;

	set_user(p, name, strlen(name));
	f = reach_maildrop(p, a, pr);
	return f != FAULT_NONE ? f : maildrop_probe(&p->drop.box, pr);
}

/* Enters TRANSACTION.  The log says how long that took since PASS was read. */
static enum result
enter(struct pop *p, const struct account *a, int64_t asked)
{
	enum fault f = reach_maildrop(p, a, NULL);

	if (f == FAULT_DIR || f == FAULT_READ)
		log_error(&p->env, "login: dir=%s", a->maildrop[0] != '\0' ?
		    a->maildrop : p->opt.dir);
	else if (f == FAULT_ACCOUNT)
		log_error(&p->env, "login: cannot become uid=%lu",
		    (unsigned long)a->uid);
	if (f != FAULT_NONE) {
		(void)drop_refuse(p, f);
		return CLOSE;
	}
	if (drop_open(p) != OK)
		return CLOSE;
	p->conn.logged_in = true;
	p->left = (unsigned long)p->drop.sum.count;
	log_login(p, wait_now() - asked);
	return reply_ok(&p->conn, "%s has %llu messages (%llu octets).",
	    p->user, (unsigned long long)p->drop.sum.count,
	    (unsigned long long)p->drop.sum.octets);
}

/* The log names the file or the program that cannot be asked. */
static enum result
accounts_failed(struct pop *p, const struct account *a)
{
	bool permanent = password_trouble_lasts(a);

	if (a->status == 0)
		log_error(&p->env, "login: cannot check accounts: %s",
		    a->asked);
	else
		log_notice(&p->env, "login: cannot check accounts: %s "
		    "user=%s: %s %d", a->asked, p->env.who,
		    WIFSIGNALED(a->status) ? "signal" : "exit status",
		    WIFSIGNALED(a->status) ? WTERMSIG(a->status) :
		    WEXITSTATUS(a->status));
	if (permanent)
		(void)reply_err(&p->conn, "[SYS/PERM] Accounts cannot be "
		    "looked up; tell the administrator.");
	else
		(void)reply_err(&p->conn, "[SYS/TEMP] Accounts cannot be "
		    "looked up now.");
	return CLOSE;
}

/* Checks what PASS, APOP and AUTH offer: into TRANSACTION, or the end. */
static enum result
log_in(struct pop *p, struct login *l)
{
	struct account a;
	int64_t asked = wait_now(), when = wait_deadline(p->opt.fail);
	int r;

	l->name = p->user;
	l->stamp = p->stamp;
	l->tls = p->conn.tls;
	l->until = p->conn.login;
	r = password_check(&p->env, &p->opt.accounts, l, &a);
	line_wipe(&p->conn);
	if (r == -1 && a.status == 0 && errno == EINTR) {
		p->conn.out.state = IO_SIGNAL;	/* the loop logs the reason */
		return ABORT;
	}
	if (r == -1)
		return accounts_failed(p, &a);
	return a.reason != NULL ? refuse(p, a.reason, when) :
	    enter(p, &a, asked);
}

enum result
pop_pass(struct pop *p)
{
	char password[LINE_COMMAND + 1];
	struct login l = { .password = password };
	enum result r;

	memcpy(password, p->argv[0].p, p->argv[0].n);
	password[p->argv[0].n] = '\0';
	r = log_in(p, &l);
	text_wipe(password, sizeof(password));
	return r;
}

enum result
pop_apop(struct pop *p)
{
	struct login l = { .digest = p->argv[1] };

	if (p->opt.accounts.secrets == NULL)
		return reply_err(&p->conn, "APOP is not offered here.");
	set_user(p, p->argv[0].p, p->argv[0].n);
	return log_in(p, &l);
}

/* ---- AUTH (RFC 5034, RFC 4616) ------------------------------------------- */

static enum result
malformed(struct pop *p)
{
	return reply_err(&p->conn, "That is not a response of this mechanism.");
}

/*
 * Splits PLAIN's response of n octets: [who to be] NUL who NUL password.  False
 * if it has not these parts, or a control character.
 */
static bool
split_plain(const char *text, size_t n, const char **who,
    const char **password)
{
	size_t i, nuls = 0;

	for (i = 0; i < n; i++) {
		if (text[i] == '\0')
			nuls++;
		else if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	if (nuls != 2)
		return false;
	*who = text + strlen(text) + 1;
	*password = *who + strlen(*who) + 1;
	return **who != '\0' && **password != '\0';
}

static enum result
plain(struct pop *p, struct str response)
{
	char text[PASSWORD_LEN];
	const char *who, *password, *reason = NULL;
	struct login l = { 0 };
	int64_t when = wait_deadline(p->opt.fail);
	enum result r;
	size_t n;

	if (!base64_decode(response, text, sizeof(text) - 1, &n))
		n = 0;			/* too little for PLAIN */
	text[n] = '\0';
	if (!split_plain(text, n, &who, &password))
		r = malformed(p);
	else {
		set_user(p, who, strlen(who));
		l.password = password;
		if (text[0] != '\0' && strcmp(text, who) != 0)
			reason = "proxy";
		r = reason != NULL ? refuse(p, reason, when) : log_in(p, &l);
	}
	text_wipe(text, sizeof(text));
	return r;
}

/* AUTH [mechanism [initial response]]; "=" is an empty response. */
enum result
pop_auth(struct pop *p)
{
	struct str mech = p->argv[0], response = { "", 0 };
	enum io what;

	if (p->argc == 0) {
		(void)reply_ok(&p->conn, "Mechanisms follow");
		if (auth_clear_ok(p))
			reply_puts(&p->conn, "PLAIN\r\n");
		(void)reply_dot(&p->conn);
		return ERR;		/* the state stays */
	}
	if (!text_is(mech, text_of("PLAIN")))
		return reply_err(&p->conn, "That mechanism is not known here.");
	if (!auth_clear_ok(p))
		return refuse_clear(p);
	if (p->argc == 2)
		return plain(p, text_is(p->argv[1], text_of("=")) ? response :
		    p->argv[1]);
	reply_puts(&p->conn, "+ \r\n");
	what = line_read(&p->conn, LINE_SASL, &response);
	if (what == IO_LONG || what == IO_CONTROL)
		return malformed(p);
	if (what != IO_OK) {
		p->conn.out.state = what;	/* the loop logs the reason */
		return ABORT;
	}
	if (text_is(response, text_of("*")))
		return reply_err(&p->conn, "Authentication is cancelled.");
	return plain(p, response);
}

/* ---- STLS ---------------------------------------------------------------- */

enum result
pop_stls(struct pop *p)
{
	if (p->conn.tls)
		return reply_err(&p->conn, "TLS is active already.");
	if (!tls_offered(&p->conn))
		return reply_err(&p->conn, "TLS is not offered here.");
	if (line_pending(&p->conn)) {
		(void)reply_err(&p->conn, "Nothing may follow STLS before its "
		    "answer.");
		return CLOSE;
	}
	(void)reply_ok(&p->conn, "Begin TLS negotiation.");
	if (reply_flush(&p->conn) == -1 || tls_start(&p->conn) == -1)
		return ABORT;
	p->user[0] = '\0';
	memcpy(p->env.who, "-", 2);
	return OK;
}
