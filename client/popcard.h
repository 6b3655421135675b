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
	KEEP_ALIVE = 240,	/* s without a key before a NOOP, of 600 */
	KEEP_TIMES = 15		/* no lock is held all night */
};

enum {
	KEY_NONE = 0, KEY_UP = 256, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_HOME,
	KEY_END, KEY_PGUP, KEY_PGDN, KEY_ESC, KEY_RESIZE
};

/* What is typed ahead, and what is called every KEEP_ALIVE s without a key. */
struct keys {
	unsigned char key[64];
	size_t n;
	void (*tick)(void *);
	void *owner;			/* for tick */
};

/* Take the terminal; false if none can be used. Give it back; harmless at any
 * time. The same at the end of the program, and end its helper. Its size. */
bool	term_start(void);
void	term_stop(void);
void	term_end(void);
void	term_size(int *rows, int *cols);

/* The next key. Was Escape the last one so far? It is taken then, with all keys
 * before it; otherwise the keys stay. */
int	term_key(struct keys *);
bool	term_escape(struct keys *);

/* The one wait, in which signals come: until a descriptor (or -1) can be read,
 * or written, or there are keys, if wanted; at most ms, -1: for ever. Which of
 * these, 0 after ms, -1 with errno. */
enum { WAIT_FD = 1, WAIT_KEYS = 2 };
int	term_wait(int fd, bool writing, bool keys, int ms);

/* Let the user's editor have the terminal: did it succeed? */
bool	term_edit(struct keys *, const char *path);

/* In a new process: no signal is ignored. The process that every exit ends by
 * SIGTERM, 0 for none. */
void	term_in_child(void);
void	term_end_child(pid_t);

/*
 * view.c: text from outside made safe, and the cards: lists and texts that one
 * moves about in, and the last row of the screen.
 */
struct screen {
	struct keys keys;
	struct text frame;		/* what is to be drawn */
	int rows, cols;			/* of the terminal */
	int left;			/* columns left in the row at hand */
	char title[640], say[1200];	/* the first row, and the last one */
};

/* A list (row is set), or a text. */
struct view {
	/* Draw row i of a list by put(). */
	void (*row)(struct screen *, void *owner, size_t i, bool current);
	void *owner;			/* for row */
	const struct text *text;
	unsigned *off;			/* where its rows begin, to be freed */
	int cols;			/* for which it is folded; 0: not yet */
	size_t n, cur;			/* rows; the current or topmost one */
	size_t shown;			/* the first row shown */
	size_t top, at;			/* the same, of a text its offset,
					   before the terminal was resized */
};

/* Append as many of n octets, up to a line end, as fit in *cols columns, made
 * safe and in the charset of the locale; their number, and in *cols theirs. Or
 * draw them in exactly so many columns. A number of octets in five columns. */
size_t	safe_text(const char *, size_t n, int *cols, struct text *);
void	put(struct screen *, const char *, size_t n, int cols);
const char *human(size_t, char buf[8]);

/* One safe line on stderr, after the terminal was given back; and the end of
 * the program with that status, unless it is EX_OK. */
void	error(int code, const char *what, const char *why);

/* Show a format in the last row, up to the next key. Wait for one key of some;
 * Escape means the last. */
void	say(struct screen *, const char *, ...) PRINTF(2, 3);
int	choice(struct screen *, const char *keys);

/* Ask for a line, which holds what is offered; it is not shown if it is secret.
 * False if there is none, by Escape or because it is empty. */
bool	prompt(struct screen *, const char *what, bool is_secret, char *line,
	    size_t size);

/* Show a list or a text and move about in it, up to a key that means something
 * else, such as space at the end of a text. Right means Enter, left Escape. */
int	card(struct screen *, struct view *, const char *keys);

/*
 * pop.c: the wire, POP3 and its XTND extensions seen from the client, by TCP or
 * through a helper that speaks TLS.
 */
enum {
	POP_LINE = 1024,	/* of a reply; RFC 1939 allows 512 */
	POP_ARG = 248,		/* in a command, with CRLF: RFC 2449 4 */
	POP_BLOCK = 65536,	/* what is read or written at once */
	POP_WAIT = 60,		/* seconds the server may be silent */
	POP_WORK = 600,		/* ... in an update, or a run of sendmail */
	POP_OCTETS = 1 << 30	/* of one reply: no server sends for ever */
};

/* One connection. If it is lost, the reason is in text, and gone() is called,
 * which ends the program; but not if it was the user's wish (cancelled), or if
 * it was quiet. All functions return false then, as they do after -ERR with the
 * server's words in text. */
