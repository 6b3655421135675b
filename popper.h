/*
 * popper: a POP3 server for the mbox spool of a Unix machine.
 *
 * This header and maildrop.h are the map of the house: the limits with their
 * reasons, the structures of one session, and every shared function under the
 * name of the file that owns it.  Calls go down only: popper.c, then the command
 * modules, then dropcopy and updt, then lock, then io, then log.  The modules
 * that know mail and nothing of a session include maildrop.h alone.
 */
#ifndef POPPER_H
#define POPPER_H

#include <sys/types.h>
#include <sys/stat.h>

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "maildrop.h"

#define POPPER_VERSION	"2.0"

#ifndef POPPER_SPOOL
#define POPPER_SPOOL	"/var/mail"
#endif
#ifndef POPPER_SENDMAIL
#define POPPER_SENDMAIL	"/usr/sbin/sendmail"
#endif

#if defined(__GNUC__)
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#else
#define PRINTF(f, a)
#endif

enum {
	LINE_COMMAND = 255,	/* RFC 2449, 4: a command with its CRLF */
	LINE_SASL = 1026,	/* 1024 of base64: RFC 4616, 2 */
	PASSWORD_LEN = 769,		/* ... and 767 octets of response in it */
	LINE_REPLY = 512,	/* RFC 1939, 3: a first reply line, CRLF too */
	ARGS_MAX = 4,		/* XTND XLST field number is the longest */
	IN_SIZE = 4096,		/* several pipelined commands a read */
	OUT_SIZE = 65536,	/* a write of this size fills its segments; a
				   client takes or sends as much in -i seconds */
	NAME_LEN = 64,		/* an account's name; longer ones are unknown */
	LOG_LEN = 1024,		/* syslog(3) need not take more (RFC 3164) */
	LOG_MOST = 100,		/* lines of one kind in a session: more than it
				   can cause before login */
	LOG_DEBUG_MOST = 10000,	/* the same at priority debug: a megabyte */
	LOG_KINDS = 96,		/* more than there are in the source */
	HOST_LEN = 200,		/* our name; a greeting has it twice */
	STALE_LOCK = 300	/* seconds until a foreign dotlock is dead,
				   as liblockfile has it */
};

