/*
 * XTND XMIT: a letter from the client, received whole into an unnamed file
 * and only then handed to sendmail: a half parcel is never mailed.
 *
 * sendmail gets the letter on its standard input and fixed arguments, so
 * nothing in a letter can be an option or the name of a file.  It runs as the
 * user, without the spool's group, with an environment of our making and no
 * descriptors but three.
 */
#include <sys/wait.h>

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

/* A parcel on its way into its file. */
struct parcel {
	int fd;
	enum { START, TEXT, CR, DOT, DOT_CR, END } where;
	int error;			/* why it cannot be written, or 0 */
	uint64_t size, limit, room;	/* bytes; room: of a file in memory */
	size_t n;
	char buf[16 * 1024];
};

static void
parcel_flush(struct parcel *x)
{
	if (x->size > x->limit || x->error != 0)
		;			/* all the rest is only counted */
	else if (x->size + x->n > x->room)
		x->error = ENOSPC;
	else if (file_write(x->fd, x->buf, x->n, x->size) == -1)
		x->error = errno;
	x->size += x->n;
	x->n = 0;
}

static void
parcel_add(struct parcel *x, const char *s, size_t n)
{
	size_t some;

	for (; n > 0; s += some, n -= some) {
		some = sizeof(x->buf) - x->n < n ? sizeof(x->buf) - x->n : n;
		memcpy(x->buf + x->n, s, some);
		x->n += some;
		if (x->n == sizeof(x->buf))
			parcel_flush(x);
	}
}

/* One octet at a place where it may matter (RFC 1081: dots, line ends). */
static void
parcel_octet(struct parcel *x, char c)
{
	if (x->where == DOT || x->where == DOT_CR) {
		if (c == '\n') {
			x->where = END;
			return;
		}
		if (x->where == DOT && c == '\r') {
			x->where = DOT_CR;
			return;
		}
		if (x->where == DOT_CR)
			parcel_add(x, ".\r", 2);
		else if (c != '.')	/* ".x" from a careless client */
			parcel_add(x, ".", 1);
		x->where = TEXT;
	}
	if (x->where == CR && c != '\n')
		parcel_add(x, "\r", 1);
	if (c == '\r')
		x->where = CR;
	else if (c == '.' && x->where == START)
		x->where = DOT;
	else {
		parcel_add(x, &c, 1);
		x->where = c == '\n' ? START : TEXT;
	}
}

/* Takes octets up to the end of the parcel; returns how many. */
static size_t
parcel_take(struct parcel *x, struct str in)
{
	size_t i = 0, n;

	while (i < in.n && x->where != END) {
		for (n = 0; x->where == TEXT && i + n < in.n &&
		    in.p[i + n] != '\r' && in.p[i + n] != '\n'; n++)
			continue;
		parcel_add(x, in.p + i, n);
		i += n;
		if (i < in.n)
			parcel_octet(x, in.p[i++]);
	}
	return i;
}

/*
 * Receives to the final dot.  IO_OK, or why it did not come.  The limit is for
 * OUT_SIZE octets at a time, as it is where the client reads: any modem is fast
 * enough, and a drip ends.
 */
static enum io
receive_parcel(struct pop *p, struct parcel *x)
{
	struct timespec until;
	struct str in;
	size_t n, left = 0;
	enum io r;

	if (reply_flush(&p->conn) == -1)
		return p->conn.out.state;
	while (x->where != END) {
		if (left == 0) {
			conn_limit(&p->conn, &until);
			left = OUT_SIZE;
		}
		if ((r = line_octets(&p->conn, 1, &until, &in)) != IO_OK)
			return r;
		n = parcel_take(x, in);
		line_used(&p->conn, n);
		left -= n < left ? n : left;
	}
	parcel_flush(x);
	return IO_OK;
}

/* Starts sendmail on the message.  0, or -1 with errno. */
static int
start_sendmail(struct pop *p, int fd, struct child *c)
{
	char logname[NAME_LEN + 16], user[NAME_LEN + 16];
	char home[sizeof(p->home) + 8];
	char path[] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
	char *env[] = { path, logname, user, home, NULL };
	char name[] = "sendmail", i[] = "-i", t[] = "-t", oem[] = "-oem";
	char *argv[] = { name, i, t, oem, NULL };

	(void)snprintf(logname, sizeof(logname), "LOGNAME=%s", p->user);
	(void)snprintf(user, sizeof(user), "USER=%s", p->user);
	(void)snprintf(home, sizeof(home), "HOME=%s", p->home);
	if (lseek(fd, 0, SEEK_SET) == -1)
		return -1;
	return child_start(&p->env, c, fd, 0, p->opt.sendmail, argv, env);
}

/*
 * What the exit statuses of sysexits(3) say to the user: SYS/PERM where a
 * retry cannot help before the administrator has acted, SYS/TEMP where it can,
 * and no code where the message itself is at fault, or where nothing is known.
 *
 *	64 usage		68 no such host		73 cannot make a file
 *	65 data			69 unavailable		74 input or output
 *	66 no input		70 internal		75 for now
 *	67 no such user		71 system error		76 protocol
 *				72 system file		77 permission
 *							78 configuration
 *
 * 126 and 127 are a shell's, for a program that it may not or cannot run.
 * stranger: programs that do not know the sender use it for that as well.
 */
