/*
 * STLS by UCSPI-TLS: the parent that accepted the connection also speaks TLS,
 * when it is told to; here are only three descriptors and two octets.
 *
 * Nothing of before may count behind the switch (RFC 2595, 4): not the user
 * name, and above all no octet that came in the clear and waits in a buffer,
 * which somebody on the way may have put there.
 */
#include <sys/select.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/net.h"

static const char *const names[TLS_FDS] = {
	[TLS_CTL] = "SSLCTLFD",
	[TLS_READ] = "SSLREADFD",
	[TLS_WRITE] = "SSLWRITEFD"
};

void
tls_begin(struct conn *c)
{
	const char *s;
	uint64_t n;
	int i, set = 0;

	for (i = 0; i < TLS_FDS; i++) {
		c->tlsfd[i] = -1;
		if ((s = getenv(names[i])) == NULL || *s == '\0')
			continue;
		if (!text_number(text_of(s), FD_SETSIZE - 1,
		    &n) || n < 3 || fcntl((int)n, F_GETFD) == -1 ||
		    fcntl((int)n, F_SETFD, FD_CLOEXEC) == -1) {
			log_notice(c->env, "tls: %s names no descriptor",
			    names[i]);
			continue;
		}
		c->tlsfd[i] = (int)n;
		set++;
	}
	if (set < TLS_FDS)
		c->tlsfd[TLS_CTL] = c->tlsfd[TLS_READ] =
		    c->tlsfd[TLS_WRITE] = -1;
}

bool
tls_offered(const struct conn *c)
{
	return c->tlsfd[TLS_CTL] != -1 && !c->tls;
}

/* Logs one of the parent's VAR=value entries, if it is one that matters. */
static void
note_entry(struct conn *c, const char *entry)
{
	static const char *const wanted[] = { "SSL_PROTOCOL", "SSL_CIPHER" };
	char clean[128];
	size_t i, n;

	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		n = strlen(wanted[i]);
		if (strncmp(entry, wanted[i], n) != 0 || entry[n] != '=')
			continue;
		log_notice(c->env, "tls addr=%s %s=%s", c->addr,
		    i == 0 ? "protocol" : "cipher", text_clean(clean,
		    sizeof(clean), entry + n + 1, strlen(entry + n + 1)));
	}
}

/*
 * The answer to 'Y': entries, each with its NUL, and one more NUL.  It comes
 * when the handshake is done; an end of file in its place means that it
 * failed.  It is read octet by octet: the descriptor may be the one that the
 * client's first command comes by.  0, or -1.
 */
static int
await_handshake(struct conn *c)
{
	char text[4096] = { 0 };
	struct timespec until;
	size_t have = 0, at;
	ssize_t n;

	conn_limit(c, &until);
	while (have < 2 || text[have - 1] != '\0' || text[have - 2] != '\0') {
		if (have == sizeof(text))
			return -1;
		if (wait_for(c->env, c->tlsfd[TLS_CTL], false, &until) != IO_OK)
			return -1;
		n = read(c->tlsfd[TLS_CTL], text + have, 1);
		if (n == -1 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return -1;
		have++;
	}
	for (at = 0; at + 1 < have; at += strlen(text + at) + 1)
		note_entry(c, text + at);
	return 0;
}

/* Puts the parent's descriptors in the place of the connection's. */
static int
take_over(struct conn *c)
{
	int i;

	if (dup2(c->tlsfd[TLS_READ], 0) == -1 ||
	    dup2(c->tlsfd[TLS_WRITE], 1) == -1 ||
	    dup2(c->tlsfd[TLS_WRITE], 2) == -1 || conn_unblock() == -1)
		return -1;
	for (i = 0; i < TLS_FDS; i++) {
		(void)close(c->tlsfd[i]);	/* perhaps one and the same */
		c->tlsfd[i] = -1;
		(void)unsetenv(names[i]);
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
	conn_forget(c);
	c->tls = true;
	return 0;
}