/* What a command handler returns; the loop in popper.c acts on it. */
enum result {
	OK,			/* replied +OK */
	ERR,			/* replied -ERR */
	CLOSE,			/* replied; the session ends in good order */
	ABORT			/* close without another byte */
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

/* How a session ended, for log_end(): by an error, if nobody has said how. */
enum reason {
	END_ERROR, END_QUIT, END_LOST, END_TIMEOUT, END_SIGNAL, END_AUTH
};

/* One line of the client, or why there is none. */
enum io {
	IO_OK, IO_LONG, IO_CONTROL, IO_EOF, IO_TIMEOUT, IO_SIGNAL, IO_ERROR
};

/* Why a maildrop is not open; errno has the cause. */
enum fault {
	FAULT_NONE,
	FAULT_DIR,		/* its directory */
	FAULT_ACCOUNT,		/* becoming the user */
	FAULT_STATE_ALIEN,	/* .user.pop: a link, or another owner's */
	FAULT_STATE_SHUT,	/* cannot be opened or made */
	FAULT_DAMAGED,
	FAULT_SESSION,		/* another session */
	FAULT_NO_LOCKS,		/* the file system has none */
	FAULT_LOCKED,		/* the spool, by another program */
	FAULT_STALE,		/* a lock file that cannot be removed */
	FAULT_FULL,		/* no room for what has to be written */
	FAULT_NOT_MBOX,
	FAULT_ALIEN,		/* the spool: a link, or another owner's */
	FAULT_SHUT,		/* may not be opened */
	FAULT_READ
};

/* What popper -n finds out about a maildrop. */
struct probe {
	bool made;		/* a login has root make .user.pop */
	bool left;		/* it would finish what a session left */
	bool there;		/* there is a spool */
};

/*
 * Who the process is: root, then the user.  The group of the spool directory,
 * which makes and removes name.lock, is the saved one.
 */
struct ids {
	uid_t uid;
	gid_t gid;
	gid_t spoolgid;		/* that group, or gid */
	/* runs fn(arg) in that group; NULL: there is none */
	int (*as_spool)(const struct ids *, int (*fn)(void *), void *arg);
};

/* The two files of a maildrop, and what locking them has shown. */
struct maildrop {
	struct env *env;
	const struct ids *ids;
	int dir;		/* the spool directory */
	char name[256];		/* DIR/name is the spool */
	int state;		/* .name.pop: session lock, index, journal */
	unsigned wait;		/* seconds for the locks of others */
	bool board;		/* anybody's, and only read */
	bool nodotlock;		/* the directory forbids it: said once */
	bool stalelock;		/* a stale one cannot be removed: likewise */
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
	struct pages pages;	/* n is 0 where the index is not of it */
	struct names names;	/* with -U */
	bool loaded;		/* there is a table, of which pages tells */
	bool settled;		/* the stamp would show any change since the scan */
	bool moved;		/* another program rewrote the spool: the table
				   now gives places in the copy */
	size_t lowest;		/* no entry before it has a mark */
	size_t ndeleted;
	uint64_t deleted_octets;
	size_t nseen;
	uint64_t last;		/* LAST */
	uint32_t *maxima;	/* of a board's messages (RFC 1082) */
};

/* The locked spool: from lock_spool() or lock_read() to unlock_spool(). */
struct spool {
	unsigned tries;		/* lock_read(): so many calls */
	int64_t wait;		/* ... and what is left of -w, milliseconds */
	int fd;			/* -1 where there is no file: empty */
	int lockfd;		/* the name.lock that we made, or -1 */
	struct stat st;		/* of fd, under the lock */
};

/* Where passwords may cross in the clear (-P). */
enum clear { CLEAR_DEFAULT, CLEAR_NEVER, CLEAR_TLS, CLEAR_LOCAL, CLEAR_ALWAYS };

/* The header of a proxy (-H); PROXY_TLS: it may say that TLS is active. */
enum proxy { PROXY_OFF, PROXY_ON, PROXY_TLS };

/* Who may log in, and where that is known: paths, or NULL. */
struct accounts {
	const char *passwd;	/* -p; NULL: the system's */
	const char *allow, *deny, *secrets, *checker;	/* -A -N -a -c */
	uint64_t minuid;	/* -u */
};

struct options {
	bool noresolve, nostatus, noxmit, xuidl;
	bool check, version;	/* no session: -n, -V */
	bool tls;		/* our parent speaks TLS for us already */
	enum clear clear;
	enum proxy proxy;
	struct accounts accounts;
	const char *trace, *dir, *sendmail, *boards;
	unsigned idle, login, wait, fail;	/* seconds */
	uint64_t parcel;	/* the largest that XMIT takes, bytes */
};

/* Lines of the client: see line_read(). */
struct in {
	size_t start, end;
	bool eof;
	bool skip;		/* inside a line that was too long */
	char buf[IN_SIZE];
};

/* What waits to be written: see reply_put(). */
struct out {
	size_t n;
	enum io state;	/* IO_OK, or why writing failed */
	char buf[OUT_SIZE];
};

enum level { LV_NOTICE, LV_DEBUG, LEVELS };

/* What the session has logged, by kinds of line: see pop_log(). */
struct log {
	size_t n;
	struct {
		const char *fmt;
		unsigned lines;
	} kinds[LOG_KINDS];
	unsigned long left_out[LEVELS];
};

/*
 * What every part of a session needs: where it logs, and the signals that may
 * end a wait.
 */
struct env {
	bool debug;		/* syslog(3) gets debug lines */
	int trace;		/* the file of -t, or -1 */
	char who[4 * NAME_LEN + 1];	/* the user, cleaned for the log */
	struct log log;
	sigset_t waiting;	/* the signal mask while we wait */
};

enum { TLS_CTL, TLS_READ, TLS_WRITE, TLS_FDS };

/* The connection to the client. */
struct conn {
	struct env *env;
	struct timespec login;	/* the time by which one must be logged in */
	bool logged_in;
	unsigned idle;		/* seconds that a wait may take after that */
	char addr[64];		/* the client's address as text */
	bool loopback;		/* which is this machine's own */
	bool tls;		/* the connection is encrypted */
	int tlsfd[TLS_FDS];	/* -1: STLS is not on offer */
	struct in in;
	struct out out;
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
	struct timespec start;	/* monotonic */
	unsigned bad;		/* lines: no commands, or refused before login */
	unsigned long retrieved;
	uint64_t sent;		/* octets of messages */
	unsigned long removed, left;

