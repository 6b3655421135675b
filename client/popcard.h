/*
 * popcard: what its files share. Calls go down only, in this order,
 * but for error(), which anybody may need:
 *
 * popcard.c	main, and the bottom of the stack of cards
 * boards.c, list.c, message.c	the cards
 * compose.c	a letter that is written
 * maildrop.c	the open maildrop or board as the cards see it
 * submit.c	popcard -s
 * account.c	the POP URL and the password
 * mail.c	header fields
 * view.c	lists and texts
 * safe.c	text made safe
 * text.c	growing texts; without memory the program ends here
 * term.c	the terminal: modes, keys, signals
 * pop.c	the wire: connection, login, replies, parcels
 */
#include <stdbool.h>
#include <stddef.h>

#include "text.h"

enum {
	GLYPH = 32,		/* the longest form of one character */
	POP_LINE = 1024,	/* a reply or a line of a listing; RFC 1939
				   allows 512, some servers say more */
	POP_ARG = 248,		/* a name or password: with its keyword and
				   CRLF it makes the 255 of RFC 2449 4 */
	POP_BLOCK = 65536,	/* what is read from the server at once */
	POP_WAIT = 60,		/* seconds the server may be silent */
	POP_WORK = 600,		/* ... where it has real work to do: an update
				   or a run of sendmail */
	POP_LINES = 5000000,	/* a listing longer than this is no listing */
	POP_OCTETS = 1 << 30,	/* of one multi-line reply: no message is that
				   large, and no server sends for ever */
	KEEP_ALIVE = 240,	/* seconds without a key before a NOOP; servers
				   may hang up after 600 */
	KEEP_TIMES = 15		/* ... but an abandoned terminal must not hold
				   the maildrop's lock all night */
};

/* How a request to the server ended. */
enum { POP_OK, POP_NO, POP_LOST };

/* One connection. */
struct pop {
	char user[POP_ARG + 1], pass[POP_ARG + 1], host[256], port[6];
	int fd;				/* -1: not connected */
	long long deadline;		/* of the wait under way, in ms */
	char in[POP_BLOCK];		/* read and not yet used: beg to end */
	size_t beg, end;
	char out[POP_BLOCK];		/* the parcel on its way */
	size_t outn;
	bool bol;			/* at the beginning of a line */
	char last;			/* the octet before, in a parcel */
	unsigned long lines;		/* of the listing under way */
	size_t octets;			/* of the multi-line reply under way */
	char line[POP_LINE];		/* its current line */
	char text[POP_LINE];		/* the last reply, or what went wrong */
	int code;			/* the same as an exit status */
	size_t done;			/* octets of text moved so far */
	void (*progress)(struct pop *);	/* told after each block of text */
	void *owner;			/* for progress */
};

enum { FROM, SUBJECT, DATE, FIELDS };

struct message {
	unsigned long octets, id;	/* id: a board's own number */
	char *field[FIELDS];
	bool known;			/* the fields are there */
	bool marked;			/* to be deleted */
};

struct board {
	char name[64];
	unsigned long maxima;
};

/* One run of popcard. */
struct session {
	struct pop pop;
	struct message *msg;		/* of the open maildrop or board */
	size_t n, marked;
	size_t total;			/* messages that the server has */
	char board[64];			/* "": the user's own maildrop */
	size_t expected;		/* octets of the text on its way */
	const char *doing;
	char draft[256];		/* a letter kept, "" if none */
	char title[640], say[POP_LINE + 64];	/* the card's first and last
						   row */
};

/* A list (row is set) or a text (two parts, shown one after the other). */
struct view {
	size_t n, cur, top;
	void (*row)(struct session *, struct view *, size_t, int);
	const char *head, *body;
	size_t headn, bodyn;
	struct text anchors;		/* offsets of some of the rows */
	int cols;			/* for which n and anchors hold */
	struct board *board;		/* for the boards' rows */
};

/* Keys beyond the characters. */
enum {
	KEY_NONE = 0, KEY_UP = 256, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_HOME,
	KEY_END, KEY_PGUP, KEY_PGDN, KEY_ESC, KEY_RESIZE
};

#define PRINTF(m, n)	__attribute__((__format__(__printf__, m, n)))

/*
 * pop.c. Functions that return int return POP_OK, POP_NO (the server's words
 * are in text) or POP_LOST (the reason is in text, the connection is closed).
 *
 * pop_login()		connect and log in; waits a little where the maildrop
 *			is in use
 * pop_command()	send one line and read the reply, within `wait' seconds
 * pop_next()		the next line of a multi-line reply, cut to fit, in
 *			line; POP_NO at its end, which must be reached
 * pop_text()		or all of it, dots and CRs removed, added to a text
 * pop_parcel...()	XTND XMIT: begin, pieces (lines end in LF or CRLF),
 *			end; only the end's POP_OK says that mail was taken
 * pop_quit()		QUIT; closes in any case
 */
