/*
 * The cards: a message, the list of messages, the boards (RFC 1082), the keys.
 */
#include "popcard.h"

#include <langinfo.h>
#include <wchar.h>
#include <wctype.h>

/* A message that is read, and what is shown of it. */
struct reading {
	struct text mail;		/* as it came */
	struct mime mime;
	enum shown { READ_TEXT, READ_HEADER, READ_RAW } mode;
	struct text text;		/* as it is shown */
	struct view view;
};

static const char keys_everywhere[] =
    "Moving       up down, j k, space and -, PgUp PgDn, Home End\n"
    "Enter        read the message, open the board\n"
    "/  n         the list: search sender and subject, the next one\n"
    "n  p         a message: the next, the previous one\n"
    "c  r  f      write a message, reply, forward\n"
    "s            save the message or one of its files\n"
    "h  w         the header, the whole message, as they came\n";
static const char keys_of_mail[] =
    "d  u         flag for deletion, remove the flag\n"
    "b            the bulletin boards\n"
    "q            back; from the list of messages: delete what is flagged and "
    "quit\n"
    "x            quit and delete nothing\n\n"
    "The flags are kept here until you quit: a lost connection deletes "
    "nothing.\n";
static const char keys_of_boards[] =
    "a            the boards: open the archive\n"
    "q            back\n";

static void
help_card(struct session *s, bool board)
{
	struct text t = { 0 };

	text_printf(&t, "%s%s", keys_everywhere,
	    board ? keys_of_boards : keys_of_mail);
	text_card(&s->screen, "popcard: the keys", &t);
	text_free(&t);
}

/* Show the text, or the raw header above it, or the raw message. */
static void
set_mode(struct reading *r, enum shown mode)
{
	struct text *t = &r->text;

	r->mode = mode;
	t->n = 0;
	if (mode == READ_TEXT) {
		mime_brief(r->mail.s, r->mail.n, t);
		mime_files(&r->mime, t);
	} else
		text_add(t, r->mail.s, mode == READ_RAW ? r->mail.n :
		    mail_head(r->mail.s, r->mail.n));
	if (mode != READ_RAW) {
		text_str(t, "\n");
		mime_text(&r->mime, t);
	}
	r->view.text = t->s;
	r->view.len = t->n;
	r->view.at = 0;
	r->view.cols = 0;
}

/* One key on a message; false if it leaves the message. */
static bool
message_key(struct session *s, struct reading *r, int c)
{
	struct text draft = { 0 };

	if ((c == 'd' || c == 'u') && s->board[0] == '\0')
		flag(s, s->cur, c == 'd');
	else if (c == 'r') {
		draft_reply(&r->mime, &draft);
		compose(s, &draft, NULL);
	} else if (c == 'f') {
		draft_forward(&r->mime, &draft);
		compose(s, &draft, &r->mail);
	} else if (c == 's')
		save(&s->screen, &r->mime, s->msg[s->cur].id);
	else if (c == 'h')	/* again: the text */
		set_mode(r, r->mode == READ_HEADER ? READ_TEXT : READ_HEADER);
	else if (c == 'w')
		set_mode(r, r->mode == READ_RAW ? READ_TEXT : READ_RAW);
	else if (c == '?')
		help_card(s, s->board[0] != '\0');
	text_free(&draft);
	return c >= KEY_UP ? c != KEY_ESC : strchr("np q", c) == NULL;
}

/* Read the current message; the key that leaves it. */
static int
read_one(struct session *s)
{
	struct reading r = { 0 };
	int c;

	c = 'q';
	s->reloaded = false;
	if (fetch(s, &r.mail)) {
		mime_open(&r.mime, r.mail.s, r.mail.n);
		set_mode(&r, READ_TEXT);
		do {
			snprintf(s->screen.title, sizeof(s->screen.title),
			    "%s: message %lu (%zu of %zu)%s",
			    s->board[0] != '\0' ? s->board : s->pop.user,
			    s->msg[s->cur].id, s->cur + 1, s->n,
			    s->msg[s->cur].deleted ? ", to be deleted" : "");
			c = card(&s->screen, &r.view, s->board[0] != '\0' ?
			    "space - n p move  r reply  f forward  s save  "
			    "h header  q back  ? help" :
			    "space - n p move  d u delete  r reply  "
			    "f forward  s save  q back  ? help");
			/* After a new login the message may be another one. */
		} while (message_key(s, &r, c) && !s->reloaded);
		mime_close(&r.mime);
		free(r.view.off);
	}
	text_free(&r.mail);
	text_free(&r.text);
	return s->reloaded ? 'q' : c;
}

static void
read_card(struct session *s)
{
	int c;

	for (;;) {
		c = read_one(s);
		if ((c == 'n' || c == ' ') && s->cur + 1 < s->n)
			s->cur++;
		else if (c == 'p' && s->cur > 0)
			s->cur--;
		else
			return;
	}
}

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
	    m->deleted ? 'D' : ' ', m->unread && s->board[0] == '\0' ? 'N' :
	    ' ', m->id, date, human(m->octets, size));
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

	if (c == '\r' && s->cur < s->n)
		read_card(s);
	else if ((c == 'd' || c == 'u') && !board && s->cur < s->n)
		flag(s, s->cur++, c == 'd');
	else if (c == 'n' || (c == '/' && prompt(&s->screen, "Search: ", false,
	    s->word, sizeof(s->word))))
		search(s);
	else if (c == 'c')
		compose(s, &empty, NULL);
	else if (c == '?')
		help_card(s, board);
	return c != 'q' && (board ? c != KEY_ESC : c != 'x' && c != 'b');
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

	if ((c = settle_flags(s)) == 'c')
		return false;
	if (open_board(s, how, b->name))
		return true;
	say(&s->screen, "%s", s->pop.text);
	if (c == 'y')
		ask(s, "RSET");
	return false;
}

void
boards_card(struct session *s)
{
	struct board *list;
	struct view v = { .row = board_row };
	int c;

	if (!ask(s, "XTND BBOARDS")) {
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
			list_card(s);
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
