/*
 * The connection itself: limits of time, and whether the client is still there.
 */
#define _GNU_SOURCE	1	/* musl: struct tcp_info */

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
	KEEP_IDLE = 60,		/* silence before the first probe */
	KEEP_EVERY = 15,	/* between probes */
	KEEP_COUNT = 4,		/* probes, not seconds */
	GONE_AFTER = 130,	/* Linux retransmits at least every 120 */
	GONE_LOOK = 15		/* how often we look for that */
};

/* Not every descriptor is a socket of TCP: no option is vital. */
static void
set_socket(int level, int name, int value)
{
	(void)setsockopt(1, level, name, &value, sizeof(value));
}

/*
 * Keepalive sends nothing while data is unacknowledged, and the kernel
 * retransmits that for a quarter of an hour.  TCP_USER_TIMEOUT would end that,
 * but also the session of a client that does not read for a while: it still
 * acknowledges window probes, so it does not count as gone here.
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

int
conn_begin(void)
{
	if (fcntl(1, F_GETFD) == -1)
		return -1;
	while (fcntl(2, F_GETFD) == -1)
		if (open("/dev/null", O_RDWR) == -1)
			return -1;
	return 0;
}

int
conn_unblock(struct conn *c)
{
	c->flags = fcntl(1, F_GETFL);
	set_socket(SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
	set_socket(IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE);
	set_socket(IPPROTO_TCP, TCP_KEEPINTVL, KEEP_EVERY);
	set_socket(IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
#endif
	/* replies may end anywhere in a segment: do not hold them back until
	 * the client has acknowledged the segment before */
	set_socket(IPPROTO_TCP, TCP_NODELAY, 1);
	return c->flags == -1 ||
	    fcntl(1, F_SETFL, c->flags | O_NONBLOCK) == -1 ? -1 : 0;
}

enum { DRAIN_MOST = 64 };	/* reads: a client may go on sending for ever */

void
conn_drain(struct conn *c)
{
	int i;

	for (i = 0; i < DRAIN_MOST && recv(0, c->in.buf, sizeof(c->in.buf),
	    MSG_DONTWAIT) > 0; i++)
		continue;
}

void
conn_end(const struct conn *c)
{
	(void)fcntl(1, F_SETFL, c->flags & ~O_NONBLOCK);
}

int64_t
conn_limit(const struct conn *c)
{
	return c->logged_in ? wait_deadline(c->idle) : c->login;
}

enum io
conn_wait(struct conn *c, int fd, bool writing, int64_t until)
{
	int64_t look;
	enum io r;

	do {
		look = wait_deadline(GONE_LOOK);
		if (until <= look)
			return wait_for(c->env, fd, writing, until);
		r = wait_for(c->env, fd, writing, look);
	} while (r == IO_TIMEOUT && !peer_gone(fd));
	return r == IO_TIMEOUT ? IO_EOF : r;
}

enum io
conn_failure(void)
{
	switch (errno) {
	case EPIPE:
	case ECONNRESET:
	case ETIMEDOUT:		/* no answer to keepalive ... */
	case EHOSTUNREACH:	/* ... except from a router */
	case ENETUNREACH:
		return IO_EOF;
	default:
		return IO_ERROR;
	}
}
