/*
 * Everything that runs as root.  That is: main() up to the greeting, reading
 * command lines (net/, bounded), STLS (net/tls.c), and in this file
 *	- (with login/) looking up an account and checking a password,
 *	- opening the spool directory and creating .user.pop for its owner,
 *	- becoming that user for good.
 * Nothing else that a client sends reaches root.
 *
 * A refusal is sent at a fixed time after the command, whatever was wrong, so
 * that neither its text nor its delay says who exists (RFC 1939, 13).
 */
#include <sys/wait.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "popper.h"

/* ---- the spool directory --------------------------------------------------- */

/* ---- the commands ---------------------------------------------------------- */

/* Where passwords may cross in the clear: -P, or what is on offer. */
bool
auth_clear_ok(struct pop *p)
{
	enum clear c = p->opt.clear;

	if (c == CLEAR_DEFAULT)
		c = p->conn.tlsfd[TLS_CTL] != -1 || p->conn.tls ? CLEAR_LOCAL :
		    CLEAR_ALWAYS;
	switch (c) {
	case CLEAR_NEVER:
		return false;
	case CLEAR_TLS:
		return p->conn.tls;
	case CLEAR_LOCAL:
		return p->conn.tls || p->conn.loopback;
	default:
		return true;
	}
}

/* The same for every name, before anything is looked up (RFC 8314, 4.1). */
static enum result
refuse_clear(struct pop *p)
{
	return reply_err(&p->conn, "[AUTH] Passwords are not taken on this "
	    "connection%s.", p->conn.tlsfd[TLS_CTL] != -1 ? "; use STLS first" :
	    "");
}

