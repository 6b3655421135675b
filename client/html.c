/*
 * text/html as plain text: no layout, but lines, lists and links where a person
 * expects them. One pass; what is not HTML is text.
 */
#include "mime.h"

static const char space[] = " \t\r\n\f";

/* Names after a number in hexadecimal, from which on they count. */
static const char entities[] = "#26 amp #3c lt #3e gt #22 quot #27 apos #a0 "
    "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy "
    "reg macr deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm "
    "raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring "
    "AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde "
    "Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml "
    "Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil "
    "egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve "
    "oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute "
    "thorn yuml #152 OElig oelig #160 Scaron scaron #20 ensp #20 emsp #20 "
    "thinsp #200c zwnj zwj #2013 ndash mdash #2018 lsquo rsquo sbquo #201c "
    "ldquo rdquo bdquo #2020 dagger #2022 bull #2026 hellip #2030 permil #2039 "
    "lsaquo rsaquo #20ac euro #2122 trade #2190 larr uarr rarr darr #2212 "
    "minus #2260 ne #2264 le ge #2713 check ";

/* Elements that are paragraphs, and lines. */
static const char paragraphs[] = "p h1 h2 h3 h4 h5 h6 dl blockquote pre hr";
static const char lines[] = "div tr table dt dd ul ol body center form address "
    "section article header footer option";

/* The text that is made, and what is due before more of it. */
struct page {
	struct text *out, links;
	size_t start;			/* of this page in out */
	struct text href;		/* of the link that is open */
	unsigned nlinks;
	unsigned lines;			/* line ends */
	bool blank, bullet;
};

/* The character at *s, or that of an entity; moves past it. */
static unsigned long
read_character(const char **s)
{
	const char *name, *p = *s;
	unsigned long c = 0, next;
	size_t n = strcspn(p + 1, ";&< ") + 1;	/* "&name" */
	size_t k = n + 1;
	char *end;

	if (p[0] == '&' && p[1] == '#') {
		n = p[2] == 'x' || p[2] == 'X' ? 3 : 2;
		if (hex_digit(p[n]) != -1) {
			c = strtoul(p + n, &end, n == 3 ? 16 : 10);
			k = (size_t)(end - p) + (*end == ';');
		}
		if (c >= 0x80 && c < 0xa0)	/* as browsers take it */
			c = windows[c - 0x80];
		if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			c = 0xfffd;
	} else if (p[0] == '&' && p[n] == ';') {
		for (name = entities, next = 0; *name != '\0' && c == 0;
		    name += strcspn(name, " ") + 1)
			if (*name == '#')
				next = strtoul(name + 1, NULL, 16);
			else if (strncmp(name, p + 1, n - 1) == 0 &&
			    name[n - 1] == ' ')
				c = next;
			else
				next++;
	}
	if (c == 0 && (k = utf8_next(p, strnlen(p, 4), &c)) == 0) {
		c = 0xfffd;
		k = 1;
	}
	*s += k;
	return c;
}

/* A line ends here, or a paragraph; not after a bullet. */
static void
end_line(struct page *p, unsigned n)
{
	if (!p->bullet && p->lines < n)
		p->lines = n;
	p->blank = false;
}

static void
add_due(struct page *p)
{
	bool first = p->out->n == p->start;

	text_add(p->out, "\n\n", first ? 0 : p->lines);
	if (!first && p->lines == 0 && p->blank)
		text_str(p->out, " ");
	text_str(p->out, p->bullet ? "* " : "");
	p->blank = p->bullet = false;
	p->lines = 0;
}

/* Put the character at s; returns what follows. */
static const char *
put_text(struct page *p, const char *s)
{
	unsigned long c = read_character(&s);

	if (c == 0xa0 || (c <= ' ' && strchr(space, (int)c) != NULL))
		p->blank = true;
	/* some control only layout, or fill what a preview shows */
	else if (c != 0xad && c != 0x34f && c != 0xfeff &&
	    !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2060 && c <= 0x2064)) {
		add_due(p);
		utf8_add(p->out, c);
	}
	return s;
}

