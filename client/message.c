/*
 * The card of a message, and the one with the keys.
 */
#define _XOPEN_SOURCE 700

#include <stdio.h>
#include <string.h>

#include "popcard.h"

/* A message that is read, and what is shown of it. */
struct reading {
	struct text mail;		/* as it came */
	struct mime mime;
	struct text brief, text;	/* to be read */
	struct text header;		/* as it came, and an empty line */
	enum shown { READ_TEXT, READ_HEADER, READ_RAW } mode;
	struct view view;
};

void
help_card(struct session *s, bool board)
{
	static const char moving[] =
	    "Moving       up down, j k, space and -, PgUp PgDn, Home End\n"
	    "Enter        read the message, open the board\n"
	    "/  n         the list: search sender and subject, the next one\n"
	    "n  p         a message: the next, the previous one\n"
	    "c  r  f      write a message, reply, forward\n"
	    "s            save the message or one of its files\n"
	    "h  w         the header, the whole message, as they came\n";
	static const char mail[] =
	    "d  u         flag for deletion, remove the flag\n"
	    "b            the bulletin boards\n"
	    "q            back; from the list of messages: delete what is "
	    "flagged and quit\n"
	    "x            quit and delete nothing\n\n"
	    "The flags are kept here until you quit: a lost connection "
	    "deletes nothing.\n";
	static const char boards[] =
	    "a  i         the boards: open the archive, what is known of it\n"
	    "q            back\n";
	struct text t = { 0 };

	text_str(&t, moving);
	text_str(&t, board ? boards : mail);
	text_card(&s->screen, "popcard: the keys", t.s, t.n);
	text_free(&t);
}

static void
open_reading(struct reading *r)
{
	mime_open(&r->mime, r->mail.s, r->mail.n);
	mime_brief(r->mail.s, r->mail.n, &r->brief);
	mime_files(&r->mime, &r->brief);
	text_str(&r->brief, "\n");
	mime_text(&r->mime, &r->text);
	text_add(&r->header, r->mail.s, mail_head(r->mail.s, r->mail.n));
	text_add(&r->header, "\n", 1);
}

static void
close_reading(struct reading *r)
{
	mime_close(&r->mime);
	text_free(&r->mail);
	text_free(&r->brief);
	text_free(&r->header);
	text_free(&r->text);
	text_free(&r->view.anchors);
}

/* Show the text, or by h the raw header above it, or by w the raw message. */
static void
set_mode(struct reading *r, enum shown mode)
{
	struct view *v = &r->view;
	const struct text *head, *body;

	r->mode = mode == r->mode ? READ_TEXT : mode;
	head = r->mode == READ_HEADER ? &r->header : &r->brief;
	body = r->mode == READ_RAW ? &r->mail : &r->text;
	v->head = head->s;
	v->headn = r->mode == READ_RAW ? 0 : head->n;
	v->body = body->s;
	v->bodyn = body->n;
	v->cols = 0;
	v->off = 0;
}

static void
write_to(struct session *s, struct reading *r,
    void (*begin)(const struct mime *, struct text *))
{
	struct text draft = { 0 };

	begin(&r->mime, &draft);
	compose(s, &draft);
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
		write_to(s, r, draft_reply);
		return true;
	case 'f':
		write_to(s, r, draft_forward);
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
		return c != 'n' && c != 'p' && c != ' ' && c != 'q' &&
		    c != KEY_LEFT && c != KEY_ESC;
	}
}

/* Read the current message; the key that leaves it. */
static int
read_one(struct session *s)
{
	struct reading r;
	int c;

	memset(&r, 0, sizeof(r));
	if (!fetch(s, &r.mail)) {
		text_free(&r.mail);
		return 'q';
	}
	open_reading(&r);
	set_mode(&r, READ_TEXT);
	s->reloaded = false;
	do {
		snprintf(s->screen.title, sizeof(s->screen.title),
		    "%s: message %lu (%zu of %zu)%s", s->board[0] != '\0' ?
		    s->board : s->pop.user, s->msg[s->cur].id, s->cur + 1,
		    s->n, s->msg[s->cur].deleted ? ", to be deleted" : "");
		c = card(&s->screen, &r.view, s->board[0] != '\0' ?
		    "space - n p move  r reply  f forward  s save  "
		    "h header  q back  ? help" :
		    "space - n p move  d u delete  r reply  f forward  "
		    "s save  q back  ? help");
		/* The message may be another one after a new login. */
	} while (message_key(s, &r, c) && !s->reloaded);
	close_reading(&r);
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
