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

enum element { INLINE, LINE, PARAGRAPH, BREAK, RULE, ITEM, LIST, CELL,
	QUOTE, PRE, LINK, IMAGE, HIDDEN };

static const struct {
	const char *name;
	enum element element;
} elements[] = { { "p", PARAGRAPH }, { "div", LINE }, { "br", BREAK },
    { "a", LINK }, { "img", IMAGE }, { "td", CELL }, { "th", CELL },
    { "tr", LINE }, { "table", LINE }, { "li", ITEM }, { "ul", LIST },
    { "ol", LIST }, { "blockquote", QUOTE }, { "pre", PRE },
    { "hr", RULE }, { "h1", PARAGRAPH }, { "h2", PARAGRAPH },
    { "h3", PARAGRAPH }, { "h4", PARAGRAPH }, { "h5", PARAGRAPH },
    { "h6", PARAGRAPH }, { "dl", PARAGRAPH }, { "dt", LINE }, { "dd", LINE },
    { "body", LINE }, { "center", LINE }, { "form", LINE },
    { "address", LINE }, { "section", LINE }, { "article", LINE },
    { "header", LINE }, { "footer", LINE }, { "option", LINE },
    { "script", HIDDEN }, { "style", HIDDEN }, { "title", HIDDEN },
    { "template", HIDDEN } };

/* The text that is made, and where it stands. */
struct page {
	struct text *out, links;
	size_t start;			/* of this page in out */
	struct text href;		/* of the link that is open */
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
	enum element element;
	bool closing;
	char name[12];
	const char *href, *alt;
	size_t hrefn, altn;
};

/* Append an attribute's value, its entities decoded. */
static void
add_value(const char *s, size_t n, struct text *out)
{
	size_t k;

	for (; n > 0; s += k, n -= k) {
		k = *s == '&' ? html_entity(s, n, out) : 0;
		if (k == 0) {
			k = 1;
			text_add(out, s, 1);
		}
	}
}

/* The marks of a line in quotes. */
static void
put_marks(struct page *p, unsigned depth)
{
	unsigned i;

	for (i = 0; i < depth && i < NEST; i++)
		text_str(p->out, ">");
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

/* Characters that only control layout, or fill what a preview shows. */
static bool
is_filler(unsigned long c)
{
	return c == 0xad || c == 0x34f || (c >= 0x200b && c <= 0x200f) ||
	    (c >= 0x2060 && c <= 0x2064) || c == 0xfeff;
}

/* The character of k octets at s; c is its number. */
static void
put_character(struct page *p, const char *s, size_t k, unsigned long c)
{
	if (c == '\n' && p->pre > 0)
		break_line(p);
	else if (c == '\r' || c == '\n' || c == '\f' || (p->pre == 0 &&
	    (c == ' ' || c == '\t' || c == 0xa0)))
		p->blank = p->pre == 0;
	else if (!is_filler(c))
		emit(p, s, k);
}

/* Put the text at s, one character; its octets. */
static size_t
put_text(struct page *p, const char *s, size_t n)
{
	struct text t = { 0 };
	unsigned long c;
	size_t k;

	if (*s == '&' && (k = html_entity(s, n, &t)) > 0) {
		if (utf8_next(t.s, t.n, &c) == 0)
			c = 0xfffd;
		put_character(p, t.s, t.n, c);
		text_free(&t);
		return k;
	}
	if ((k = utf8_next(s, n, &c)) == 0) {
		k = 1;
		c = 0xfffd;
	}
	put_character(p, s, k, c);
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
	const char *s, *href = p->href.s;
	size_t n = p->out->n - p->link, k = p->href.n;

	if (n == 0)
		return false;
	for (s = p->out->s + p->link; n > 0 && strchr("\n> ", *s) != NULL; s++)
		n--;
	if (strncasecmp(href, "mailto:", 7) == 0) {
		href += 7;
		k -= 7;
	}
	return n > 0 && n <= k && memcmp(s, href, n) == 0 &&
	    (n == k || (n + 1 == k && href[n] == '/'));
}

/* At the end of a link: a number by its text, and its address in the list. */
static void
end_link(struct page *p)
{
	static const char *const schemes[] = { "http://", "https://", "ftp://",
	    "mailto:" };
	char number[24];
	size_t i;
	bool known;

	text_string(&p->href);
	for (i = 0, known = false; i < sizeof(schemes) / sizeof(schemes[0]);
	    i++)
		known = known || strncasecmp(p->href.s, schemes[i],
		    strlen(schemes[i])) == 0;
	if (known && p->nlinks < LINKS && !link_shown(p)) {
		snprintf(number, sizeof(number), "[%u]", ++p->nlinks);
		p->blank = true;
		emit(p, number, strlen(number));
		text_str(&p->links, number);
		text_str(&p->links, " ");
		text_add(&p->links, p->href.s, p->href.n);
		text_str(&p->links, "\n");
	}
	p->href.n = 0;
}

static void
link_tag(struct page *p, const struct tag *t)
{
	struct text href = { 0 };
	size_t i;

	end_link(p);
	if (t->closing || t->href == NULL)
		return;
	add_value(t->href, t->hrefn, &href);
	for (i = 0; i < href.n; i++)	/* one word in one line */
		if ((unsigned char)href.s[i] > ' ')
			text_add(&p->href, href.s + i, 1);
	text_free(&href);
	p->link = p->out->n;
}

static void
image_tag(struct page *p, const struct tag *t)
{
	struct text alt = { 0 };
	size_t i;

	if (t->alt != NULL)
		add_value(t->alt, t->altn, &alt);
	for (i = 0; i < alt.n && isspace((unsigned char)alt.s[i]); i++)
		;
	if (i < alt.n) {
		emit(p, "[", 1);
		field_plain(alt.s + i, alt.n - i, p->out);
		text_str(p->out, "]");
	}
	text_free(&alt);
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
put_tag(struct page *p, const struct tag *t)
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
		end_line(p, 2);
		nest(&p->quote, t->closing);
		break;
	case PRE:
		end_line(p, 2);
		nest(&p->pre, t->closing);
		break;
	case LINK:
		link_tag(p, t);
		break;
	case IMAGE:
		image_tag(p, t);
		break;
	default:
		break;
	}
}

