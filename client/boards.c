/*
 * The bulletin boards, RFC 1082.
 */
#define _XOPEN_SOURCE 700

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popcard.h"

enum {
	MAX_BOARDS = 10000
};

struct board {
	char name[64];
	unsigned long maxima;
};

static void
board_row(void *owner, size_t i, bool current, int cols)
{
	struct board *list = owner;

	print(cols, "%c %-40s %10lu", current ? '>' : ' ', list[i].name,
	    list[i].maxima);
}

/*
 * Enter a board or its archive. That closes what was open before, the user's
 * maildrop with its update too, so the flags are settled first.
 */
static bool
enter_board(struct session *s, const char *how, const struct board *b)
{
	int c;

	c = 'n';
	if (s->deleted > 0)
		c = choice(&s->screen, "ync", "Leaving your maildrop. Delete "
		    "the %zu flagged messages? (y)es, (n)o, (c)ancel",
		    s->deleted);
	if (c == 'c' || (c == 'y' && !send_flags(s)))
		return false;
	if (open_board(s, how, b->name))
		return true;
	say(&s->screen, "%s", s->pop.text);
	if (c == 'y')
		ask(s, POP_WAIT, "RSET");
	return false;
}

void
boards_card(struct session *s)
{
	struct board *list;
	struct view v = { .row = board_row };
	int c;

	if (!ask(s, POP_WAIT, "XTND BBOARDS")) {
		say(&s->screen, "%s", s->pop.text);
		return;
	}
	list = must(calloc(MAX_BOARDS, sizeof(*list)));
	while (next(s))		/* a name as RFC 1082 has them, its maxima */
		if (v.n < MAX_BOARDS && sscanf(s->pop.line.s,
		    " %63[a-zA-Z0-9-] %lu", list[v.n].name,
		    &list[v.n].maxima) == 2)
			v.n++;
	v.owner = list;
	do {
		snprintf(s->screen.title, sizeof(s->screen.title),
		    "boards at %s: %zu", s->pop.host, v.n);
		c = card(&s->screen, &v, "Enter open  a archive  "
		    "? help  q back to your mail");
		if (c == '?')
			help_card(s, true);
		else if ((c == '\r' || c == 'a') && v.cur < v.n &&
		    enter_board(s, c == 'a' ? "ARCHIVE" : "BBOARDS",
		    &list[v.cur]))
			while (list_card(s) != 'q')
				;
	} while (c != 'q' && c != KEY_ESC);
	free(list);
	if (s->board[0] == '\0')
		return;
	/* RFC 1082 has no way back to the user's maildrop but a new session. */
	s->board[0] = '\0';
	pop_quit(&s->pop);
	enter(s);
	load(s);
}
