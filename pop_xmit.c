/*
 * XTND XMIT: an outgoing message, received whole into an unnamed file and only
 * then passed to sendmail: half a message is never mailed.
 */
#include <sys/wait.h>

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

/* ---- receiving ----------------------------------------------------------- */

/* An outgoing message on its way into its file. */
struct outgoing {
	int fd;
	enum { LINE_START, ONE_DOT, DOT_CR, TEXT, TEXT_CR } at;
					/* the line so far: a CR is not text
					   before it is known what follows */
	bool whole;			/* the final dot was taken */
	int error;			/* why it cannot be written, or 0 */
	uint64_t size, limit, room;	/* bytes; room: of a file in memory */
	size_t n;			/* bytes of text to be written */
	char text[IN_SIZE + 2];		/* and what was held back */
};

static int
outgoing_open(struct pop *p, struct outgoing *x)
{
	memset(x, 0, sizeof(*x));
	x->limit = p->opt.outgoing;
	x->room = UINT64_MAX;
	if ((x->fd = file_unnamed(p->drop.box.dir, 0, 0)) == -1) {
		x->fd = file_memory(0, 0);
		x->room = MEMORY_MOST;
	}
	return x->fd == -1 ? -1 : 0;
}

/* Takes an octet (RFC 1081: a leading dot is doubled). */
static void
outgoing_octet(struct outgoing *x, char c)
{
	char *to = x->text + x->n;

	if (c == '\n') {
		if (x->at == ONE_DOT || x->at == DOT_CR)
			x->whole = true;
		else
			*to++ = '\n';
		x->at = LINE_START;
	} else if (c == '.' && x->at == LINE_START)
		x->at = ONE_DOT;
	else if (c == '\r' && x->at == ONE_DOT)
		x->at = DOT_CR;
	else {
		if (x->at == DOT_CR || (x->at == ONE_DOT && c != '.'))
			*to++ = '.';	/* ".x" of a careless client stays */
		if (x->at == DOT_CR || x->at == TEXT_CR)
			*to++ = '\r';
		if (c != '\r')
			*to++ = c;
		x->at = c == '\r' ? TEXT_CR : TEXT;
	}
	x->n = (size_t)(to - x->text);
}

/*
 * Writes the text of the octets up to the final dot, and returns how many these
 * were.  After an error, or beyond the limit, the text is only counted.
 */
static size_t
outgoing_take(struct outgoing *x, struct str in)
{
	size_t used;

	x->n = 0;
	for (used = 0; used < in.n && !x->whole; used++)
		outgoing_octet(x, in.p[used]);
	if (x->size + x->n > x->room && x->error == 0)
		x->error = ENOSPC;
	if (x->size + x->n <= x->limit && x->error == 0 &&
	    file_write(x->fd, x->text, x->n, x->size) == -1)
		x->error = errno;
	x->size += x->n;
	return used;
}

/*
 * Receives to the final dot (RFC 1081: as a multi-line reply).  IO_OK, or why
 * it did not come.  The limit is for OUT_SIZE octets at a time, as it is for a
 * client that reads: any modem is fast enough, and a trickle ends.
 */
static enum io
outgoing_receive(struct pop *p, struct outgoing *x)
{
	int64_t until = 0;
	struct str in;
	size_t n, left = 0;
	enum io r;

	while (!x->whole) {
		if (left == 0) {
			until = conn_limit(&p->conn);
			left = OUT_SIZE;
		}
		if ((r = line_octets(&p->conn, 1, until, &in)) != IO_OK)
			return r;
		n = outgoing_take(x, in);
		line_used(&p->conn, n);
		left -= n < left ? n : left;
	}
	return IO_OK;
}

/* ---- mailing ------------------------------------------------------------- */

/* Runs sendmail on the message: as child_run(). */
static int
run_sendmail(struct pop *p, int fd, int *status)
{
	char logname[NAME_LEN + 16], user[NAME_LEN + 16];
	char home[sizeof(p->home) + 8];
	char path[] = CHILD_PATH;
	char *env[] = { path, logname, user, home, NULL };
	char name[] = "sendmail", i[] = "-i", t[] = "-t", oem[] = "-oem";
	char *argv[] = { name, i, t, oem, NULL };
	struct program sendmail = { p->opt.sendmail, argv, env, fd, 0 };

	(void)snprintf(logname, sizeof(logname), "LOGNAME=%s", p->user);
	(void)snprintf(user, sizeof(user), "USER=%s", p->user);
	(void)snprintf(home, sizeof(home), "HOME=%s", p->home);
	if (lseek(fd, 0, SEEK_SET) == -1)
		return 1;
	return child_run(&p->env, &sendmail, wait_deadline(p->opt.idle),
	    status);
}

/*
 * What the exit statuses of sysexits(3) mean to the user (RFC 3206): SYS/PERM
 * if a retry cannot help before the administrator has acted, SYS/TEMP if it
 * can, no code if the message itself is at fault, or nothing is known.
 * 126 and 127 are a shell's, for a program that it may not or cannot run.  The
 * last row stands for all other statuses.
 */