static const struct sysexit {
	int status;
	bool stranger;
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
	{ 127, false, "[SYS/PERM] The mail program cannot be run." }
};

/*
 * Accounts of -p may have a number that the system does not know.  Most mail
 * programs ask it for the sender's name by that number, and fail with any
 * status where there is none: Postfix with 75, Exim with 1.
 */
bool
xmit_stranger(uid_t uid)
{
	errno = 0;
	return getpwuid(uid) == NULL &&
	    (errno == 0 || errno == ENOENT || errno == ESRCH);
}

/* What the end of sendmail means to the sender of the message. */
static enum result
say_status(struct pop *p, int status)
{
	const struct sysexit *t = NULL;
	size_t i;

	if (WIFSIGNALED(status))
		return reply_err(&p->conn, "[SYS/TEMP] The mail program was "
		    "killed.");
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (WEXITSTATUS(status) == texts[i].status)
			t = &texts[i];
	if ((t == NULL || t->stranger) && xmit_stranger(p->ids.uid)) {
		log_notice(&p->env, "xmit user=%s uid=%lu: the system has "
		    "no account with that number", p->env.who,
		    (unsigned long)p->ids.uid);
		return reply_err(&p->conn, "[SYS/PERM] The mail service does "
		    "not know you; tell the administrator.");
	}
	if (t != NULL)
		return reply_err(&p->conn, "%s", t->text);
	return reply_err(&p->conn, "The mail program failed with status %d.",
	    WEXITSTATUS(status));
}

/* Nothing was sent. */
static enum result
say_not_run(struct pop *p)
{
	int error = errno;

	log_error(&p->env, "xmit: %s", p->opt.sendmail);
	if (error == EACCES)
		return reply_err(&p->conn, "[SYS/PERM] The mail program may "
		    "not be run.");
	if (file_permanent(error))
		return reply_err(&p->conn, "[SYS/PERM] The mail program cannot "
		    "be run.");
	return reply_err(&p->conn, "[SYS/TEMP] The mail program cannot be "
	    "started now.");
}

static enum result
send_parcel(struct pop *p, struct parcel *x)
{
	struct child c;
	int status = 0, r;

	if (start_sendmail(p, x->fd, &c) == -1 ||
	    (r = child_wait(&p->env, &c, p->opt.idle, &status)) == 1)
		return say_not_run(p);
	if (r == -1) {
		log_error(&p->env, "xmit: octets=%llu", (unsigned long
		    long)x->size);
		return reply_err(&p->conn, "The mail program did not finish; "
		    "the message may have been sent.");
	}
	log_notice(&p->env, "xmit user=%s addr=%s octets=%llu %s=%d",
	    p->env.who, p->conn.addr, (unsigned long long)x->size,
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return say_status(p, status);
	return reply_ok(&p->conn, "Message sent.");
}

/* The parcel is here: is it one to be mailed? */
static enum result
judge_parcel(struct pop *p, struct parcel *x)
{
	if (x->size > x->limit) {
		log_notice(&p->env, "xmit user=%s addr=%s octets=%llu: too "
		    "large", p->env.who, p->conn.addr, (unsigned long
		    long)x->size);
		return reply_err(&p->conn, "The message is larger than %llu "
		    "octets.", (unsigned long long)x->limit);
	}
	if (x->error != 0) {
		errno = x->error;
		log_error(&p->env, "xmit: temporary file");
		return reply_err(&p->conn, "[SYS/TEMP] There is no room for "
		    "the message now.");
	}
	return send_parcel(p, x);
}

enum result
xtnd_xmit(struct pop *p)
{
	struct parcel parcel;
	struct parcel *x = &parcel;
	enum result r = ABORT;
	enum io what;

	if (p->opt.noxmit)
		return reply_err(&p->conn, "Sending mail is turned off here.");
	if (access(p->opt.sendmail, X_OK) == -1) {
		if (errno != ENOENT)
			return say_not_run(p);
		log_error(&p->env, "xmit: %s", p->opt.sendmail);
		return reply_err(&p->conn, "[SYS/PERM] There is no mail "
		    "program here.");
	}
	memset(x, 0, sizeof(*x));
	x->limit = p->opt.parcel;
	x->room = UINT64_MAX;
	if ((x->fd = file_unnamed(p->drop.box.dir, 0, 0)) == -1) {
		x->fd = file_memory(0, 0);
		x->room = MEMORY_MOST;
	}
	if (x->fd == -1) {
		log_error(&p->env, "xmit: temporary file");
		return reply_err(&p->conn, "[SYS/TEMP] There is no room for a "
		    "message now.");
	}
	(void)reply_ok(&p->conn, "Start sending the message.");
	if ((what = receive_parcel(p, x)) == IO_OK)
		r = judge_parcel(p, x);
	else {
		p->conn.out.state = what;	/* the loop says why we end */
		log_notice(&p->env, "xmit user=%s addr=%s: cut off, "
		    "nothing mailed", p->env.who, p->conn.addr);
	}
	(void)close(x->fd);
	return r;
}
