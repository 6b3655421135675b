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
spill(struct parcel *x)
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
keep(struct parcel *x, const char *s, size_t n)
{
	size_t some;

	for (; n > 0; s += some, n -= some) {
		some = sizeof(x->buf) - x->n < n ? sizeof(x->buf) - x->n : n;
		memcpy(x->buf + x->n, s, some);
		x->n += some;
		if (x->n == sizeof(x->buf))
			spill(x);
	}
}

/* One octet at a place where it may matter (RFC 1081: dots, line ends). */
static void
take_octet(struct parcel *x, char c)
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
			keep(x, ".\r", 2);
		else if (c != '.')	/* ".x" from a careless client */
			keep(x, ".", 1);
		x->where = TEXT;
	}
	if (x->where == CR && c != '\n')
		keep(x, "\r", 1);
	if (c == '\r')
		x->where = CR;
	else if (c == '.' && x->where == START)
		x->where = DOT;
	else {
		keep(x, &c, 1);
		x->where = c == '\n' ? START : TEXT;
	}
}

/* Takes octets up to the end of the parcel; returns how many. */
static size_t
take(struct parcel *x, struct str in)
{
	size_t i = 0, n;

	while (i < in.n && x->where != END) {
		for (n = 0; x->where == TEXT && i + n < in.n &&
		    in.p[i + n] != '\r' && in.p[i + n] != '\n'; n++)
			continue;
		keep(x, in.p + i, n);
		i += n;
		if (i < in.n)
			take_octet(x, in.p[i++]);
	}
	return i;
}

/* Receives to the final dot.  IN_LINE, or why it did not come. */
static enum line
receive(struct pop *p, struct parcel *x)
{
	struct timespec until;
	struct str in;
	enum line r;

	while (x->where != END) {
		io_deadline(&until, p->opt.idle);
		if ((r = pop_octets(p, 1, &until, &in)) != IN_LINE)
			return r;
		pop_used(p, take(x, in));
	}
	spill(x);
	return IN_LINE;
}

/* Starts sendmail on the letter; -1 with errno. */
static pid_t
start_sendmail(struct pop *p, int fd)
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
	return child_start(p, fd, 0, p->opt.sendmail, argv, env);
}

/* What an exit status of sendmail means to the person who wrote the letter. */
static enum result
say_status(struct pop *p, int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 64, "[SYS/PERM] The mail program does not know its "
		    "options." },
		{ 65, "The message is malformed or names no recipient." },
		{ 67, "A recipient does not exist." },
		{ 68, "A recipient's host does not exist." },
		{ 69, "The mail service refused the message." },
		{ 75, "[SYS/TEMP] The mail service is busy; try again "
		    "later." },
		{ 77, "You may not send mail." },
		{ 78, "[SYS/PERM] The mail service is not configured." },
		{ 127, "[SYS/PERM] The mail program cannot be run." }
	};
	size_t i;

	if (WIFSIGNALED(status))
		return pop_err(p, "[SYS/TEMP] The mail program was killed.");
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (WEXITSTATUS(status) == texts[i].status)
			return pop_err(p, "%s", texts[i].text);
	return pop_err(p, "The mail program failed with status %d.",
	    WEXITSTATUS(status));
}

static enum result
send_parcel(struct pop *p, struct parcel *x)
{
	int status = 0;
	pid_t pid;

	if ((pid = start_sendmail(p, x->fd)) == -1) {
		pop_warn(p, "xmit: cannot start");
		return pop_err(p, "[SYS/TEMP] The mail program cannot be "
		    "started now.");
	}
	if (child_wait(p, pid, p->opt.idle, &status) == -1) {
		pop_warn(p, "xmit: octets=%llu", (unsigned long long)x->size);
		return pop_err(p, "The mail program did not finish; the "
		    "message may have been sent.");
	}
	pop_log(p, LV_NOTICE, "xmit user=%s addr=%s octets=%llu %s=%d",
	    p->who, p->addr, (unsigned long long)x->size,
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return say_status(p, status);
	return pop_ok(p, "Message sent.");
}

/* The parcel is here: is it one to be mailed? */
static enum result
judge(struct pop *p, struct parcel *x)
{
	if (x->size > x->limit) {
		pop_log(p, LV_NOTICE, "xmit user=%s addr=%s octets=%llu: too "
		    "large", p->who, p->addr, (unsigned long long)x->size);
		return pop_err(p, "The message is larger than %llu octets.",
		    (unsigned long long)x->limit);
	}
	if (x->error != 0) {
		errno = x->error;
		pop_warn(p, "xmit: temporary file");
		return pop_err(p, "[SYS/TEMP] There is no room for the "
		    "message now.");
	}
	return send_parcel(p, x);
}

enum result
xtnd_xmit(struct pop *p)
{
	struct parcel parcel;
	struct parcel *x = &parcel;
	enum result r = CUT;
	enum line what;

	if (p->opt.noxmit)
		return pop_err(p, "Sending mail is turned off here.");
	if (access(p->opt.sendmail, X_OK) == -1) {
		pop_warn(p, "xmit: %s", p->opt.sendmail);
		return pop_err(p, "[SYS/PERM] There is no mail program "
		    "here.");
	}
	memset(x, 0, sizeof(*x));
	x->limit = p->opt.parcel;
	x->room = UINT64_MAX;
	if ((x->fd = file_unnamed(p->drop.dir, 0, 0)) == -1) {
		x->fd = file_memory(0, 0);
		x->room = MEMORY_MOST;
	}
	if (x->fd == -1) {
		pop_warn(p, "xmit: temporary file");
		return pop_err(p, "[SYS/TEMP] There is no room for a message"
		    " now.");
	}
	(void)pop_ok(p, "Start sending the message.");
	if ((what = receive(p, x)) == IN_LINE)
		r = judge(p, x);
	else {
		p->out.state = what;	/* the loop says why we end */
		pop_log(p, LV_NOTICE, "xmit user=%s addr=%s: cut off, "
		    "nothing mailed", p->who, p->addr);
	}
	(void)close(x->fd);
	return r;
}
