/*
 * Header fields: where they are, encoded words (RFC 2047), parameters (RFC 2045
 * 5.1, RFC 2231) and address lists (RFC 5322 3.4), read more tolerantly than
 * they have to be written.
 */
#include "mime.h"

enum {
	FIELD_MOST = 1 << 20,	/* octets of a value; the rest is left out */
	SECTIONS = 64,		/* of one parameter, *0 to *63 */
	WORD = 33		/* octets of an encoded word that is written */
};

size_t
mail_head(const char *s, size_t n, size_t *body)
{
	size_t i, k, len = 0, line = 0;

	for (i = 0; i < n; i += line) {
		line = text_line(s + i, n - i, &len);
		if (i > 0 && (s[i] == ' ' || s[i] == '\t'))
			continue;
		for (k = 0; k < len && s[i + k] > ' ' && s[i + k] != ':'; k++)
			;
		if (k == 0 || k == len || s[i + k] != ':' ||
		    (len > 1 && memcmp(s + i, "--", 2) == 0))
			break;		/* such as a boundary */
	}
	*body = i + (i < n && len == 0 ? line : 0);
	return i;
}

bool
mail_field(const char *s, size_t n, const char *name, struct text *out)
{
	size_t k, len, skip;
	bool found, in;

	text_free(out);
	found = in = false;
	for (n = mail_head(s, n, &skip); n > 0; s += k, n -= k) {
		k = text_line(s, n, &len);
		skip = 0;
		if (*s != ' ' && *s != '\t') {
			skip = strcspn(s, ":") + 1;
			in = text_among(s, skip - 1, name);
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

void
field_plain(const char *charset, const char *s, size_t n, struct text *out)
{
	size_t i = out->n;

	charset_decode(charset, s, n, out);
	for (; i < out->n; i++)
		if ((unsigned char)out->s[i] < ' ' || out->s[i] == 0x7f)
			out->s[i] = ' ';
}

struct word {
	char charset[MIME_NAME];
	const char *text;
	size_t n;
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
	w->n = strcspn(w->text, "?");
	return w->text[w->n] == '?' && w->text[w->n + 1] == '=';
}

void
field_decode(const char *value, struct text *out)
{
	struct text octets = { 0 };
	struct word w, last = { .charset = "" };
	const char *s, *plain;

	for (s = plain = text_blanks(value); *s != '\0';) {
		if (!read_word(s, &w)) {
			s++;
			continue;
		}
		/* Blanks between words do not count, and words of one charset
		 * may split a character among them. */
		if (text_blanks(plain) != s ||
		    strcasecmp(w.charset, last.charset) != 0) {
			field_plain(last.charset, octets.s, octets.n, out);
			octets.n = 0;
		}
		if (text_blanks(plain) != s)
			field_plain("", plain, (size_t)(s - plain), out);
		if (w.base64)
			base64_decode(w.text, w.n, &octets);
		else
			hex_decode(w.text, w.n, '=', '_', &octets);
		last = w;
		s = plain = w.text + w.n + 2;
	}
	field_plain(last.charset, octets.s, octets.n, out);
	field_plain("", plain, (size_t)(s - plain), out);
	text_free(&octets);
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

/* Read the parameter at s, which is past a semicolon: the octets of its name,
 * and its value; returns what follows. */
static const char *
read_param(const char *s, size_t *name, struct text *value)
{
	size_t n;

	value->n = 0;
	*name = strcspn(s, "= \t;\"");
	s = text_blanks(s + *name);
	if (*s != '=') {
		*name = 0;
		return s;
	}
	s = text_blanks(s + 1);
	if (*s == '"')
		return enclosed(s, value);
	n = strcspn(s, ";");
	text_add(value, s, n);
	while (value->n > 0 && strchr(" \t", value->s[value->n - 1]) != NULL)
		value->n--;
	return s + n;
}

void
field_param(const char *value, const char *name, struct text *out)
{
	char charset[MIME_NAME] = "";
	struct text t = { 0 }, octets = { 0 }, plain = { 0 };
	const char *key, *p, *s;
	size_t n, len = strlen(name);
	unsigned long sections = 0;
	bool encoded;

	for (s = value; *(s += strcspn(s, ";")) != '\0';) {
		key = text_blanks(s + 1);
		s = read_param(key, &n, &t);
		if (n < len || strncasecmp(key, name, len) != 0)
			continue;
		p = text_string(&t);
		if (n == len && plain.n == 0)
			field_decode(p, &plain);
		if (n == len || sections == SECTIONS || key[len] != '*' ||
		    (n > len + 1 && !isdigit((unsigned char)key[len + 1])) ||
		    strtoul(key + len + 1, NULL, 10) != sections)
			continue;
		encoded = key[n - 1] == '*';
		/* charset'language'text */
		if (sections++ == 0 && encoded && strchr(p, '\'') != NULL) {
			n = strcspn(p, "'");
			snprintf(charset, sizeof(charset), "%.*s", (int)n, p);
			n += 1 + strcspn(p + n + 1, "'");
			p += n + (p[n] != '\0');
		}
		hex_decode(p, strlen(p), encoded ? '%' : '\0', ' ', &octets);
		s = value;	/* they may be in any order */
	}
	field_plain(charset, octets.s, octets.n, out);
	if (sections == 0)
		text_add(out, plain.s, plain.n);
	text_free(&t);
	text_free(&octets);
	text_free(&plain);
}

void
field_encode(const char *s, size_t n, struct text *out)
{
	const char *charset = utf8_kind(s, n) == UTF8_INVALID ?
	    "unknown-8bit" : "UTF-8";
	unsigned long c;
	size_t i, k;

	for (; n > 0; s += i, n -= i) {
		for (i = 0; i < n; i += k) {
			k = utf8_next(s + i, n - i, &c);
			k = k == 0 ? 1 : k;
			if (i + k > WORD)
				break;
		}
		text_printf(out, "=?%s?B?", charset);
		base64_encode(s, i, out);
		text_str(out, i < n ? "?= " : "?=");
	}
}

/* Read the address at s, up to its comma, and its name, which is still encoded;
 * "" for none. Returns what follows. */
static const char *
read_address(const char *s, struct text *name, struct text *addr)
{
	const char *from;
	size_t comment;
	bool angle;

	name->n = addr->n = comment = 0;
	for (angle = false; *s != '\0' && *s != ',' && *s != ';';) {
		from = s;
		if (*s == '(')
			comment = name->n;
		if (*s == '"' || *s == '(')
			s = enclosed(s, name);
		else if (*s == '<') {
			angle = true;
			addr->n = 0;
			s = enclosed(s, addr);
		} else if (*s == ':') {		/* the name of a group */
			name->n = addr->n = comment = 0;
			s++;
		} else
			text_add(name, s++, 1);
		if (!angle && strchr("(: \t", *from) == NULL)
			text_add(addr, from, (size_t)(s - from));
	}
	if (!angle) {		/* the name is the address, and a comment */
		name->n -= comment > 0 ? comment : name->n;
		if (name->n > 0)
			memmove(name->s, name->s + comment, name->n);
	}
	while (name->n > 0 && name->s[name->n - 1] == ' ')
		name->n--;
	text_string(name);
	text_string(addr);
	return s + (*s != '\0');
}

void
address_list(const char *value, enum address_form form, struct text *out)
{
	struct text name = { 0 }, addr = { 0 }, shown = { 0 };
	const char *s = value;
	size_t i, start = out->n;
	bool named;

	while (*s != '\0' && (form != ADDRESS_SENDER || out->n == start)) {
		s = read_address(s, &name, &addr);
		if (addr.n == 0)
			continue;
		text_str(out, out->n == start ? "" : ", ");
		shown.n = 0;
		field_decode(name.s, &shown);
		for (i = 0; i < shown.n; i++)
			if (shown.s[i] == '"' || shown.s[i] == '\\')
				shown.s[i] = '\'';
		named = *text_blanks(text_string(&shown)) != '\0';
		if (named && form == ADDRESS_WIRE &&
		    utf8_kind(shown.s, shown.n) != UTF8_ASCII)
			field_encode(shown.s, shown.n, out);
		else if (named)
			text_printf(out, form != ADDRESS_SENDER &&
			    strpbrk(shown.s, "()<>[]:;@,.") != NULL ?
			    "\"%s\"" : "%s", shown.s);
		if (!named || form != ADDRESS_SENDER) {
			text_str(out, named ? " <" : "");
			field_plain("", addr.s, addr.n, out);
			text_str(out, named ? ">" : "");
		}
	}
	if (out->n == start)		/* such as an empty group */
		field_decode(value, out);
	text_free(&name);
	text_free(&addr);
	text_free(&shown);
}
