/*
 * What the server holds: the open maildrop or board, its messages, and the
 * flags on them. A lost connection ends the program here.
 */
#include "popcard.h"

#include <sys/stat.h>

#include <limits.h>

enum { MAX_MESSAGES = 99999 };	/* 5 columns, and 50 MB whatever is claimed */

static const char *const fields[] = { "From", "Subject", "Date", "Status" };
enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

bool
has_draft(const struct session *s)
{
	struct stat st;

	return lstat(s->draft, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_uid == geteuid();
}

void
farewell(const struct session *s)
{
	if (has_draft(s))
		error(EX_OK, "a draft is kept in ", s->draft);
}

void
gone(void *owner)
{
	struct session *s = owner;

	error(EX_OK, "", s->pop.text);
	if (s->deleted > 0)
		error(EX_OK, "nothing was deleted", "");
	farewell(s);
	exit(s->pop.code);
}

static void
set_fields(struct message *m, const char *header)
{
	struct text t = { 0 }, value = { 0 };
	size_t n = strlen(header);

	if (mail_field(header, n, "From", &value)) {
		address_list(value.s, ADDRESS_SENDER, &t);
		snprintf(m->from, sizeof(m->from), "%s", text_string(&t));
	}
	if (mail_field(header, n, "Subject", &value)) {
		t.n = 0;
		field_decode(value.s, &t);
		snprintf(m->subject, sizeof(m->subject), "%s", text_string(&t));
	}
	if (mail_field(header, n, "Date", &value))
		date_parse(value.s, &m->date);
	if (mail_field(header, n, "Status", &value)) {
		m->status = true;
		m->unread = strchr(value.s, 'R') == NULL;
	}
	text_free(&value);
	text_free(&t);
}

static void
set_size(struct message *m, const char *p)
{
	text_number(&p, LONG_MAX, &m->octets);
	text_number(&p, LONG_MAX, &m->id);	/* RFC 1082: a third column */
}

static void
set_uid(struct message *m, const char *p)
{
	snprintf(m->uid, sizeof(m->uid), "%s", p);
}

/* Ask for a listing, and set what its lines tell of messages; false if it is
 * not to be had. */
static bool
list(struct session *s, const char *command, const char *field,
    void (*set)(struct message *, const char *))
{
	const char *p;
	unsigned long i;

	if (!pop_command(&s->pop, "%s%s", command, field))
		return false;
	while (pop_next(&s->pop, POP_LINE)) {
		p = text_blanks(s->pop.line.s);
		if (text_number(&p, s->n, &i) && i > 0)
			set(&s->msg[i - 1], p);
	}
	return true;
}

/* Which messages are unread: those whose Status field lacks an R, if there are
 * such fields at all, else those above LAST. A server may know neither. */
static void
find_unread(struct session *s)
{
	const char *p = s->pop.text;
	unsigned long i, last = s->n;

	for (i = 0; i < s->n; i++)
		if (s->msg[i].status)
			last = 0;
	if (last > 0 && pop_command(&s->pop, "LAST"))
		text_number(&p, LONG_MAX, &last);
	for (i = last; i < s->n; i++)
		if (!s->msg[i].status)
			s->msg[i].unread = true;
}

struct message *
message_at(struct session *s, size_t i)
{
	struct text t = { 0 };
	struct message *m = &s->msg[i];

	if (!m->known && pop_command(&s->pop, "TOP %zu 0", i + 1)) {
		pop_text(&s->pop, &t);
		set_fields(m, text_string(&t));
		text_free(&t);
	}
	m->known = true;
	return m;
}

/* Give the messages of this list what those of the one before had. Those that
 * share a UID are equal (RFC 1939 7); one at the same place goes first. */
static void
carry_over(struct session *s, const struct message *before, size_t n,
    size_t cur)
{
	const struct message *old;
	size_t i, j, k;

	s->cur = cur < s->n ? cur : s->n - (s->n > 0);
	for (i = 0; i < n; i++) {
		old = &before[i];
		if (old->uid[0] == '\0' || (!old->deleted && !old->seen &&
		    i != cur))
			continue;
		for (k = 0, j = i; k < s->n; k++, j++)
			if (strcmp(s->msg[j %= s->n].uid, old->uid) == 0)
				break;
		if (k == s->n)
			continue;
		flag(s, j, old->deleted);
		s->msg[j].seen = old->seen;
		s->cur = i == cur ? j : s->cur;
	}
}

void
load(struct session *s, bool again)
{
	struct message *before = s->msg;
	const char *p = s->pop.text;
	size_t cur = s->cur, i, n = s->n;
	int f;

	say(&s->screen, "reading the list");
	s->screen.say[0] = '\0';	/* up to the next card */
	if (!pop_command(&s->pop, "STAT") ||
	    !text_number(&p, LONG_MAX, &s->total))
		error(EX_PROTOCOL, "STAT is not answered: ", s->pop.text);
	s->deleted = s->cur = 0;
	s->n = s->total;
	if (s->n > MAX_MESSAGES) {
		s->n = MAX_MESSAGES;
		say(&s->screen, "There are %lu messages: these are the first "
		    "%zu.", s->total, s->n);
	}
	s->msg = must(calloc(s->n + 1, sizeof(*s->msg)));
	for (i = 0; i < s->n; i++)
		s->msg[i].id = i + 1;
	f = 0;
	if (s->n > 0) {
		list(s, "LIST", "", set_size);
		list(s, "UIDL", "", set_uid);
		while (f < FIELDS && list(s, "XTND XLST ", fields[f],
		    set_fields))
			f++;
	}
	for (i = 0; i < s->n; i++)
		s->msg[i].known = f == FIELDS;
	if (s->how == NULL)
		find_unread(s);
	if (again)
		carry_over(s, before, n, cur);
	free(before);
}

/* DELE could be taken back only by RSET, for all messages at once. So the flags
 * are kept here, and DELE is sent when the user has decided. */
void
flag(struct session *s, size_t i, bool on)
{
	s->deleted -= s->msg[i].deleted;
	s->msg[i].deleted = on;
	s->deleted += on;
}

int
settle_flags(struct session *s)
{
	size_t i;
	int c;

	if (s->deleted == 0)
		return 'n';
	say(&s->screen, "Delete the %zu flagged messages? (y)es, (n)o, "
	    "(c)ancel", s->deleted);
	c = choice(&s->screen, "ync");
	for (i = 0; c == 'y' && i < s->n; i++)
		if (s->msg[i].deleted &&
		    !pop_command(&s->pop, "DELE %zu", i + 1)) {
			say(&s->screen, "Nothing deleted: %s", s->pop.text);
			pop_command(&s->pop, "RSET");
			c = 'c';
		}
	return c;
}

bool
open_board(struct session *s, const char *how, const struct board *b,
    bool again)
{
	int c = again ? 'n' : settle_flags(s);

	if (c == 'c')
		return false;
	s->pop.wait = POP_WORK;		/* it closes the maildrop */
	if (!pop_command(&s->pop, "XTND %s %s", how, b->name)) {
		say(&s->screen, "%s", s->pop.text);
		if (c == 'y')
			pop_command(&s->pop, "RSET");
		return false;
	}
	while (pop_next(&s->pop, POP_LINE))
		;
	s->how = how;
	s->board = *b;
	load(s, again);
	return true;
}

bool
fetch(struct session *s, struct text *mail)
{
	struct message *m = &s->msg[s->cur];
	char doing[64];
	bool ok;

	snprintf(doing, sizeof(doing), "receiving message %lu", m->id);
	pop_transfer(&s->pop, doing, m->octets);
	ok = pop_command(&s->pop, "RETR %zu", s->cur + 1) &&
	    pop_text(&s->pop, mail);
	s->pop.doing[0] = '\0';
	if (s->pop.cancelled) {
		reload(s);
		return false;
	}
	m->seen = m->seen || ok;
	say(&s->screen, "%s", !ok ? s->pop.text : mail->cut ? "The message is "
	    "too large: this is its beginning." : "");
	return ok;
}

void
reload(struct session *s)
{
	size_t deleted = s->deleted;

	say(&s->screen, "Cancelled; logging in again");
	pop_login(&s->pop);
	if (s->how == NULL || !open_board(s, s->how, &s->board, true)) {
		s->how = NULL;
		load(s, true);
	}
	say(&s->screen, "Cancelled.");
	if (s->deleted < deleted)
		say(&s->screen, "Cancelled. %zu flags are lost: the server "
		    "does not tell which messages they were on.",
		    deleted - s->deleted);
}
