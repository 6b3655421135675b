/*
 * net: the connection to the client: lines in, replies out, message text on its
 * way to the wire, and what a proxy or a parent that speaks TLS says of it.
 */
#ifndef NET_H
#define NET_H

#include "lib/lib.h"

enum {
	LINE_COMMAND = 255,	/* RFC 2449, 4: a command with its CRLF */
	LINE_SASL = 1026,	/* 1024 of base64: RFC 4616, 2 */
	LINE_REPLY = 512,	/* RFC 1939, 3: a first reply line, CRLF too */
	IN_SIZE = 4096,		/* several pipelined commands a read */
	OUT_SIZE = 131072	/* half of it makes RETR of 20 MB a tenth slower; a
				   client has -i seconds for so many octets */
};

/* What a command handler returns; the loop in popper.c acts on it. */
enum result {
	OK,			/* replied +OK */
	ERR,			/* replied -ERR */
	CLOSE,			/* replied; the session ends in good order */
	ABORT			/* close without another byte */
};

/* What the client has sent: see line_read(). */
struct in {
	size_t start, end;	/* of what has not been used yet */
	bool skip;		/* inside a line that is too long */
	char buf[IN_SIZE];
};

/* What is to be written: see reply_put(). */
struct out {
	size_t n;
	enum io state;	/* IO_OK, or why writing failed */
	char buf[OUT_SIZE];
};

enum { TLS_CTL, TLS_READ, TLS_WRITE, TLS_FDS };

/* The connection to the client: descriptors 0 and 1. */
struct conn {
	struct env *env;
	int64_t login;		/* the time by which one must be logged in */
	bool logged_in;
	unsigned idle;		/* seconds that a wait may take after that */
	char addr[64];		/* the client's address as text */
	bool loopback;		/* which is this machine's own */
	bool tls;		/* the connection is encrypted */
	int flags;		/* of descriptor 1, as it came */
	int tlsfd[TLS_FDS];	/* TLS_CTL is -1: STLS is not offered */
	struct in in;
	struct out out;
};

/* ---- conn.c -------------------------------------------------------------- */

/*
 * Whether descriptor 1 is open: 0, or -1.  If 2 is not, it becomes /dev/null:
 * a file that took its place would be closed, or written to, as inetd's.
 */
int conn_begin(void);

/*
 * Prepares descriptor 1: writing does not block, so that a client that does not
 * read is noticed, and TCP probes a silent client.  0, or -1 with errno.
 */
int conn_unblock(struct conn *c);

/*
 * Waits until fd can be read, or written.  IO_OK, IO_TIMEOUT, IO_SIGNAL,
 * IO_ERROR; or IO_EOF if the client's machine no longer answers.
 */
enum io conn_wait(struct conn *c, int fd, bool writing, int64_t until);

/* What errno means: IO_EOF, the connection is lost, or IO_ERROR. */
enum io conn_failure(void);

/*
 * The time by which the client must have sent or taken what is waited for now:
 * before login the time to log in, after it the idle limit from now (RFC 1939,
 * 3: the autologout timer).
 */
int64_t conn_limit(const struct conn *c);

/*
 * Throws away what the client has sent after the last command: closing a socket
 * over unread octets resets the connection, and the client could lose a reply.
 */
void conn_drain(struct conn *c);

/* Lets descriptor 1 block again, since a terminal's flags outlive us. */
void conn_end(const struct conn *c);

/*
 * host.c: our name as the domain of a message-id (RFC 822, 6.1), or "localhost".
 */
void host_name(char *to, size_t room);

/* ---- line.c -------------------------------------------------------------- */

/*
 * Reads a line of at most max octets with its end, and returns it without.
 * Writes all replies before it waits.  After IO_LONG and IO_CONTROL (RFC 2449,
 * 3 and 4) the whole line has been thrown away; else IO_OK, or why there is no
 * line.
 */
enum io line_read(struct conn *c, size_t max, struct str *line);

/*
 * The octets that wait after the last line, at least n of them (up to IN_SIZE):
 * waits until they are there.  IO_OK, or why they are not.
 */
enum io line_octets(struct conn *c, size_t n, int64_t until,
    struct str *octets);

/* Removes n of these octets. */
void line_used(struct conn *c, size_t n);

/* Whether any octet of the client waits unread. */
bool line_pending(const struct conn *c);

/* Overwrites all that the client has sent and that was used. */
void line_wipe(struct conn *c);

/* ---- reply.c ------------------------------------------------------------- */

/* Adds n octets, or a string, to the reply; writes when the buffer is full. */
void reply_put(struct conn *c, const void *s, size_t n);
void reply_puts(struct conn *c, const char *s);

/* Adds a number in decimal; printf(3) is too slow for long listings. */
void reply_number(struct conn *c, uint64_t n);

/*
 * Adds a line, cut to LINE_REPLY octets; control characters and what is not
 * ASCII become "?", and a leading dot is doubled (RFC 1939, 3).
 */
void reply_line(struct conn *c, const char *fmt, ...) PRINTF(2, 3);

/* Writes what waits.  0; or -1, and c->out.state tells why. */
int reply_flush(struct conn *c);

/*
 * Adds such a line, "+OK text"; or "-ERR text", whose code comes first in the
 * text (RFC 2449, 8), and logs that.  Returns OK or ERR.
 */
#define reply_ok(c, ...)	(reply_line((c), "+OK " __VA_ARGS__), OK)
enum result reply_err(struct conn *c, const char *fmt, ...) PRINTF(2, 3);

/*
 * Adds the line that ends a multi-line reply, and returns OK.  The first line
 * of such a reply has no full stop: simple clients take that for the end.
 */
enum result reply_dot(struct conn *c);

/* ---- wire.c -------------------------------------------------------------- */

/* Message text on its way to the wire. */
struct wire {
	char last;		/* byte that was sent; at first '\n' */
};

/*
 * Sends n bytes of message text: lines end with CRLF, a leading dot is doubled
 * (RFC 1081).  A CR before LF belongs to the line's end; any other is text.
 */
void wire_text(struct conn *c, struct wire *w, const char *s, size_t n);

/* Ends a last line that has no end of its own. */
void wire_end(struct conn *c, struct wire *w);

/* ---- tls.c, proxy.c, peer.c ---------------------------------------------- */

/* Finds the descriptors of UCSPI-TLS, if the parent process gave us any. */
void tls_begin(struct conn *c);

/* Whether STLS may be used now. */
bool tls_offered(const struct conn *c);

/* Has the parent start TLS.  0; or -1, and the connection is of no use. */
int tls_start(struct conn *c);

/*
 * Reads a proxy's header, which may say that TLS is active if tls is true.
 * False if there is no valid one: then the client must not be served.
 */
bool proxy_header(struct conn *c, bool tls);

/*
 * Finds the client's address, and whether it is this machine's own.  tls: the
 * peer of the socket may be a parent that speaks TLS for the client.
 */
void peer_find(struct conn *c, bool tls);

/* Sets the client's address: 4 octets for AF_INET, 16 for AF_INET6. */
void peer_set(struct conn *c, int family, const unsigned char *ip);

#endif
