/*
 * What popcard makes of the message in each file goes to the file's name with
 * ".got" after it, for tests that compare it with what others make of it.
 * usage: mime text FILE...	what a person is shown
 *	  mime parts FILE...	each field and leaf decoded
 *	  mime send FILE...	the message to be sent, of a draft
 */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/mime.h"

static void
show_text(const struct mime *m, struct text *out)
{
	mime_brief(m->s, m->n, out);
	mime_text(m, out);
	mime_files(m, out);
}

/* Content in one line: text as it is, other octets in hexadecimal. */
static void
add_content(const struct mime *m, const struct mime_part *p,
    struct text *out)
{
	struct text octets = { 0 }, t = { 0 };
	char hex[4];
	size_t i;
	bool text;

	text = strncmp(p->type, "text/", 5) == 0;
	mime_decode(m, p, &octets);
	charset_decode(text ? p->charset : "utf-8", octets.s, octets.n, &t);
	for (i = 0; i < t.n; i++)
		if (!text) {
			snprintf(hex, sizeof(hex), "%02x",
			    (unsigned char)t.s[i]);
			text_str(out, hex);
		} else if (t.s[i] != '\r')
			text_add(out, t.s[i] == '\n' ? "|" : t.s + i, 1);
	text_str(out, "\n");
	text_free(&octets);
	text_free(&t);
}

static void
show_parts(const struct mime *m, struct text *out)
{
	const struct mime_part *p;

	mime_brief(m->s, m->n, out);
	for (p = m->part; p < m->part + m->parts; p++) {
		if (p->next > (size_t)(p - m->part) + 1)
			continue;		/* it has parts */
		text_str(out, p->type);
		text_str(out, " ");
		text_str(out, p->name);
		text_str(out, "\n");
		add_content(m, p, out);
	}
}

/* Returns whether the file could be read and the other one written. */
static bool
made_of(const char *how, const char *path)
{
	struct text in = { 0 }, out = { 0 }, none = { 0 };
	struct mime m;
	char id[160], to[1000];
	FILE *f;
	bool ok;

	if (!read_file(path, &in))
		return false;
	mime_open(&m, in.s, in.n);
	if (strcmp(how, "text") == 0)
		show_text(&m, &out);
	else if (strcmp(how, "parts") == 0)
		show_parts(&m, &out);
	else {
		draft_id(id);
		draft_finish(&in, &none, time(NULL), id, &out);
	}
	snprintf(to, sizeof(to), "%s.got", path);
	f = fopen(to, "w");
	ok = f != NULL && fwrite(out.s, 1, out.n, f) == out.n;
	if (f != NULL && fclose(f) != 0)
		ok = false;
	free(m.part);
	text_free(&in);
	text_free(&out);
	return ok;
}

int
main(int argc, char **argv)
{
	int i;

	setlocale(LC_CTYPE, "");
	for (i = 2; i < argc; i++)
		if (!made_of(argv[1], argv[i]))
			return 1;
	return argc > 2 ? 0 : 1;
}
