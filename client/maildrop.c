/*
 * What the server holds: the open maildrop or board, its messages, and the
 * flags on them. A lost connection ends the program here.
 */
#include "popcard.h"

#include <limits.h>

enum {
	UID_MAX = 70,		/* octets of a unique name: RFC 1939 7 */
	MAX_MESSAGES = 99999	/* in a list: its numbers have five columns,
				   and 50 MB whatever the server claims */
};

/* The fields in the list, and how many octets of each are kept: as many as a
 * wide screen shows. */
static const struct {
	const char *name;
	size_t most;
} fields[FIELDS] = { { "From", 64 }, { "Subject", 200 }, { "Date", 40 },
    { "Status", 2 } };

void
farewell(const struct session *s)
{
	if (s->draft[0] != '\0')
		error(EX_OK, "a draft is kept in %s", s->draft);
}

_Noreturn void
gone(struct session *s)
{
	error(EX_OK, "%s", s->pop.text);
	if (s->deleted > 0)
		error(EX_OK, "nothing was deleted");
	farewell(s);
	exit(s->pop.code);
}

bool
ask(struct session *s, const char *fmt, ...)
{
	char cmd[POP_ARG];
	va_list ap;
	int r;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if ((r = pop_command(&s->pop, "%s", cmd)) == POP_LOST)
		gone(s);
	return r == POP_OK;
}

bool
next(struct session *s)
{
	int r;

	if ((r = pop_next(&s->pop, POP_LINE)) == POP_LOST)
		gone(s);
	return r == POP_OK;
}

void
idle(void *arg)
{
	struct session *s = arg;

	if (s->pop.dial.fd != -1)
		pop_command(&s->pop, "NOOP");
}

void
enter(struct session *s)
{
	if (pop_login(&s->pop) != POP_OK)
		gone(s);
}

/* Keep one field of a message, decoded. */
static void
set_field(struct message *m, int f, const char *value)
{
	struct text t = { 0 };

	if (f == STATUS)
		m->unread = strchr(value, 'R') == NULL;
	if (f == FROM)
		address_sender(value, &t);
	else
		field_decode(value, &t);
	free(m->field[f]);
	m->field[f] = *text_blanks(text_string(&t)) == '\0' ? NULL :
	    must(strndup(text_blanks(t.s), fields[f].most));
	text_free(&t);
}

/* The line of a listing that tells of message *i; NULL if it makes no sense. */
static const char *
listed(struct session *s, unsigned long *i)
{
	const char *p;

	p = text_blanks(s->pop.line.s);
	return text_number(&p, s->n, i) && *i > 0 ? p : NULL;
}

/* One field of all messages by XTND XLST; false if it is not to be had. */
static bool
list_field(struct session *s, int f)
{
	const char *p;
	unsigned long i;
	size_t len;

	if (!ask(s, "XTND XLST %s", fields[f].name))
		return false;
	len = strlen(fields[f].name);
	while (next(s))
		if ((p = listed(s, &i)) != NULL &&
		    strncasecmp(p, fields[f].name, len) == 0 && p[len] == ':')
			set_field(&s->msg[i - 1], f, p + len + 1);
	return true;
}

/*
 * Which messages are unread: those whose Status field lacks an R, if there are
 * such fields at all, else those above LAST. A server may know neither.
 */
static void
find_unread(struct session *s)
{
	const char *p;
	unsigned long i, last;

	last = s->n;
	for (i = 0; i < s->n; i++)
		if (s->msg[i].field[STATUS] != NULL)
			last = 0;
	p = s->pop.text;
	if (last > 0 && ask(s, "LAST"))
		text_number(&p, LONG_MAX, &last);
	for (i = last; i < s->n; i++)
		if (s->msg[i].field[STATUS] == NULL)
			s->msg[i].unread = true;
}

