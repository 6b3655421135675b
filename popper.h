/*
 * popper: a POP3 server for the mbox spool of a Unix machine.
 *
 * The files at the top tell the story of a session; here is what they share.
 * Each folder has a header of its own: lib, net, login, mbox and spool, in the
 * order in which they may be known; then the top; then xtnd and check.
 */
#ifndef POPPER_H
#define POPPER_H

#include "lib/lib.h"
#include "login/login.h"
#include "mbox/mbox.h"
#include "net/net.h"
#include "spool/spool.h"

#define POPPER_VERSION	"2.1"	/* the one place: see CONTRIBUTING */

/* As getopt(3) has them. */
#define OPTION_LETTERS	"A:a:b:c:df:H:i:l:M:m:nN:P:p:rSsTt:Uu:Vw:xz:"

#ifndef POPPER_SPOOL
#define POPPER_SPOOL	"/var/mail"
#endif
#ifndef POPPER_SENDMAIL
#define POPPER_SENDMAIL	"/usr/sbin/sendmail"
#endif

enum {
	ARGS_MAX = 4,		/* XTND XLST field number is the longest */
	HOST_LEN = 200		/* our name; a greeting has it twice */
};

/* The states a command may be legal in: one bit each. */
enum state {
	ST_USER = 1,		/* AUTHORIZATION, waiting for USER */
	ST_PASS = 2,		/* AUTHORIZATION, USER was answered +OK */
	ST_TRANS = 4,		/* TRANSACTION */
	ST_AUTH = ST_USER | ST_PASS,
	ST_ANY = ST_AUTH | ST_TRANS,
	ST_SAME = 0		/* as a next state: stay where we are */
};

/* How a session ended, for log_end(): by an error, unless it is set. */
enum reason {
	END_ERROR, END_QUIT, END_LOST, END_TIMEOUT, END_SIGNAL, END_AUTH
};

/* An open maildrop. */
struct drop {
	struct maildrop box;
	int copy;		/* the temporary copy, -1 before it is made */
	uint64_t copied, copied_end;	/* the part of the spool that it has */
	bool cloned;		/* it shares the spool's blocks */
	bool alone;		/* it has one message: there is no more room */
	struct stamp stamp;	/* the spool that the table describes */
	struct summary sum;
	struct msgs all;	/* hidden one included; see drop_load() */
	struct index index;	/* of that table */
	struct names names;	/* with -U */
	bool loaded;		/* there is a table, as far as index says */
	bool settled;		/* the stamp would show any change since the scan */
	bool moved;		/* another program rewrote the spool: the table
				   now gives places in the copy */
	size_t lowest;		/* no entry before it has a flag */
	size_t ndeleted;
	uint64_t deleted_octets;
	size_t nseen;
	uint64_t last;		/* LAST */
	uint32_t *maxima;	/* of a board's messages (RFC 1082) */
};

/* Where passwords may cross in the clear (-P). */
enum clear { CLEAR_DEFAULT, CLEAR_NEVER, CLEAR_TLS, CLEAR_LOCAL, CLEAR_ALWAYS };

/* The header of a proxy (-H); PROXY_TLS: it may say that TLS is active. */
enum proxy { PROXY_OFF, PROXY_ON, PROXY_TLS };

struct options {
	bool noresolve, nostatus, noxmit, xuidl;
	bool check, version;	/* no session: -n, -V */
	bool tls;		/* our parent speaks TLS for us already */
	bool hosts;		/* the spool may be on a network */
	enum clear clear;
	enum proxy proxy;
	struct accounts accounts;
	const char *trace, *dir, *sendmail, *boards;
	unsigned idle, login, wait, fail;	/* seconds */
	uint64_t outgoing;	/* the largest that XMIT takes, bytes */
};

/* One session.  There is exactly one, and it is passed to everything. */
struct pop {
	struct env env;
	struct ids ids;
	struct conn conn;
	struct options opt;
	enum state state;
	enum reason reason;

	char host[HOST_LEN];	/* our name: see find_host() */
	char stamp[HOST_LEN + 64];	/* of the greeting, for APOP */
	char user[NAME_LEN + 1];	/* as given with USER */

	char home[256];		/* of the account, for sendmail */
	int64_t start;		/* by wait_now() */
	unsigned bad;		/* lines: no commands, or refused before login */
	unsigned long retrieved;
	uint64_t sent;		/* octets of messages */
	unsigned long removed, left;

	int argc;		/* the command's arguments */
	struct str argv[ARGS_MAX];
	struct drop drop;
};

/* ---- pop_auth.c: AUTHORIZATION ------------------------------------------- */

/*
 * USER name, PASS string, RPOP (RFC 1081), APOP name digest (RFC 1939, 7),
 * AUTH [mechanism [response]] (RFC 5034).  None says who exists.
 */
enum result pop_user(struct pop *p);
enum result pop_pass(struct pop *p);
enum result pop_rpop(struct pop *p);
enum result pop_apop(struct pop *p);
enum result pop_auth(struct pop *p);

/* STLS (RFC 2595, 4). */
enum result pop_stls(struct pop *p);

