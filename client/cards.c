/*
 * The cards: the list of messages, a message, the boards and a board's list. A
 * card is a function that draws and waits for keys; the C stack is the stack of
 * cards.
 */
#define _XOPEN_SOURCE 700

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "popcard.h"

enum {
	MAX_BOARDS = 10000
};

/* A number of octets in five columns. */
static const char *
human(size_t n, char buf[8])
{
	static const char units[] = "KMGT";
	const char *u;
	double d;

	if (n < 1000) {
		snprintf(buf, 8, "%zu", n);
		return buf;
	}
	for (d = (double)n / 1000, u = units; d >= 999.5 && u[1] != '\0'; u++)
		d /= 1000;
	snprintf(buf, 8, d < 9.95 ? "%.1f%c" : "%.0f%c", d, *u);
	return buf;
}

void
progress(struct pop *p)
{
	struct session *s = p->owner;
	char done[8], all[8];

	say(s, "%s: %s of %s", s->doing, human(p->done, done),
	    human(s->expected, all));
	status(s);
}

static void
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

	text_card(s, "popcard: the keys", help, sizeof(help) - 1);
}

static void
message_row(struct session *s, struct view *v, size_t i, int cols)
{
	struct message *m = &s->msg[i];
	const char *date, *p;
	char size[8];

	if (!m->known)
		top_fields(s, i);
	date = m->field[DATE] != NULL ? m->field[DATE] : "";
	if ((p = strchr(date, ',')) != NULL)	/* the day of the week */
		date = p + 1 + strspn(p + 1, " ");
	print(8, "%c%c%5lu", i == v->cur ? '>' : ' ',
	    m->marked ? 'D' : ' ', m->id);
	put(date, strlen(date), 11);
	print(8, " %5s", human(m->octets, size));
	p = m->field[FROM] != NULL ? m->field[FROM] : "";
	put(p, strlen(p), 20);
	p = m->field[SUBJECT] != NULL ? m->field[SUBJECT] : "";
	print(2, "  ");
	put(p, strlen(p), cols > 49 ? cols - 49 : 0);
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
static void
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
			say(s, "%s", s->pop.text);
			return;
		}
		if (pop_text(&s->pop, &mail) == POP_LOST)
			gone(s);
		say(s, mail.cut ? "The message is too large: this is its "
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
			snprintf(s->title, sizeof(s->title),
			    "%s: message %lu (%zu of %zu)%s",
			    s->board[0] != '\0' ? s->board : s->pop.user,
			    s->msg[*cur].id, *cur + 1, s->n,
			    s->msg[*cur].marked ? ", to be deleted" : "");
			switch (c = card(s, &v, "space - page  n p next, "
			    "previous  d u mark  r reply  h header  q back  "
			    "? help")) {
			case 'd':
			case 'u':
				mark(s, *cur, c == 'd');
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

/* The list of the open maildrop or board; returns the key that leaves it. */
static int
list_card(struct session *s)
{
	struct view v = { .row = message_row };
	int c;

	for (;;) {
		v.n = s->n;
		snprintf(s->title, sizeof(s->title),
		    "%s%s at %s: %zu messages, %zu marked",
		    s->board[0] != '\0' ? "board " : "",
		    s->board[0] != '\0' ? s->board : s->pop.user, s->pop.host,
		    s->n, s->marked);
		switch (c = card(s, &v, s->board[0] != '\0' ?
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
			mark(s, v.cur, c == 'd');
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

static void
board_row(struct session *s, struct view *v, size_t i, int cols)
{
	(void)s;
	print(cols, "%c %-40s %10lu", i == v->cur ? '>' : ' ',
	    v->board[i].name, v->board[i].maxima);
}

/* One line of a listing of boards: a name as RFC 1082 has them, its maxima. */
static bool
parse_board(const char *p, struct board *b)
{
	size_t n;

	p = text_blanks(p);
	n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789-");
	if (n == 0 || n >= sizeof(b->name) || text_blanks(p + n) == p + n)
		return false;
	memcpy(b->name, p, n);
	b->name[n] = '\0';
	p = text_blanks(p + n);
	return text_number(&p, LONG_MAX, &b->maxima);
}

/* What XTND X-BBOARDS tells of a board. */
static void
board_info(struct session *s, const struct board *b)
{
	static const char *const names[] = { "name", "aliases", "maildrop",
	    "archive", "information", "map", "", "leaders", "address",
	    "requests to", "comes from", "goes to", "flags, maxima", "date" };
	struct text t = { 0 };
	char line[POP_LINE + 32];
	size_t i;

	if (!ask(s, POP_WAIT, "XTND X-BBOARDS %s", b->name)) {
		say(s, "%s", s->pop.text);
		return;
	}
	for (i = 0; next(s); i++)
		if (i < sizeof(names) / sizeof(names[0]) && *names[i] != '\0') {
			snprintf(line, sizeof(line), "%-14s %s\n", names[i],
			    s->pop.line);
			text_add(&t, line, strlen(line));
		}
	text_card(s, b->name, t.s, t.n);
	text_free(&t);
}

/*
 * Open a board or its archive. That closes what was open before, the user's
 * maildrop with its update too, so the marks are settled first.
 */
static bool
open_board(struct session *s, const char *how, const struct board *b)
{
	size_t marked;
	int c;

	c = 'n';
	if (s->marked > 0)
		c = choice(s, "ync", "Leaving your maildrop. Delete the %zu "
		    "marked messages? (y)es, (n)o, (c)ancel", s->marked);
	if (c == 'c' || (c == 'y' && !send_marks(s)))
		return false;
	marked = s->marked;
	s->marked = 0;		/* done, or dropped, when the board opens */
	if (!ask(s, POP_WORK, "XTND %s %s", how, b->name)) {
		s->marked = marked;
		say(s, "%s", s->pop.text);
		if (c == 'y')
			ask(s, POP_WAIT, "RSET");
		return false;
	}
	while (next(s))
		;
	snprintf(s->board, sizeof(s->board), "%s", b->name);
	load(s);
	return true;
}

static void
boards_card(struct session *s)
{
	struct board *list;
	struct view v = { .row = board_row };
	int c;

	if (!ask(s, POP_WAIT, "XTND BBOARDS")) {
		say(s, "%s", s->pop.text);
		return;
	}
	list = must(calloc(MAX_BOARDS, sizeof(*list)));
	while (next(s))
		if (v.n < MAX_BOARDS && parse_board(s->pop.line, &list[v.n]))
			v.n++;
	v.board = list;
	do {
		snprintf(s->title, sizeof(s->title), "boards at %s: %zu",
		    s->pop.host, v.n);
		c = card(s, &v, "Enter open  a archive  i information  "
		    "? help  q back to your mail");
		if (c == '?')
			help_card(s);
		else if (c == 'i' && v.cur < v.n)
			board_info(s, &list[v.cur]);
		else if ((c == '\r' || c == '\n' || c == 'a' ||
		    c == KEY_RIGHT) && v.cur < v.n && open_board(s, c == 'a' ?
		    "ARCHIVE" : "BBOARDS", &list[v.cur]))
			while (list_card(s) != 'q')
				;
	} while (c != 'q' && c != KEY_ESC && c != KEY_LEFT);
	free(list);
	if (s->board[0] == '\0')
		return;
	/* RFC 1082 has no way back to the user's maildrop but a new session. */
	s->board[0] = '\0';
	pop_quit(&s->pop);
	enter(s);
	load(s);
}

/* The user's maildrop is the bottom of the stack; an exit status. */
int
mail_card(struct session *s)
{
	size_t marked;
	int c, r;

	for (;;) {
		c = list_card(s);
		marked = s->marked;
		if (c == 'b') {
			boards_card(s);
			continue;
		}
		if (c == 'x')
			marked = 0;
		if (marked > 0) {
			c = choice(s, "ync", "Delete the %zu marked messages? "
			    "(y)es, (n)o, (c)ancel", marked);
			if (c == 'c' || (c == 'y' && !send_marks(s)))
				continue;
			marked = c == 'y' ? marked : 0;
		}
		r = pop_quit(&s->pop);
		term_stop();
		if (r != POP_OK && marked > 0) {
			error("some of the marked messages may not be "
			    "deleted: %s", s->pop.text);
			return s->pop.code;
		}
		if (marked > 0)
			printf("%zu deleted, %zu left\n", marked,
			    s->total - marked);
		return EX_OK;
	}
}