struct pop {
	char user[POP_ARG + 1], pass[POP_ARG + 2], host[256], port[6];
	bool tls;			/* the URL is a pops:// one */
	const char *helper;		/* a shell command, %h and %p for host
					   and port; NULL: TCP is used */
	int fd;				/* -1: not connected */
	pid_t pid;			/* of the helper, 0 if there is none */
	FILE *log;			/* what it writes to stderr, */
	char why[512];			/* and its last words */
	int wait;			/* seconds until the next reply */
	char in[POP_BLOCK];		/* read and not yet used: beg to end */
	size_t beg, end;
	struct text line;		/* the last line read, a string */
	char text[POP_LINE];		/* the last reply, or what went wrong */
	int code;			/* the same as an exit status */
	size_t octets, expected;	/* moved since the last reply, of all */
	struct screen *screen;		/* shows the progress, has the keys */
	char doing[64];			/* "": nothing that can be cancelled */
	bool quiet, cancelled;
	bool sent;			/* a message, up to its last line */
	void (*gone)(void *);
	void *owner;			/* for gone() */
};

/* Connect, and read the greeting; and log in, or gone(), after a little wait if
 * the maildrop is in use. */
bool	pop_connect(struct pop *);
void	pop_login(struct pop *);

/* Send one line and read the reply. A NOOP, quietly, by a struct pop; QUIT,
 * quietly, and close. */
bool	pop_command(struct pop *, const char *, ...) PRINTF(2, 3);
void	pop_idle(void *);
bool	pop_quit(struct pop *);

/* Show the progress of what follows, and take Escape as the wish to cancel, up
 * to the end of pop_xmit(), or until doing is emptied. */
void	pop_transfer(struct pop *, const char *doing, size_t expected);

/* The next line of a multi-line reply, at most so many octets of it, in line;
 * false at its end, which must be reached. Or add all of it to a text, without
 * dots and CRs. XTND XMIT of a message whose lines end in LF or CRLF; it cannot
 * be cancelled any more after its last line. */
bool	pop_next(struct pop *, size_t most);
bool	pop_text(struct pop *, struct text *);
bool	pop_xmit(struct pop *, const struct text *);

/*
 * maildrop.c: the open maildrop or board, its messages, and the flags on them.
 */
struct message {
	unsigned long octets, id;	/* id: a board's own number */
	char from[64], subject[200];	/* as much as a wide screen shows */
	time_t date;			/* 0: not known */
	char uid[71];			/* "": not known; RFC 1939 7 */
	bool known;			/* the fields are there */
	bool status;			/* it has a Status field */
	bool unread, seen;		/* before this session, and in it */
	bool deleted;			/* to be deleted at the end */
};

struct board {
	char name[64];
	unsigned long maxima;		/* its highest number */
};

/* One run of popcard. */
struct session {
	struct pop pop;
	struct screen screen;
	struct message *msg;		/* of the open maildrop or board */
	size_t n, deleted;		/* messages, and those flagged */
	size_t cur;			/* the current message */
	unsigned long total;		/* messages that the server has */
	const char *how;		/* the XTND subcommand that opened a
					   board; NULL: the user's maildrop */
	struct board board;
	char word[64];			/* what was searched for */
	char draft[256], mail[260];	/* paths: a draft, what it forwards */
};

/* Is a draft kept? At the end say where, also if the connection is lost. */
bool	has_draft(const struct session *);
void	farewell(const struct session *);
void	gone(void *);

/* Learn what the open maildrop or board holds; again: flags and the current
 * message follow their messages by UIDL. Or open a board first, how is BBOARDS
 * or ARCHIVE; unless again, the flags are settled before. False if refused. */
void	load(struct session *, bool again);
bool	open_board(struct session *, const char *how, const struct board *,
	    bool again);

/* A message whose fields are known, also from servers without XLST. */
struct message *message_at(struct session *, size_t);

/* Flag a message for deletion, or not. Before the maildrop is closed: 'y' if
 * the user wants the flagged ones to be deleted, and DELE has been sent; 'n' if
 * not, or there are none; 'c' to stay, also if the server refuses. */
void	flag(struct session *, size_t, bool);
int	settle_flags(struct session *);

/* Append the current message as it is; false with the reason in the last row,
 * also if Escape cancelled it. Log in again after a transfer was cancelled. */
bool	fetch(struct session *, struct text *);
void	reload(struct session *);

/*
 * cards.c: offer a draft that is kept; if there is none, edit one that begins
 * with this text and forwards this message, or NULL; then send it or keep it.
 * The keys. The open maildrop or board, with the key that leaves it.
 */
void	compose(struct session *, const struct text *draft,
	    const struct text *mail);
void	help_card(struct session *, bool board);
int	list_card(struct session *);

#endif
