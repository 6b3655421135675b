/*
 * dial.c: the connection to the server, by TCP or through a helper program that
 * speaks TLS.
 */
#ifndef DIAL_H
#define DIAL_H

#include <sys/types.h>

#include <stddef.h>

struct dial {
	int fd;			/* -1: not connected */
	pid_t pid;		/* the helper, 0 if there is none */
	int log;		/* what the helper writes to stderr, -1: none */
};

/*
 * dial_open()		connect to host and port, within wait seconds for each
 *			address; with a helper, run that command with the
 *			connection as its stdin and stdout. The command is split
 *			at blanks, %h and %p stand for host and port, and no
 *			shell reads it. An exit status, and in why what failed
 * dial_close()		end the connection and the helper
 * dial_reason()	the last line that the helper wrote to stderr in why,
 *			which is left as it is if there is none
 */
int	dial_open(struct dial *, const char *helper, const char *host,
	    const char *port, int wait, char *why, size_t size);
void	dial_close(struct dial *);
void	dial_reason(struct dial *, char *why, size_t size);

#endif
