/*
 * Header fields: encoded words (RFC 2047) and parameters (RFC 2045 5.1, RFC
 * 2231), read more tolerantly than they have to be written.
 */
#define _XOPEN_SOURCE 700

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "mime.h"

enum {
	SECTIONS = 64,		/* of one parameter, *0 to *63 */
	WORD = 33		/* octets in an encoded word that is written:
				   with a field's name it fits in a line of
				   76 */
};

/* An encoded word: where its charset and its text are. */
struct word {
	char charset[MIME_NAME];
	const char *text, *end;
	bool base64;
};

/* Adjacent words of one charset: they may split a character among them. */
struct words {
	char charset[MIME_NAME];
	struct text octets;
};

/* Append n octets in which each `mark' and two digits stand for another. */
static void
add_hex(const char *s, size_t n, char mark, struct text *out)
{
	char c;

	for (; n > 0; s++, n--) {
		c = *s;
		if (mark == '=' && c == '_')
			c = ' ';
		else if (c == mark && n > 2 && hex_digit(s[1]) != -1 &&
		    hex_digit(s[2]) != -1) {
			c = (char)(hex_digit(s[1]) << 4 | hex_digit(s[2]));
			s += 2;
			n -= 2;
		}
		text_add(out, &c, 1);
	}
}

/* Append text with its control characters as blanks. */
static void
add_plain(const char *s, size_t n, struct text *out)
{
	size_t i;

	i = out->n;
	text_add(out, s, n);
	for (; i < out->n; i++)
		if ((unsigned char)out->s[i] < ' ' || out->s[i] == 0x7f)
			out->s[i] = ' ';
}

/* The encoded word at s and where it ends; false if there is none. */
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
	s += n;
	if (*s == '*')
		s += strcspn(s, "?");
	if (s[0] != '?' || strchr("bBqQ", s[1]) == NULL || s[1] == '\0' ||
	    s[2] != '?')
		return false;
	w->base64 = s[1] == 'b' || s[1] == 'B';
	w->text = s + 3;
	w->end = w->text + strcspn(w->text, "?");
	if (w->end[0] != '?' || w->end[1] != '=')
		return false;
	w->end += 2;
	return true;
}

static void
end_words(struct words *ws, struct text *out)
{
	struct text t = { 0 };

	charset_decode(ws->charset, ws->octets.s, ws->octets.n, &t);
	add_plain(t.s, t.n, out);
	text_free(&t);
	text_free(&ws->octets);
}

/* The words that begin at s, with only blanks between them; returns the end. */
static const char *
decode_words(const char *s, struct text *out)
{
	struct words ws = { 0 };
	struct word w;
	const char *end;

	for (end = s; read_word(s, &w); s = text_blanks(end)) {
		if (strcasecmp(w.charset, ws.charset) != 0) {
			end_words(&ws, out);
			memcpy(ws.charset, w.charset, sizeof(ws.charset));
		}
		end = w.end;
		if (w.base64)
			base64_decode(w.text, (size_t)(end - 2 - w.text),
			    &ws.octets);
		else
			add_hex(w.text, (size_t)(end - 2 - w.text), '=',
			    &ws.octets);
	}
	end_words(&ws, out);
	return end;
}

void
field_plain(const char *s, size_t n, struct text *out)
{
	struct text t = { 0 };

	charset_decode("", s, n, &t);
	add_plain(t.s, t.n, out);
	text_free(&t);
}

