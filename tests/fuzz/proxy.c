/*
 * The header of a proxy, from a pipe: it never asks for more than its buffer,
 * and an address that is believed is one.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct env e;
	static struct conn c;
	unsigned char ip[16];
	int end[2];

	if (n < 1 || n > 4096 || pipe(end) == -1)
		return 0;
	memset(&e, 0, sizeof(e));
	memset(&c, 0, sizeof(c));
	e.trace = -1;
	c.env = &e;
	c.login = wait_deadline(60);	/* with no time nothing is read */
	if (write(end[1], data + 1, n - 1) != (ssize_t)(n - 1) ||
	    close(end[1]) == -1 || dup2(end[0], 0) == -1)
		abort();
	(void)close(end[0]);
	if (proxy_header(&c, *data & 1) && c.addr[0] != '\0' &&
	    inet_pton(AF_INET, c.addr, ip) != 1 &&
	    inet_pton(AF_INET6, c.addr, ip) != 1)
		abort();
	if (c.in.start > c.in.end || c.in.end > sizeof(c.in.buf))
		abort();
	return 0;
}