void
top_fields(struct session *s, size_t i)
{
	struct text t = { 0 }, value = { 0 };
	int f;

	s->msg[i].known = true;
	if (!ask(s, "TOP %zu 0", i + 1))
		return;
	if (pop_text(&s->pop, &t) == POP_LOST)
		gone(s);
	for (f = 0; f < FIELDS; f++)
		if (mail_field(t.s, t.n, fields[f].name, &value))
			set_field(&s->msg[i], f, value.s);
	text_free(&t);
	text_free(&value);
}

/* The sizes, a board's own numbers, and the unique names. */
static void
list_sizes(struct session *s)
{
	const char *p;
	unsigned long i;

	if (ask(s, "LIST"))
		while (next(s)) {
			if ((p = listed(s, &i)) == NULL)
				continue;
			text_number(&p, LONG_MAX, &s->msg[i - 1].octets);
			/* RFC 1082: a third column */
			text_number(&p, LONG_MAX, &s->msg[i - 1].id);
		}
	if (ask(s, "UIDL"))
		while (next(s))
			if ((p = listed(s, &i)) != NULL && *p != '\0') {
				free(s->msg[i - 1].uid);
				s->msg[i - 1].uid = must(strndup(p, UID_MAX));
			}
}

static void
forget(struct message *msg, size_t n)
{
	size_t i;
	int f;

	for (i = 0; i < n; i++) {
		free(msg[i].uid);
		for (f = 0; f < FIELDS; f++)
			free(msg[i].field[f]);
	}
	free(msg);
}

void
load(struct session *s)
{
	const char *p;
	unsigned long n;
	size_t i;
	int f;

	forget(s->msg, s->n);
	s->msg = NULL;
	s->n = s->deleted = s->cur = 0;
	say(&s->screen, "reading the list");
	status(&s->screen);
	say(&s->screen, "%s", "");
	n = 0;
	p = s->pop.text;
	if (!ask(s, "STAT") || !text_number(&p, LONG_MAX, &n))
		error(EX_PROTOCOL, "%s: STAT is not answered: %s", s->pop.host,
		    s->pop.text);
	s->n = s->total = n;
	if (s->n == 0)
		return;
	if (s->n > MAX_MESSAGES) {
		s->n = MAX_MESSAGES;
		say(&s->screen, "There are %lu messages: these are the first "
		    "%zu.", n, s->n);
	}
	s->msg = must(calloc(s->n, sizeof(*s->msg)));
	for (i = 0; i < s->n; i++)
		s->msg[i].id = i + 1;
	list_sizes(s);
	for (f = 0; f < FIELDS && list_field(s, f); f++)
		;
	for (i = 0; i < s->n; i++)
		s->msg[i].known = f == FIELDS;
	if (s->board[0] == '\0')
		find_unread(s);
}

bool
open_board(struct session *s, const char *how, const char *name)
{
	s->pop.wait = POP_WORK;		/* it closes the maildrop */
	if (!ask(s, "XTND %s %s", how, name))
		return false;
	while (next(s))
		;
	s->open = how;
	snprintf(s->board, sizeof(s->board), "%s", name);
	load(s);
	return true;
}

/*
 * DELE could be taken back only by RSET, for all messages at once. So the flags
 * are kept here, and DELE is sent when the user has decided.
 */
void
flag(struct session *s, size_t i, bool on)
{
	if (i < s->n && s->msg[i].deleted != on) {
		s->msg[i].deleted = on;
		s->deleted += on ? 1 : (size_t)-1;
	}
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
		if (s->msg[i].deleted && !ask(s, "DELE %zu", i + 1)) {
			say(&s->screen, "Nothing deleted: %s", s->pop.text);
			ask(s, "RSET");
			c = 'c';
		}
	return c;
}

const char *
human(size_t n, char buf[8])
{
	static const char units[] = " KMGT";
	const char *u;
	double d;

	for (d = (double)n, u = units; d >= 999.5 && u[1] != '\0'; u++)
		d /= 1000;
	snprintf(buf, 8, u == units || d >= 9.95 ? "%.0f%.1s" : "%.1f%.1s", d,
	    u == units ? "" : u);
	return buf;
}

