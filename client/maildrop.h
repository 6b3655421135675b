/*
 * maildrop.c: the open maildrop or board, its messages, and the flags on them.
 * These functions end the program if the connection is lost.
 */
#ifndef MAILDROP_H
#define MAILDROP_H

#include <stdbool.h>
#include <stddef.h>

#include "pop.h"
#include "view.h"

enum { FROM, SUBJECT, DATE, FIELDS };

struct message {
	unsigned long octets, id;	/* id: a board's own number */
	char *field[FIELDS];
	bool known;			/* the fields are there */
	bool deleted;			/* to be deleted at the end */
};

/* One run of popcard. */
struct session {
	struct pop pop;
	struct screen screen;
	struct message *msg;		/* of the open maildrop or board */
	size_t n, deleted;		/* messages, and those flagged */
	size_t total;			/* messages that the server has */
	char board[64];			/* "": the user's own maildrop */
	size_t expected;		/* octets of the text on its way */
	const char *doing;
	char draft[256];		/* a draft kept, "" if none */
};

/*
 * gone()		the connection is lost: say so and end
 * enter()		log in
 * ask()		one command; false if the server refuses
 * next()		the next line of a listing, false at its end
 * load()		learn what the open maildrop or board holds
 * top_fields()		the fields of one message, for servers without XLST
 * flag()		flag a message for deletion, or not
 * send_flags()		DELE the flagged messages; false, and nothing deleted,
 *			if the server refuses
 * idle()		NOOP
 * idle_editing()	the same; a lost connection does not end the program
 * progress()		show how far a transfer is, for pop.c
 * human()		a number of octets in five columns
 */
_Noreturn void	gone(struct session *);
void	enter(struct session *);
bool	ask(struct session *, int wait, const char *, ...) PRINTF(3, 4);
bool	next(struct session *);
void	load(struct session *);
void	top_fields(struct session *, size_t);
void	flag(struct session *, size_t, bool);
bool	send_flags(struct session *);
void	idle(void *);
void	idle_editing(void *);
void	progress(void *);
const char *human(size_t, char buf[8]);

#endif
