/*
 * The parts of a message (RFC 2045, 2046, 2183), found in one pass over its
 * lines, and what of them is shown.
 */
#define _XOPEN_SOURCE 700

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mime.h"

enum {
	BOUNDARY = 200		/* octets; RFC 2046 allows 70 */
};

/* A part with parts in it, as long as it is open. */
struct level {
	size_t part;			/* its index */
	size_t n;			/* octets of its boundary; 0: message */
	char boundary[BOUNDARY];
};

struct walk {
	struct mime *m;
	struct level level[MIME_DEPTH];
	size_t levels;
	bool header;			/* in the header of the last part */
};

/* A new part whose header begins at an offset; false where there are enough. */
static bool
begin_part(struct walk *w, size_t off)
{
	struct mime *m = w->m;
	struct mime_part *p;

	if (m->parts == MIME_PARTS) {
		m->cut = true;
		return false;
	}
	if ((m->parts & (m->parts - 1)) == 0)	/* none, or a power of two */
		m->part = must(realloc(m->part, (m->parts * 2 + 1) *
		    sizeof(*m->part)));
	p = &m->part[m->parts++];
	memset(p, 0, sizeof(*p));
	p->head = off;
	w->header = true;
	return true;
}

/* The parameter of a value in a buffer, up to a blank; "" where it is missing
 * or too long. */
static void
short_param(const char *value, const char *name, char *buf, size_t size)
{
	struct text t = { 0 };
	size_t n;

	buf[0] = '\0';
	if (!field_param(value, name, &t))
		return;
	n = strcspn(text_string(&t), " (");
	if (n < size) {
		memcpy(buf, t.s, n);
		buf[n] = '\0';
	}
	text_free(&t);
}

/* A Content-Type's type in lower case; false if it is none. */
static bool
set_type(struct mime_part *p, const char *value)
{
	size_t i, n;

	n = strcspn(value, ";, \t(");
	n = n < sizeof(p->type) ? n : sizeof(p->type) - 1;
	if (memchr(value, '/', n) == NULL)
		return false;
	for (i = 0; i < n; i++) {
		if (value[i] <= ' ' || value[i] > '~')
			return false;
		p->type[i] = (char)tolower((unsigned char)value[i]);
	}
	p->type[n] = '\0';
	return true;
}

/* What Content-Type says; the boundary goes to a level that may follow. */
static void
read_type(struct mime_part *p, const char *value, bool digest,
    struct level *l)
{
	struct text t = { 0 };
	char word[MIME_NAME];

	l->n = 0;
	if (!set_type(p, value)) {
		snprintf(p->type, sizeof(p->type), "%s",
		    digest ? "message/rfc822" : "text/plain");
		return;
	}
	short_param(value, "charset", p->charset, sizeof(p->charset));
	short_param(value, "format", word, sizeof(word));
	p->flowed = strcasecmp(word, "flowed") == 0;
	short_param(value, "delsp", word, sizeof(word));
	p->delsp = strcasecmp(word, "yes") == 0;
	if (field_param(value, "boundary", &t) && t.n > 0 &&
	    t.n <= sizeof(l->boundary)) {
		memcpy(l->boundary, t.s, t.n);
		l->n = t.n;
	}
	text_free(&t);
}

/* The fields of a part whose header has just ended. */
static void
read_header(struct mime *m, struct mime_part *p, bool digest, struct level *l)
{
	const char *head = m->s + p->head;
	struct text type = { 0 }, value = { 0 }, name = { 0 };
	size_t n;

	n = p->body - p->head;
	mail_field(head, n, "Content-Type", &type);
	read_type(p, type.s, digest, l);
	mail_field(head, n, "Content-Transfer-Encoding", &value);
	p->encoding = strncasecmp(value.s, "base64", 6) == 0 ? MIME_BASE64 :
	    strncasecmp(value.s, "quoted-printable", 16) == 0 ? MIME_QP :
	    MIME_PLAIN;
	mail_field(head, n, "Content-Disposition", &value);
	p->attached = strncasecmp(value.s, "attachment", 10) == 0;
	if (!field_param(value.s, "filename", &name) || name.n == 0)
		field_param(type.s, "name", &name);
	p->name = text_string(&name);
	text_free(&type);
	text_free(&value);
}

static bool
is_type(const struct mime_part *p, const char *start)
{
	return strncmp(p->type, start, strlen(start)) == 0;
}

/* The header of the last part ends, and its body begins at an offset. What can
 * hold parts is opened. */
