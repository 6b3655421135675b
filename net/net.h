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
	OUT_SIZE = 65536	/* a write of this size fills its segments; a
				   client takes or sends as much in -i seconds */
};

/* What a command handler returns; the loop in popper.c acts on it. */
enum result {
	OK,			/* replied +OK */
	ERR,			/* replied -ERR */
	CLOSE,			/* replied; the session ends in good order */
	ABORT			/* close without another byte */
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

/* ---- conn.c -------------------------------------------------------------- */

/* Descriptor 1, a new one, must not block us. */
int conn_unblock(void);

/* Waits for the client, and looks now and then whether it is there. */
enum io conn_wait(struct conn *c, int fd, bool writing,
    const struct timespec *until);

/* What errno means: the connection is lost, or something is wrong here. */
enum io conn_failure(void);

/*
 * The time by which the client must have sent or taken what is waited for now:
 * before login the time to log in, after it the idle limit from now.
 */
void conn_limit(const struct conn *c, struct timespec *until);

/*
 * Throws away what the client has sent ahead of the last reply.  To close a
 * socket over that resets the connection, which may cost him the reply.
 */
void conn_drain(struct conn *c);

/* Gives descriptor 1 back as it was. */
void conn_end(void);

/*
 * host.c: our name as the domain of a message-id (RFC 822, 6.1), or "localhost".
 */
void host_name(char *to, size_t room);

/* Forgets what waits in both directions. */
void conn_forget(struct conn *c);

/* ---- line.c -------------------------------------------------------------- */

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

/* Whether anything of the client waits unread. */
bool line_pending(const struct conn *c);

/* ---- reply.c ------------------------------------------------------------- */

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

/* ---- wire.c -------------------------------------------------------------- */

/* Message text on its way to the wire: line ends to CRLF, dots stuffed. */
struct wire {
	bool start;		/* at the start of a line */
	bool cr;		/* the byte before was CR, not yet sent */
};
void wire_text(struct conn *c, struct wire *w, const char *s, size_t n);
void wire_end(struct conn *c, struct wire *w);

/* ---- tls.c, proxy.c, peer.c ---------------------------------------------- */

/* Finds the descriptors of UCSPI-TLS, if our parent gave us any. */
void tls_begin(struct conn *c);
bool tls_offered(const struct conn *c);

/* Has the parent start TLS.  0, or -1 where the connection is of no use. */
int tls_start(struct conn *c);

/*
 * Reads a proxy's header, which may say that TLS is active where tls is set.
 * False if there is no valid one: then nothing is served.
 */
bool proxy_header(struct conn *c, bool tls);

/*
 * The client's address, of the connection or as text from elsewhere, and whether
 * it is this machine's own.  tls: a parent may be the peer of the socket.
 */
void peer_find(struct conn *c, bool tls);
void peer_set(struct conn *c, const char *addr);

#endif
