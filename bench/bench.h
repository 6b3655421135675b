/*
 * What the programs of the measurement share.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One message in the file of prepared replies, "+OK" and the dot included. */
struct entry {
	uint64_t	at, len;
	uint64_t	octets;		/* as LIST should have it */
	uint64_t	head;		/* octets of header and empty line */
	uint64_t	text, bytes;	/* in the spool, without From_ line and the
					   empty line after it */
};

_Noreturn static inline void
fail(const char *what)
{
	fprintf(stderr, "%s%s%s\n", what, errno ? ": " : "",
	    errno ? strerror(errno) : "");
	exit(1);
}

_Noreturn static inline void
usage(const char *how)
{
	fprintf(stderr, "usage: %s\n", how);
	exit(64);
}

static inline unsigned long
number(const char *s)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || *end != '\0' || errno != 0)
		fail(s);
	return n;
}

static inline double
usec(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) == -1)
		fail("clock");
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
