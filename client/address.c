/*
 * Address lists (RFC 5322 3.4), read more tolerantly than they are written.
 */
#define _XOPEN_SOURCE 700

#include <ctype.h>
#include <string.h>

#include "mime.h"

/* One address of a list: its name, or else a comment, is still encoded. */
struct address {
	struct text name, comment, addr;
};

/* Without blanks at its ends, and as a string. */
static void
trim(struct text *t)
{
	size_t n;

	while (t->n > 0 && t->s[t->n - 1] == ' ')
		t->n--;
	n = strspn(text_string(t), " ");
	t->n -= n;
	memmove(t->s, t->s + n, t->n + 1);
}

/* Read the address at s, up to its comma; returns what follows. Name and
 * address are strings then. */
static const char *
read_address(const char *s, struct address *a)
{
	const char *from;
	bool angle;

	a->name.n = a->comment.n = a->addr.n = 0;
	s = text_blanks(s);
	for (angle = false; *s != '\0' && *s != ',' && *s != ';';) {
		from = s;
		if (*s == '"')
			s = field_enclosed(s, &a->name);
		else if (*s == '(')
			s = field_enclosed(s, &a->comment);
		else if (*s == '<') {
			angle = true;
			a->addr.n = 0;
			s = field_enclosed(s, &a->addr);
		} else if (*s == ':') {		/* the name of a group */
			a->name.n = a->addr.n = 0;
			s = text_blanks(s + 1);
		} else
			text_add(&a->name, s++, 1);
		if (!angle && *from != '(' && *from != ':')
			text_add(&a->addr, from, (size_t)(s - from));
	}
	if (!angle)		/* the name is the address */
		a->name.n = 0;
	trim(&a->name);
	if (a->name.n == 0) {
		text_add(&a->name, a->comment.s, a->comment.n);
		trim(&a->name);
	}
	trim(&a->addr);
	return *s == '\0' ? s : s + 1;
}

static void
free_address(struct address *a)
{
	text_free(&a->name);
	text_free(&a->comment);
	text_free(&a->addr);
}

/* Append a name, in quotes if it is more than words, or encoded. */
static void
add_name(const char *s, size_t n, bool wire, struct text *out)
{
	size_t i;

	if (wire && mail_8bit(s, n)) {
		field_encode(s, n, out);
		return;
	}
	for (i = 0; i < n && (isalnum((unsigned char)s[i]) || (s[i] & 0x80) ||
	    memchr(" !#$%&'*+-/=?^_`{|}~", s[i], 20) != NULL); i++)
		;
	if (i == n) {
		text_add(out, s, n);
		return;
	}
	text_str(out, "\"");
	for (i = 0; i < n; i++) {
		text_str(out, s[i] == '"' || s[i] == '\\' ? "\\" : "");
		text_add(out, s + i, 1);
	}
	text_str(out, "\"");
}

void
address_list(const char *value, bool wire, struct text *out)
{
	struct address a = { 0 };
	struct text name = { 0 };
	const char *s;
	bool first;

	for (s = value, first = true; *s != '\0';) {
		s = read_address(s, &a);
		if (a.addr.n == 0)
			continue;
		text_str(out, first ? "" : wire ? ",\n " : ", ");
		first = false;
		name.n = 0;
		field_decode(a.name.s, &name);
		if (*text_blanks(text_string(&name)) != '\0') {
			add_name(name.s, name.n, wire, out);
			text_str(out, " <");
			field_plain("", a.addr.s, a.addr.n, out);
			text_str(out, ">");
		} else
			field_plain("", a.addr.s, a.addr.n, out);
	}
	if (first)		/* such as an empty group */
		field_decode(value, out);
	text_free(&name);
	free_address(&a);
}

void
address_sender(const char *value, struct text *out)
{
	struct address a = { 0 };
	size_t was;

	read_address(value, &a);
	was = out->n;
	field_decode(a.name.s, out);
	if (*text_blanks(text_string(out) + was) == '\0') {
		out->n = was;
		field_plain("", a.addr.s, a.addr.n, out);
	}
	free_address(&a);
}