void
field_decode(const char *value, struct text *out)
{
	const char *s, *plain;
	struct word w;

	for (s = plain = text_blanks(value); *s != '\0';)
		if (read_word(s, &w)) {
			field_plain(plain, (size_t)(s - plain), out);
			s = plain = decode_words(s, out);
		} else
			s++;
	field_plain(plain, (size_t)(s - plain), out);
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

/* A piece of a parameter's value. */
struct section {
	size_t off, n;
	bool there, encoded;		/* encoded: with charset and %XX */
};

/* A parameter as it is written: whole, or in numbered sections (RFC 2231). */
struct param {
	struct text text;		/* of all sections */
	struct section whole, section[SECTIONS];
};

/* Where a value belongs by what follows the parameter's name, up to `end': "",
 * "*", "*1", "*1*"; NULL for anything else. */
static struct section *
param_section(struct param *p, const char *s, const char *end, bool *encoded)
{
	size_t i;

	*encoded = end > s && end[-1] == '*';
	if (end == s)
		return &p->whole;
	if (end - s == 1 && *encoded)
		return &p->section[0];
	end -= *encoded;
	if (*s++ != '*' || end - s < 1 || end - s > 2)
		return NULL;
	for (i = 0; s < end; s++) {
		if (!isdigit((unsigned char)*s))
			return NULL;
		i = i * 10 + (size_t)(*s - '0');
	}
	return i < SECTIONS ? &p->section[i] : NULL;
}

/* Append the value at s, in quotes or not; returns what follows. */
static const char *
read_value(const char *s, struct text *out)
{
	const char *end, *last;

	if (*s == '"')
		return field_enclosed(s, out);
	end = last = s + strcspn(s, ";");
	while (last > s && (last[-1] == ' ' || last[-1] == '\t'))
		last--;
	text_add(out, s, (size_t)(last - s));
	return end;
}

/* Read all parameters, and keep what is of that name; the first one counts. */
static void
read_params(const char *s, const char *name, struct param *p)
{
	struct section *to;
	const char *end;
	size_t len, off;
	bool encoded;

	len = strlen(name);
	while (*(s += strcspn(s, ";")) != '\0') {
		s = text_blanks(s + 1);
		end = s + strcspn(s, "= \t;\"");
		if (*text_blanks(end) != '=')
			continue;
		to = (size_t)(end - s) < len || strncasecmp(s, name, len) != 0 ?
		    NULL : param_section(p, s + len, end, &encoded);
		off = p->text.n;
		s = read_value(text_blanks(text_blanks(end) + 1), &p->text);
		if (to != NULL && !to->there) {
			to->off = off;
			to->n = p->text.n - off;
			to->there = true;
			to->encoded = encoded;
		} else
			p->text.n = off;
	}
}

/* Put the sections together: charset'language'text, where encoded. */
static void
join_sections(const struct param *p, struct text *out)
{
	char charset[MIME_NAME] = "";
	struct text octets = { 0 }, t = { 0 };
	const struct section *v;
	const char *s, *end, *quote;

	for (v = p->section; v < p->section + SECTIONS && v->there; v++) {
		s = p->text.s + v->off;
		end = s + v->n;
		if (v == p->section && v->encoded && v->n > 0 &&
		    (quote = memchr(s, '\'', v->n)) != NULL) {
			if ((size_t)(quote - s) < sizeof(charset)) {
				memcpy(charset, s, (size_t)(quote - s));
				charset[quote - s] = '\0';
			}
			s = memchr(quote + 1, '\'', (size_t)(end - quote - 1));
			s = s == NULL ? quote + 1 : s + 1;
		}
		if (v->encoded)
			add_hex(s, (size_t)(end - s), '%', &octets);
		else
			text_add(&octets, s, (size_t)(end - s));
	}
	charset_decode(charset, octets.s, octets.n, &t);
	add_plain(t.s, t.n, out);
	text_free(&octets);
	text_free(&t);
}

bool
field_param(const char *value, const char *name, struct text *out)
{
	struct param p;
	bool found;

	memset(&p, 0, sizeof(p));
	read_params(value, name, &p);
	text_string(&p.text);
	found = p.section[0].there || p.whole.there;
	if (p.section[0].there)
		join_sections(&p, out);
	else if (found) {
		p.text.s[p.whole.off + p.whole.n] = '\0';
		field_decode(p.text.s + p.whole.off, out);
	}
	text_free(&p.text);
	return found;
}

/* Append at most WORD octets as one encoded word. */
static void
encode_word(const char *s, size_t n, const char *charset, struct text *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char o[WORD + 2] = { 0 };
	unsigned long bits;
	size_t i, k;

	memcpy(o, s, n);
	text_str(out, "=?");
	text_str(out, charset);
	text_str(out, "?B?");
	for (i = 0; i < n; i += 3) {
		bits = (o[i] * 256ul + o[i + 1]) * 256 + o[i + 2];
		for (k = 0; k < 4; k++)
			text_add(out, i + k > n ? "=" :
			    &digits[bits >> (18 - 6 * k) & 63], 1);
	}
	text_str(out, "?=");
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
		encode_word(s, i, charset, out);
		text_str(out, i < n ? "\n " : "");
	}
}