static void
progress(void *arg)
{
	struct session *s = arg;
	char done[8], all[8];

	say(&s->screen, "%s: %s of %s  (Escape: cancel)", s->doing,
	    human(s->pop.octets, done), human(s->expected, all));
	status(&s->screen);
}

void
transfer(struct session *s, const char *doing, size_t expected)
{
	s->doing = doing;
	s->expected = expected;
	s->pop.owner = s;
	s->pop.octets = 0;
	s->pop.progress = *doing != '\0' ? progress : NULL;
	s->pop.cancel = *doing != '\0' ? term_escape : NULL;
	if (*doing != '\0')
		progress(s);
	else
		say(&s->screen, "%s", "");
}

bool
fetch(struct session *s, struct text *mail)
{
	char doing[64];
	int r;

	snprintf(doing, sizeof(doing), "receiving message %lu",
	    s->msg[s->cur].id);
	transfer(s, doing, s->msg[s->cur].octets);
	r = pop_command(&s->pop, "RETR %zu", s->cur + 1);
	if (r == POP_OK)
		r = pop_text(&s->pop, mail);
	transfer(s, "", 0);
	if (r == POP_OK) {
		s->msg[s->cur].unread = false;
		if (mail->cut)
			say(&s->screen, "The message is too large: this is "
			    "its beginning.");
		return true;
	}
	if (r == POP_NO)
		say(&s->screen, "%s", s->pop.text);
	else if (s->pop.cancelled)
		reload(s);
	else
		gone(s);
	return false;
}

static int
by_uid(const void *a, const void *b)
{
	const struct message *const *x = a, *const *y = b;

	return strcmp((*x)->uid, (*y)->uid);
}

/* Give the messages of this session what those of the one before had: two that
 * share a UID with no other one are the same. */
static void
carry_over(struct session *s, struct message *before, size_t n, size_t cur)
{
	struct message **list, *m, *old;
	size_t i, j, k;

	list = must(calloc(n + s->n + 1, sizeof(*list)));
	for (i = k = 0; i < n + s->n; i++) {
		m = i < n ? &before[i] : &s->msg[i - n];
		m->old = i < n;
		if (m->uid != NULL)
			list[k++] = m;
	}
	qsort(list, k, sizeof(*list), by_uid);
	for (i = 0; i < k; i = j) {
		for (j = i + 1; j < k && by_uid(&list[i], &list[j]) == 0; j++)
			;
		if (j - i != 2 || list[i]->old == list[i + 1]->old)
			continue;
		old = list[list[i]->old ? i : i + 1];
		m = list[list[i]->old ? i + 1 : i];
		flag(s, (size_t)(m - s->msg), old->deleted);
		m->unread = m->unread && old->unread;
		if (old == &before[cur])
			s->cur = (size_t)(m - s->msg);
	}
	free(list);
}

void
reload(struct session *s)
{
	struct message *old;
	size_t cur, n, deleted;
	char name[sizeof(s->board)];

	old = s->msg;
	n = s->n;
	cur = s->cur;
	deleted = s->deleted;
	s->msg = NULL;
	s->n = 0;
	say(&s->screen, "Cancelled; logging in again");
	status(&s->screen);
	enter(s);
	snprintf(name, sizeof(name), "%s", s->board);
	s->board[0] = '\0';
	if (*name == '\0' || !open_board(s, s->open, name))
		load(s);
	s->cur = cur;
	carry_over(s, old, n, cur);
	forget(old, n);
	if (s->cur >= s->n)
		s->cur = s->n > 0 ? s->n - 1 : 0;
	s->reloaded = true;
	if (s->deleted < deleted)
		say(&s->screen, "Cancelled. %zu flags are lost: the server "
		    "does not tell which messages they were on.",
		    deleted - s->deleted);
	else
		say(&s->screen, "Cancelled.");
}
