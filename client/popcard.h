/*
 * popcard: a POP3 client for the terminal. A section for each file, from the
 * bottom to the top: calls go down only. The files of mime.h are below view.c;
 * they know formats and no terminal.
 */
#ifndef POPCARD_H
#define POPCARD_H

#include "mime.h"

#include <sysexits.h>

/*
 * term.c: the terminal, by plain termios and ANSI sequences. Every exit and
 * every deadly signal gives it back as it was.
 */
enum {
	KEEP_ALIVE = 240,	/* seconds without a key before a NOOP; servers
				   may hang up after 600 */
	KEEP_TIMES = 15		/* ... but an abandoned terminal must not hold
				   the maildrop's lock all night */
};

/* Keys beyond the characters. */
enum {
	KEY_NONE = 0, KEY_UP = 256, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_HOME,
	KEY_END, KEY_PGUP, KEY_PGDN, KEY_ESC, KEY_RESIZE
};

/* Take the terminal, and call tick(arg) every KEEP_ALIVE s without a key; false
 * if no terminal can be used. Give it back; harmless at any time. */
bool	term_start(void (*tick)(void *), void *arg);
void	term_stop(void);

/* Its size now, and the next key. */
int	term_rows(void);
int	term_cols(void);
int	term_key(void);

/* Was Escape the last key so far? It is taken then, with all keys before it;
 * otherwise the keys stay. */
bool	term_escape(void);

/* Let an editor have the terminal; its wait status, or -1. */
int	term_run(const char *cmd, const char *path);

/* In a new process: no signal is ignored. The process that every exit ends by
 * SIGTERM, 0 for none. */
void	term_in_child(void);
void	term_end_child(pid_t);

/*
 * view.c: text from outside made safe, and the cards: lists and texts that one
 * moves about in, and the last row of the screen.
 */
enum {
	GLYPH = 32		/* the longest form of one character */
};

/* What all cards share: the first row, and the last one. */
struct screen {
	char title[640];
	char say[1200];
};

/* A list (row is set), or a text. */
struct view {
	/* Draw row i of a list by put() and print(), in cols columns. */
	void (*row)(void *owner, size_t i, bool current, int cols);
	void *owner;			/* for row */
	const char *text;
	size_t len;
	unsigned *off;			/* where its rows begin, to be freed */
	int cols;			/* for which it is folded; 0: not yet */
	size_t n, cur;			/* rows; the current or topmost one */
	size_t shown;			/* the first row shown */
	size_t top, at;			/* the same, of a text its offset,
					   before the terminal was resized */
};

/* The first of n > 0 octets of UTF-8 as it is shown from column col on: its
 * form in the charset of the locale, spelt out if that lacks it, and its width.
 * *marks counts accents in a row. The octets that it took. */
size_t	glyph(const char *, size_t n, int col, int *marks, char out[GLYPH],
	    int *width);

/* One safe line on stderr, after the terminal was given back; and the end of
 * the program with that status, unless it is EX_OK. */
void	error(int code, const char *, ...) PRINTF(2, 3);

/* Draw a text, a format, in exactly so many columns, made safe. */
void	put(const char *, size_t, int cols);
void	print(int cols, const char *, ...) PRINTF(2, 3);

/* What the last row is to show; show it, with what was drawn. */
void	say(struct screen *, const char *, ...) PRINTF(2, 3);
void	status(struct screen *);

/* Ask for a line, which holds what is offered; it is not shown if it is secret.
 * False if there is none, by Escape or because it is empty. */
bool	prompt(struct screen *, const char *what, bool is_secret, char *line,
	    size_t size);

/* Show what was said, and wait for one key of some; Escape means the last. */
int	choice(struct screen *, const char *keys);

/* Show a list or a text and move about in it, up to the first key that means
 * something else, such as space at the end of a text. Right means Enter, left
 * Escape. And a text that is read and left again. */
int	card(struct screen *, struct view *, const char *keys);
void	text_card(struct screen *, const char *title, const struct text *);

/*
 * dial.c: the connection to the server, by TCP or through a helper program that
 * speaks TLS.
 */
struct dial {
	int fd;			/* -1: not connected */
	pid_t pid;		/* the helper, 0 if there is none */
	FILE *log;		/* what it writes to stderr */
	char why[512];		/* what failed, or the helper's last words */
};

/* Connect to host and port; with a helper, run that command with the connection
 * as its stdin and stdout. It is split at blanks, %h and %p stand for host and
 * port, and no shell reads it. An exit status. */
int	dial_open(struct dial *, const char *helper, const char *host,
	    const char *port);
void	dial_close(struct dial *);

/*
 * pop.c: the wire, POP3 and its XTND extensions seen from the client.
 */
enum {
	POP_LINE = 1024,	/* a reply or a line of a listing; RFC 1939
				   allows 512, some servers say more */
	POP_ARG = 248,		/* a name or password: with its keyword and
				   CRLF it makes the 255 of RFC 2449 4 */
	POP_BLOCK = 65536,	/* what is read from the server at once */
	POP_WAIT = 60,		/* seconds the server may be silent */
	POP_WORK = 600,		/* ... where it has real work to do: an update
				   or a run of sendmail */
	POP_OCTETS = 1 << 30	/* of one multi-line reply: no message is that
				   large, and no server sends for ever */
};

/* How a request to the server ended: well; with the server's words in text; or
 * with the reason in text and the connection closed. */
