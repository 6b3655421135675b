/*
 * The connection itself: limits of time, and whether the client is still there.
 */
#if defined(__linux__) && !defined(POPPER_PORTABLE)
#define POPPER_LINUX	1
#define _GNU_SOURCE	1	/* musl: struct tcp_info */
#endif

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "net/net.h"

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
conn_forget(struct conn *c)
{
	memset(&c->in, 0, sizeof(c->in));
	c->out.n = 0;
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
