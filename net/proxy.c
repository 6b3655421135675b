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

/* A line: PROXY TCP4 source destination sport dport */
static bool
version_1(struct conn *c)
{
	unsigned char from[16], to[16];
	struct str line, f;
	int family;

	if (line_read(c, V1_MOST, &line) != IO_OK || line.p[line.n] != '\r')
		return false;
	f = proxy_field(&line);
	if (f.n != 5 || memcmp(f.p, "PROXY", 5) != 0)
		return false;
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

/* 16 octets, and the addresses and more whose length they have. */
static bool
version_2(struct conn *c, bool tls)
{
	const unsigned char *s;
	struct str in;
	size_t len, need;
	bool ip4;

	if (line_octets(c, V2_FIXED, c->login, &in) != IO_OK ||
	    memcmp(in.p, v2_magic, sizeof(v2_magic)) != 0)
		return false;
	len = big_endian((const unsigned char *)in.p + 14);
	if (len > V2_MOST ||
	    line_octets(c, V2_FIXED + len, c->login, &in) != IO_OK)
		return false;
	line_used(c, V2_FIXED + len);
	s = (const unsigned char *)in.p;
	if (s[12] == 0x20 || (s[12] == 0x21 && s[13] == 0))
		return true;		/* LOCAL: a health check; UNSPEC */
	ip4 = s[13] == 0x11;
	need = ip4 ? 12 : 36;		/* two addresses and ports */
	if (s[12] != 0x21 || (!ip4 && s[13] != 0x21) || len < need)
		return false;
	peer_set(c, ip4 ? AF_INET : AF_INET6, s + V2_FIXED);
	if (tls && says_tls(s + V2_FIXED + need, len - need))
		c->tls = true;
	return true;
}

bool
proxy_header(struct conn *c, bool tls)
{
	int64_t login = c->login, until = wait_deadline(HEADER_WAIT);
	struct str in;
	bool valid;

	if (until < login)
		c->login = until;
	valid = line_octets(c, 1, c->login, &in) == IO_OK &&
	    (in.p[0] == 'P' ? version_1(c) :
	    in.p[0] == '\r' && version_2(c, tls));
	c->login = login;
	if (!valid)
		log_notice(c->env, "proxy addr=%s: no valid header", c->addr);
	return valid;
}
