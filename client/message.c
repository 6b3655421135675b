/*
 * The card of a message, and the one with the keys.
 */
#define _XOPEN_SOURCE 700

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cards.h"
#include "compose.h"
#include "mail.h"

void
help_card(struct session *s)
{
	static const char help[] =
	    "Moving       up down, j k, space and -, PgUp PgDn, Home End\n"
	    "Enter        read the message, open the board\n"
	    "d  u         mark the message for deletion, take the mark off\n"
	    "c  r         compose a letter, reply to the message shown\n"
	    "n  p         the next, the previous message\n"
	    "h            all of the header, or the four fields\n"
	    "b            the bulletin boards\n"
	    "a  i         a board's archive, what is known of the board\n"
	    "q            back; from the list of messages: delete what is "
	    "marked and quit\n"
	    "x            quit and delete nothing\n\n"
	    "Marks are kept here until you quit: a lost connection deletes "
	    "nothing.\n";

	text_card(&s->screen, "popcard: the keys", help, sizeof(help) - 1);
}

/* The four fields that one reads first. */
static void
brief_head(const struct text *mail, struct text *head)
{
	static const char *const names[] = { "From", "To", "Date", "Subject" };
	struct text value = { 0 };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!mail_field(mail->s, mail->n, names[i], &value))
			continue;
		text_add(head, names[i], strlen(names[i]));
		text_add(head, ": ", 2);
		text_add(head, value.s, value.n - 1);
		text_add(head, "\n", 1);
	}
	text_add(head, "\n", 1);
	text_free(&value);
}

static void
reply_to(struct session *s, const struct text *mail)
{
	struct text to = { 0 }, subject = { 0 };

	if (!mail_field(mail->s, mail->n, "Reply-To", &to))
		mail_field(mail->s, mail->n, "From", &to);
	mail_field(mail->s, mail->n, "Subject", &subject);
	compose(s, to.s, strncasecmp(subject.s, "Re:", 3) == 0 ? "" : "Re: ",
	    subject.s);
	text_free(&to);
	text_free(&subject);
}

/* Read message *cur and, by n and p, its neighbours. */
void
read_card(struct session *s, size_t *cur)
{
	struct text mail, head;
	struct view v;
	char doing[64];
	size_t body;
	bool all;
	int c;

	do {
		memset(&mail, 0, sizeof(mail));
		memset(&head, 0, sizeof(head));
		memset(&v, 0, sizeof(v));
		snprintf(doing, sizeof(doing), "receiving message %lu",
		    s->msg[*cur].id);
		s->doing = doing;
		s->expected = s->msg[*cur].octets;
		if (!ask(s, POP_WAIT, "RETR %zu", *cur + 1)) {
			say(&s->screen, "%s", s->pop.text);
			return;
		}
		if (pop_text(&s->pop, &mail) == POP_LOST)
			gone(s);
		say(&s->screen, mail.cut ? "The message is too large: this is its "
		    "beginning." : "%s", "");
		body = mail_head(mail.s, mail.n);
		brief_head(&mail, &head);
		for (c = 'h', all = true; c != 'q' && c != 'n' && c != 'p';) {
			if (c == 'h') {
				all = !all;
				v.head = all ? mail.s : head.s;
				v.headn = all ? body : head.n;
				v.body = mail.s + body;
				v.bodyn = mail.n - body;
				if (!all && v.bodyn > 0 && *v.body == '\n') {
					v.body++;
					v.bodyn--;
				}
				v.cols = 0;
				v.n = v.cur = 0;
			}
			snprintf(s->screen.title, sizeof(s->screen.title),
			    "%s: message %lu (%zu of %zu)%s",
			    s->board[0] != '\0' ? s->board : s->pop.user,
			    s->msg[*cur].id, *cur + 1, s->n,
			    s->msg[*cur].deleted ? ", to be deleted" : "");
			switch (c = card(&s->screen, &v, "space - page  n p next, "
			    "previous  d u mark  r reply  h header  q back  "
			    "? help")) {
			case 'd':
			case 'u':
				flag(s, *cur, c == 'd');
				break;
			case 'r':
				reply_to(s, &mail);
				break;
			case '?':
				help_card(s);
				break;
			case ' ':
				c = 'n';
				break;
			case KEY_LEFT:
			case KEY_ESC:
				c = 'q';
				break;
			default:
				break;
			}
		}
		text_free(&mail);
		text_free(&head);
		text_free(&v.anchors);
		if ((c == 'n' && *cur + 1 == s->n) || (c == 'p' && *cur == 0))
			break;
		*cur += c == 'n' ? 1 : c == 'p' ? (size_t)-1 : 0;
	} while (c != 'q');
}
