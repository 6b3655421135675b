/*
 * The card of a message, and the one with the keys.
 */
#define _XOPEN_SOURCE 700

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popcard.h"

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

void
help_card(struct session *s, bool board)
{
	struct text t = { 0 };

	text_printf(&t, "%s%s", keys_everywhere,
	    board ? keys_of_boards : keys_of_mail);
	text_card(&s->screen, "popcard: the keys", &t);
	text_free(&t);
}

/* Show the text; in another mode the raw header above it, or the raw message;
 * the same mode again means the text. */
static void
set_mode(struct reading *r, enum shown mode)
{
	struct text *t = &r->text;

	r->mode = mode == r->mode ? READ_TEXT : mode;
	t->n = 0;
	if (r->mode == READ_HEADER)
		text_add(t, r->mail.s, mail_head(r->mail.s, r->mail.n));
	else if (r->mode == READ_TEXT) {
		mime_brief(r->mail.s, r->mail.n, t);
		mime_files(&r->mime, t);
	}
	if (r->mode == READ_RAW)
		text_add(t, r->mail.s, r->mail.n);
	else {
		text_str(t, "\n");
		mime_text(&r->mime, t);
	}
	r->view.text = t->s;
	r->view.len = t->n;
	r->view.at = 0;
	r->view.cols = 0;
}

static void
answer(struct session *s, struct reading *r, bool forward)
{
	struct text draft = { 0 };

	if (forward)
		draft_forward(&r->mime, &draft);
	else
		draft_reply(&r->mime, &draft);
	compose(s, &draft, forward ? &r->mail : NULL);
	text_free(&draft);
}

/* One key on a message; false if it leaves the message. */
static bool
message_key(struct session *s, struct reading *r, int c)
{
	switch (c) {
	case 'd':
	case 'u':
		if (s->board[0] == '\0')
			flag(s, s->cur, c == 'd');
		return true;
	case 'r':
	case 'f':
		answer(s, r, c == 'f');
		return true;
	case 's':
		save(&s->screen, &r->mime, s->msg[s->cur].id);
		return true;
	case 'h':
		set_mode(r, READ_HEADER);
		return true;
	case 'w':
		set_mode(r, READ_RAW);
		return true;
	case '?':
		help_card(s, s->board[0] != '\0');
		return true;
	default:
		return c >= KEY_UP ? c != KEY_ESC : strchr("np q", c) == NULL;
	}
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

void
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
