/*
 * The parts of a message (RFC 2045, 2046, 2183), found in one pass over its
 * lines, and what of them is shown.
 */
#include "mime.h"

enum { BOUNDARY = 200 };	/* octets; RFC 2046 allows 70 */

/* The parts that are open, each within the one before. */
struct walk {
	struct mime *m;
	struct level {
		struct mime_part *part;
		size_t n;		/* octets of its boundary, 0: none */
		char boundary[BOUNDARY];
	} level[MIME_DEPTH + 1];
	size_t levels;
};

static bool
is_type(const struct mime_part *p, const char *start)
{
	return strncasecmp(p->type, start, strlen(start)) == 0;
}

/* The fields of the part at s, of n octets with what follows it. */
static void
read_header(struct level *l, const char *s, size_t n, const char *type)
{
	struct text value = { 0 }, t = { 0 };
	struct mime_part *p = l->part;

	mail_field(s, n, "Content-Transfer-Encoding", &value);
	p->encoding = strncasecmp(value.s, "base64", 6) == 0 ? MIME_BASE64 :
	    strncasecmp(value.s, "quoted-printable", 16) == 0 ? MIME_QP :
	    MIME_PLAIN;
	mail_field(s, n, "Content-Disposition", &value);
	p->attached = strncasecmp(value.s, "attachment", 10) == 0;
	field_param(value.s, "filename", &t);
	mail_field(s, n, "Content-Type", &value);
	if (t.n == 0)
		field_param(value.s, "name", &t);
	snprintf(p->name, sizeof(p->name), "%s", text_string(&t));
	t.n = 0;
	snprintf(p->type, sizeof(p->type), "%.*s",
	    (int)strcspn(value.s, ";, \t("), value.s);
	if (strchr(p->type, '/') == NULL)
		snprintf(p->type, sizeof(p->type), "%s", type);
	field_param(value.s, "charset", &t);
	snprintf(p->charset, sizeof(p->charset), "%.*s",
	    (int)strcspn(text_string(&t), " ("), t.s);
	t.n = 0;
	field_param(value.s, "boundary", &t);
	l->n = is_type(p, "multipart/") && t.n <= BOUNDARY ? t.n : 0;
	memcpy(l->boundary, text_string(&t), l->n);
	text_free(&value);
	text_free(&t);
}

/* Is the line at an offset, of k octets with its end, a boundary of an open
 * multipart, and of which level from 1 on? 0 if not. */
static size_t
is_boundary(const struct walk *w, size_t off, size_t *k, bool *last)
{
	const char *s = w->m->s + off;
	const struct level *l;
	size_t level, n;

	*k = text_line(s, w->m->n - off, &n);
	if (n < 3 || s[0] != '-' || s[1] != '-')
		return 0;
	while (s[n - 1] == ' ' || s[n - 1] == '\t')
		n--;
	for (level = w->levels; level > 0; level--) {
		l = &w->level[level - 1];
		if (l->n == 0 || n < l->n + 2 ||
		    memcmp(s + 2, l->boundary, l->n) != 0)
			continue;
		*last = n == l->n + 4 && memcmp(s + n - 2, "--", 2) == 0;
		if (*last || n == l->n + 2)
			break;
	}
	return level;
}

/* Close the parts above a level, at a boundary or the end of the message. */
static void
close_parts(struct walk *w, size_t level, size_t off)
{
	const struct mime *m = w->m;
	struct mime_part *p;

	while (w->levels > level) {
		p = w->level[--w->levels].part;
		p->next = m->parts;
		p->end = off;
		/* The line end above a boundary is the boundary's. */
		if (off < m->n && off > p->body)
			p->end -= off > p->body + 1 && m->s[off - 2] == '\r' ?
			    2 : 1;
	}
}

/* Open the part at an offset, and a message in it; returns where its body
 * begins. It is of this type unless it says otherwise. */
static size_t
open_part(struct walk *w, size_t off, const char *type)
{
	struct mime *m = w->m;
	struct level *l = &w->level[w->levels];

	m->cut = m->cut || m->parts == MIME_PARTS;
	if (m->parts == MIME_PARTS)
		return off;
	l->part = &m->part[m->parts++];
	l->part->head = off;
	mail_head(m->s + off, m->n - off, &l->part->body);
	l->part->body += off;
	read_header(l, m->s + off, m->n - off, type);
	off = l->part->body;
	if (++w->levels > MIME_DEPTH)
		l->n = 0;
	else if (strcasecmp(l->part->type, "message/rfc822") == 0 &&
	    l->part->encoding == MIME_PLAIN)
		off = open_part(w, off, "text/plain");
	return off;
}

/* A leaf that is shown in place: any text but what other programs read, and a
 * multipart whose parts cannot be found. */
