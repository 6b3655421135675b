/*
 * popcard: a POP3 client for the terminal. A section for each file, from the
 * bottom to the top: calls go down only. The files of mime.h are below view.c;
 * they know formats and no terminal.
 */
#ifndef POPCARD_H
#define POPCARD_H

#include "mime.h"

#include <fcntl.h>
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

/*
 * term_start()		take the terminal; false if none can be used. tick(arg)
 *			is called every KEEP_ALIVE s without a key
 * term_stop()		give it back; harmless at any time
 * term_rows(), term_cols()	its size now
 * term_key()		wait for a key
 * term_escape()	was Escape the last key so far? It is taken then, with
 *			all keys before it; otherwise the keys stay
 * term_run()		let an editor have the terminal; its wait status, or -1
 * term_in_child()	in a new process: no signal is ignored
 * term_end_child()	the process that every exit ends by SIGTERM, 0 for none
 * term_write()		write all of it; errors are ignored
 *
 * The text written here has been made safe: see safe.c.
 */
bool	term_start(void (*tick)(void *), void *arg);
void	term_stop(void);
int	term_rows(void);
int	term_cols(void);
int	term_key(void);
bool	term_escape(void);
int	term_run(const char *cmd, const char *path);
void	term_in_child(void);
void	term_end_child(pid_t);
void	term_write(int fd, const char *, size_t);

/*
 * safe.c: text from outside made safe. All of it goes through glyph(), in the
 * cards and outside of them, so none of it can steer the terminal.
 */
enum {
	GLYPH = 32		/* the longest form of one character */
};

/*
 * glyph()		the first character of n > 0 octets of UTF-8 as it is shown
 *			from column col on: its form in the charset of the
 *			locale, spelt out if that lacks it, and its width.
 *			*marks counts accents in a row. The octets it took
 * error()		one safe line on stderr, after the terminal was given
 *			back
 * fail()		the same, and the end of the program with that status
 */
size_t	glyph(const char *, size_t n, int col, int *marks, char out[GLYPH],
	    int *width);
void	error(const char *, ...) PRINTF(1, 2);
_Noreturn void	fail(int code, const char *, ...) PRINTF(2, 3);

/*
 * view.c: the cards: lists and texts that one moves about in, and the last row
 * of the screen.
 */
