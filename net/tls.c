/*
 * STLS by UCSPI-TLS: the parent that accepted the connection also speaks TLS
 * when it is told to.  Nothing from before the switch may count after it
 * (RFC 2595, 4), above all no octet that came in the clear.
 */
#include <sys/select.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/net.h"

static const char *const variables[TLS_FDS] = {
	[TLS_CTL] = "SSLCTLFD",
	[TLS_READ] = "SSLREADFD",
	[TLS_WRITE] = "SSLWRITEFD"
};

/* The descriptor whose number is in a variable, or -1. */
static int
descriptor_from(struct conn *c, const char *variable)
{
	const char *s = getenv(variable);
	uint64_t n;

	if (s == NULL || *s == '\0')
		return -1;
	if (text_number(text_of(s), FD_SETSIZE - 1, &n) && n >= 3 &&
	    fcntl((int)n, F_SETFD, FD_CLOEXEC) != -1)
		return (int)n;
	log_notice(c->env, "tls: %s names no descriptor", variable);
	return -1;
}

void
tls_begin(struct conn *c)
{
	int i;

	for (i = 0; i < TLS_FDS; i++)
		c->tlsfd[i] = descriptor_from(c, variables[i]);
	if (c->tlsfd[TLS_READ] == -1 || c->tlsfd[TLS_WRITE] == -1)
		c->tlsfd[TLS_CTL] = -1;
}

bool
tls_offered(const struct conn *c)
{
	return c->tlsfd[TLS_CTL] != -1 && !c->tls;
}

/* Logs one of the parent's VAR=value entries, if it is called so. */
static void
log_entry(struct conn *c, const char *entry, const char *variable,
    const char *what)
{
	size_t n = strlen(variable);
	char clean[128];

	if (strncmp(entry, variable, n) == 0 && entry[n] == '=')
		log_notice(c->env, "tls addr=%s %s=%s", c->addr, what,
		    text_clean(clean, sizeof(clean), entry + n + 1,
		    strlen(entry + n + 1)));
}

/*
 * The answer to 'Y': entries, each with its NUL, and one more NUL.  It comes
 * when the handshake is done; an end of file means that it failed.  It is read
 * octet by octet, because the client's first command may come by the same
 * descriptor.  0, or -1.
 */
static int
await_handshake(struct conn *c)
{
	char text[4096] = { 0 };
	int64_t until = conn_limit(c);
	size_t have = 0, at;
	ssize_t n;

	while (have < 2 || text[have - 1] != '\0' || text[have - 2] != '\0') {
		if (have == sizeof(text))
			return -1;
		if (wait_for(c->env, c->tlsfd[TLS_CTL], false, until) != IO_OK)
			return -1;
		n = read(c->tlsfd[TLS_CTL], text + have, 1);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return -1;
		have++;
	}
	for (at = 0; at + 1 < have; at += strlen(text + at) + 1) {
		log_entry(c, text + at, "SSL_PROTOCOL", "protocol");
		log_entry(c, text + at, "SSL_CIPHER", "cipher");
	}
	return 0;
}

/* Replaces the connection's descriptors by those of the parent. */
static int
take_over(struct conn *c)
{
	int i;

	if (dup2(c->tlsfd[TLS_READ], 0) == -1 ||
	    dup2(c->tlsfd[TLS_WRITE], 1) == -1 ||
	    dup2(c->tlsfd[TLS_WRITE], 2) == -1 || conn_unblock(c) == -1)
		return -1;
	for (i = 0; i < TLS_FDS; i++) {
		(void)close(c->tlsfd[i]);	/* two may be the same */
		c->tlsfd[i] = -1;
		(void)unsetenv(variables[i]);
	}
	return 0;
}

int
tls_start(struct conn *c)
{
	if (write(c->tlsfd[TLS_CTL], "Y", 1) != 1 ||
	    await_handshake(c) == -1 || take_over(c) == -1) {
		log_notice(c->env, "tls addr=%s: the handshake failed",
		    c->addr);
		return -1;
	}
	memset(&c->in, 0, sizeof(c->in));
	c->out.n = 0;
	c->tls = true;
	return 0;
}
