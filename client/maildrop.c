/*
 * What the server holds: the open maildrop or board and its messages, and the
 * marks on them. A lost connection ends the program here.
 */
#define _XOPEN_SOURCE 700

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "mail.h"
#include "maildrop.h"
#include "safe.h"

enum {
	MAX_MESSAGES = 99999	/* in a list: its numbers have five columns,
				   and 40 MB whatever the server claims */
};

/* The fields in the list, and how many octets of each are kept: as many as a
 * wide screen shows. */
static const struct {
	const char *name;
	size_t most;
} fields[FIELDS] = { { "From", 64 }, { "Subject", 200 }, { "Date", 40 } };

/* The connection is lost, and with it the session. */
_Noreturn void
gone(struct session *s)
{
	error("%s", s->pop.text);
	if (s->deleted > 0)
		error("nothing was deleted");
	exit(s->pop.code);
}

/* One command; a lost connection does not come back from here. */
bool
ask(struct session *s, int wait, const char *fmt, ...)
{
	char cmd[POP_ARG];
	va_list ap;
	int r;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if ((r = pop_command(&s->pop, wait, "%s", cmd)) == POP_LOST)
		gone(s);
	return r == POP_OK;
}

/* The next line of a listing; false at its end. */
bool
next(struct session *s)
{
	int r;

	if ((r = pop_next(&s->pop)) == POP_LOST)
		gone(s);
	return r == POP_OK;
}

void
idle(void *arg)
{
	ask(arg, POP_WAIT, "NOOP");
}

/* While an editor runs: if the session is lost, the letter is not. */
void
idle_editing(void *arg)
{
	struct session *s = arg;

	if (s->pop.fd != -1)
		pop_command(&s->pop, POP_WAIT, "NOOP");
}

/* Log in, or say why not and end. */
void
enter(struct session *s)
{
	if (pop_login(&s->pop) != POP_OK) {
		error("%s", s->pop.text);
		exit(s->pop.code);
	}
}

/* Keep one field of a message. */
static void
set_field(struct message *m, int f, const char *value)
{
	free(m->field[f]);
	m->field[f] = must(strndup(text_blanks(value), fields[f].most));
}

/* One field of all messages by XTND XLST; false where it is not to be had. */
static bool
list_field(struct session *s, int f)
{
	const char *p;
	unsigned long i;
	size_t len;

	if (!ask(s, POP_WAIT, "XTND XLST %s", fields[f].name))
		return false;
	len = strlen(fields[f].name);
	while (next(s)) {
		p = text_blanks(s->pop.line);
		if (!text_number(&p, s->n, &i) || i == 0 ||
		    strncasecmp(p, fields[f].name, len) != 0 || p[len] != ':')
			continue;
		set_field(&s->msg[i - 1], f, p + len + 1);
		s->msg[i - 1].known = true;
	}
	return true;
}

/* The fields of one message by TOP, for servers without XLST. */
void
top_fields(struct session *s, size_t i)
{
	struct text t = { 0 }, value = { 0 };
	void (*tell)(void *) = s->pop.progress;
	int f, r;

	s->msg[i].known = true;
	if (!ask(s, POP_WAIT, "TOP %zu 0", i + 1))
		return;
	s->pop.progress = NULL;		/* a list is being drawn */
	r = pop_text(&s->pop, &t);
	s->pop.progress = tell;
	if (r == POP_LOST)
		gone(s);
	for (f = 0; f < FIELDS; f++)
		if (mail_field(t.s, t.n, fields[f].name, &value))
			set_field(&s->msg[i], f, value.s);
	text_free(&t);
	text_free(&value);
}

static void
forget(struct session *s)
{
	size_t i;
	int f;

	for (i = 0; i < s->n; i++)
		for (f = 0; f < FIELDS; f++)
			free(s->msg[i].field[f]);
	free(s->msg);
	s->msg = NULL;
	s->n = s->deleted = s->total = 0;
}

/* How many messages there are; of more than MAX_MESSAGES only the first. */
static size_t
count(struct session *s)
{
	unsigned long n;
	const char *p;

	if (!ask(s, POP_WAIT, "STAT") || (p = s->pop.text,
	    !text_number(&p, LONG_MAX, &n))) {
		error("%s: STAT is not answered: %s", s->pop.host,
		    s->pop.text);
		exit(EX_PROTOCOL);
	}
	say(&s->screen, "%s", "");
	s->total = n;
	if (n <= MAX_MESSAGES)
		return n;
	say(&s->screen, "There are %lu messages: these are the first %d.", n,
	    (int)MAX_MESSAGES);
	return MAX_MESSAGES;
}

/* Learn what the open maildrop or board holds. */
void
load(struct session *s)
{
	unsigned long i;
	const char *p;
	size_t n;
	int f;

	forget(s);
	say(&s->screen, "reading the list");
	status(&s->screen);
	if ((n = count(s)) == 0)
		return;
	s->msg = must(calloc(n, sizeof(*s->msg)));
	s->n = n;
	for (i = 0; i < n; i++)
		s->msg[i].id = i + 1;
	if (ask(s, POP_WAIT, "LIST"))
		while (next(s)) {
			p = text_blanks(s->pop.line);
			if (!text_number(&p, s->n, &i) || i == 0 ||
			    !text_number(&p, LONG_MAX, &s->msg[i - 1].octets))
				continue;
			if (*p != '\0')		/* RFC 1082: a third column */
				text_number(&p, LONG_MAX, &s->msg[i - 1].id);
		}
	for (f = 0; f < FIELDS && list_field(s, f); f++)
		;
	for (i = 0; f < FIELDS && i < s->n; i++)
		s->msg[i].known = false;
}

/*
 * DELE could be taken back only by RSET, for all messages at once. So the marks
 * are kept here, and DELE is sent when the user has decided.
 */
void
flag(struct session *s, size_t i, bool on)
{
	if (s->board[0] != '\0')
		say(&s->screen, "A board is read-only.");
	else if (i < s->n && s->msg[i].deleted != on) {
		s->msg[i].deleted = on;
		s->deleted += on ? 1 : (size_t)-1;
	}
}

/* DELE what is marked; where one fails all are taken back. */
bool
send_flags(struct session *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->msg[i].deleted && !ask(s, POP_WAIT, "DELE %zu", i + 1)) {
			say(&s->screen, "Nothing deleted: %s", s->pop.text);
			ask(s, POP_WAIT, "RSET");
			return false;
		}
	return true;
}

/* A number of octets in five columns. */
const char *
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
progress(void *arg)
{
	struct session *s = arg;
	char done[8], all[8];

	say(&s->screen, "%s: %s of %s", s->doing, human(s->pop.done, done),
	    human(s->expected, all));
	status(&s->screen);
}