static const struct sysexit {
	int status;
	bool stranger;		/* also said of a sender that is not known */
	const char *text;
} texts[] = {
	{ 64, false, "[SYS/PERM] The mail program does not know its options." },
	{ 65, false, "The message is malformed or names no recipient." },
	{ 66, true, "[SYS/PERM] The mail program cannot read the message." },
	{ 67, true, "A recipient does not exist." },
	{ 68, false, "A recipient's host does not exist." },
	{ 69, true, "The mail service refused the message." },
	{ 70, true, "[SYS/PERM] The mail program has an internal error." },
	{ 71, true, "[SYS/TEMP] The mail program lacks resources; try again "
	    "later." },
	{ 72, true, "[SYS/PERM] A file of the mail service is missing." },
	{ 73, true, "[SYS/PERM] The mail service cannot make its files." },
	{ 74, true, "[SYS/TEMP] The mail service cannot read or write its "
	    "files now." },
	{ 75, true, "[SYS/TEMP] The mail service is busy; try again later." },
	{ 76, false, "[SYS/PERM] The mail service cannot talk to its server." },
	{ 77, true, "[SYS/PERM] You may not send mail." },
	{ 78, false, "[SYS/PERM] The mail service is not configured." },
	{ 126, false, "[SYS/PERM] The mail program may not be run." },
	{ 127, false, "[SYS/PERM] The mail program cannot be run." },
	{ -1, true, NULL }
};

static const struct sysexit *
find_sysexit(int status)
{
	const struct sysexit *t = texts;

	while (t->text != NULL && t->status != status)
		t++;
	return t;
}

/*
 * Accounts of -p may have a uid that the system does not know.  Most mail
 * programs look up the sender's name by it, and fail with any status if there
 * is none: Postfix with 75, Exim with 1.
 */
bool
xmit_stranger(uid_t uid)
{
	errno = 0;
	return getpwuid(uid) == NULL &&
	    (errno == 0 || errno == ENOENT || errno == ESRCH);
}

static enum result
explain_status(struct pop *p, int status)
{
	const struct sysexit *t = find_sysexit(WEXITSTATUS(status));

	if (WIFSIGNALED(status))
		return reply_err(&p->conn, "[SYS/TEMP] The mail program was "
		    "killed.");
	if (t->stranger && xmit_stranger(p->ids.uid)) {
		log_notice(&p->env, "xmit user=%s uid=%lu: the system has "
		    "no account with that number", p->env.who,
		    (unsigned long)p->ids.uid);
		return reply_err(&p->conn, "[SYS/PERM] The mail service does "
		    "not know you; tell the administrator.");
	}
	if (t->text != NULL)
		return reply_err(&p->conn, "%s", t->text);
	return reply_err(&p->conn, "The mail program failed with status %d.",
	    WEXITSTATUS(status));
}

/* sendmail could not be run, so nothing was sent. */
static enum result
explain_not_run(struct pop *p)
{
	int error = errno;

	log_error(&p->env, "xmit: %s", p->opt.sendmail);
	if (file_permanent(error))
		return reply_err(&p->conn, "%s",
		    find_sysexit(error == EACCES ? 126 : 127)->text);
	return reply_err(&p->conn, "[SYS/TEMP] The mail program cannot be "
	    "started now.");
}

static enum result
mail_outgoing(struct pop *p, struct outgoing *x)
{
	int status = 0, r;

	if ((r = run_sendmail(p, x->fd, &status)) == 1)
		return explain_not_run(p);
	if (r == -1) {
		log_error(&p->env, "xmit: octets=%llu",
		    (unsigned long long)x->size);
		return reply_err(&p->conn, "The mail program did not finish; "
		    "the message may have been sent.");
	}
	log_notice(&p->env, "xmit user=%s addr=%s octets=%llu %s=%d",
	    p->env.who, p->conn.addr, (unsigned long long)x->size,
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return explain_status(p, status);
	return reply_ok(&p->conn, "Message sent.");
}

static enum result
finish_outgoing(struct pop *p, struct outgoing *x)
{
	if (x->size > x->limit) {
		log_notice(&p->env, "xmit user=%s addr=%s octets=%llu: too "
		    "large", p->env.who, p->conn.addr,
		    (unsigned long long)x->size);
		return reply_err(&p->conn, "The message is larger than %llu "
		    "octets.", (unsigned long long)x->limit);
	}
	if (x->error != 0) {
		errno = x->error;
		log_error(&p->env, "xmit: temporary file");
		return reply_err(&p->conn, "[SYS/TEMP] There is no room for "
		    "the message now.");
	}
	return mail_outgoing(p, x);
}

enum result
xtnd_xmit(struct pop *p)
{
	struct outgoing x;
	enum result r = ABORT;
	enum io what;

	if (p->opt.noxmit)
		return reply_err(&p->conn, "Sending mail is turned off here.");
	if (access(p->opt.sendmail, X_OK) == -1) {
		if (errno != ENOENT)
			return explain_not_run(p);
		log_error(&p->env, "xmit: %s", p->opt.sendmail);
		return reply_err(&p->conn, "[SYS/PERM] There is no mail "
		    "program here.");
	}
	if (outgoing_open(p, &x) == -1) {
		log_error(&p->env, "xmit: temporary file");
		return reply_err(&p->conn, "[SYS/TEMP] There is no room for a "
		    "message now.");
	}
	(void)reply_ok(&p->conn, "Start sending the message.");
	if ((what = outgoing_receive(p, &x)) == IO_OK)
		r = finish_outgoing(p, &x);
	else {
		p->conn.out.state = what;	/* the loop logs the reason */
		log_notice(&p->env, "xmit user=%s addr=%s: cut off, "
		    "nothing mailed", p->env.who, p->conn.addr);
	}
	file_close(x.fd);
	return r;
}
