/*
 * The list of messages, of the maildrop or of a board.
 */
#define _XOPEN_SOURCE 700

#include <stdio.h>
#include <string.h>

#include "cards.h"
#include "compose.h"

static void
message_row(void *owner, size_t i, bool current, int cols)
{
	struct session *s = owner;
	struct message *m = &s->msg[i];
	const char *date, *p;
	char size[8];

	if (!m->known)
		top_fields(s, i);
	date = m->field[DATE] != NULL ? m->field[DATE] : "";
	if ((p = strchr(date, ',')) != NULL)	/* the day of the week */
		date = p + 1 + strspn(p + 1, " ");
	print(8, "%c%c%5lu", current ? '>' : ' ',
	    m->deleted ? 'D' : ' ', m->id);
	put(date, strlen(date), 11);
	print(8, " %5s", human(m->octets, size));
	p = m->field[FROM] != NULL ? m->field[FROM] : "";
	put(p, strlen(p), 20);
	p = m->field[SUBJECT] != NULL ? m->field[SUBJECT] : "";
	print(2, "  ");
	put(p, strlen(p), cols > 49 ? cols - 49 : 0);
}

/* The list of the open maildrop or board; returns the key that leaves it. */
int
list_card(struct session *s)
{
	struct view v = { .row = message_row, .owner = s };
	int c;

	for (;;) {
		v.n = s->n;
		snprintf(s->screen.title, sizeof(s->screen.title),
		    "%s%s at %s: %zu messages, %zu marked",
		    s->board[0] != '\0' ? "board " : "",
		    s->board[0] != '\0' ? s->board : s->pop.user, s->pop.host,
		    s->n, s->deleted);
		switch (c = card(&s->screen, &v, s->board[0] != '\0' ?
		    "Enter read  c compose  ? help  q back" :
		    "Enter read  d delete  u undelete  c compose  b boards  "
		    "q quit  x exit  ? help")) {
		case '\r':
		case '\n':
		case KEY_RIGHT:
			if (v.cur < s->n)
				read_card(s, &v.cur);
			break;
		case 'd':
		case 'u':
			flag(s, v.cur, c == 'd');
			v.cur += s->board[0] == '\0';
			break;
		case 'c':
			compose(s, "", "", "");
			break;
		case '?':
			help_card(s);
			break;
		case 'q':
		case 'x':
		case 'b':
			return c;
		case KEY_LEFT:
		case KEY_ESC:
			if (s->board[0] != '\0')
				return 'q';
			break;
		default:
			break;
		}
	}
}