/* The offset of a string, in any case but for its first octet, in n octets; n
 * where it is missing. */
static size_t
find_string(const char *s, size_t n, const char *what)
{
	const char *p;
	size_t k;

	k = strlen(what);
	for (p = s; (size_t)(p - s) + k <= n &&
	    (p = memchr(p, *what, n - (size_t)(p - s) - k + 1)) != NULL; p++)
		if (strncasecmp(p, what, k) == 0)
			return (size_t)(p - s);
	return n;
}

/* The attribute at s, n > 0, of a tag; its octets, 1 for what is none. */
static size_t
read_attribute(const char *s, size_t n, struct tag *t)
{
	const char *quote;
	size_t i, name, value;

	for (i = 0; i < n && !isspace((unsigned char)s[i]) &&
	    memchr("=>/", s[i], 3) == NULL; i++)
		;
	if ((name = i) == 0)
		return 1;
	while (i < n && isspace((unsigned char)s[i]))
		i++;
	if (i == n || s[i] != '=')
		return name;
	do
		i++;
	while (i < n && isspace((unsigned char)s[i]));
	value = i;
	if (i < n && (s[i] == '"' || s[i] == '\'')) {
		quote = memchr(s + ++value, s[i], n - i - 1);
		i = quote != NULL ? (size_t)(quote - s) : n;
	} else
		while (i < n && !isspace((unsigned char)s[i]) && s[i] != '>')
			i++;
	if (name == 4 && strncasecmp(s, "href", 4) == 0) {
		t->href = s + value;
		t->hrefn = i - value;
	} else if (name == 3 && strncasecmp(s, "alt", 3) == 0) {
		t->alt = s + value;
		t->altn = i - value;
	}
	return i < n && s[i] != '>' ? i + 1 : i;
}

/* Read the tag at s, a "<"; its octets, 0 where it is none. */
static size_t
read_tag(const char *s, size_t n, struct tag *t)
{
	size_t i, k;

	memset(t, 0, sizeof(*t));
	t->closing = n > 1 && s[1] == '/';
	i = t->closing ? 2 : 1;
	if (i >= n || !isalpha((unsigned char)s[i]))
		return 0;
	for (k = 0; i < n && !isspace((unsigned char)s[i]) &&
	    memchr("/>", s[i], 2) == NULL; i++)
		if (k < sizeof(t->name) - 1)
			t->name[k++] = s[i];
	while (i < n && s[i] != '>')
		i += read_attribute(s + i, n - i, t);
	for (k = 0; k < sizeof(elements) / sizeof(elements[0]); k++)
		if (strcasecmp(t->name, elements[k].name) == 0)
			t->element = elements[k].element;
	return i < n ? i + 1 : n;
}

/* Put the markup at s, a "<"; its octets, 0 where it is text. */
static size_t
put_markup(struct page *p, const char *s, size_t n)
{
	struct tag t;
	char end[sizeof(t.name) + 2];
	size_t k;

	if (n > 3 && memcmp(s, "<!--", 4) == 0) {
		k = find_string(s + 2, n - 2, "-->") + 2;
		return k < n ? k + 3 : n;
	}
	if (n > 1 && (s[1] == '!' || s[1] == '?')) {
		k = find_string(s, n, ">");
		return k < n ? k + 1 : n;
	}
	if ((k = read_tag(s, n, &t)) == 0)
		return 0;
	put_tag(p, &t);
	if (t.element == HIDDEN && !t.closing) {
		snprintf(end, sizeof(end), "</%s", t.name);
		k += find_string(s + k, n - k, end);
	} else if (t.element == PRE && !t.closing && k < n && s[k] == '\n')
		k++;		/* HTML does not count this line end */
	return k;
}

void
html_charset(const char *s, size_t n, char charset[MIME_NAME])
{
	static const char word[] = "charset=";
	size_t i, k;

	n = n < META ? n : META;
	i = n == 0 ? 0 : find_string(s, n, word) + sizeof(word) - 1;
	i += i < n && (s[i] == '"' || s[i] == '\'');
	for (k = 0; i < n && k < MIME_NAME - 1 && (isalnum((unsigned char)
	    s[i]) || memchr("-_.:", s[i], 4) != NULL); k++)
		charset[k] = s[i++];
	charset[k] = '\0';
}

void
html_text(const char *s, size_t n, struct text *out)
{
	struct page p;
	size_t k;

	memset(&p, 0, sizeof(p));
	p.out = out;
	p.start = out->n;
	p.fresh = true;
	for (; n > 0; s += k, n -= k)
		if (*s != '<' || (k = put_markup(&p, s, n)) == 0)
			k = put_text(&p, s, n);
	end_link(&p);
	if (out->n > p.start)
		text_str(out, "\n");
	if (p.links.n > 0)
		text_str(out, "\n");
	text_add(out, p.links.s, p.links.n);
	text_free(&p.links);
	text_free(&p.href);
}