static bool
is_text(const struct mime *m, size_t i)
{
	static const char data[] = "text/calendar text/vcard text/x-vcard "
	    "text/directory text/rtf text/richtext";
	static const char reports[] = "message/delivery-status "
	    "message/disposition-notification";
	const struct mime_part *p = &m->part[i];
	size_t n = strlen(p->type);

	return p->next == i + 1 && !p->attached && (is_type(p, "multipart/") ||
	    (is_type(p, "text/") && !text_among(p->type, n, data)) ||
	    text_among(p->type, n, reports));
}

void
mime_open(struct mime *m, const char *s, size_t n)
{
	struct walk w = { .m = m };
	struct mime_part *p;
	size_t i, k, level, off;
	bool last, leaf;

	memset(m, 0, sizeof(*m));
	m->s = n > 0 ? s : "";
	m->n = n;
	m->part = must(calloc(MIME_PARTS, sizeof(*m->part)));
	for (off = open_part(&w, 0, "text/plain"); off < n; off += k) {
		if ((level = is_boundary(&w, off, &k, &last)) == 0)
			continue;
		close_parts(&w, level, off);
		if (last)		/* this multipart has ended */
			w.level[level - 1].n = 0;
		else
			k = open_part(&w, off + k,
			    is_type(w.level[level - 1].part, "multipart/digest")
			    ? "message/rfc822" : "text/plain") - off;
	}
	close_parts(&w, 0, n);
	/* A file is what is no text, or has a name to be saved by. */
	for (i = 0; i < m->parts; i++) {
		p = &m->part[i];
		leaf = p->next == i + 1;
		if ((leaf || !is_type(p, "multipart/")) && (p->attached ||
		    p->name[0] != '\0' || (leaf && !is_text(m, i))))
			p->file = ++m->files;
	}
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
			address_list(value.s, ADDRESS_SHOWN, out);
		else
			field_decode(value.s, out);
		text_str(out, "\n");
	}
	text_free(&value);
}

/* Append a leaf of text in UTF-8, its lines ending in LF. */
static void
show_leaf(const struct mime *m, const struct mime_part *p, struct text *out)
{
	struct text octets = { 0 }, t = { 0 };
	size_t i, k, len;

	mime_decode(m, p, &octets);
	charset_decode(p->charset, octets.s, octets.n, &t);
	if (strcasecmp(p->type, "text/html") == 0) {
		for (i = 0; i < t.n; i++)
			if (t.s[i] == '\0')
				t.s[i] = ' ';
		html_text(text_string(&t), out);
	} else
		for (i = 0; i < t.n; i += k) {
			k = text_line(t.s + i, t.n - i, &len);
			text_add(out, t.s + i, len);
			text_str(out, "\n");
		}
	text_free(&octets);
	text_free(&t);
}

/* Of alternatives the first text that is plain, or HTML, or any, and more than
 * blanks. */
static size_t
best_alternative(const struct mime *m, size_t i)
{
	static const char *const types[] = { "text/plain", "text/html", "" };
	const struct mime_part *p;
	size_t j, k, off;

	for (k = 0; k < sizeof(types) / sizeof(types[0]); k++)
		for (j = i + 1; j < m->part[i].next; j++) {
			p = &m->part[j];
			for (off = p->body; off < p->end &&
			    isspace((unsigned char)m->s[off]); off++)
				;
			if (off < p->end && is_type(p, types[k]) &&
			    is_text(m, j))
				return j;
		}
	return i + 1;
}

void
mime_text(const struct mime *m, struct text *out)
{
	const struct mime_part *p;
	size_t i, next, was;

	for (i = 0; i < m->parts; i = next) {
		next = i + 1;
		if (is_type(&m->part[i], "multipart/alternative") &&
		    m->part[i].next > next) {
			next = m->part[i].next;
			i = best_alternative(m, i);
		}
		p = &m->part[i];
		was = out->n;
		text_str(out, was > 0 ? "\n" : "");
		if (is_text(m, i))
			show_leaf(m, p, out);
		else if (is_type(p, "message/") && p->next > i + 1)
			mime_brief(m->s + p[1].head, p[1].body - p[1].head,
			    out);
		if (out->n == was + (was > 0))		/* nothing is shown */
			out->n = was;
	}
}

void
mime_files(const struct mime *m, struct text *out)
{
	const struct mime_part *p;
	struct text t = { 0 };
	unsigned k;

	for (k = 1; (p = mime_file(m, k)) != NULL; k++) {
		t.n = 0;
		mime_decode(m, p, &t);
		text_printf(out, "[%u] %s%s%s, %zu octets\n", k, p->name,
		    p->name[0] == '\0' ? "" : ", ", p->type, t.n);
	}
	text_free(&t);
	if (m->cut)
		text_str(out, "[The message has more parts than are shown.]\n");
}