/* What all cards share. */
struct screen {
	char title[640];		/* the first row of the card */
	char say[1200];			/* the last row */
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

/*
 * put(), print()	draw a text, a format, in exactly so many columns, made
 *			safe
 * say()		what the last row is to show
 * status()		show what was drawn, with that in the last row
 * prompt()		ask for a line, which holds what is offered; it is not
 *			shown if it is secret. False if there is none, by Escape
 *			or because it is empty
 * choice()		ask for one key of some; ESC means the last of them
 * card()		show a list or a text and move about in it, up to the
 *			first key that means something else, such as space at
 *			the end of a text. Right means Enter, left Escape
 * text_card()		a card with a text that is read and left again
 */
void	put(const char *, size_t, int cols);
void	print(int cols, const char *, ...) PRINTF(2, 3);
void	say(struct screen *, const char *, ...) PRINTF(2, 3);
void	status(struct screen *);
bool	prompt(struct screen *, const char *what, bool is_secret, char *line,
	    size_t size);
int	choice(struct screen *, const char *keys, const char *, ...)
	    PRINTF(3, 4);
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

/* How a request to the server ended. */
enum { POP_OK, POP_NO, POP_LOST };

/* One connection. */
struct pop {
	char user[POP_ARG + 1], pass[POP_ARG + 2], host[256], port[6];
	bool tls;			/* the URL is a pops:// one */
	const char *helper;		/* speaks TLS; NULL: TCP is used */
	struct dial dial;
	int wait;			/* seconds it may be silent now */
	char in[POP_BLOCK];		/* read and not yet used: beg to end */
	size_t beg, end;
	struct text line;		/* the last line read, a string */
	char text[POP_LINE];		/* the last reply, or what went wrong */
	int code;			/* the same as an exit status */
	size_t octets;			/* moved since the last reply */
	void (*progress)(void *);	/* called after each block */
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
 * pop_xmit()		XTND XMIT of a message whose lines end in LF or CRLF; it
 *			cannot be cancelled any more after its last line
 * pop_quit()		QUIT; closes in any case
 */
int	pop_connect(struct pop *);
int	pop_login(struct pop *);
int	pop_command(struct pop *, int wait, const char *, ...) PRINTF(3, 4);
int	pop_next(struct pop *);
int	pop_text(struct pop *, struct text *);
int	pop_xmit(struct pop *, const struct text *);
int	pop_quit(struct pop *);
void	pop_close(struct pop *);

/*
 * account.c: whose mail it is: the POP URL, and where the password comes from.
 *
 * account_fd()		the descriptor that is the argument of -P
 * account_url()	fill user, host, port and tls from a URL as of RFC 2384,
 *			or one with pops://; NULL, or what is wrong with it
 * account_helper()	the helper program: cmd, or for NULL the command in
 *			POPCARD_HELPER, or for pops:// that of OpenSSL
 * account_secret()	the password from a descriptor, or for -1 from the file
 *			named by POPCARD_PASSFILE; NULL, or what is wrong, ""
 *			if there is no such file
 */
bool	account_fd(const char *, int *fd);
const char *account_url(struct pop *, const char *);
const char *account_secret(struct pop *, int fd);
void	account_helper(struct pop *, const char *cmd);

/*
 * maildrop.c and fetch.c: the open maildrop or board, its messages, and the
 * flags on them. These functions end the program if the connection is lost.
 */
enum { FROM, SUBJECT, DATE, STATUS, FIELDS };

enum {
	UID_MAX = 70		/* octets of a unique name: RFC 1939 7 */
};

struct message {
	unsigned long octets, id;	/* id: a board's own number */
	char *field[FIELDS];		/* as they are shown; NULL: none */
	char *uid;			/* NULL: the server names none */
	bool known;			/* the fields are there */
	bool unread;			/* ... if the server says so */
	bool deleted;			/* to be deleted at the end */
	bool old;			/* of the session before: see reload() */
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

/*
 * farewell()		at the end: say where a draft is kept
 * gone()		the connection is lost: say so and end
 * enter()		log in
 * ask()		one command; false if the server refuses
 * next()		the next line of a listing, false at its end
 * load()		learn what the open maildrop or board holds
 * forget()		free a list of n messages
 * open_board()		open a board, how is BBOARDS or ARCHIVE, and load it;
 *			false if the server refuses
 * top_fields()		the fields of one message, for servers without XLST
 * fetch()		append the current message as it is; false with the
 *			reason in the last row, also if Escape cancelled it:
 *			then reload() has been called
 * flag()		flag a message for deletion, or not
 * send_flags()		DELE the flagged messages; false, and nothing deleted,
 *			if the server refuses
 * idle()		NOOP; only the next command notices a lost connection
 * transfer()		begin to show progress, and to take Escape as the wish
 *			to cancel; "" for the end
 * human()		a number of octets in five columns
 * reload()		log in again after a transfer was cancelled; the flags
 *			and the current message follow their messages by UIDL
 */
void	farewell(const struct session *);
_Noreturn void	gone(struct session *);
void	enter(struct session *);
bool	ask(struct session *, int wait, const char *, ...) PRINTF(3, 4);
bool	next(struct session *);
void	load(struct session *);
void	forget(struct message *, size_t n);
bool	open_board(struct session *, const char *how, const char *name);
void	top_fields(struct session *, size_t);
bool	fetch(struct session *, struct text *);
void	flag(struct session *, size_t, bool);
bool	send_flags(struct session *);
void	idle(void *);
void	transfer(struct session *, const char *doing, size_t expected);
const char *human(size_t, char buf[8]);
void	reload(struct session *);

/*
 * compose.c: messages that are written.
 *
 * compose()		edit a draft that begins with this text and forwards
 *			this message (NULL: none), or the one that is kept if
 *			the user wants it; then send it or keep it
 * compose_kept()	offer a draft that an earlier session has kept
 */
void	compose(struct session *, const struct text *draft,
	    const struct text *mail);
void	compose_kept(struct session *);

/*
 * save.c: messages and their files written to files of the user's.
 *
 * save()		ask for a message or one of its files, and for a path; id
 *			is the message's number. Only the path that the user
 *			typed is written to, and a file that exists only if they
 *			agree. The last row tells the outcome
 */
void	save(struct screen *, const struct mime *, unsigned long id);

/*
 * The stack of cards. A card is a function that draws and waits for keys; the C
 * stack is the stack of cards.
 *
 * message.c	help_card()	the keys, those of boards or of mail
 *		read_card()	the current message, and by n and p its
 *				neighbours
 * list.c	list_card()	the open maildrop or board; the key that leaves
 *				it
 * boards.c	boards_card()	the boards, and back to the user's maildrop
 */
void	help_card(struct session *, bool board);
void	read_card(struct session *);
int	list_card(struct session *);
void	boards_card(struct session *);

#endif
