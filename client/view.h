/*
 * view.c: the cards: lists and texts that one moves about in, and the last row
 * of the screen.
 */
#ifndef VIEW_H
#define VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "term.h"
#include "text.h"

/* What all cards share. */
struct screen {
	char title[640];		/* the first row of the card */
	char say[1200];			/* the last row */
	void (*tick)(void *);		/* see term_key() */
	void *arg;			/* for tick */
};

/* A list (row is set), or a text in two parts, shown one after the other. */
struct view {
	size_t n, cur;			/* rows, the current one */
	size_t shown;			/* the first one on the screen */
	size_t top;			/* the same before it was resized */
	/* Draw row i of a list by put() and print(), in cols columns. */
	void (*row)(void *owner, size_t i, bool current, int cols);
	void *owner;			/* for row */
	const char *head, *body;
	size_t headn, bodyn;
	size_t off;			/* the offset of row top of a text */
	struct text anchors;		/* offsets of some of its rows */
	int cols;			/* for which n and anchors hold */
};

/*
 * put(), print()	draw a text, a format, in exactly so many columns, made
 *			safe
 * say()		what the last row is to show
 * status()		show what was drawn, with that in the last row
 * prompt()		ask for a line, which holds what is offered; false if
 *			there is none, by Escape or because it is empty
 * choice()		ask for one key of some; ESC means the last of them
 * card()		show a list or a text and move about in it, up to the
 *			first key that means something else. Space at the end
 *			of a text is such a key
 * text_card()		a card with a text that is read and left again
 */
void	put(const char *, size_t, int cols);
void	print(int cols, const char *, ...) PRINTF(2, 3);
void	say(struct screen *, const char *, ...) PRINTF(2, 3);
void	status(struct screen *);
bool	prompt(struct screen *, const char *what, char *line, size_t size);
int	choice(struct screen *, const char *keys, const char *, ...)
	    PRINTF(3, 4);
int	card(struct screen *, struct view *, const char *keys);
void	text_card(struct screen *, const char *title, const char *, size_t);

#endif