/* Whether a password may be sent on this connection as it is now. */
bool auth_clear_ok(struct pop *p);

/* Becomes the user of an account for good, and probes its maildrop as that. */
enum fault auth_probe(struct pop *p, const char *name,
    const struct account *a, struct probe *pr);

/* ---- pop_dropcopy.c: the open maildrop, and the copy on demand ----------- */

/* Says to the client why the maildrop cannot be used: ERR. */
enum result drop_refuse(struct pop *p, enum fault f);

/* Makes d a maildrop that is not open. */
void drop_init(struct pop *p, struct drop *d);

/*
 * Opens the maildrop for the session: session lock, recovery, index or scan.
 * Runs as the user.  Returns OK, or ERR after a reply (-ERR with a code).
 */
enum result drop_open(struct pop *p);

/*
 * Ends the session for the maildrop: the lock is given back, nothing else works
 * after that.  And gives back all the rest, which takes a while after a large
 * copy.  The spool is not touched.
 */
void drop_unlock(struct drop *d);
void drop_close(struct drop *d);

/*
 * Closes the temporary copy; the next request for text makes a new one.  While a
 * clone of the spool exists, overwriting a block of the spool takes a free block
 * of the disk, so a copy that is one is closed before the spool is changed.
 */
void drop_close_copy(struct drop *d);

/*
 * Makes the whole table of messages readable, or entry i of it (STAT needs
 * neither).  0, or -1 with errno; the maildrop can then not be served.
 */
int drop_load(struct pop *p);
int drop_entry(struct pop *p, size_t i);

/* How much of a message is needed. */
enum part { PART_HEAD, PART_ALL };

/* Whether the temporary copy has that part of m, as the table tells it. */
bool drop_has_part(const struct drop *d, const struct msg *m, enum part part);

/*
 * Makes sure that the text of m is in the temporary copy, at its offset; and that
 * of all messages after it, unless there is only room for one.  So the text of
 * another message may be gone after it.  0, or -1 with errno.
 */
int drop_part(struct pop *p, const struct msg *m, enum part part);

/* The same with a reply: OK, or ERR. */
enum result drop_text(struct pop *p, const struct msg *m, enum part part);

/*
 * For each of the session's messages its place in now, a new table of the
 * spool fd: to[i], SIZE_MAX if it is gone or could be one of several.
 * 0, or -1 with errno.
 */
int drop_match(struct drop *d, int fd, struct msgs *now, size_t *to);

/* ---- pop_send.c: TRANSACTION --------------------------------------------- */

/* STAT LIST UIDL DELE NOOP LAST RSET QUIT (RFC 1081; UIDL: RFC 1939, 7). */
enum result pop_stat(struct pop *p);
enum result pop_list(struct pop *p);
enum result pop_uidl(struct pop *p);
enum result pop_dele(struct pop *p);
enum result pop_noop(struct pop *p);
enum result pop_last(struct pop *p);
enum result pop_rset(struct pop *p);
enum result pop_quit(struct pop *p);	/* before login */
enum result pop_update(struct pop *p);	/* in TRANSACTION: UPDATE */

/* RETR msg, TOP msg n: from the temporary copy only (RFC 1081). */
enum result pop_retr(struct pop *p);
enum result pop_top(struct pop *p);

/*
 * The message that argument i names, in 1..n, neither deleted nor gone
 * (RFC 1081: LIST, RETR, DELE, TOP).  NULL: has replied -ERR.
 */
struct msg *arg_msg(struct pop *p, int i);

/* Makes the whole table readable: OK; or ERR, and has replied so. */
enum result list_load(struct pop *p);

/* The n-th message, or NULL after the last; and a message's number. */
struct msg *list_msg(struct pop *p, uint64_t n);
size_t list_number(struct pop *p, const struct msg *m);

/*
 * Sets a flag of a message.  RETR and DELE do, and so raise what LAST says; TOP
 * does not (RFC 1081).
 */
void list_flag(struct pop *p, struct msg *m, uint32_t flag);

/* ---- pop_updt.c: QUIT, the UPDATE state ---------------------------------- */

/*
 * Carries out the session's flags on the spool (RFC 1081, the UPDATE state).
 * 0, or -1 with errno; *begun then tells whether the spool has been changed
 * in part, which the next session completes.  Says nothing to the client.
 */
int updt_maildrop(struct pop *p, bool *begun);

/* ---- pop_xmit.c ---------------------------------------------------------- */

/* XTND XMIT */
enum result xtnd_xmit(struct pop *p);

/* Whether the system has no account with this number to send mail as. */
bool xmit_stranger(uid_t uid);

/* ---- pop_log.c ----------------------------------------------------------- */

/*
 * The lines that each session has: its start; a login, and the milliseconds that
 * it took, or why it was refused; and its end, with all that was done.
 */
void log_start(struct pop *p);
void log_login(struct pop *p, int64_t ms);
void log_refused_login(struct pop *p, const char *reason);
void log_end(struct pop *p);

/* What an administrator has to do before a login on a network file system. */
void log_network(struct pop *p);

/* Looks up the client's canonical name, after the session. */
void log_check_name(struct pop *p);

#endif
