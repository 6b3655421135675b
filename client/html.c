/*
 * text/html as plain text: no layout, but lines, lists, quotes and links where
 * a person expects them. One pass; what is not HTML is text.
 */
#define _XOPEN_SOURCE 700

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mime.h"

enum {
	NEST = 8,		/* deeper lists and quotes look alike */
	LINKS = 1000,		/* of a text; the others are not listed */
	META = 1024		/* octets in which HTML names its charset */
};

static const char space[] = " \t\r\n\f";

/* From 160 on, as ISO-8859-1 has them. */
static const char latin1[] = "nbsp iexcl cent pound curren yen brvbar sect uml "
    "copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para "
    "middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute "
    "Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave "
    "Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash "
    "Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde "
    "auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml "
    "eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute "
    "ucirc uuml yacute thorn yuml ";

static const struct {
	const char *name;
	unsigned short c;
} entities[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' },
    { "quot", '"' }, { "apos", '\'' }, { "euro", 0x20ac },
    { "ndash", 0x2013 }, { "mdash", 0x2014 }, { "lsquo", 0x2018 },
    { "rsquo", 0x2019 }, { "sbquo", 0x201a }, { "ldquo", 0x201c },
    { "rdquo", 0x201d }, { "bdquo", 0x201e }, { "lsaquo", 0x2039 },
    { "rsaquo", 0x203a }, { "hellip", 0x2026 }, { "bull", 0x2022 },
    { "dagger", 0x2020 }, { "permil", 0x2030 }, { "trade", 0x2122 },
    { "larr", 0x2190 }, { "uarr", 0x2191 }, { "rarr", 0x2192 },
    { "darr", 0x2193 }, { "minus", 0x2212 }, { "ne", 0x2260 },
    { "le", 0x2264 }, { "ge", 0x2265 }, { "check", 0x2713 },
    { "OElig", 0x152 }, { "oelig", 0x153 }, { "Scaron", 0x160 },
    { "scaron", 0x161 }, { "ensp", ' ' }, { "emsp", ' ' },
    { "thinsp", ' ' }, { "zwnj", 0x200c }, { "zwj", 0x200d } };

enum element { INLINE, LINE, PARAGRAPH, BREAK, RULE, ITEM, LIST, CELL,
	QUOTE, PRE, LINK, IMAGE, HIDDEN };

static const struct {
	enum element element;
	const char *names;
} elements[] = { { PARAGRAPH, " p h1 h2 h3 h4 h5 h6 dl " },
    { LINE, " div tr table dt dd body center form address section article "
	"header footer option " },
    { BREAK, " br " }, { LINK, " a " }, { IMAGE, " img " },
    { CELL, " td th " }, { ITEM, " li " }, { LIST, " ul ol " },
    { QUOTE, " blockquote " }, { PRE, " pre " }, { RULE, " hr " },
    { HIDDEN, " script style title template " } };

/* The text that is made, and where it stands. */
struct page {
	struct text *out, links;
	size_t start;			/* of this page in out */
	struct text href;		/* of the link that is open */
	struct text one;		/* the character at hand */
	size_t link;			/* where its text begins */
	unsigned nlinks;
	unsigned lines;			/* line ends due before more text */
	bool blank;			/* and a blank */
	bool fresh;			/* nothing in this line yet */
	unsigned quote, pre, lists;	/* depths */
	unsigned above;			/* the quote's in the line above */
};

/* A tag: its element, and the values of the attributes that matter. */
struct tag {
	char name[12];
	enum element element;
	bool closing;
	struct text href, alt;
};

