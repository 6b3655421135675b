/*
 * The cards: a message, the list of messages, the boards (RFC 1082), the keys.
 */
#include "popcard.h"

#include <langinfo.h>
#include <wctype.h>

struct reading {
	struct text mail;		/* as it came */
	struct mime mime;
	int mode;			/* 'h', 'w', or 0: the text */
	struct text text;		/* as it is shown */
	struct view view;
};

static const char keys[] =
    "Moving       up down, j k, space and -, PgUp PgDn, Home End\n"
    "Enter        read the message, open the board\n"
    "/  n         the list: search sender and subject, the next one\n"
    "n  p         a message: the next, the previous one\n"
    "c  r  f      write a message, reply, forward\n"
    "s            save the message or one of its files\n"
    "h  w         the header, the whole message, as they came\n"
    "a            the boards: open the archive\n"
    "q            back\n";
static const char keys_of_mail[] =
    "\nIn your own mail:\n\n"
    "d  u         flag for deletion, remove the flag\n"
    "b            the bulletin boards\n"
    "q            on the list: delete what is flagged and quit\n"
    "x            on the list: quit and delete nothing\n\n"
    "The flags are kept here until you quit: a lost connection deletes "
    "nothing.\n";

static void
help_card(struct session *s, bool board)
{
	struct text t = { 0 };
	struct view v = { .text = &t };
	int c;

	text_str(&t, keys);
	text_str(&t, board ? "" : keys_of_mail);
	snprintf(s->screen.title, sizeof(s->screen.title), "popcard: the keys");
	do
		c = card(&s->screen, &v, "space - pages  q back");
	while (c != 'q' && c != ' ' && c != '\r' && c != KEY_ESC);
	free(v.off);
	text_free(&t);
}

/* Show the text, or the raw header above it, or the raw message. */
static void
set_mode(struct reading *r, int mode)
{
	struct text *t = &r->text;
	size_t body;

	r->mode = mode;
	t->n = 0;
	if (mode == 0) {
		mime_brief(r->mail.s, r->mail.n, t);
		mime_files(&r->mime, t);
	} else
		text_add(t, r->mail.s, mode == 'w' ? r->mail.n :
		    mail_head(r->mail.s, r->mail.n, &body));
	if (mode != 'w')
		mime_text(&r->mime, t);
	r->view.text = t;
	r->view.at = 0;
	r->view.cols = 0;
}

/* One key on a message; false if it leaves the message. */
static bool
message_key(struct session *s, struct reading *r, int c)
{
	struct text draft = { 0 };

	if ((c == 'd' || c == 'u') && s->how == NULL)
		flag(s, s->cur, c == 'd');
	else if (c == 'r') {
		draft_reply(&r->mime, &draft);
		compose(s, &draft, NULL);
	} else if (c == 'f') {
		draft_forward(&r->mime, &draft);
		compose(s, &draft, &r->mail);
	} else if (c == 's')
		save(&s->screen, &r->mime, s->msg[s->cur].id);
	else if (c == 'h' || c == 'w')	/* again: the text */
		set_mode(r, r->mode == c ? 0 : c);
	else if (c == '?')
		help_card(s, s->how != NULL);
	text_free(&draft);
	return c >= KEY_UP ? c != KEY_ESC : strchr("np q", c) == NULL;
}

/* Read the current message; true if another one is to be read after it. */
static bool
read_one(struct session *s)
{
	struct reading r = { 0 };
	const struct message *list = s->msg;
	int c = 'q';

	if (fetch(s, &r.mail)) {
		mime_open(&r.mime, r.mail.s, r.mail.n);
		set_mode(&r, 0);
		do {
			snprintf(s->screen.title, sizeof(s->screen.title),
			    "%s: message %lu (%zu of %zu)%s",
			    s->how != NULL ? s->board.name : s->pop.user,
			    s->msg[s->cur].id, s->cur + 1, s->n,
			    s->msg[s->cur].deleted ? ", to be deleted" : "");
			c = card(&s->screen, &r.view, s->how != NULL ?
			    "space - n p move  r reply  f forward  s save  "
			    "h header  q back  ? help" :
			    "space - n p move  d u delete  r reply  "
			    "f forward  s save  q back  ? help");
			/* After a new login the message may be another one. */
		} while (message_key(s, &r, c) && s->msg == list);
		free(r.mime.part);
		free(r.view.off);
	}
	text_free(&r.mail);
	text_free(&r.text);
	if (s->msg != list || (c == 'p' ? s->cur == 0 : s->cur + 1 == s->n ||
	    (c != 'n' && c != ' ')))
		return false;
	s->cur += c == 'p' ? (size_t)-1 : 1;
	return true;
}

enum {
	FIXED = 24,		/* columns of a row for all but the next two */
	SENDER = 18, SENDER_MOST = 40	/* columns of the sender */
};

