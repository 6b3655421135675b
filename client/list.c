/*
 * The list of messages, of the maildrop or of a board.
 */
#define _XOPEN_SOURCE 700

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

#include "popcard.h"

enum {
	FIXED = 24,		/* columns of a row for all but the next two */
	SENDER = 18, SENDER_MOST = 40	/* columns of the sender */
};

static void
message_row(void *owner, size_t i, bool current, int cols)
{
	struct session *s = owner;
	struct message *m = &s->msg[i];
	const char *p;
	char size[8], date[8];
	time_t t;
	int sender;

	if (!m->known)
		top_fields(s, i);
	date[0] = '\0';
	if (m->field[DATE] != NULL && date_parse(m->field[DATE], &t))
		date_short(t, time(NULL), date);
	print(FIXED, "%c%c%c%5lu  %6.6s %5s  ", current ? '>' : ' ',
	    m->deleted ? 'D' : ' ', m->unread ? 'N' : ' ', m->id, date,
	    human(m->octets, size));
	cols -= FIXED;
	sender = cols / 3 < SENDER ? SENDER :
	    cols / 3 > SENDER_MOST ? SENDER_MOST : cols / 3;
	p = m->field[FROM] != NULL ? m->field[FROM] : "";
	put(p, strlen(p), sender);
	p = m->field[SUBJECT] != NULL ? m->field[SUBJECT] : "";
	print(2, "  ");
	put(p, strlen(p), cols - sender - 2);
}

/* The next character, small; octets that are none stand for themselves. */
static wint_t
small(const char **s)
{
	unsigned long c;
	size_t k;

	if ((k = utf8_next(*s, strlen(*s), &c)) == 0)
		c = (unsigned char)**s;
	*s += k > 0 ? k : **s != '\0';
	return towlower((wint_t)c);
}

/* Does the text hold the word, whatever its case? */
static bool
holds(const char *s, const char *word)
{
	const char *p, *w;

	for (; s != NULL && *s != '\0'; small(&s)) {
		for (p = s, w = word; *w != '\0';)
			if (small(&p) != small(&w))
				break;
			else if (*w == '\0')
				return true;
	}
	return false;
}

/* Go to the next message with the word in sender or subject. */
static void
search(struct session *s)
{
	struct text word = { 0 };
	size_t i, k;

	charset_decode(nl_langinfo(CODESET), s->word, strlen(s->word), &word);
	text_string(&word);
	for (i = k = 1; k <= s->n && word.n > 0; k++) {
		i = (s->cur + k) % s->n;
		if (!s->msg[i].known)
			top_fields(s, i);
		if (holds(s->msg[i].field[FROM], word.s) ||
		    holds(s->msg[i].field[SUBJECT], word.s))
			break;
	}
	if (k > s->n || word.n == 0)
		say(&s->screen, "Not found: %s", word.s);
	else {
		if (i <= s->cur)
			say(&s->screen, "Search went on at the top.");
		s->cur = i;
	}
	text_free(&word);
}

static void
list_title(struct session *s)
{
	bool board = s->board[0] != '\0';

	snprintf(s->screen.title, sizeof(s->screen.title),
	    "%s%s at %s: %zu messages", board ? "board " : "",
	    board ? s->board : s->pop.user, s->pop.host, s->n);
	if (!board)
		snprintf(s->screen.title + strlen(s->screen.title), 40,
		    ", %zu flagged", s->deleted);
}

/* One key on the list; false if it leaves the list. */
static bool
list_key(struct session *s, int c)
{
	static char fields[] = "To: \nSubject: \n\n";
	const struct text empty = { fields, sizeof(fields) - 1, 0, false };
	bool board = s->board[0] != '\0';

	switch (c) {
	case '\r':
		if (s->cur < s->n)
			read_card(s);
		return true;
	case 'd':
	case 'u':
		if (!board && s->cur < s->n)
			flag(s, s->cur++, c == 'd');
		return true;
	case '/':
		if (prompt(&s->screen, "Search: ", false, s->word,
		    sizeof(s->word)))
			search(s);
		return true;
	case 'n':
		search(s);
		return true;
	case 'c':
		compose(s, &empty, NULL);
		return true;
	case '?':
		help_card(s, board);
		return true;
	case 'x':
	case 'b':
		return board;
	case KEY_ESC:
		return !board;
	default:
		return c != 'q';
	}
}

int
list_card(struct session *s)
{
	struct view v = { .row = message_row, .owner = s };
	int c;

	do {
		v.n = s->n;
		v.cur = s->cur;
		list_title(s);
		c = card(&s->screen, &v, s->board[0] != '\0' ?
		    "Enter read  c write  / search  ? help  q back" :
		    "Enter read  d u delete  c write  / search  b boards  "
		    "q quit  x exit  ? help");
		s->cur = v.cur;
	} while (list_key(s, c));
	return c;
}
