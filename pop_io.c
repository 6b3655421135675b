/*
 * The connection: lines in, replies out.  Time limits live in here, in the
 * two functions that wait, so that no caller can forget one.
 *
 * Signals are blocked except inside wait_for(): an UPDATE is never interrupted
 * and a wait never misses one.
 */
#if defined(__linux__) && !defined(POPPER_PORTABLE)
#define POPPER_LINUX	1
#define _GNU_SOURCE	1	/* musl: struct tcp_info */
#endif

#include <sys/select.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

/*
 * A client whose machine or network is gone must not hold the maildrop for the
 * whole idle limit, but for about two minutes; in seconds.
 */
enum {
	KEEP_IDLE = 60,		/* silence until its machine is asked */
	KEEP_EVERY = 15,	/* and asked again */
	KEEP_COUNT = 4,
	GONE_AFTER = 130,	/* Linux retransmits at least every 120 */
	GONE_LOOK = 15		/* how often we look for that */
};

static volatile sig_atomic_t stop;	/* the one signal flag */

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

int
wait_begin(struct env *e)
{
	static const int ends[] = { SIGTERM, SIGHUP, SIGINT };
	struct sigaction sa;
	sigset_t block;
	size_t i;

	memset(&sa, 0, sizeof(sa));
	(void)sigemptyset(&sa.sa_mask);
	sa.sa_handler = SIG_IGN;	/* a call that fails says as much */
	if (sigaction(SIGPIPE, &sa, NULL) == -1 ||
	    sigaction(SIGXFSZ, &sa, NULL) == -1)
		return -1;
	sa.sa_handler = on_signal;
	(void)sigemptyset(&block);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		(void)sigaddset(&block, ends[i]);
		if (sigaction(ends[i], &sa, NULL) == -1)
			return -1;
	}
	sa.sa_handler = SIG_DFL;	/* XMIT waits for its child */
	if (sigaction(SIGCHLD, &sa, NULL) == -1)
		return -1;
	if (sigprocmask(SIG_BLOCK, &block, &e->waiting) == -1)
		return -1;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		(void)sigdelset(&e->waiting, ends[i]);
	return 0;
}

/* The kernel asks the other end of a silent connection whether it is there. */
static void
keep_alive(int fd)
{
	static const int on = 1;
#ifdef TCP_KEEPIDLE
	static const int idle = KEEP_IDLE, every = KEEP_EVERY;
	static const int count = KEEP_COUNT;
#endif

	if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == -1)
		return;			/* no socket */
#ifdef TCP_KEEPIDLE
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every,
	    sizeof(every));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
#endif
}

/*
 * Keepalive sends nothing while data is unacknowledged, and the kernel
 * retransmits that for a quarter of an hour.  TCP_USER_TIMEOUT would end it, but
 * also the session of a client that is there and does not read for a while: it
 * acknowledges the probes of its window, and so is not gone for us.
 */
static bool
peer_gone(int fd)
{
#ifdef POPPER_LINUX
	struct tcp_info ti;
	socklen_t n = sizeof(ti);

	memset(&ti, 0, sizeof(ti));
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &n) == 0 &&
	    (ti.tcpi_unacked > 0 || ti.tcpi_probes > 0) &&
	    ti.tcpi_last_ack_recv > GONE_AFTER * 1000;
#else
	(void)fd;
	return false;
#endif
}