	int argc;		/* the command's arguments */
	struct str argv[ARGS_MAX];
	struct drop drop;

};

/* ---- pop_list.c: what needs only the table of messages ----------------- */

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

/*
 * The message that argument i names, in 1..n, neither deleted nor gone
 * (RFC 1081: LIST, RETR, DELE, TOP).  NULL: has replied -ERR.
 */
struct msg *arg_msg(struct pop *p, int i);

/*
 * Reads decimal digits, and nothing else, as a number up to max.
 * Returns false for anything else.
 */
bool text_number(struct str s, uint64_t max, uint64_t *value);

/* A string as a run of bytes. */
struct str text_of(const char *s);

/* Takes the next word off the line; and the blanks before it. */
struct str text_word(struct str *line);
void text_blanks(struct str *line);

/* Whether two words are the same but for the case of their letters. */
bool text_is(struct str a, struct str b);

/* The n-th message, or NULL behind the last; and a message's number. */
struct msg *list_msg(struct pop *p, uint64_t n);
size_t list_number(struct pop *p, const struct msg *m);

/*
 * Marks a message.  RETR and DELE, which do, raise what LAST says, and TOP does
 * not (RFC 1081).
 */
void list_mark(struct pop *p, struct msg *m, uint32_t mark);

/* ---- pop_check.c: popper -n --------------------------------------------- */

/* Says on descriptor 1 what is fit to serve and what is not.  0, or -1. */
int check_installation(struct pop *p);

/* ---- pop_auth.c: logging in, and becoming the user ---------------------- */

/* USER name, PASS string, RPOP (RFC 1081), APOP name digest (RFC 1939, 7),
 * AUTH [mechanism [response]] (RFC 5034).  None says who exists. */
enum result pop_user(struct pop *p);
enum result pop_pass(struct pop *p);
enum result pop_rpop(struct pop *p);
enum result pop_apop(struct pop *p);
enum result pop_auth(struct pop *p);

/* Whether a password may be sent on this connection as it is now. */
bool auth_clear_ok(struct pop *p);

struct account;		/* see below */

/*
 * Opens the directory of a user's spool: spooldir, or that of the account's own
 * maildrop; name gets the spool's name in it.  As root: only where nobody but
 * root could have put it, see walk(); elsewhere the caller becomes the user and
 * asks again.  -1 with errno: EINVAL where the maildrop of mbox= is no path.
 */
enum { SPOOL_NAME = 256 };
int dir_open(const struct ids *ids, const char *spooldir,
    const char *user, const struct account *a, char name[SPOOL_NAME]);

/*
 * .user.pop, where it is missing: only root may make files in most spool
 * directories.  One that a crash left before it was given away is taken up.
 * Over NFS root may be nobody, who makes it and cannot give it away: then the
 * user is to try.  What is wrong with it in the end, drop_open() will say.
 */
void dir_make_state(int dir, const char *name, const struct account *a);

/* Whether that would leave a file that the user can open. */
bool dir_would_make_state(int dir, const char *name);

/*
 * Becomes the user of an account for good, and notes who that is.  The group of
 * a spool directory that only its group may write to stays as the saved gid, for
 * name.lock alone; root's group never does.  The user's other groups are found
 * only where they can matter, for the boards and where not everybody can enter
 * the spool directory: it costs more than half of a session's system calls.
 * 0, or -1 with errno: nothing may follow.
 */
int user_become(struct ids *ids, const struct account *a, const char *name,
    int dir, bool boards);

/* Becomes the user of an account for good, and probes its maildrop as that. */
enum fault auth_probe(struct pop *p, const char *name,
    const struct account *a, struct probe *pr);

/* ---- pop_cred.c: accounts and passwords --------------------------------- */

/* What is known of an account. */
struct account {
	const char *reason;	/* why it may not log in, or NULL */
	char hash[256];
	char home[256];
	char maildrop[256];	/* a path, or "": DIR/name */
	uid_t uid;
	gid_t gid;
	bool system;		/* of the system's own passwd */
	const char *asked;	/* the file or program that was asked last */
	int status;		/* of that program, as wait(2) has it, if it
				   neither took nor refused the password */
};

/* What a client offers: a password, or (NULL) the digest of APOP. */
struct login {
	const char *name, *password;
	struct str digest;
	const char *stamp;	/* of the greeting, which the digest is of */
	bool tls;		/* nobody can overhear the password */
	struct timespec until;
};

/*
 * Finds the account and checks what is offered: a->reason is NULL if it may
 * log in.  0, or -1 with errno when the system is in trouble.
 */
int password_check(struct env *e, const struct accounts *ac,
    const struct login *l, struct account *a);

/* After such trouble: whether it lasts until the administrator acts. */
bool password_trouble_lasts(const struct account *a);

/*
 * The first part of that, without a password: looks the account up, and judges
 * whether anybody with that name may log in.  0, or -1 with errno.
 */
int account_find(const struct accounts *ac, const char *name, struct account
    *a);
int account_judge(const struct accounts *ac, const char *name,
    struct account *a);

/*
 * Opens a file of the administrator's that only its owner may have written,
 * and where secret only he may read: root, or whoever started us.  NULL with
 * errno: EPERM.
 */
FILE *file_trusted(const char *path, bool secret);

/*
 * One line of a passwd(5) file: name:hash:uid:gid:gecos:home:shell, which it
 * takes apart in place.  A home of "mbox=/some/file" is no home but the place
 * of the maildrop.  Whether it is a line with that name.
 */
bool account_parse(char *line, const char *name, struct account *a);

/*
 * Looks for a line "name", or "name:value", whose value goes to *value (NULL:
 * nobody wants it).  1 found, 0 not, -1 with errno.
 */
int account_line(const char *path, bool secret, const char *name, char *value,
    size_t room);

/* Whether it is the name of a lock file, and so of no account or maildrop. */
bool account_is_lock_name(const char *name);

/* Overwrites a password. */
void text_wipe(void *p, size_t n);

/* ---- pop_base64.c ------------------------------------------------------- */

/* Decodes strictly (RFC 5034, 4); false for anything else, or no room. */
bool base64_decode(struct str in, char *out, size_t room, size_t *n);

/* ---- pop_tls.c, pop_proxy.c --------------------------------------------- */

/* Finds the descriptors of UCSPI-TLS, if our parent gave us any. */
void tls_begin(struct conn *c);
bool tls_offered(const struct conn *c);

/* Has the parent start TLS.  0, or -1 where the connection is of no use. */
int tls_start(struct conn *c);

/* STLS (RFC 2595, 4). */
enum result pop_stls(struct pop *p);

/*
 * Reads a proxy's header, which may say that TLS is active where tls is set.
 * False if there is no valid one: then nothing is served.
 */
bool proxy_header(struct conn *c, bool tls);

/* ---- pop_child.c: other processes ---------------------------------------- */

/*
 * Calls fn(arg) in a copy of this process, and takes from there what it left
 * in the n bytes at arg: whatever else fn reads never is in our memory.  0, or
 * -1 with errno: ETIMEDOUT, EINTR for a signal, EPIPE if the copy died.
 */
typedef void child_fn(void *arg);
int child_ask(struct env *e, child_fn *fn, void *arg, size_t n,
    const struct timespec *until);

/* One that has been started, until child_wait() is done with it. */
struct child {
	pid_t pid;
	int report;		/* why its program could not be run */
};

/*
 * Starts a program with descriptor in as its descriptor as (3 at most),
 * /dev/null as 1, 2 (and 0), and none else, without the spool's group.  0, or
 * -1 with errno: there is no child.
 */
int child_start(struct env *e, struct child *c, int in, int as,
    const char *path, char *const argv[], char *const env[]);

/*
 * Waits for its end.  0 with the status of wait(2); 1 with errno: the program
 * could not be run; -1 with errno: ETIMEDOUT after so many seconds, when it was
 * killed, or EINTR, when it goes on without us.
 */
int child_wait(struct env *e, struct child *c, unsigned seconds, int *status);

/* ---- pop_send.c -------------------------------------------------------- */

/* RETR msg, TOP msg n: from the temporary copy only (RFC 1081). */
enum result pop_retr(struct pop *p);
enum result pop_top(struct pop *p);

/* ---- pop_xtnd.c, pop_xmit.c: the extension ----------------------------- */

/* XTND XLST, BBOARDS, ARCHIVE, X-BBOARDS (RFC 1082), and XMIT. */
enum result xtnd_xlst(struct pop *p);
enum result xtnd_bboards(struct pop *p);
enum result xtnd_archive(struct pop *p);
enum result xtnd_x_bboards(struct pop *p);
enum result xtnd_xmit(struct pop *p);

/* Whether the system has no account with this number to send mail as. */
bool xmit_stranger(uid_t uid);

/* ---- pop_board.c: bulletin boards -------------------------------------- */

enum { BOARD_FIELD = 512 };

/* One of the boards file, RFC 1082's fields of it. */
struct board {
	char name[BOARD_FIELD], aliases[BOARD_FIELD];
	char maildrop[BOARD_FIELD], archive[BOARD_FIELD];
	char info[BOARD_FIELD], map[BOARD_FIELD], leaders[BOARD_FIELD];
	char address[BOARD_FIELD], request[BOARD_FIELD];
	char incoming[BOARD_FIELD], outgoing[BOARD_FIELD];
	char date[BOARD_FIELD];	/* of the newest message */
	unsigned flags;
	uint32_t maxima;	/* the highest number in use */
};

/* The board of that name or alias.  0, or -1 with errno: ENOENT, EINVAL. */
int board_find(struct pop *p, struct str name, struct board *b);

/*
 * Opens a board's maildrop or archive, read-only, and learns its maxima and
 * date.  wait: seconds for the locks of others.  0, or -1 with errno and d
 * closed.
 */
int board_open(struct pop *p, const char *path, unsigned wait,
    struct board *b, struct drop *d);

/* Learns the same, and closes it. */
int board_measure(struct pop *p, unsigned wait, struct board *b);

/*
 * +OK and a line for each board that the user can read.  ERR: no +OK, but errno;
 * ABORT: somebody has written nonsense into the file since the +OK.
 */
enum result board_list(struct pop *p);

/*
 * Calls fn for each board of the file.  0, or -1: *line is not understood, or
 * 0: no file.
 */
typedef void board_fn(void *arg, const struct board *b);
int board_survey(struct pop *p, board_fn *fn, void *arg, unsigned *line);

/* NAME MAXIMA, and the fourteen lines of X-BBOARDS. */
void board_listing(struct pop *p, const struct board *b);
void board_information(struct pop *p, const struct board *b);

/* ---- pop_dropcopy.c: opening the maildrop, the copy on demand ---------- */

/*
 * The sentence of a fault, without a full stop, which may name the state file;
 * and what a client is told, with its code.
 */
enum { FAULT_LEN = 480 };
const char *fault_sentence(enum fault f, const char *state, char *to,
    size_t room);
const char *fault_reply(enum fault f, const char *state, char *to,
    size_t room);

/* What an error of locking, opening or scanning the spool means. */
enum fault fault_of(const struct maildrop *box, int error);

/* Says so to the client: ERR. */
enum result drop_refuse(struct pop *p, enum fault f);

/*
 * The fault that drop_open() would meet, without waiting, making or changing
 * anything; of the text only the beginning is looked at.
 */
enum fault drop_probe(struct pop *p, struct probe *pr);

/* Makes d a maildrop that is not open. */
void drop_init(struct pop *p, struct drop *d);

/*
 * Opens DIR/user for the session: session lock, recovery, index or scan.
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

/* The same: ERR also if another program has removed the message. */
enum result drop_copy(struct pop *p, const struct msg *m, enum part part);

/*
 * For each of the session's messages its place in now, a new table of the
 * spool fd: to[i], SIZE_MAX where it is gone or nobody can tell which it is.
 * 0, or -1 with errno.
 */
int drop_match(struct drop *d, int fd, struct msgs *now, size_t *to);

/* ---- pop_updt.c, pop_recover.c: UPDATE, and what became of it ----------- */

/*
 * Carries out the session's marks on the spool (RFC 1081, the UPDATE state).
 * 0, or -1 with errno; *begun then tells whether the spool has been changed
 * in part, which the next session completes.  Says nothing to the client.
 */
int updt_maildrop(struct pop *p, bool *begun);

/*
 * Finishes what an earlier session left in the state file: its journal, or
 * the mail of an older popper.  0, or -1 with errno: EILSEQ when a file is
 * damaged and a person must look at it.
 */
int recover_maildrop(struct maildrop *box);

/*
 * Whether there is anything for recover_maildrop() to finish: 0 or 1, or -1
 * with errno: EILSEQ when it would say so.  Only reads.
 */
int recover_probe(int state);

/*
 * The name of the state file that a spool of that name has; and the same as the
 * log may have it, for the session's spool.
 */
enum { STATE_NAME = 256 + 8, STATE_CLEAN = 4 * STATE_NAME };
void state_name(const char *spool, char name[STATE_NAME]);
const char *state_clean(const struct maildrop *box, char clean[STATE_CLEAN]);

/* What the state file holds. */
enum holding { HOLDS_NOTHING, HOLDS_INDEX, HOLDS_JOURNAL, HOLDS_MBOX,
    HOLDS_ALIEN };

/*
 * Looks at the state file.  For HOLDS_MBOX *end is where its mbox text ends and
 * *base where a journal stands behind it, or 0.  0, or -1 with errno.
 */
int journal_kind(int state, enum holding *kind, uint64_t *base, uint64_t *end);

/* ---- pop_journal.c: carrying out a plan so that it survives any crash -- */

/*
 * Makes the spool what the plan says, through a journal in the state file.
 * now: the table of the spool, whose duplicates must keep their numbers, or NULL.
 * base: where the journal's head goes, 0 or behind a left-over's text; area: 0,
 * or it takes over from a journal in force, and what it is made of ends there in
 * the state file (UINT64_MAX: nothing of that may be overwritten).  0, or -1 with
 * errno; *begun tells whether the spool has changed already: then the next
 * session goes on.
 */
int journal_apply(struct maildrop *box, struct spool *sp, const struct plan *pl,
    const struct msgs *now, uint64_t base, uint64_t area, bool *begun);

/*
 * The same for a plan that only cuts, without a journal.  1: that cannot be,
 * since mail stands behind what is to be cut off.
 */
int journal_cut(struct spool *sp, const struct plan *pl, bool *begun);

/* ---- pop_redo.c: what a session that died has left --------------------- */

/*
 * Finishes what a session that died had begun.  0: done, or nothing was to
 * do; 1: that cannot be, and the spool may lack these messages, which are in
 * the state file, up to *area, and may not be overwritten; -1 with errno.
 */
int journal_redo(struct maildrop *box, struct spool *sp, uint64_t base,
    struct msgs *left, uint64_t *area);

/* ---- pop_lock.c -------------------------------------------------------- */


/*
 * Locks the state file for the session.  0, or -1 with errno: EAGAIN when
 * another session has it.
 */
int lock_session(int state);

/* name.lock is waited for; made as well; and a write lock taken. */
enum lock { SPOOL_READ, SPOOL_READ_ALONE, SPOOL_WRITE };

/*
 * Locks the spool against delivery and other mail programs, waiting up to -w
 * seconds.  With create, a missing spool is made.  0, or -1 with errno: EAGAIN
 * after the wait, EINTR on a signal, EPERM for a file that is not this user's
 * own spool.  Readers call lock_read().
 */
int lock_spool(struct maildrop *box, enum lock how, bool create, struct spool
    *sp);

/*
 * Locks it to read it; sp->tries is 0 at the first call.  What came of reading,
 * r with its errno, counts if lock_undisturbed() returns it.  -1 with EAGAIN:
 * unlock it, and try again until lock_read() says EAGAIN.  The last of these
 * tries makes name.lock; all of them together wait up to -w seconds.
 */
int lock_read(struct maildrop *box, struct spool *sp);
int lock_undisturbed(const struct spool *sp, int r);
void unlock_spool(struct maildrop *box, struct spool *sp);	/* errno stays */

/*
 * Whether there is a lock file that keeps the user out until somebody removes
 * it, FAULT_STALE or FAULT_LOCKED: *sb is its, and *dir that of its directory.
 */
enum fault lock_probe(struct maildrop *box, struct stat *sb, struct stat *dir);

/* Says to other programs that a long update is still alive. */
void lock_touch(struct maildrop *box, struct spool *sp);

/* ---- pop_io.c: the line reader, the buffered writer, replies ----------- */

/* Sets up descriptors 0 and 1; conn_end() gives them back as they were. */

void conn_end(void);

/*
 * Throws away what the client has sent ahead of the last reply.  To close a
 * socket over that resets the connection, which may cost him the reply.
 */
void conn_drain(struct conn *c);

/* So many seconds from now. */
void wait_deadline(struct timespec *ts, unsigned seconds);

/*
 * The time by which the client must have sent or taken what is waited for now:
 * before login the time to log in, after it the idle limit from now.
 */
void conn_limit(const struct conn *c, struct timespec *until);

/*
 * The next line without its end, at most max octets with it (RFC 2449, 4).
 * Writes out all replies before it waits.  IO_LONG and IO_CONTROL: the line
 * was thrown away whole.
 */
enum io line_read(struct conn *c, size_t max, struct str *line);

/*
 * What the client has sent beyond lines, at least n octets (n below IN_SIZE),
 * waiting until they are there; and how much of it was used.
 */
enum io line_octets(struct conn *c, size_t n, const struct timespec *until,
    struct str *octets);
void line_used(struct conn *c, size_t n);

/* Whether anything of the client waits unread; forgets both directions. */
bool line_pending(const struct conn *c);
void conn_forget(struct conn *c);

/* Waits until fd can be read, or written; fd -1: for a signal alone. */
enum io wait_for(struct env *e, int fd, bool writing,
    const struct timespec *until);

/* Blocks the signals that end a session, but for waits.  0, or -1. */
int wait_begin(struct env *e);

/* Waits for the client, and looks now and then whether it is there. */
enum io conn_wait(struct conn *c, int fd, bool writing,
    const struct timespec *until);

/* What errno means: the connection is lost, or something is wrong here. */
enum io conn_failure(void);

/* Descriptor 1, a new one, must not block us. */
int conn_unblock(void);

/* Adds octets to the reply; writes when the buffer is full. */
void reply_put(struct conn *c, const void *s, size_t n);
void reply_puts(struct conn *c, const char *s);

/* A number: listings of large maildrops are too long for printf(3). */
void reply_number(struct conn *c, uint64_t n);

/* One line into a multi-line reply; a leading dot is doubled. */
void reply_line(struct conn *c, const char *fmt, ...) PRINTF(2, 3);

/* Writes what waits.  0, or -1: the client is gone or stopped reading. */
int reply_flush(struct conn *c);

/* +OK text, -ERR [code] text: one line, cut and cleaned (RFC 1939, 3). */
enum result reply_ok(struct conn *c, const char *fmt, ...) PRINTF(2, 3);
enum result reply_err(struct conn *c, const char *fmt, ...) PRINTF(2, 3);

/*
 * The line that ends a multi-line reply.  The first line of one has no full
 * stop: simple clients take that for the end.
 */
enum result reply_dot(struct conn *c);

/* Message text on its way to the wire: line ends to CRLF, dots stuffed. */
struct wire {
	bool start;		/* at the start of a line */
	bool cr;		/* the byte before was CR, not yet sent */
};
void wire_text(struct conn *c, struct wire *w, const char *s, size_t n);
void wire_end(struct conn *c, struct wire *w);

/* Sleeps until then, or until a signal: -1. */
int wait_sleep(struct env *e, const struct timespec *until);
int64_t wait_left(const struct timespec *until);	/* milliseconds */

/* ---- pop_log.c --------------------------------------------------------- */

/* Opens syslog(3), and the trace file if there is one.  0, or -1. */
int log_open(struct env *e, const char *trace);

/*
 * One line.  fmt is a literal, and the kind of the line: of each kind there are
 * LOG_MOST (LOG_DEBUG_MOST) at most, and the end of the session
 * says how many more there would have been.  log_error() adds the user and what errno says.  errno
 * stays.
 */
void log_notice(struct env *e, const char *fmt, ...) PRINTF(2, 3);
void log_debug(struct env *e, const char *fmt, ...) PRINTF(2, 3);
void log_error(struct env *e, const char *fmt, ...) PRINTF(2, 3);

/*
 * The lines that each session has: its start; a login, and the milliseconds that
 * it took, or why it was refused; and its end, with all that was done.
 */
void log_start(struct pop *p);
void log_login(struct pop *p, int64_t ms);
void log_refused_login(struct pop *p, const char *reason);
void log_end(struct pop *p);

/* Copies foreign text with everything but plain characters as \xHH. */
const char *text_clean(char *to, size_t room, const char *s, size_t n);

/*
 * The client's address, of the connection or as text from elsewhere, and
 * whether it is this machine's own; its canonical name (after the session).
 */
void peer_find(struct conn *c, bool tls);
void peer_set(struct conn *c, const char *addr);
void log_check_name(struct pop *p);

#endif
