/*
 * Who the client is.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "net/net.h"

/* An IPv4 address mapped to IPv6 (RFC 4291, 2.5.5.2) is taken as IPv4. */
void
peer_set(struct conn *c, int family, const unsigned char *ip)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const unsigned char one[16] = { [15] = 1 };

	if (family == AF_INET6 && memcmp(ip, mapped, sizeof(mapped)) == 0) {
		family = AF_INET;
		ip += sizeof(mapped);
	}
	if (inet_ntop(family, ip, c->addr, sizeof(c->addr)) == NULL)
		c->addr[0] = '\0';
	c->loopback = family == AF_INET ? ip[0] == 127 :
	    memcmp(ip, one, sizeof(one)) == 0;
}

/*
 * The address is the socket's; or what a parent says that keeps the socket for
 * itself (UCSPI, stunnel); or "local" for a terminal or a pipe.
 */
void
peer_find(struct conn *c, bool tls)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	const char *text = getenv("REMOTE_HOST");
	unsigned char ip[16];

	memset(&ss, 0, sizeof(ss));
	if (getpeername(0, (struct sockaddr *)&ss, &n) == -1)
		ss.ss_family = AF_UNSPEC;
	if (ss.ss_family == AF_INET)
		peer_set(c, AF_INET, (const unsigned char *)
		    &((const struct sockaddr_in *)&ss)->sin_addr);
	else if (ss.ss_family == AF_INET6)
		peer_set(c, AF_INET6,
		    ((const struct sockaddr_in6 *)&ss)->sin6_addr.s6_addr);
	else if (getenv("TCPREMOTEIP") != NULL)
		text = getenv("TCPREMOTEIP");
	/* at loopback the peer may be stunnel, which knows the client */
	if (c->addr[0] != '\0' && (!tls || !c->loopback || text == NULL))
		return;
	if (text == NULL)
		text = "local";
	if (inet_pton(AF_INET, text, ip) == 1)
		peer_set(c, AF_INET, ip);
	else if (inet_pton(AF_INET6, text, ip) == 1)
		peer_set(c, AF_INET6, ip);
	else {			/* a name, which proves nothing */
		(void)text_clean(c->addr, sizeof(c->addr), text, strlen(text));
		c->loopback = strcmp(text, "local") == 0;
	}
}