static void
begin_body(struct walk *w, size_t off)
{
	struct mime *m = w->m;
	struct mime_part *p = &m->part[m->parts - 1];
	struct level l;
	bool digest;

	w->header = false;
	off = off > p->head ? off : p->head;	/* a boundary after another */
	p->body = p->end = off;
	digest = w->levels > 0 && is_type(&m->part[w->level[w->levels -
	    1].part], "multipart/digest");
	read_header(m, p, digest, &l);
	l.part = m->parts - 1;
	if (w->levels == MIME_DEPTH)
		return;
	if (is_type(p, "multipart/") && l.n > 0)
		w->level[w->levels++] = l;
	else if (strcmp(p->type, "message/rfc822") == 0 &&
	    p->encoding == MIME_PLAIN && begin_part(w, off)) {
		l.n = 0;
		w->level[w->levels++] = l;
	}
}

static void
end_part(struct mime *m, size_t i, size_t off)
{
	struct mime_part *p = &m->part[i];

	p->end = off > p->body ? off : p->body;
	p->next = m->parts;
}

/* The last part ends at an offset, and all open ones from a level on. */
static void
end_parts(struct walk *w, size_t level, size_t off)
{
	size_t last;

	while (w->header)
		begin_body(w, off);
	last = w->m->parts - 1;
	if (w->m->part[last].next == 0 &&
	    (w->levels == 0 || w->level[w->levels - 1].part != last))
		end_part(w->m, last, off);
	while (w->levels > level)
		end_part(w->m, w->level[--w->levels].part, off);
}

/* Is this line a boundary of an open multipart? Its level in *level. */
static bool
is_boundary(const struct walk *w, const char *s, size_t n, size_t *level,
    bool *last)
{
	const struct level *l;

	if (n < 3 || s[0] != '-' || s[1] != '-')
		return false;
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	for (*level = w->levels; *level > 0;) {
		l = &w->level[--*level];
		if (l->n == 0 || n < l->n + 2 ||
		    memcmp(s + 2, l->boundary, l->n) != 0)
			continue;
		*last = n == l->n + 4 && memcmp(s + n - 2, "--", 2) == 0;
		if (*last || n == l->n + 2)
			return true;
	}
	return false;
}

/* A line of len octets, k with its end. */
static void
walk_line(struct walk *w, size_t off, size_t k, size_t len)
{
	const char *s = w->m->s;
	size_t end, level;
	bool last;

	if (is_boundary(w, s + off, len, &level, &last)) {
		end = off - (off > 0);	/* its line end is the boundary's */
		end -= end > 0 && s[end - 1] == '\r';
		end_parts(w, last ? level : level + 1, end);
		if (!last)
			begin_part(w, off + k);
		return;
	}
	if (w->header && len == 0)
		begin_body(w, off + k);
	else if (!w->header || ((s[off] == ' ' || s[off] == '\t') &&
	    off > w->m->part[w->m->parts - 1].head))
		return;
	else
		while (w->header && mail_head(s + off, k) == 0)
			begin_body(w, off);	/* the empty line is missing */
}

/* A leaf that is shown in place: any text but what other programs read, and a
 * multipart whose parts cannot be found. */
static bool
is_text(const struct mime *m, size_t i)
{
	static const char *const data[] = { "text/calendar", "text/vcard",
	    "text/x-vcard", "text/directory", "text/rtf", "text/richtext" };
	const struct mime_part *p = &m->part[i];
	size_t k;

	for (k = 0; k < sizeof(data) / sizeof(data[0]); k++)
		if (strcmp(p->type, data[k]) == 0)
			return false;
	return p->next == i + 1 && !p->attached && (is_type(p, "text/") ||
	    is_type(p, "multipart/") ||
	    strcmp(p->type, "message/delivery-status") == 0 ||
	    strcmp(p->type, "message/disposition-notification") == 0);
}

/* What is no text, and what has a name to be saved by. */
static bool
is_file(const struct mime *m, size_t i)
{
	const struct mime_part *p = &m->part[i];
	bool leaf = p->next == i + 1;

	return (leaf || !is_type(p, "multipart/")) && (p->name[0] != '\0' ||
	    p->attached || (leaf && !is_text(m, i)));
}

static void
number_files(struct mime *m)
{
	struct text t = { 0 };
	size_t i;

	for (i = 0; i < m->parts; i++)
		if (is_file(m, i)) {
			m->part[i].file = ++m->files;
			mime_decode(m, &m->part[i], &t);
			m->part[i].size = t.n;
			text_free(&t);
		}
}

void
mime_open(struct mime *m, const char *s, size_t n)
{
	struct walk w;
	size_t k, len, off;

	memset(m, 0, sizeof(*m));
	m->s = n > 0 ? s : "";
	m->n = n;
	memset(&w, 0, sizeof(w));
	w.m = m;
	begin_part(&w, 0);
	for (off = 0; off < n; off += k) {
		k = text_line(s + off, n - off, &len);
		walk_line(&w, off, k, len);
	}
	end_parts(&w, 0, n);
	number_files(m);
}

void
mime_close(struct mime *m)
{
	size_t i;

	for (i = 0; i < m->parts; i++)
		free(m->part[i].name);
	free(m->part);
	memset(m, 0, sizeof(*m));
}

