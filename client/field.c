/*
 * Header fields: where they are, encoded words (RFC 2047), parameters (RFC 2045
 * 5.1, RFC 2231) and address lists (RFC 5322 3.4), read more tolerantly than
 * they have to be written.
 */
#include "mime.h"

enum {
	FIELD_MOST = 1 << 20,	/* octets of a value; the rest is left out */
	SECTIONS = 64,		/* of one parameter, *0 to *63 */
	WORD = 33		/* octets in an encoded word that is written:
				   with a field's name it fits in a line of
				   76 */
};

size_t
mail_head(const char *s, size_t n)
{
	size_t i, k, len, line;

	for (i = 0; i < n; i += line) {
		line = text_line(s + i, n - i, &len);
		if (i > 0 && (s[i] == ' ' || s[i] == '\t'))
			continue;
		for (k = i; k < i + len && s[k] > ' ' && s[k] != ':'; k++)
			;
		if (k == i || k == i + len || s[k] != ':')
			break;
	}
	return i;
}

bool
mail_field(const char *s, size_t n, const char *name, struct text *out)
{
	size_t k, len, skip;
	bool found, in;

	text_free(out);
	found = in = false;
	for (n = mail_head(s, n); n > 0; s += k, n -= k) {
		k = text_line(s, n, &len);
		skip = 0;
		if (*s != ' ' && *s != '\t') {
			skip = strlen(name) + 1;
			in = len >= skip && s[skip - 1] == ':' &&
			    strncasecmp(s, name, skip - 1) == 0;
			text_str(out, in && found ? ", " : "");
			found = found || in;
			while (skip < len && strchr(" \t", s[skip]) != NULL)
				skip++;
		}
		if (in && out->n < FIELD_MOST)
			text_add(out, s + skip, len - skip);
	}
	text_string(out);
	return found;
}

bool
mail_8bit(const char *s, size_t n)
{
	for (; n > 0; s++, n--)
		if ((unsigned char)*s > 0x7f)
			return true;
	return false;
}

void
field_plain(const char *charset, const char *s, size_t n, struct text *out)
{
	size_t i;

	i = out->n;
	charset_decode(charset, s, n, out);
	for (; i < out->n; i++)
		if ((unsigned char)out->s[i] < ' ' || out->s[i] == 0x7f)
			out->s[i] = ' ';
}

/* An encoded word: where its charset and its text are. */
struct word {
	char charset[MIME_NAME];
	const char *text, *end;
	bool base64;
};

/* The encoded word at s; false if there is none. */
static bool
read_word(const char *s, struct word *w)
{
	size_t n;

	if (s[0] != '=' || s[1] != '?')
		return false;
	s += 2;
	n = strcspn(s, "?*");		/* RFC 2231 5: a language may follow */
	if (n == 0 || n >= sizeof(w->charset))
		return false;
	memcpy(w->charset, s, n);
	w->charset[n] = '\0';
	s += strcspn(s, "?");
	if (s[0] != '?' || s[1] == '\0' || strchr("bBqQ", s[1]) == NULL ||
	    s[2] != '?')
		return false;
	w->base64 = s[1] == 'b' || s[1] == 'B';
	w->text = s + 3;
	w->end = w->text + strcspn(w->text, "?");
	return w->end[0] == '?' && w->end[1] == '=';
}

/* The words that begin at s, with only blanks between them; returns the end.
 * Words of one charset may split a character among them. */
static const char *
decode_words(const char *s, struct text *out)
{
	char charset[MIME_NAME] = "";
	struct text octets = { 0 };
	struct word w;
	const char *end;

	for (end = s; read_word(s, &w); s = text_blanks(end)) {
		if (strcasecmp(w.charset, charset) != 0) {
			field_plain(charset, octets.s, octets.n, out);
			memcpy(charset, w.charset, sizeof(charset));
			octets.n = 0;
		}
		if (w.base64)
			base64_decode(w.text, (size_t)(w.end - w.text),
			    &octets);
		else
			hex_decode(w.text, (size_t)(w.end - w.text), '=', '_',
			    &octets);
		end = w.end + 2;
	}
	field_plain(charset, octets.s, octets.n, out);
	text_free(&octets);
	return end;
}

void
field_decode(const char *value, struct text *out)
{
	const char *s, *plain;
	struct word w;

	for (s = plain = text_blanks(value); *s != '\0';)
		if (read_word(s, &w)) {
			field_plain("", plain, (size_t)(s - plain), out);
			s = plain = decode_words(s, out);
		} else
			s++;
	field_plain("", plain, (size_t)(s - plain), out);
}

/* Append what stands in quotes, in a comment or in angle brackets at s, without
 * these and its backslashes; returns what follows. */
static const char *
enclosed(const char *s, struct text *out)
{
	size_t depth;
	int open, shut;

	open = (unsigned char)*s++;
	shut = open == '"' ? '"' : open == '(' ? ')' : '>';
	for (depth = 1; *s != '\0'; s++) {
		if (*s == '\\' && s[1] != '\0' && open != '<')
			s++;
		else if (*s == shut && --depth == 0)
			return s + 1;
		else if (*s == '(' && open == '(')
			depth++;
		text_add(out, s, 1);
	}
	return s;
}

/* The value of a parameter as it is written, but without quotes; false if there
 * is none of that name. */