int	pop_login(struct pop *);
int	pop_command(struct pop *, int wait, const char *, ...) PRINTF(3, 4);
int	pop_next(struct pop *);
int	pop_text(struct pop *, struct text *);
int	pop_parcel(struct pop *);
int	pop_parcel_add(struct pop *, const char *, size_t);
int	pop_parcel_end(struct pop *);
int	pop_quit(struct pop *);
void	pop_close(struct pop *);

/*
 * term.c. Every exit and every deadly signal gives the terminal back.
 *
 * term_start()		take the terminal; false where none can be used
 * term_stop()		give it back; harmless at any time
 * term_key()		wait for a key; tick(arg) is called every KEEP_ALIVE s
 * term_run()		let an editor have the terminal; its wait status, or -1
 * term_secret()	read a line from /dev/tty without echo; false where there
 *			is none, an empty one or one that is too long
 * term_last_words()	a line that every exit prints, "" for none
 *
 * What is written here has been made safe: see view.c.
 */
bool	term_start(void);
void	term_stop(void);
int	term_rows(void);
int	term_cols(void);
int	term_key(void (*tick)(void *), void *arg);
int	term_run(const char *cmd, const char *path, void (*tick)(void *),
	    void *arg);
bool	term_secret(const char *prompt, char *, size_t);
void	term_last_words(const char *);
void	term_write(int fd, const char *, size_t);

/*
 * safe.c and view.c. Rows are drawn into a frame; status() shows it, with s->say in the
 * last row.
 *
 * put(), print()	a text, a format, in exactly so many columns, made
 *			safe: no octet of it can be a control
 * error()		one safe line on stderr, the terminal given back before
 * secret(), last_words()	term_secret() and term_last_words() made safe
 * choice()		ask for one key of some; ESC means the last of them
 * card()		show a list or a text and move about in it, up to the
 *			first key that means something else
 * text_card()		a card with a text that is read and left again
 */
size_t	glyph(const char *, size_t, int col, int *marks, char out[GLYPH],
	    int *width);
void	put(const char *, size_t, int cols);
void	print(int cols, const char *, ...) PRINTF(2, 3);
void	error(const char *, ...) PRINTF(1, 2);
bool	secret(char *, size_t, const char *prompt, ...) PRINTF(3, 4);
void	last_words(const char *, ...) PRINTF(1, 2);
void	say(struct session *, const char *, ...) PRINTF(2, 3);
void	status(struct session *);
int	choice(struct session *, const char *keys, const char *, ...)
	    PRINTF(3, 4);
int	card(struct session *, struct view *, const char *keys);
void	text_card(struct session *, const char *title, const char *, size_t);

/*
 * mail.c.
 *
 * mail_head()		where the header of a message ends: at its blank line,
 *			or at a line that can be no header line
 * mail_field()		the values of all fields of a name, unfolded, with
 *			commas between and '\0' behind; false if there is none
 * mail_8bit()		is there an octet that is not ASCII?
 * read_all()		what is left of a file; false with errno
 * account_url()	fill user, host and port from a URL as of RFC 2384;
 *			NULL, or what is wrong with it
 * account_secret()	the password from a descriptor, or for -1 from the file
 *			named by POPCARD_PASSFILE; NULL, or what is wrong, ""
 *			where there is no such file
 * submit_main()	popcard -s; an exit status
 */
size_t	mail_head(const char *, size_t);
bool	mail_field(const char *, size_t, const char *name, struct text *);
bool	mail_8bit(const char *, size_t);
bool	read_all(int fd, struct text *);
const char *account_url(struct pop *, const char *);
const char *account_secret(struct pop *, int fd);
void	account_wipe(struct pop *);
int	submit_main(struct pop *, int, char **);

/*
 * maildrop.c. The functions end the program where the connection is lost.
 *
 * enter()		log in
 * ask()		one command; false where the server refuses
 * next()		the next line of a listing, false at its end
 * load()		learn what the open maildrop or board holds
 * top_fields()		the fields of one message, for servers without XLST
 * mark()		put a mark on a message or take it off
 * send_marks()		DELE what is marked; false, and nothing deleted, where
 *			the server refuses
 * idle...()		NOOP, with and without an end of the program
 */
_Noreturn void	gone(struct session *);
void	enter(struct session *);
bool	ask(struct session *, int wait, const char *, ...) PRINTF(3, 4);
bool	next(struct session *);
void	load(struct session *);
void	top_fields(struct session *, size_t);
void	mark(struct session *, size_t, bool);
bool	send_marks(struct session *);
void	idle(void *);
void	idle_editing(void *);

/* maildrop.c: progress for pop.c, and a number of octets in five columns. */
void	progress(struct pop *);
const char *human(size_t, char buf[8]);

/* message.c, list.c, boards.c */
void	help_card(struct session *);
void	read_card(struct session *, size_t *);
int	list_card(struct session *);
void	boards_card(struct session *);

/* compose.c: write a letter and send it. */
void	compose(struct session *, const char *to, const char *re,
	    const char *subject);
