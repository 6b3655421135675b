/*
 * The PROXY protocol, versions 1 and 2: a proxy between us and the client says
 * who that is, before anything else is read or said.  Only if the option asks
 * for it, and then no client is served without.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net/net.h"

enum {
	V1_MOST = 107,		/* octets of a version 1 line, CRLF too */
	V2_FIXED = 16,		/* octets before the addresses */
	V2_MOST = 2048,		/* octets of addresses and the rest */
	HEADER_WAIT = 10,	/* seconds; the protocol wants 3 at least */
	TLV_SSL = 0x20
};

static const char v2_magic[12] = {
	'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'
};

/* Decimal, without a leading zero, up to 65535. */
static bool
is_port(struct str s)
{
	uint64_t n;

	return s.n > 0 && (s.n == 1 || s.p[0] != '0') &&
	    text_number(s, 65535, &n);
}

/* Takes the text up to the next single space, or to the end. */
static struct str
proxy_field(struct str *line)
{
	struct str f = text_word(line);

	if (line->n > 0) {
		line->p++;
		line->n--;
	}
	return f;
}

/* Whether s is an address of the family, whose octets go to ip. */
static bool
parse_address(int family, struct str s, unsigned char ip[16])
{
	char text[INET6_ADDRSTRLEN];

	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(family, text, ip) == 1;
}

/* PROXY TCP4 source destination sport dport, without its CRLF. */
static bool
version_1(struct conn *c, struct str line)
{
	unsigned char from[16], to[16];
	struct str f;
	int family;

	(void)proxy_field(&line);
	f = proxy_field(&line);
	if (f.n == 7 && memcmp(f.p, "UNKNOWN", 7) == 0)
		return true;		/* the socket's address holds */
	if (f.n != 4 || memcmp(f.p, "TCP", 3) != 0 ||
	    (f.p[3] != '4' && f.p[3] != '6'))
		return false;
	family = f.p[3] == '4' ? AF_INET : AF_INET6;
	if (!parse_address(family, proxy_field(&line), from) ||
	    !parse_address(family, proxy_field(&line), to) ||
	    !is_port(proxy_field(&line)) || !is_port(line))
		return false;
	peer_set(c, family, from);
	return true;
}

static size_t
big_endian(const unsigned char *s)
{
	return (size_t)s[0] << 8 | s[1];
}

/* Whether the TLVs say that the client speaks TLS to the proxy. */
static bool
says_tls(const unsigned char *s, size_t n)
{
	size_t len;

	while (n >= 3) {
		len = big_endian(s + 1);
		if (len > n - 3)
			return false;
		if (s[0] == TLV_SSL && len >= 5)
			return (s[3] & 1) != 0;
		s += 3 + len;
		n -= 3 + len;
	}
	return false;
}

/* The fixed part and the len octets that follow it. */
static bool
version_2(struct conn *c, const unsigned char *s, size_t len, bool tls)
{
	bool ip4 = s[13] == 0x11;
	size_t need = ip4 ? 12 : 36;	/* two addresses and ports */

	if (s[12] == 0x20 || (s[12] == 0x21 && s[13] == 0))
		return true;		/* LOCAL: a health check; UNSPEC */
	if (s[12] != 0x21 || (!ip4 && s[13] != 0x21) || len < need)
		return false;
	peer_set(c, ip4 ? AF_INET : AF_INET6, s + V2_FIXED);
	if (tls && says_tls(s + V2_FIXED + need, len - need))
		c->tls = true;
	return true;
}

/* Waits for n octets in the buffer. */
static bool
have(struct conn *c, size_t n, struct str *in, const struct timespec *until)
{
	return line_octets(c, n, until, in) == IO_OK;
}

static bool
read_v1(struct conn *c, const struct timespec *until)
{
	struct str in;
	const char *nl = NULL;
	size_t n;

	if (!have(c, 6, &in, until) || memcmp(in.p, "PROXY ", 6) != 0)
		return false;
	for (n = 8; nl == NULL; n = in.n + 1) {
		if (n > V1_MOST || !have(c, n, &in, until))
			return false;
		nl = memchr(in.p, '\n', in.n < V1_MOST ? in.n : V1_MOST);
	}
	if (nl[-1] != '\r')
		return false;
	in.n = (size_t)(nl - 1 - in.p);
	line_used(c, in.n + 2);
	return version_1(c, in);
}

static bool
read_v2(struct conn *c, const struct timespec *until, bool tls)
{
	struct str in;
	size_t len;

	if (!have(c, V2_FIXED, &in, until) ||
	    memcmp(in.p, v2_magic, sizeof(v2_magic)) != 0)
		return false;
	len = big_endian((const unsigned char *)in.p + 14);
	if (len > V2_MOST || !have(c, V2_FIXED + len, &in, until))
		return false;
	line_used(c, V2_FIXED + len);
	return version_2(c, (const unsigned char *)in.p, len, tls);
}

bool
proxy_header(struct conn *c, bool tls)
{
	struct timespec until;
	struct str in;

	wait_deadline(&until, HEADER_WAIT);
	if (wait_left(&until) > wait_left(&c->login))
		until = c->login;
	if (have(c, 1, &in, &until) && (in.p[0] == 'P' ? read_v1(c, &until) :
	    in.p[0] == '\r' && read_v2(c, &until, tls)))
		return true;
	log_notice(c->env, "proxy addr=%s: no valid header", c->addr);
	return false;
}