/* A client that stops reading must not stop us: see reply_flush(). */
int
conn_unblock(void)
{
	int flags, on = 1;

	keep_alive(1);
	/* a batch of replies may end anywhere in a segment: do not hold it
	 * back until the client has acknowledged the one before */
	(void)setsockopt(1, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if ((flags = fcntl(1, F_GETFL)) == -1)
		return -1;
	return fcntl(1, F_SETFL, flags | O_NONBLOCK) == -1 ? -1 : 0;
}

/* So much at most: a client that floods us is not worth more. */
enum { DRAIN_MOST = 64 };

void
conn_drain(struct conn *c)
{
	int i;

	for (i = 0; i < DRAIN_MOST && recv(0, c->in.buf, sizeof(c->in.buf),
	    MSG_DONTWAIT) > 0; i++)
		continue;
}

/* A terminal's flags outlive us: give it back as it was. */
void
conn_end(void)
{
	int flags;

	if ((flags = fcntl(1, F_GETFL)) != -1)
		(void)fcntl(1, F_SETFL, flags & ~O_NONBLOCK);
}

void
wait_deadline(struct timespec *ts, unsigned seconds)
{
	if (clock_gettime(CLOCK_MONOTONIC, ts) == -1)
		memset(ts, 0, sizeof(*ts));
	ts->tv_sec += (time_t)seconds;
}

int64_t
wait_left(const struct timespec *until)
{
	struct timespec now;

	wait_deadline(&now, 0);
	return (int64_t)(until->tv_sec - now.tv_sec) * 1000 +
	    (until->tv_nsec - now.tv_nsec) / 1000000;
}

void
conn_limit(const struct conn *c, struct timespec *until)
{
	if (c->logged_in)
		wait_deadline(until, c->idle);
	else
		*until = c->login;
}

enum io
wait_for(struct env *e, int fd, bool writing, const struct timespec *until)
{
	struct timespec ts;
	fd_set set;
	int64_t ms;
	int r;

	while (!stop) {
		if ((ms = wait_left(until)) <= 0)
			return IO_TIMEOUT;
		ts.tv_sec = (time_t)(ms / 1000);
		ts.tv_nsec = (long)(ms % 1000) * 1000000;
		FD_ZERO(&set);
		if (fd >= 0)
			FD_SET((unsigned)fd, &set);
		r = pselect(fd + 1, writing ? NULL : &set,
		    writing ? &set : NULL, NULL, &ts, &e->waiting);
		if (r > 0)
			return IO_OK;
		if (r == -1 && errno != EINTR)
			return IO_ERROR;
	}
	return IO_SIGNAL;
}

int
wait_sleep(struct env *e, const struct timespec *until)
{
	return wait_for(e, -1, false, until) == IO_TIMEOUT ? 0 : -1;
}

enum io
conn_wait(struct conn *c, int fd, bool writing, const struct timespec *until)
{
	struct timespec look;
	enum io r;

	do {
		wait_deadline(&look, GONE_LOOK);
		if (wait_left(until) <= wait_left(&look))
			return wait_for(c->env, fd, writing, until);
		r = wait_for(c->env, fd, writing, &look);
	} while (r == IO_TIMEOUT && !peer_gone(fd));
	return r == IO_TIMEOUT ? IO_EOF : r;
}

enum io
conn_failure(void)
{
	switch (errno) {
	case EPIPE:
	case ECONNRESET:
	case ETIMEDOUT:		/* keepalive had no answer ... */
	case EHOSTUNREACH:	/* ... but that of a router */
	case ENETUNREACH:
		return IO_EOF;
	default:
		return IO_ERROR;
	}
}

/* Reads what there is into the free end of the buffer. */
static enum io
fill(struct conn *c, const struct timespec *until)
{
	struct in *in = &c->in;
	enum io r;
	ssize_t n;

	if (in->start > 0) {
		memmove(in->buf, in->buf + in->start, in->end - in->start);
		in->end -= in->start;
		in->start = 0;
	}
	do {
		if ((r = conn_wait(c, 0, false, until)) != IO_OK)
			return r;
		n = read(0, in->buf + in->end, sizeof(in->buf) - in->end);
	} while (n == -1 && (errno == EAGAIN || errno == EINTR));
	if (n == -1)
		return conn_failure();
	if (n == 0)		/* an unterminated last line is nothing */
		return IO_EOF;
	in->end += (size_t)n;
	return IO_OK;
}

/* Whether a line holds what no command may (RFC 2449, 3). */
static bool
has_control(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

/* The buffered line if it is complete; a bare LF ends one as well. */
static bool
take_line(struct in *in, size_t max, struct str *line, enum io *what)
{
	const char *p = in->buf + in->start;
	const char *nl = memchr(p, '\n', in->end - in->start);
	size_t n = nl == NULL ? in->end - in->start : (size_t)(nl + 1 - p);

	if (nl == NULL && n <= max && !in->skip)
		return false;
	if (nl == NULL) {		/* too long: none of it counts */
		in->skip = true;
		in->start = in->end;
		return false;
	}
	in->start += n;
	*what = in->skip || n > max ? IO_LONG : IO_OK;
	in->skip = false;
	line->p = p;
	line->n = n - 1;
	if (line->n > 0 && p[line->n - 1] == '\r')
		line->n--;
	if (*what == IO_OK && has_control(*line))
		*what = IO_CONTROL;
	return true;
}

enum io
line_read(struct conn *c, size_t max, struct str *line)
{
	struct timespec until;
	enum io what;

	if (take_line(&c->in, max, line, &what))
		return what;
	if (reply_flush(c) == -1)
		return c->out.state;
	conn_limit(c, &until);		/* of the whole line */
	do {
		if ((what = fill(c, &until)) != IO_OK)
			return what;
	} while (!take_line(&c->in, max, line, &what));
	return what;
}

enum io
line_octets(struct conn *c, size_t n, const struct timespec *until,
    struct str *octets)
{
	enum io what;

	while (c->in.end - c->in.start < n) {
		if (reply_flush(c) == -1)
			return c->out.state;
		if ((what = fill(c, until)) != IO_OK)
			return what;
	}
	octets->p = c->in.buf + c->in.start;
	octets->n = c->in.end - c->in.start;
	return IO_OK;
}

bool
line_pending(const struct conn *c)
{
	return c->in.start != c->in.end;
}

void
conn_forget(struct conn *c)
{
	memset(&c->in, 0, sizeof(c->in));
	c->out.n = 0;
}

void
line_used(struct conn *c, size_t n)
{
	c->in.start += n;
}

int
reply_flush(struct conn *c)
{
	struct out *o = &c->out;
	struct timespec until;
	size_t done = 0;
	ssize_t n;

	if (o->n > 0 && o->state == IO_OK)
		conn_limit(c, &until);	/* of the whole buffer */
	while (o->state == IO_OK && done < o->n) {
		n = write(1, o->buf + done, o->n - done);
		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			o->state = conn_wait(c, 1, true, &until);
		else if (errno != EINTR)
			o->state = conn_failure();
	}
	o->n = 0;
	return o->state == IO_OK ? 0 : -1;
}

void
reply_put(struct conn *c, const void *data, size_t n)
{
	const char *s = data;
	size_t some;

	while (n > 0 && c->out.state == IO_OK) {
		some = sizeof(c->out.buf) - c->out.n;
		if (some > n)
			some = n;
		memcpy(c->out.buf + c->out.n, s, some);
		c->out.n += some;
		s += some;
		n -= some;
		if (c->out.n == sizeof(c->out.buf))
			(void)reply_flush(c);
	}
}

void
reply_puts(struct conn *c, const char *s)
{
	reply_put(c, s, strlen(s));
}

/* A line of foreign parts: cut to size, control octets made harmless. */
static void PRINTF(3, 0)
put_line(struct conn *c, const char *start, const char *fmt, va_list ap)
{
	char line[LINE_REPLY - 1];
	size_t i, n = strlen(start), room = sizeof(line) - n;
	int r;

	memcpy(line, start, n);
	r = vsnprintf(line + n, room, fmt, ap);
	if (r > 0)
		n += (size_t)r < room ? (size_t)r : room - 1;
	for (i = 0; i < n; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			line[i] = '?';	/* also where char is signed */
	if (line[0] == '.')
		reply_put(c, ".", 1);	/* no line of ours ends a reply */
	reply_put(c, line, n);
	reply_put(c, "\r\n", 2);
}

void
reply_line(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(c, "", fmt, ap);
	va_end(ap);
}

enum result
reply_ok(struct conn *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_line(c, "+OK ", fmt, ap);
	va_end(ap);
	return OK;
}

enum result
reply_err(struct conn *c, const char *fmt, ...)
{
	char text[LINE_REPLY], *s;
	va_list ap;

	va_start(ap, fmt);
	put_line(c, "-ERR ", fmt, ap);
	va_end(ap);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (s = text; *s != '\0'; s++)	/* as words, not as fields */
		if (*s < 0x20 || *s > 0x7e || strchr("\"=\\", *s) != NULL)
			*s = '?';
	log_notice(c->env, "refused user=%s addr=%s: %s", c->env->who, c->addr,
	    text);
	return ERR;
}

void
reply_number(struct conn *c, uint64_t n)
{
	char text[24], *s = text + sizeof(text);

	do
		*--s = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	reply_put(c, s, (size_t)(text + sizeof(text) - s));
}

enum result
reply_dot(struct conn *c)
{
	reply_put(c, ".\r\n", 3);
	return OK;
}

/* So much text at a time: small, so that writes stay nearly full. */
enum { WIRE_PIECE = 4096 };

/*
 * Puts a piece of text at to, where there is room for twice its size and one
 * octet: a line end may become two, and so may a dot.  Returns the end of it.
 * Most of the time of a large RETR is spent here.
 */
static char *
wire_piece(struct wire *w, char *to, const char *s, const char *end)
{
	const char *nl;
	size_t len;

	if (w->cr && *s != '\n')
		*to++ = '\r';
	w->cr = false;
	for (; s < end; s = nl + 1) {
		if (w->start && *s == '.')
			*to++ = '.';
		nl = memchr(s, '\n', (size_t)(end - s));
		len = (size_t)((nl == NULL ? end : nl) - s);
		memcpy(to, s, len);
		to += len;
		w->start = nl != NULL;
		w->cr = len > 0 && to[-1] == '\r';
		to -= w->cr;
		if (nl == NULL)
			return to;
		*to++ = '\r';
		*to++ = '\n';
		w->cr = false;
	}
	return to;
}

/*
 * Sends n bytes of message text in whole lines where it can (RFC 1081: lines
 * end with CRLF, a leading dot is doubled).  A CR before LF is that line's
 * end; any other CR is text.
 */
void
wire_text(struct conn *c, struct wire *w, const char *s, size_t n)
{
	struct out *o = &c->out;
	size_t some;

	for (; n > 0 && o->state == IO_OK; s += some, n -= some) {
		some = n < WIRE_PIECE ? n : WIRE_PIECE;
		if (sizeof(o->buf) - o->n < 2 * some + 1)
			(void)reply_flush(c);
		o->n = (size_t)(wire_piece(w, o->buf + o->n, s, s + some) -
		    o->buf);
	}
}

/* Ends a last line that has no end of its own. */
void
wire_end(struct conn *c, struct wire *w)
{
	if (w->cr)
		reply_put(c, "\r", 1);
	if (!w->start)
		reply_put(c, "\r\n", 2);
}
