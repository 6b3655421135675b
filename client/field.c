/*
 * Header fields: where they are, encoded words (RFC 2047) and parameters (RFC
 * 2045 5.1, RFC 2231), read more tolerantly than they have to be written.
 */
#define _XOPEN_SOURCE 700

#include <stdio.h>
#include <string.h>
#include <strings.h>

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
		for (k = i; k < i + line && s[k] > ' ' && s[k] != ':'; k++)
			;
		if (k == i || k == i + line || s[k] != ':')
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
			skip = strlen(name);
			in = len > skip && s[skip] == ':' &&
			    strncasecmp(s, name, skip) == 0;
			text_str(out, in && found ? ", " : "");
			found = found || in;
			for (skip++; skip < len && (s[skip] == ' ' ||
			    s[skip] == '\t'); skip++)
				;
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

const char *
field_enclosed(const char *s, struct text *out)
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
			s = field_enclosed(value, out);
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

/* A section of a parameter; false if there is none of that number. */
static bool
find_section(const char *value, const char *name, unsigned i, bool *encoded,
    struct text *out)
{
	char section[32];

	*encoded = false;
	snprintf(section, sizeof(section), "%s*%u", name, i);
	if (find_param(value, section, out))
		return true;
	*encoded = true;
	snprintf(section, sizeof(section), "%s*%u*", name, i);
	if (find_param(value, section, out))
		return true;
	snprintf(section, sizeof(section), "%s*", name);
	return i == 0 && find_param(value, section, out);
}

bool
field_param(const char *value, const char *name, struct text *out)
{
	char charset[MIME_NAME] = "";
	struct text t = { 0 }, octets = { 0 };
	const char *s, *quote;
	unsigned i;
	bool encoded, found;

	for (i = 0; i < SECTIONS && find_section(value, name, i, &encoded, &t);
	    i++) {
		s = text_string(&t);
		if (i == 0 && encoded && (quote = strchr(s, '\'')) != NULL) {
			snprintf(charset, sizeof(charset), "%.*s",
			    (int)(quote - s), s);
			s = quote + 1;
			if ((quote = strchr(s, '\'')) != NULL)
				s = quote + 1;	/* the language */
		}
		if (encoded)
			hex_decode(s, strlen(s), '%', ' ', &octets);
		else
			text_str(&octets, s);
	}
	field_plain(charset, octets.s, octets.n, out);
	if (!(found = i > 0) && (found = find_param(value, name, &t)))
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