/* Notes the name for the log and for what follows; a long one is nobody's. */
static void
set_user(struct pop *p, const char *name, size_t n)
{
	if (n >= sizeof(p->user))
		n = 0;
	memcpy(p->user, name, n);
	p->user[n] = '\0';
	(void)text_clean(p->env.who, sizeof(p->env.who), name, n);
	if (n == 0)
		(void)text_clean(p->env.who, sizeof(p->env.who), "?", 1);
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
refuse(struct pop *p, const struct account *a, const struct timespec *when)
{
	p->reason = END_AUTH;
	log_refused_login(p, a->reason);
	(void)wait_sleep(&p->env, when);
	reply_line(&p->conn, "-ERR [AUTH] Password supplied for \"%s\" is "
	    "incorrect.", p->user);
	return CLOSE;
}

static int
open_dir(struct pop *p, const struct account *a)
{
	return dir_open(&p->ids, p->opt.dir, p->user, a,
	    p->drop.box.name);
}

/*
 * The way to a maildrop.  Where only root could have put its directory, root
 * opens it and makes .user.pop; anywhere else the user does both.  Then the
 * privileges go.  Nothing is made if pr is not NULL: it then tells whether root
 * would do that.
 */
static enum fault
reach(struct pop *p, const struct account *a, struct probe *pr)
{
	struct maildrop *box = &p->drop.box;
	char state[STATE_NAME];

	if ((box->dir = open_dir(p, a)) != -1) {
		state_name(box->name, state);
		if (pr != NULL)
			pr->made = dir_would_make_state(box->dir, state);
		else if (p->ids.uid == 0)
			dir_make_state(box->dir, state, a);
	}
	(void)snprintf(p->home, sizeof(p->home), "%s", a->home);
	if (user_become(&p->ids, a, p->user, box->dir, p->opt.boards != NULL)
	    == -1)
		return FAULT_ACCOUNT;
	if (box->dir == -1 && (box->dir = open_dir(p, a)) == -1)
		return FAULT_DIR;
	return FAULT_NONE;
}

enum fault
auth_probe(struct pop *p, const char *name, const struct account *a,
    struct probe *pr)
{
	enum fault f;

	set_user(p, name, strlen(name));
	f = reach(p, a, pr);
	return f != FAULT_NONE ? f : maildrop_probe(&p->drop.box, pr);
}

/*
 * Where only root could have put the spool directory, root opens it and makes
 * .user.pop; anywhere else the user does both.  The maildrop is opened as the
 * user.  How long all of it took since asked is for the administrator.
 */
static enum result
enter(struct pop *p, const struct account *a, const struct timespec *asked)
{
	enum fault f = reach(p, a, NULL);

	if (f == FAULT_DIR)
		log_error(&p->env, "login: dir=%s", a->maildrop[0] != '\0' ?
		    a->maildrop : p->opt.dir);
	else if (f != FAULT_NONE)
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
	log_login(p, -wait_left(asked));
	return reply_ok(&p->conn, "%s has %llu messages (%llu octets).",
	    p->user, (unsigned long long)p->drop.sum.count, (unsigned long
	    long)p->drop.sum.octets);
}

/* The accounts cannot be asked: the log names the file or the program. */
static enum result
say_no_check(struct pop *p, const struct account *a)
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

/* What PASS, APOP and AUTH come to. */
static enum result
log_in(struct pop *p, struct login *l)
{
	struct account a;
	struct timespec asked, when;
	int r;

	wait_deadline(&asked, 0);
	wait_deadline(&when, p->opt.fail);
	l->name = p->user;
	l->stamp = p->stamp;
	l->tls = p->conn.tls;
	l->until = p->conn.login;
	r = password_check(&p->env, &p->opt.accounts, l, &a);
	text_wipe(p->conn.in.buf, p->conn.in.start);
	text_wipe(p->conn.in.buf + p->conn.in.end, sizeof(p->conn.in.buf) -
	    p->conn.in.end);
	if (r == -1 && a.status == 0 && errno == EINTR) {
		p->conn.out.state = IO_SIGNAL;	/* the loop says why we end */
		return ABORT;
	}
	if (r == -1)
		return say_no_check(p, &a);
	return a.reason != NULL ? refuse(p, &a, &when) :
	    enter(p, &a, &asked);
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

/* ---- AUTH (RFC 5034, RFC 4616) --------------------------------------------- */

static enum result
malformed(struct pop *p)
{
	return reply_err(&p->conn, "That is not a response of this mechanism.");
}

/* PLAIN's response: [who to be] NUL who NUL password, each up to 255. */
static enum result
plain(struct pop *p, struct str response)
{
	char text[PASSWORD_LEN], *who, *password;
	struct login l = { 0 };
	struct account proxy = { .reason = "proxy" };
	struct timespec when;
	size_t n, i, nuls = 0;
	enum result r = ERR;

	if (!base64_decode(response, text, sizeof(text) - 1, &n))
		return malformed(p);
	text[n] = '\0';
	for (i = 0; i < n; i++) {
		nuls += text[i] == '\0';
		if (text[i] != '\0' && ((unsigned char)text[i] < 0x20 ||
		    text[i] == 0x7f))
			nuls = 3;
		if (nuls > 2)
			break;
	}
	who = text + strlen(text) + 1;
	password = nuls == 2 ? who + strlen(who) + 1 : text + n;
	if (nuls != 2 || *who == '\0' || *password == '\0')
		r = malformed(p);
	else {
		set_user(p, who, strlen(who));
		l.password = password;
		wait_deadline(&when, p->opt.fail);
		r = text[0] != '\0' && strcmp(text, who) != 0 ?
		    refuse(p, &proxy, &when) : log_in(p, &l);
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
		return ERR;		/* nobody has logged in */
	}
	if (!text_is(mech, text_of("PLAIN")))
		return reply_err(&p->conn, "That mechanism is not known here.");
	if (!auth_clear_ok(p))
		return refuse_clear(p);
	if (p->argc == 2) {
		response = p->argv[1];
		if (response.n == 1 && *response.p == '=')
			response.n = 0;
		return plain(p, response);
	}
	reply_puts(&p->conn, "+ \r\n");
	what = line_read(&p->conn, LINE_SASL, &response);
	if (what == IO_LONG || what == IO_CONTROL)
		return malformed(p);
	if (what != IO_OK) {
		p->conn.out.state = what;	/* the loop says why we end */
		return ABORT;
	}
	if (response.n == 1 && *response.p == '*')
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
	if (reply_flush(&p->conn) == -1)
		return ABORT;
	if (tls_start(&p->conn) == -1)
		return ABORT;
	p->user[0] = '\0';
	memcpy(p->env.who, "-", 2);
	return OK;
}