static void
message_row(struct screen *screen, void *owner, size_t i, bool current)
{
	struct session *s = owner;
	struct message *m = message_at(s, i);
	const char *from = m->field[FROM] != NULL ? m->field[FROM] : "";
	const char *re = m->field[SUBJECT] != NULL ? m->field[SUBJECT] : "";
	char line[80], size[8], date[8] = "";
	time_t t;
	int sender;

	if (m->field[DATE] != NULL && date_parse(m->field[DATE], &t))
		date_short(t, time(NULL), date);
	snprintf(line, sizeof(line), "%c%c%c%5lu  %6.6s %5s",
	    current ? '>' : ' ', m->deleted ? 'D' : ' ', m->unread &&
	    !m->seen && s->how == NULL ? 'N' : ' ', m->id, date,
	    human(m->octets, size));
	put(screen, line, strlen(line), FIXED);
	sender = screen->left / 3;
	sender = sender < SENDER ? SENDER :
	    sender > SENDER_MOST ? SENDER_MOST : sender;
	put(screen, from, strlen(from), sender);
	put(screen, "", 0, 2);
	put(screen, re, strlen(re), screen->left);
}

static void
lower(const char *s, struct text *out)
{
	unsigned long c;
	size_t k, n;

	out->n = 0;
	for (n = s != NULL ? strlen(s) : 0; n > 0; s += k, n -= k)
		if ((k = utf8_next(s, n, &c)) > 0)
			utf8_add(out, (unsigned long)towlower((wint_t)c));
		else
			text_add(out, s, k = 1);
	text_string(out);
}

static void
search(struct session *s)
{
	struct text word = { 0 }, small = { 0 }, t = { 0 };
	const struct message *m;
	size_t i, k;
	bool found;
	int f;

	charset_decode(nl_langinfo(CODESET), s->word, strlen(s->word), &word);
	lower(text_string(&word), &small);
	found = false;
	for (i = k = 0; k < s->n && !found && small.n > 0; k++) {
		i = (s->cur + k + 1) % s->n;
		m = message_at(s, i);
		for (f = FROM; f <= SUBJECT && !found; f++) {
			lower(m->field[f], &t);
			found = strstr(t.s, small.s) != NULL;
		}
	}
	if (!found)
		say(&s->screen, "Not found: %s", word.s);
	else if (i <= s->cur)
		say(&s->screen, "Search went on at the top.");
	if (found)
		s->cur = i;
	text_free(&word);
	text_free(&small);
	text_free(&t);
}

/* One key on the list; false if it leaves the list. */
static bool
list_key(struct session *s, int c)
{
	struct text draft = { 0 };
	bool board = s->how != NULL;

	if (c == '\r' && s->cur < s->n)
		while (read_one(s))
			;
	else if ((c == 'd' || c == 'u') && !board && s->cur < s->n)
		flag(s, s->cur++, c == 'd');
	else if (c == 'n' || (c == '/' && prompt(&s->screen, "Search: ", false,
	    s->word, sizeof(s->word))))
		search(s);
	else if (c == 'c') {
		text_str(&draft, "To: \nSubject: \n\n");
		compose(s, &draft, NULL);
		text_free(&draft);
	} else if (c == '?')
		help_card(s, board);
	return c != 'q' && (board ? c != KEY_ESC : c != 'x' && c != 'b');
}

int
list_card(struct session *s)
{
	struct view v = { .row = message_row, .owner = s };
	bool board = s->how != NULL;
	int c;

	do {
		v.n = s->n;
		v.cur = s->cur;
		snprintf(s->screen.title, sizeof(s->screen.title),
		    "%s%s at %s: %zu messages, %zu flagged",
		    board ? "board " : "", board ? s->board.name : s->pop.user,
		    s->pop.host, s->n, s->deleted);
		c = card(&s->screen, &v, board ?
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

static void
board_row(struct screen *s, void *owner, size_t i, bool current)
{
	const struct board *list = owner;
	char line[128];

	snprintf(line, sizeof(line), "%c %-40s %10lu", current ? '>' : ' ',
	    list[i].name, list[i].maxima);
	put(s, line, strlen(line), s->left);
}

void
boards_card(struct session *s)
{
	struct board *list, *b;
	struct view v = { .row = board_row };
	int c;

	if (!pop_command(&s->pop, "XTND BBOARDS")) {
		say(&s->screen, "%s", s->pop.text);
		return;
	}
	v.owner = list = must(calloc(MAX_BOARDS + 1, sizeof(*list)));
	while (pop_next(&s->pop, POP_LINE)) {
		/* a name as RFC 1082 has them, its maxima */
		b = &list[v.n];
		v.n += v.n < MAX_BOARDS && sscanf(s->pop.line.s,
		    " %63[a-zA-Z0-9-] %lu", b->name, &b->maxima) == 2;
	}
	do {
		snprintf(s->screen.title, sizeof(s->screen.title),
		    "boards at %s: %zu", s->pop.host, v.n);
		c = card(&s->screen, &v, "Enter open  a archive  "
		    "? help  q back to your mail");
		if (c == '?')
			help_card(s, true);
		else if ((c == '\r' || c == 'a') && v.cur < v.n &&
		    open_board(s, c == 'a' ? "ARCHIVE" : "BBOARDS",
		    &list[v.cur], false))
			list_card(s);
	} while (c != 'q' && c != KEY_ESC);
	free(list);
	if (s->how == NULL)
		return;
	/* RFC 1082 has no way back to the user's maildrop but a new session. */
	s->how = NULL;
	pop_quit(&s->pop);
	pop_login(&s->pop);
	load(s, false);
}