static unsigned long
named_entity(const char *name, size_t n)
{
	const char *s;
	unsigned long c;
	size_t i;

	for (i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
		if (strncmp(entities[i].name, name, n) == 0 &&
		    entities[i].name[n] == '\0')
			return entities[i].c;
	for (s = latin1, c = 160; *s != '\0'; s += strcspn(s, " ") + 1, c++)
		if (strncmp(s, name, n) == 0 && s[n] == ' ')
			return c;
	return 0;
}

/* Append the character of the entity at s, an "&"; its octets, 0 if it is
 * none. */
static size_t
add_entity(const char *s, struct text *out)
{
	unsigned long c;
	size_t n;
	char *end, o;
	int base;

	if (s[1] == '#') {
		base = s[2] == 'x' || s[2] == 'X' ? 16 : 10;
		n = base == 16 ? 3 : 2;
		if (hex_digit(s[n]) == -1 || hex_digit(s[n]) >= base)
			return 0;
		c = strtoul(s + n, &end, base);
		n = (size_t)(end - s) + (*end == ';');
	} else {
		n = strcspn(s + 1, ";&< ");
		if (s[n + 1] != ';' || (c = named_entity(s + 1, n)) == 0)
			return 0;
		n += 2;
	}
	o = (char)c;
	if (c >= 0x80 && c < 0xa0)	/* numbers of windows-1252 */
		charset_decode("windows-1252", &o, 1, out);
	else
		utf8_add(out, c == 0 || c > 0x10ffff ||
		    (c >= 0xd800 && c < 0xe000) ? 0xfffd : c);
	return n;
}

static void
put_marks(struct page *p, unsigned depth)
{
	text_add(p->out, ">>>>>>>>", depth < NEST ? depth : NEST);
}

/* Append text to the page, after the line ends or the blank that are due. */
static void
emit(struct page *p, const char *s, size_t n)
{
	if (p->lines > 0 || p->out->n == p->start) {
		for (; p->lines > 0; p->lines--) {
			text_str(p->out, "\n");
			if (p->lines > 1)	/* between two depths */
				put_marks(p, p->above < p->quote ? p->above :
				    p->quote);
		}
		put_marks(p, p->quote);
		text_str(p->out, p->quote > 0 ? " " : "");
		p->above = p->quote;
		p->fresh = true;
	}
	if (p->blank && !p->fresh)
		text_str(p->out, " ");
	text_add(p->out, s, n);
	p->blank = p->fresh = false;
}

/* A line ends here, or a paragraph; not after a bullet, or at the start. */
static void
end_line(struct page *p, unsigned lines)
{
	if (!p->fresh && p->lines < lines)
		p->lines = lines;
	p->blank = false;
}

/* One more line end, up to an empty line; two in preformatted text. */
static void
break_line(struct page *p)
{
	end_line(p, p->lines < (p->pre > 0 ? 3 : 2) ? p->lines + 1 : p->lines);
}

/* Put the text at s, one character; its octets. */
static size_t
put_text(struct page *p, const char *s)
{
	unsigned long c;
	size_t k;

	p->one.n = 0;
	k = *s == '&' ? add_entity(s, &p->one) : 0;
	if (k == 0) {
		k = utf8_next(s, strnlen(s, 4), &c);
		k = k == 0 ? 1 : k;
		text_add(&p->one, s, k);
	}
	if (utf8_next(p->one.s, p->one.n, &c) == 0)
		c = 0xfffd;
	if (c == '\n' && p->pre > 0)
		break_line(p);
	else if (c == '\r' || c == '\n' || c == '\f' || (p->pre == 0 &&
	    (c == ' ' || c == '\t' || c == 0xa0)))
		p->blank = p->pre == 0;
	/* some control only layout, or fill what a preview shows */
	else if (c != 0xad && c != 0x34f && c != 0xfeff &&
	    !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2060 && c <= 0x2064))
		emit(p, p->one.s, p->one.n);
	return k;
}

static void
begin_item(struct page *p)
{
	unsigned i;

	if (p->out->n > p->start)
		p->fresh = false;	/* an empty item above ends, too */
	end_line(p, 1);
	emit(p, "", 0);
	for (i = 1; i < p->lists && i < NEST; i++)
		text_str(p->out, "  ");
	text_str(p->out, "* ");
	p->fresh = true;
}

/* Is the text of the link its address already? */
static bool
link_shown(const struct page *p)
{
	const char *s, *href;
	size_t n;

	href = p->href.s;
	if (strncasecmp(href, "mailto:", 7) == 0)
		href += 7;
	s = text_string(p->out) + p->link;
	s += strspn(s, "\n> ");
	n = strlen(s);
	return n > 0 && strncmp(s, href, n) == 0 &&
	    (href[n] == '\0' || strcmp(href + n, "/") == 0);
}

/* At the end of a link: a number by its text, and its address in the list. */
static void
end_link(struct page *p)
{
	static const char *const schemes[] = { "http://", "https://", "ftp://",
	    "mailto:" };
	char number[24];
	size_t i;

	for (i = 0; i < 4 && strncasecmp(text_string(&p->href), schemes[i],
	    strlen(schemes[i])) != 0; i++)
		;
	if (i < 4 && p->nlinks < LINKS && !link_shown(p)) {
		snprintf(number, sizeof(number), "[%u]", ++p->nlinks);
		p->blank = true;
		emit(p, number, strlen(number));
		text_printf(&p->links, "%s %s\n", number, p->href.s);
	}
	p->href.n = 0;
}

static void
begin_link(struct page *p, const struct text *href)
{
	size_t i;

	for (i = 0; i < href->n; i++)	/* one word in one line */
		if ((unsigned char)href->s[i] > ' ')
			text_add(&p->href, href->s + i, 1);
	p->link = p->out->n;
}

static void
put_image(struct page *p, struct text *alt)
{
	const char *s;

	s = text_string(alt);
	s += strspn(s, space);
	if (*s == '\0')
		return;
	emit(p, "[", 1);
	field_plain("", s, strlen(s), p->out);
	text_str(p->out, "]");
}

/* A depth after a tag. */
static void
nest(unsigned *depth, bool closing)
{
	if (!closing)
		++*depth;
	else if (*depth > 0)
		--*depth;
}