enum { POP_OK, POP_NO, POP_LOST };

/* One connection. */
struct pop {
	char user[POP_ARG + 1], pass[POP_ARG + 2], host[256], port[6];
	bool tls;			/* the URL is a pops:// one */
	const char *helper;		/* speaks TLS; NULL: TCP is used */
	struct dial dial;
	int wait;			/* seconds until the next reply */
	char in[POP_BLOCK];		/* read and not yet used: beg to end */
	size_t beg, end;
	struct text line;		/* the last line read, a string */
	char text[POP_LINE];		/* the last reply, or what went wrong */
	int code;			/* the same as an exit status */
	size_t octets;			/* moved since the last reply */
	void (*progress)(void *);	/* called after each block */
	void *owner;			/* for progress */
	bool (*cancel)(void);		/* asked when there are keys; NULL: it
					   cannot be cancelled */
	bool cancelled;			/* the last POP_LOST was the user's */
};

/* Connect, and read the greeting. Log in, and connect before if need be; it
 * waits a little while the maildrop is in use. */
int	pop_connect(struct pop *);
int	pop_login(struct pop *);

/* Send one line and read the reply. QUIT closes in any case. */
int	pop_command(struct pop *, const char *, ...) PRINTF(2, 3);
int	pop_quit(struct pop *);

/* The next line of a multi-line reply, at most so many octets of it, in line;
 * POP_NO at its end, which must be reached. Or add all of it to a text, without
 * dots and CRs. */
int	pop_next(struct pop *, size_t most);
int	pop_text(struct pop *, struct text *);

/* XTND XMIT of a message whose lines end in LF or CRLF; it cannot be cancelled
 * any more after its last line. */
int	pop_xmit(struct pop *, const struct text *);

/*
 * maildrop.c: the open maildrop or board, its messages, and the flags on them.
 * These functions end the program if the connection is lost.
 */
enum { FROM, SUBJECT, DATE, STATUS, FIELDS };

struct message {
	unsigned long octets, id;	/* id: a board's own number */
	char *field[FIELDS];		/* as they are shown; NULL: none */
	char *uid;			/* NULL: the server names none */
	bool known;			/* the fields are there */
	bool unread;			/* ... if the server says so */
	bool deleted;			/* to be deleted at the end */
	bool old;			/* of the list before; for reload() */
};

/* One run of popcard. */
struct session {
	struct pop pop;
	struct screen screen;
	struct message *msg;		/* of the open maildrop or board */
	size_t n, deleted;		/* messages, and those flagged */
	size_t cur;			/* the current message */
	bool reloaded;			/* msg is another list than before */
	size_t total;			/* messages that the server has */
	char board[64];			/* "": the user's own maildrop */
	const char *open;		/* the XTND subcommand for it */
	size_t expected;		/* octets of the text on its way */
	const char *doing;
	char word[64];			/* what was searched for */
	char draft[256];		/* a draft kept, "" if none */
};

/* At the end: say where a draft is kept. The connection is lost: say so too. */
void	farewell(const struct session *);
_Noreturn void	gone(struct session *);

/* Log in. One command, false if the server refuses. The next line of a listing,
 * false at its end. NOOP: only the next command notices a lost connection. */
void	enter(struct session *);
bool	ask(struct session *, const char *, ...) PRINTF(2, 3);
bool	next(struct session *);
void	idle(void *);

/* Learn what the open maildrop or board holds; or open a board first, how is
 * BBOARDS or ARCHIVE, false if the server refuses. The fields of one message,
 * for servers without XLST. */
void	load(struct session *);
bool	open_board(struct session *, const char *how, const char *name);
void	top_fields(struct session *, size_t);

/* Flag a message for deletion, or not. Before the maildrop is closed: 'y' if
 * the user wants the flagged ones to be deleted, and DELE has been sent; 'n' if
 * not, or there are none; 'c' to stay, also if the server refuses. */
void	flag(struct session *, size_t, bool);
int	settle_flags(struct session *);

/* Append the current message as it is; false with the reason in the last row,
 * also if Escape cancelled it: then reload() has been called. */
bool	fetch(struct session *, struct text *);

/* Begin to show progress, and to take Escape as the wish to cancel; "" for the
 * end. Log in again after it was cancelled: the flags and the current message
 * follow their messages by UIDL. */
void	transfer(struct session *, const char *doing, size_t expected);
void	reload(struct session *);

/* A number of octets in five columns. */
const char *human(size_t, char buf[8]);

/*
 * compose.c: messages that are written, and files saved.
 */

/* Edit a draft that begins with this text and forwards this message (NULL:
 * none), or the one that is kept if the user wants it; then send it or keep it.
 * Offer a draft that an earlier session has kept. */
void	compose(struct session *, const struct text *draft,
	    const struct text *mail);
void	compose_kept(struct session *);

/* Ask for a message or one of its files, and for a path; id is the message's
 * number. Only the path that the user typed is written to, and a file that
 * exists only if they agree. The last row tells the outcome. */
void	save(struct screen *, const struct mime *, unsigned long id);

/*
 * cards.c: the stack of cards. A card is a function that draws and waits for
 * keys; the C stack is the stack of cards. The open maildrop or board, with the
 * key that leaves it; the boards, and back to the user's maildrop.
 */
int	list_card(struct session *);
void	boards_card(struct session *);

#endif