/* At the end of a link: a number by its text, and its address in the list. */
static void
end_link(struct page *p)
{
	text_string(&p->href);
	if (strncasecmp(p->href.s, "http", 4) == 0 ||
	    strncasecmp(p->href.s, "mailto:", 7) == 0) {
		p->blank = true;
		add_due(p);
		text_printf(p->out, "[%u]", ++p->nlinks);
		text_printf(&p->links, "[%u] ", p->nlinks);
		field_plain("", p->href.s, p->href.n, &p->links);
		text_str(&p->links, "\n");
	}
	p->href.n = 0;
}

/* Append the address of a link, one word, if the attribute at s has it, unless
 * href is NULL; returns what follows the attribute. */
static const char *
read_attribute(const char *s, struct text *href)
{
	char quote[2] = "";
	const char *end;
	size_t n = strcspn(s, " \t\r\n\f=/>");
	bool is_href = text_among(s, n, "href");

	s += n + strspn(s + n, space);
	if (*s != '=')
		return s + strspn(s, "/");
	s += 1 + strspn(s + 1, space);
	if (*s == '"' || *s == '\'')
		quote[0] = *s++;
	end = s + strcspn(s, *quote != '\0' ? quote : " \t\r\n\f>");
	while (href != NULL && is_href && s < end)
		if ((unsigned char)*s <= ' ')
			s++;
		else
			utf8_add(href, read_character(&s));
	s = end + (*quote != '\0' && *end != '\0');
	return s + strspn(s, " \t\r\n\f/");
}

/* Put the markup at s, a "<"; returns what follows, s if it is text. */
static const char *
put_markup(struct page *p, const char *s)
{
	const char *name, *after;
	struct text *href = NULL;
	char end[12];
	size_t n;
	bool closing;

	if (strncmp(s, "<!--", 4) == 0) {
		after = strstr(s + 2, "-->");
		return after == NULL ? s + strlen(s) : after + 3;
	}
	closing = s[1] == '/';
	name = s + 1 + closing;
	if (*name != '!' && *name != '?' && !isalpha((unsigned char)*name))
		return s;
	n = strcspn(name, " \t\r\n\f/>");
	if (text_among(name, n, "a")) {
		end_link(p);
		href = closing ? NULL : &p->href;
	}
	after = name + n + strspn(name + n, " \t\r\n\f/");
	while (*after != '\0' && *after != '>')
		after = read_attribute(after, href);
	after += *after == '>';
	if (text_among(name, n, "br"))
		end_line(p, p->lines < 2 ? p->lines + 1 : 2);
	else if (text_among(name, n, paragraphs))
		end_line(p, 2);
	else if (text_among(name, n, lines))
		end_line(p, 1);
	else if (text_among(name, n, "td th"))
		p->blank = true;
	else if (text_among(name, n, "li")) {
		p->lines = 1;
		p->bullet = !closing;
	} else if (!closing &&
	    text_among(name, n, "script style title template")) {
		snprintf(end, sizeof(end), "</%.*s", (int)n, name);
		while (*after != '\0' &&
		    strncasecmp(after, end, strlen(end)) != 0)
			after++;
	}
	return after;
}

void
html_text(const char *s, struct text *out)
{
	struct page p = { .out = out, .start = out->n };
	const char *after;

	while (*s != '\0') {
		after = *s == '<' ? put_markup(&p, s) : s;
		s = after == s ? put_text(&p, s) : after;
	}
	end_link(&p);
	text_str(out, out->n > p.start ? "\n" : "");
	text_str(out, p.links.n > 0 ? "\n" : "");
	text_add(out, p.links.s, p.links.n);
	text_free(&p.links);
	text_free(&p.href);
}