const struct mime_part *
mime_file(const struct mime *m, unsigned file)
{
	size_t i;

	for (i = 0; i < m->parts; i++)
		if (file > 0 && m->part[i].file == file)
			return &m->part[i];
	return NULL;
}

void
mime_decode(const struct mime *m, const struct mime_part *p,
    struct text *out)
{
	const char *s = m->s + p->body;
	size_t n = p->end - p->body;

	if (p->encoding == MIME_BASE64)
		base64_decode(s, n, out);
	else if (p->encoding == MIME_QP)
		qp_decode(s, n, out);
	else
		text_add(out, s, n);
}

void
mime_brief(const char *s, size_t n, struct text *out)
{
	static const char *const fields[] = { "From", "To", "Cc", "Date",
	    "Subject" };
	struct text value = { 0 };
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!mail_field(s, n, fields[i], &value))
			continue;
		text_printf(out, "%s: ", fields[i]);
		if (i < 3)
			address_list(value.s, false, out);
		else
			field_decode(value.s, out);
		text_str(out, "\n");
	}
	text_free(&value);
}

static void
add_lines(const char *s, size_t n, struct text *out)
{
	size_t k, len;

	for (; n > 0; s += k, n -= k) {
		k = text_line(s, n, &len);
		text_add(out, s, len);
		text_add(out, "\n", 1);
	}
}

/* Append a leaf of text in UTF-8, its lines ending in LF. */
static void
show_leaf(const struct mime *m, const struct mime_part *p, struct text *out)
{
	struct text octets = { 0 }, t = { 0 };
	char charset[MIME_NAME];
	size_t i;
	bool html;

	html = strcmp(p->type, "text/html") == 0;
	mime_decode(m, p, &octets);
	memcpy(charset, p->charset, sizeof(charset));
	if (html && charset[0] == '\0')
		html_charset(text_string(&octets), charset);
	charset_decode(charset, octets.s, octets.n, &t);
	text_free(&octets);
	for (i = 0; html && i < t.n; i++)
		if (t.s[i] == '\0')
			t.s[i] = ' ';
	if (html)
		html_text(text_string(&t), out);
	else if (p->flowed)
		flowed_join(t.s, t.n, p->delsp, out);
	else
		add_lines(t.s, t.n, out);
	text_free(&t);
}

/* Is there text of a type in a part or the parts in it, more than blanks? */
static bool
has_text(const struct mime *m, size_t i, const char *type)
{
	const struct mime_part *p;
	size_t end, k;

	for (end = m->part[i].next; i < end; i++) {
		p = &m->part[i];
		if (strcmp(p->type, type) != 0 || !is_text(m, i))
			continue;
		for (k = p->body; k < p->end; k++)
			if (!isspace((unsigned char)m->s[k]))
				return true;
	}
	return false;
}

/* Of alternatives the first that is plain text, or HTML, or any. */
static size_t
best_alternative(const struct mime *m, size_t i)
{
	static const char *const types[] = { "text/plain", "text/html" };
	size_t j, k;

	for (k = 0; k < sizeof(types) / sizeof(types[0]); k++)
		for (j = i + 1; j < m->part[i].next; j = m->part[j].next)
			if (has_text(m, j, types[k]))
				return j;
	return i + 1;
}

static void
show_part(const struct mime *m, size_t i, struct text *out)
{
	const struct mime_part *p = &m->part[i];
	const struct mime_part *in = p + 1;
	size_t j, was;

	if (is_text(m, i)) {
		was = out->n;
		text_str(out, was > 0 ? "\n" : "");
		show_leaf(m, p, out);
		if (out->n == was + 1)	/* it is empty */
			out->n = was;
	} else if (p->next == i + 1)
		return;
	else if (strcmp(p->type, "multipart/alternative") == 0)
		show_part(m, best_alternative(m, i), out);
	else {
		if (is_type(p, "message/")) {
			text_str(out, out->n > 0 ? "\n" : "");
			mime_brief(m->s + in->head, in->body - in->head, out);
		}
		for (j = i + 1; j < p->next; j = m->part[j].next)
			show_part(m, j, out);
	}
}

void
mime_text(const struct mime *m, struct text *out)
{
	struct text t = { 0 };

	show_part(m, 0, &t);
	text_add(out, t.s, t.n);
	text_free(&t);
}

void
mime_files(const struct mime *m, struct text *out)
{
	char row[MIME_NAME + 64];
	const struct mime_part *p;
	unsigned k;

	for (k = 1; (p = mime_file(m, k)) != NULL; k++) {
		snprintf(row, sizeof(row), "[%u] ", k);
		text_str(out, row);
		text_str(out, p->name);
		snprintf(row, sizeof(row), "%s%s, %zu octets\n",
		    p->name[0] == '\0' ? "" : ", ", p->type, p->size);
		text_str(out, row);
	}
	if (m->cut)
		text_str(out, "[The message has more parts than are shown.]\n");
}
