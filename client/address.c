/*
 * Address lists (RFC 5322 3.4), read more tolerantly than they are written.
 */
#define _XOPEN_SOURCE 700

#include <ctype.h>
#include <string.h>

#include "mime.h"

/* One address of a list: name and comment still encoded, each with a '\0'. */
struct address {
	struct text name, comment, addr;
};

static void
free_address(struct address *a)
{
	text_free(&a->name);
	text_free(&a->comment);
	text_free(&a->addr);
}

/* Without blanks at the end, and with a '\0'. */
static void
end_string(struct text *t)
{
	while (t->n > 0 && t->s[t->n - 1] == ' ')
		t->n--;
	text_string(t);
}

/* Read the address at s, up to its comma; returns what follows. */
static const char *
read_address(const char *s, struct address *a)
{
	const char *from;
	bool angle;

	memset(a, 0, sizeof(*a));
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
	end_string(&a->name);
	end_string(&a->comment);
	end_string(&a->addr);
	return *s == '\0' ? s : s + 1;
}

/* Append the name of an address, decoded; false where it has none. */
static bool
address_name(const struct address *a, struct text *out)
{
	const char *name;
	size_t i, was;

	name = a->name.s[0] != '\0' ? a->name.s : a->comment.s;
	was = out->n;
	field_decode(name, out);
	for (i = was; i < out->n && out->s[i] == ' '; i++)
		;
	return i < out->n;
}

/* Append a name, in quotes where it is more than words. */
static void
add_quoted(const struct text *name, struct text *out)
{
	size_t i;
	bool plain;

	for (i = 0, plain = true; i < name->n; i++)
		plain = plain && (isalnum((unsigned char)name->s[i]) ||
		    (unsigned char)name->s[i] > 0x7f ||
		    strchr(" !#$%&'*+-/=?^_`{|}~", name->s[i]) != NULL);
	if (plain) {
		text_add(out, name->s, name->n);
		return;
	}
	text_add(out, "\"", 1);
	for (i = 0; i < name->n; i++) {
		if (name->s[i] == '"' || name->s[i] == '\\')
			text_add(out, "\\", 1);
		text_add(out, name->s + i, 1);
	}
	text_add(out, "\"", 1);
}

/* Append an address list, for a person or for the wire. */
static void
add_list(const char *value, bool wire, struct text *out)
{
	struct address a;
	struct text name;
	const char *s;
	bool first;

	for (s = value, first = true; *s != '\0'; free_address(&a)) {
		memset(&name, 0, sizeof(name));
		s = read_address(s, &a);
		if (a.addr.s[0] == '\0')
			continue;
		text_str(out, first ? "" : wire ? ",\n " : ", ");
		first = false;
		if (address_name(&a, &name)) {
			if (wire && mail_8bit(name.s, name.n))
				field_encode(name.s, name.n, out);
			else
				add_quoted(&name, out);
			text_str(out, " <");
			field_plain(a.addr.s, a.addr.n, out);
			text_str(out, ">");
		} else
			field_plain(a.addr.s, a.addr.n, out);
		text_free(&name);
	}
	if (first)		/* such as an empty group */
		field_decode(value, out);
}

void
address_decode(const char *value, struct text *out)
{
	add_list(value, false, out);
}

void
address_encode(const char *value, struct text *out)
{
	add_list(value, true, out);
}

void
address_sender(const char *value, struct text *out)
{
	struct address a;

	read_address(value, &a);
	if (!address_name(&a, out))
		field_plain(a.addr.s, a.addr.n, out);
	free_address(&a);
}
