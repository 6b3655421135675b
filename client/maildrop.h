/*
 * maildrop.c and fetch.c: the open maildrop or board, its messages, and the
 * flags on them. These functions end the program if the connection is lost.
 */
#ifndef MAILDROP_H
#define MAILDROP_H

#include <stdbool.h>
#include <stddef.h>

#include "pop.h"
#include "view.h"

enum { FROM, SUBJECT, DATE, FIELDS };

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
 * idle()		NOOP
 * idle_editing()	the same; a lost connection does not end the program
 * transfer()		begin to show progress, and to take Escape as the wish
 *			to cancel; "" for the end
 * human()		a number of octets in five columns
 * reload()		log in again after a transfer was cancelled; the flags
 *			and the current message follow their messages by UIDL
 */
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
void	idle_editing(void *);
void	transfer(struct session *, const char *doing, size_t expected);
const char *human(size_t, char buf[8]);
void	reload(struct session *);

#endif
