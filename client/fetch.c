/*
 * A message fetched: progress, and Escape, which cancels it. In POP3 only the
 * end of the session ends a long reply early; so there is a new session then,
 * in which the flags follow their messages.
 */
#define _XOPEN_SOURCE 700

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "popcard.h"

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
	r = pop_command(&s->pop, POP_WAIT, "RETR %zu", s->cur + 1);
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
	if (pop_login(&s->pop) != POP_OK)
		gone(s);
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
