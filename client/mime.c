/*
 * The parts of a message (RFC 2045, 2046, 2183), found in one pass over its
 * lines for each level of parts in parts, and what of them is shown.
 */
#include "mime.h"

enum {
	BOUNDARY = 200		/* octets; RFC 2046 allows 70 */
};

/* A part with parts in it, as long as it is open: its boundary, or for a
 * message none, of 0 octets. */
struct level {
	size_t n;
	char boundary[BOUNDARY];
};

struct walk {
	struct mime *m;
	struct level level[MIME_DEPTH];
	size_t levels;
};

static bool
is_type(const struct mime_part *p, const char *start)
{
	return strncmp(p->type, start, strlen(start)) == 0;
}

/* A Content-Type's type in lower case, or another if it is none. */
static void
set_type(struct mime_part *p, const char *value, const char *other)
{
	size_t i, n;

	n = strcspn(value, ";, \t(");
	snprintf(p->type, sizeof(p->type), "%.*s", (int)n, value);
	for (i = 0; p->type[i] > ' ' && p->type[i] <= '~'; i++)
		p->type[i] = (char)tolower((unsigned char)p->type[i]);
	if (p->type[i] != '\0' || strchr(p->type, '/') == NULL)
		snprintf(p->type, sizeof(p->type), "%s", other);
}

/* The fields of a part whose header is n octets; its boundary goes to a level
 * that may follow. */
static void
read_header(struct mime_part *p, const char *head, size_t n, const char *type,
    struct level *l)
{
	struct text value = { 0 }, t = { 0 }, name = { 0 };

	mail_field(head, n, "Content-Transfer-Encoding", &value);
	p->encoding = strncasecmp(value.s, "base64", 6) == 0 ? MIME_BASE64 :
	    strncasecmp(value.s, "quoted-printable", 16) == 0 ? MIME_QP :
	    MIME_PLAIN;
	mail_field(head, n, "Content-Disposition", &value);
	p->attached = strncasecmp(value.s, "attachment", 10) == 0;
	field_param(value.s, "filename", &name);
	mail_field(head, n, "Content-Type", &value);
	if (name.n == 0)
		field_param(value.s, "name", &name);
	p->name = text_string(&name);
	set_type(p, value.s, type);
	field_param(value.s, "charset", &t);
	snprintf(p->charset, sizeof(p->charset), "%.*s",
	    (int)strcspn(text_string(&t), " ("), t.s);
	t.n = 0;
	field_param(value.s, "boundary", &t);
	if ((l->n = t.n <= BOUNDARY ? t.n : 0) > 0)
		memcpy(l->boundary, t.s, l->n);
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

/* The next boundary from an offset on, or the end of the message. */
static size_t
find_boundary(const struct walk *w, size_t off)
{
	size_t k;
	bool last;

	for (; off < w->m->n && is_boundary(w, off, &k, &last) == 0; off += k)
		;
	return off;
}

static size_t read_part(struct walk *, size_t, const char *);

/* Read the parts of the multipart whose level was opened last, and what comes
 * after them. */
static size_t
read_parts(struct walk *w, size_t off, const char *type)
{
	size_t k;
	bool last;

	off = find_boundary(w, off);
	while (off < w->m->n && is_boundary(w, off, &k, &last) == w->levels) {
		off += k;
		if (last) {
			w->level[w->levels - 1].n = 0;	/* it has ended */
			return find_boundary(w, off);
		}
		off = read_part(w, off, type);
	}
	return off;
}

/* Read the part at an offset, and the parts in it; where it ends. It is of this
 * type unless it says otherwise. */
static size_t
read_part(struct walk *w, size_t off, const char *type)
{
	struct mime *m = w->m;
	struct mime_part *p;
	struct level l;
	size_t end, k, len;

	end = find_boundary(w, off);
	if (m->parts == MIME_PARTS) {
		m->cut = true;
		return end;
	}
	p = &m->part[m->parts++];
	p->head = off;
	off += mail_head(m->s + off, end - off);
	read_header(p, m->s + p->head, off - p->head, type, &l);
	k = off < end ? text_line(m->s + off, end - off, &len) : 0;
	p->body = off += k > 0 && len == 0 ? k : 0;
	if (!is_type(p, "multipart/"))
		l.n = 0;
	if (w->levels < MIME_DEPTH && (l.n > 0 ||
	    (strcmp(p->type, "message/rfc822") == 0 &&
	    p->encoding == MIME_PLAIN))) {
		w->level[w->levels++] = l;
		end = l.n == 0 ? read_part(w, off, "text/plain") :
		    read_parts(w, off, is_type(p, "multipart/digest") ?
		    "message/rfc822" : "text/plain");
		w->levels--;
	}
	p->next = m->parts;
	p->end = end;
	/* The line end above a boundary is the boundary's. */
	if (end < m->n && end > p->body)
		p->end -= end > p->body + 1 && m->s[end - 2] == '\r' ? 2 : 1;
	return end;
}

/* A leaf that is shown in place: any text but what other programs read, and a
 * multipart whose parts cannot be found. */
static bool
is_text(const struct mime *m, size_t i)
{
	static const char data[] = " text/calendar text/vcard text/x-vcard "
	    "text/directory text/rtf text/richtext ";
	static const char reports[] = " message/delivery-status "
	    "message/disposition-notification ";
	const struct mime_part *p = &m->part[i];
	char type[MIME_NAME + 2];

	snprintf(type, sizeof(type), " %s ", p->type);
	return p->next == i + 1 && !p->attached && (is_type(p, "multipart/") ||
	    (is_type(p, "text/") && strstr(data, type) == NULL) ||
	    strstr(reports, type) != NULL);
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

void
mime_open(struct mime *m, const char *s, size_t n)
{
	struct walk w = { .m = m };
	size_t i;

	memset(m, 0, sizeof(*m));
	m->s = n > 0 ? s : "";
	m->n = n;
	m->part = must(calloc(MIME_PARTS, sizeof(*m->part)));
	read_part(&w, 0, "text/plain");
	for (i = 0; i < m->parts; i++)
		if (is_file(m, i))
			m->part[i].file = ++m->files;
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
	size_t i;
	bool html;

	html = strcmp(p->type, "text/html") == 0;
	mime_decode(m, p, &octets);
	charset_decode(p->charset, octets.s, octets.n, &t);
	text_free(&octets);
	for (i = 0; html && i < t.n; i++)
		if (t.s[i] == '\0')
			t.s[i] = ' ';
	if (html)
		html_text(text_string(&t), out);
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
