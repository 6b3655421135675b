/*
 * text/html as plain text: no layout, but lines, lists, quotes and links where
 * a person expects them. One pass; what is not HTML is text.
 */
#include "mime.h"

enum {
	NEST = 8,		/* deeper quotes look alike */
	LINKS = 1000		/* of a text; the others are not listed */
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

/* Names and numbers, in hexadecimal, in turn. */
static const char entities[] = "amp 26 lt 3c gt 3e quot 22 apos 27 euro 20ac "
    "ndash 2013 mdash 2014 lsquo 2018 rsquo 2019 sbquo 201a ldquo 201c "
    "rdquo 201d bdquo 201e lsaquo 2039 rsaquo 203a hellip 2026 bull 2022 "
    "dagger 2020 permil 2030 trade 2122 larr 2190 uarr 2191 rarr 2192 "
    "darr 2193 minus 2212 ne 2260 le 2264 ge 2265 check 2713 OElig 152 "
    "oelig 153 Scaron 160 scaron 161 ensp 20 emsp 20 thinsp 20 zwnj 200c "
    "zwj 200d ";

/* The line ends before and after an element; none: a blank. */
static const struct {
	unsigned lines;
	const char *names;
} elements[] = {
	{ 2, " p h1 h2 h3 h4 h5 h6 dl blockquote pre hr " },
	{ 1, " div tr table dt dd ul ol li body center form address section "
	    "article header footer option " },
	{ 0, " td th " }
};

static const char hidden[] = " script style title template ";

/* The text that is made, and where it stands. */
struct page {
	struct text *out, links;
	size_t start;			/* of this page in out */
	struct text href;		/* of the link that is open */
	struct text one;		/* the character at hand */
	unsigned nlinks;
	unsigned lines;			/* line ends due before more text */
	bool blank;			/* and a blank */
	bool fresh;			/* nothing in this line yet */
	unsigned quote, pre;		/* depths */
};

/* The character of that name; 0 for none. */
static unsigned long
named_entity(const char *name, size_t n)
{
	const char *s;
	unsigned long c;
	bool found;

	for (s = entities; *s != '\0'; s += strcspn(s, " ") + 1) {
		found = strncmp(s, name, n) == 0 && s[n] == ' ';
		s += strcspn(s, " ") + 1;
		if (found)
			return strtoul(s, NULL, 16);
	}
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
		n = strcspn(s + 1, ";&< ") + 2;
		if (s[n - 1] != ';' || (c = named_entity(s + 1, n - 2)) == 0)
			return 0;
	}
	o = (char)c;
	if (c >= 0x80 && c < 0xa0)	/* numbers of windows-1252 */
		charset_decode("windows-1252", &o, 1, out);
	else
		utf8_add(out, c == 0 || c > 0x10ffff ||
		    (c >= 0xd800 && c < 0xe000) ? 0xfffd : c);
	return n;
}

/* Append text to the page, after the line ends or the blank that are due. */
static void
emit(struct page *p, const char *s, size_t n)
{
	if (p->lines > 0 || p->out->n == p->start) {
		text_add(p->out, "\n\n", p->lines);
		text_add(p->out, ">>>>>>>>", p->quote < NEST ? p->quote : NEST);
		text_str(p->out, p->quote > 0 ? " " : "");
		p->lines = 0;
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
		end_line(p, p->lines < 2 ? p->lines + 1 : 2);
	else if (c == '\r' || c == '\n' || c == '\f' || (p->pre == 0 &&
	    (c == ' ' || c == '\t' || c == 0xa0)))
		p->blank = p->pre == 0;
	/* some control only layout, or fill what a preview shows */
	else if (c != 0xad && c != 0x34f && c != 0xfeff &&
	    !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2060 && c <= 0x2064))
		emit(p, p->one.s, p->one.n);
	return k;
}

