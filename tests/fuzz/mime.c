/*
 * The reader of MIME: the parts of any message lie in it and in each other, and
 * all that is shown, saved and answered is made. What is written is read back:
 * an encoded field, and a draft as it is sent.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { LINE_MOST = 998 };

static void
check(bool good)
{
	if (!good)
		abort();
}

/* Each part lies in the message, and the parts in it lie in its body. */
static void
check_parts(const struct mime *m)
{
	const struct mime_part *p, *in;
	size_t i, j;

	check(m->parts > 0 && m->parts <= MIME_PARTS);
	for (i = 0; i < m->parts; i++) {
		p = &m->part[i];
		check(p->head <= p->body && p->body <= p->end &&
		    p->end <= m->n && p->next > i && p->next <= m->parts);
		for (j = i + 1; j < p->next; j = in->next) {
			in = &m->part[j];
			check(in->next <= p->next && in->head >= p->body);
		}
	}
}

/* All that is made of a message. */
static void
use(const struct mime *m, struct text *draft)
{
	struct text t = { 0 };
	time_t when;
	unsigned i;

	mime_brief(m->s, m->n, &t);
	mime_text(m, &t);
	mime_files(m, &t);
	for (i = 1; i <= m->files; i++)
		mime_decode(m, mime_file(m, i), &t);
	draft_begin(m, false, &t);
	mail_field(m->s, m->n, "Date", &t);
	date_parse(t.s, &when);
	mail_field(m->s, m->n, "To", &t);
	address_list(t.s, ADDRESS_WIRE, draft);
	draft->n = 0;
	draft_begin(m, true, draft);
	text_free(&t);
}

/* What is sent is one part with no line that is too long. */
static void
check_draft(const struct text *draft)
{
	struct text out = { 0 }, none = { 0 };
	struct mime m;
	size_t i, k, len;

	draft_finish(draft, &none, 0, "<id@host>", &out);
	mime_open(&m, out.s, out.n);
	check(m.parts == 1);
	for (i = m.part[0].body; i < out.n; i += k) {
		k = text_line(out.s + i, out.n - i, &len);
		check(len <= LINE_MOST);
	}
	free(m.part);
	text_free(&out);
}

/* Any text comes back from its encoded words, but for its controls. */
static void
check_words(const char *s, size_t n)
{
	struct text wire = { 0 }, back = { 0 }, want = { 0 };

	if (utf8_kind(s, n) == UTF8_INVALID)
		return;
	field_encode(s, n, &wire);
	text_add(&wire, "", 1);
	for (char *lf = wire.s; (lf = strchr(lf, '\n')) != NULL;)
		*lf = ' ';
	field_decode(wire.s, &back);
	field_plain("", s, n, &want);
	check(back.n == want.n && (back.n == 0 ||
	    memcmp(back.s, want.s, back.n) == 0));
	text_free(&wire);
	text_free(&back);
	text_free(&want);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct text draft = { 0 };
	struct mime m;
	char *s;

	/* of exactly this size: a read past its end is seen */
	if ((s = malloc(n > 0 ? n : 1)) == NULL)
		abort();
	if (n > 0)
		memcpy(s, data, n);
	mime_open(&m, s, n);
	check_parts(&m);
	use(&m, &draft);
	check_draft(&draft);
	check_words(s, n);
	free(m.part);
	text_free(&draft);
	free(s);
	return 0;
}