static bool
find_param(const char *s, const char *name, struct text *out)
{
	const char *end, *value;
	size_t len, n;
	bool found;

	len = strlen(name);
	while (*(s += strcspn(s, ";")) != '\0') {
		s = text_blanks(s + 1);
		end = s + strcspn(s, "= \t;\"");
		if (*(value = text_blanks(end)) != '=')
			continue;
		value = text_blanks(value + 1);
		out->n = 0;
		found = (size_t)(end - s) == len &&
		    strncasecmp(s, name, len) == 0;
		if (*value == '"')
			s = enclosed(value, out);
		else {
			n = strcspn(value, ";");
			s = value + n;
			while (n > 0 && strchr(" \t", value[n - 1]) != NULL)
				n--;
			text_add(out, value, n);
		}
		if (found)
			return true;
	}
	return false;
}

/* A section of a parameter, which is encoded if its name ends in "*"; false if
 * there is none of that number. */
static bool
find_section(const char *value, const char *name, unsigned i, bool *encoded,
    struct text *out)
{
	char section[32];

	snprintf(section, sizeof(section), "%s*%u*", name, i);
	*encoded = find_param(value, section, out);
	section[strlen(section) - 1] = '\0';
	if (*encoded || find_param(value, section, out))
		return true;
	snprintf(section, sizeof(section), "%s*", name);
	return i == 0 && (*encoded = find_param(value, section, out));
}

bool
field_param(const char *value, const char *name, struct text *out)
{
	char charset[MIME_NAME] = "";
	struct text t = { 0 }, octets = { 0 };
	const char *s;
	unsigned i;
	bool encoded, found;

	for (i = 0; i < SECTIONS && find_section(value, name, i, &encoded, &t);
	    i++) {
		s = text_string(&t);
		/* charset'language'text */
		if (i == 0 && encoded && strchr(s, '\'') != NULL) {
			snprintf(charset, sizeof(charset), "%.*s",
			    (int)strcspn(s, "'"), s);
			s += strcspn(s, "'") + 1;
			s += strchr(s, '\'') != NULL ? strcspn(s, "'") + 1 : 0;
		}
		hex_decode(s, strlen(s), encoded ? '%' : '\0', ' ', &octets);
	}
	field_plain(charset, octets.s, octets.n, out);
	found = i > 0;
	if (!found && (found = find_param(value, name, &t)))
		field_decode(text_string(&t), out);
	text_free(&t);
	text_free(&octets);
	return found;
}

void
field_encode(const char *s, size_t n, struct text *out)
{
	const char *charset;
	unsigned long c;
	size_t i, k;

	charset = utf8_valid(s, n) ? "UTF-8" : "unknown-8bit";
	for (; n > 0; s += i, n -= i) {
		for (i = 0; i < n; i += k) {
			k = utf8_next(s + i, n - i, &c);
			k = k == 0 ? 1 : k;
			if (i + k > WORD)
				break;
		}
		text_printf(out, "=?%s?B?", charset);
		base64_encode(s, i, out);
		text_str(out, i < n ? "?=\n " : "?=");
	}
}

/* One address of a list: its name, or else a comment, still encoded. */
struct address {
	struct text name, addr;
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
	struct text comment = { 0 };
	const char *from;
	bool angle;

	a->name.n = a->addr.n = 0;
	s = text_blanks(s);
	for (angle = false; *s != '\0' && *s != ',' && *s != ';';) {
		from = s;
		if (*s == '"')
			s = enclosed(s, &a->name);
		else if (*s == '(')
			s = enclosed(s, &comment);
		else if (*s == '<') {
			angle = true;
			a->addr.n = 0;
			s = enclosed(s, &a->addr);
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
	if (a->name.n == 0)
		text_add(&a->name, comment.s, comment.n);
	trim(&a->name);
	trim(&a->addr);
	text_free(&comment);
	return *s == '\0' ? s : s + 1;
}

/* Append a name, in quotes if it is more than words, or encoded. */
static void
add_name(const struct text *name, bool wire, struct text *out)
{
	const char *s;

	if (wire && mail_8bit(name->s, name->n)) {
		field_encode(name->s, name->n, out);
		return;
	}
	if (strpbrk(name->s, "()<>[]:;@\\,.\"") == NULL) {
		text_add(out, name->s, name->n);
		return;
	}
	text_str(out, "\"");
	for (s = name->s; *s != '\0'; s++) {
		text_str(out, *s == '"' || *s == '\\' ? "\\" : "");
		text_add(out, s, 1);
	}
	text_str(out, "\"");
}

void
address_list(const char *value, bool wire, struct text *out)
{
	struct address a = { 0 };
	struct text name = { 0 };
	const char *s;
	bool first, named;

	for (s = value, first = true; *s != '\0';) {
		s = read_address(s, &a);
		if (a.addr.n == 0)
			continue;
		text_str(out, first ? "" : wire ? ",\n " : ", ");
		first = false;
		name.n = 0;
		field_decode(a.name.s, &name);
		named = *text_blanks(text_string(&name)) != '\0';
		if (named)
			add_name(&name, wire, out);
		text_str(out, named ? " <" : "");
		field_plain("", a.addr.s, a.addr.n, out);
		text_str(out, named ? ">" : "");
	}
	if (first)		/* such as an empty group */
		field_decode(value, out);
	text_free(&name);
	text_free(&a.name);
	text_free(&a.addr);
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
	text_free(&a.name);
	text_free(&a.addr);
}
