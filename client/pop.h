/*
 * pop.c: the wire, POP3 and its XTND extensions seen from the client.
 */
#ifndef POP_H
#define POP_H

#include <stdbool.h>
#include <stddef.h>

#include "dial.h"
#include "text.h"

enum {
	POP_LINE = 1024,	/* a reply or a line of a listing; RFC 1939
				   allows 512, some servers say more */
	POP_ARG = 248,		/* a name or password: with its keyword and
				   CRLF it makes the 255 of RFC 2449 4 */
	POP_BLOCK = 65536,	/* what is read from the server at once */
	POP_WAIT = 60,		/* seconds the server may be silent */
	POP_WORK = 600,		/* ... where it has real work to do: an update
				   or a run of sendmail */
	POP_LINES = 5000000,	/* a listing longer than this is no listing */
	POP_OCTETS = 1 << 30	/* of one multi-line reply: no message is that
				   large, and no server sends for ever */
};

/* How a request to the server ended. */
enum { POP_OK, POP_NO, POP_LOST };

/* One connection. */
struct pop {
	char user[POP_ARG + 1], pass[POP_ARG + 1], host[256], port[6];
	bool tls;			/* the URL is a pops:// one */
	const char *helper;		/* speaks TLS; NULL: TCP is used */
	struct dial dial;
	long long deadline;		/* of the wait under way, in ms */
	char in[POP_BLOCK];		/* read and not yet used: beg to end */
	size_t beg, end;
	char out[POP_BLOCK];		/* the outgoing message */
	size_t outn;
	bool bol;			/* at the beginning of a line */
	char last;			/* the octet before, in an outgoing
					   message */
	unsigned long lines;		/* of the listing under way */
	size_t octets;			/* of the multi-line reply under way */
	char line[POP_LINE];		/* its current line */
	char text[POP_LINE];		/* the last reply, or what went wrong */
	int code;			/* the same as an exit status */
	size_t done;			/* octets of text moved so far */
	void (*progress)(void *);	/* called after each block of text */
	void *owner;			/* for progress */
	bool (*cancel)(void);		/* asked when there are keys; NULL: not
					   to be cancelled */
	bool cancelled;			/* the last POP_LOST was the user's */
};

/*
 * Functions that return int return POP_OK, POP_NO (the server's words are in
 * text) or POP_LOST (the reason is in text, the connection is closed).
 *
 * pop_connect()	connect, and read the greeting
 * pop_login()		log in, and connect before if need be; waits a little
 *			while the maildrop is in use
 * pop_command()	send one line and read the reply, within wait seconds
 * pop_next()		the next line of a multi-line reply, cut to fit, in
 *			line; POP_NO at its end, which must be reached
 * pop_text()		or all of it, dots and CRs removed, added to a text
 * pop_xmit...()	XTND XMIT: begin, pieces (lines end in LF or CRLF),
 *			end; only the end's POP_OK says that mail was taken
 * pop_quit()		QUIT; closes in any case
 */
int	pop_connect(struct pop *);
int	pop_login(struct pop *);
int	pop_command(struct pop *, int wait, const char *, ...) PRINTF(3, 4);
int	pop_next(struct pop *);
int	pop_text(struct pop *, struct text *);
int	pop_xmit(struct pop *);
int	pop_xmit_add(struct pop *, const char *, size_t);
int	pop_xmit_end(struct pop *);
int	pop_quit(struct pop *);
void	pop_close(struct pop *);

#endif