/* At the end of a link: a number by its text, and its address in the list. */
static void
end_link(struct page *p)
{
	char number[24];

	text_string(&p->href);
	if (p->nlinks < LINKS && (strncasecmp(p->href.s, "http", 4) == 0 ||
	    strncasecmp(p->href.s, "mailto:", 7) == 0)) {
		snprintf(number, sizeof(number), "[%u]", ++p->nlinks);
		p->blank = true;
		emit(p, number, strlen(number));
		text_printf(&p->links, "%s %s\n", number, p->href.s);
	}
	p->href.n = 0;
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
 * follows. The address of a link is one word. */
static const char *
read_attribute(const char *s, struct text *href)
{
	const char *end;
	size_t k, n;
	bool is_href;

	n = strcspn(s, " \t\r\n\f=/>");
	is_href = n == 4 && strncasecmp(s, "href", n) == 0;
	s += n;
	s += strspn(s, space);
	if (*s == '=') {
		s++;
		s += strspn(s, space);
		end = s + strcspn(s, " \t\r\n\f>");
		if (*s == '"' || *s == '\'') {
			end = strchr(s + 1, *s);
			end = end == NULL ? s + strlen(s) : end;
			s++;
		}
		for (; is_href && s < end; s += k) {
			k = *s == '&' ? add_entity(s, href) : 0;
			text_add(href, s, k == 0 && (unsigned char)*s > ' ');
			k = k == 0 ? 1 : k;
		}
		s = *end == '"' || *end == '\'' ? end + 1 : end;
	}
	return s + strspn(s, " \t\r\n\f/");
}

/* Put a tag; its name is in lower case, between blanks. */
static void
put_tag(struct page *p, const char *name, bool closing)
{
	unsigned *depth;
	size_t i;

	if (strcmp(name, " br ") == 0)
		end_line(p, p->lines < 2 ? p->lines + 1 : 2);
	for (i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (strstr(elements[i].names, name) != NULL) {
			end_line(p, elements[i].lines);
			p->blank = elements[i].lines == 0;
		}
	depth = strcmp(name, " pre ") == 0 ? &p->pre :
	    strcmp(name, " blockquote ") == 0 ? &p->quote : NULL;
	if (depth != NULL && !closing)
		++*depth;
	else if (depth != NULL && *depth > 0)
		--*depth;
	if (strcmp(name, " li ") == 0 && !closing) {
		p->lines = p->out->n > p->start;	/* even if fresh */
		emit(p, "* ", 2);
		p->fresh = true;
	}
}

/* Put the markup at s, a "<"; returns what follows, s if it is text. */
static const char *
put_markup(struct page *p, const char *s)
{
	struct text href = { 0 };
	char name[16], end[24];
	const char *after;
	size_t i;
	bool closing;

	if (strncmp(s, "<!--", 4) == 0) {
		after = find_word(s + 2, "-->");
		return *after == '\0' ? after : after + 3;
	}
	closing = s[1] == '/';
	after = s + 1 + closing;
	if (*after != '!' && *after != '?' && !isalpha((unsigned char)*after))
		return s;
	i = strcspn(after, " \t\r\n\f/>");
	snprintf(name, sizeof(name), " %.*s ", (int)i, after);
	for (i = 0; name[i] != '\0'; i++)
		name[i] = (char)tolower((unsigned char)name[i]);
	after += strcspn(after, " \t\r\n\f/>");
	after += strspn(after, " \t\r\n\f/");
	while (*after != '\0' && *after != '>')
		after = read_attribute(after, &href);
	after += *after == '>';
	put_tag(p, name, closing);
	if (strcmp(name, " a ") == 0) {
		end_link(p);
		field_plain("", href.s, closing ? 0 : href.n, &p->href);
	} else if (strstr(hidden, name) != NULL && !closing) {
		name[strlen(name) - 1] = '\0';
		snprintf(end, sizeof(end), "</%s", name + 1);
		after = find_word(after, end);
	} else if (strcmp(name, " pre ") == 0 && *after == '\n')
		after++;	/* HTML does not count this line end */
	text_free(&href);
	return after;
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