static void
put_tag(struct page *p, struct tag *t)
{
	switch (t->element) {
	case LINE:
		end_line(p, 1);
		break;
	case PARAGRAPH:
		end_line(p, 2);
		break;
	case BREAK:
		break_line(p);
		break;
	case RULE:
		end_line(p, 1);
		emit(p, "----", 4);
		end_line(p, 1);
		break;
	case ITEM:
		if (!t->closing)
			begin_item(p);
		break;
	case LIST:
		end_line(p, p->lists > t->closing ? 1 : 2);
		nest(&p->lists, t->closing);
		break;
	case CELL:
		p->blank = true;
		break;
	case QUOTE:
	case PRE:
		end_line(p, 2);
		nest(t->element == PRE ? &p->pre : &p->quote, t->closing);
		break;
	case LINK:
		end_link(p);
		if (!t->closing)
			begin_link(p, &t->href);
		break;
	case IMAGE:
		put_image(p, &t->alt);
		break;
	default:
		break;
	}
}

/* Where a word begins in s, whatever its case; the end of s if nowhere. */
static const char *
find_word(const char *s, const char *word)
{
	while (*s != '\0' && strncasecmp(s, word, strlen(word)) != 0)
		s++;
	return s;
}

/* Read the attribute at s, and what separates it from the next; returns what
 * follows. */
static const char *
read_attribute(const char *s, struct tag *t)
{
	struct text *value;
	const char *end;
	size_t k, n;

	n = strcspn(s, " \t\r\n\f=/>");
	value = n == 4 && strncasecmp(s, "href", n) == 0 ? &t->href :
	    n == 3 && strncasecmp(s, "alt", n) == 0 ? &t->alt : NULL;
	s += n;
	s += strspn(s, space);
	if (*s == '=') {
		s++;
		s += strspn(s, space);
		if (*s == '"' || *s == '\'') {
			end = strchr(s + 1, *s);
			end = end == NULL ? s + strlen(s) : end;
			s++;
		} else
			end = s + strcspn(s, " \t\r\n\f>");
		while (value != NULL && s < end) {
			k = *s == '&' ? add_entity(s, value) : 0;
			text_add(value, s, k == 0);
			s += k == 0 ? 1 : k;
		}
		s = *end == '"' || *end == '\'' ? end + 1 : end;
	}
	return s + strspn(s, " \t\r\n\f/");
}

/* Put the markup at s, a "<"; returns what follows, s if it is text. */
static const char *
put_markup(struct page *p, const char *s)
{
	struct tag t = { 0 };
	char name[16];
	const char *after;
	size_t i;

	if (strncmp(s, "<!--", 4) == 0) {
		after = find_word(s + 2, "-->");
		return *after == '\0' ? after : after + 3;
	}
	t.closing = s[1] == '/';
	after = s + 1 + t.closing;
	if (*after != '!' && *after != '?' && !isalpha((unsigned char)*after))
		return s;
	i = strcspn(after, " \t\r\n\f/>");
	snprintf(t.name, sizeof(t.name), "%.*s", (int)i, after);
	for (i = 0; t.name[i] != '\0'; i++)
		t.name[i] = (char)tolower((unsigned char)t.name[i]);
	snprintf(name, sizeof(name), " %s ", t.name);
	for (i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (strstr(elements[i].names, name) != NULL)
			t.element = elements[i].element;
	after += strcspn(after, " \t\r\n\f/>");
	after += strspn(after, " \t\r\n\f/");
	while (*after != '\0' && *after != '>')
		after = read_attribute(after, &t);
	after += *after == '>';
	put_tag(p, &t);
	text_free(&t.href);
	text_free(&t.alt);
	if (t.element == HIDDEN && !t.closing) {
		snprintf(name, sizeof(name), "</%s", t.name);
		after = find_word(after, name);
	} else if (t.element == PRE && !t.closing && *after == '\n')
		after++;	/* HTML does not count this line end */
	return after;
}

void
html_charset(const char *s, char charset[MIME_NAME])
{
	const char *p;

	p = find_word(s, "charset=");
	charset[0] = '\0';
	if (*p == '\0' || p - s > META)
		return;
	p += strlen("charset=");
	p += strspn(p, "\"'");
	snprintf(charset, MIME_NAME, "%.*s", (int)strspn(p, "-_.:0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), p);
}

void
html_text(const char *s, struct text *out)
{
	struct page p = { .out = out, .start = out->n, .fresh = true };
	const char *after;

	while (*s != '\0') {
		after = *s == '<' ? put_markup(&p, s) : s;
		s = after == s ? s + put_text(&p, s) : after;
	}
	end_link(&p);
	text_str(out, out->n > p.start ? "\n" : "");
	text_str(out, p.links.n > 0 ? "\n" : "");
	text_add(out, p.links.s, p.links.n);
	text_free(&p.links);
	text_free(&p.href);
	text_free(&p.one);
}
