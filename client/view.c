/*
 * What is shown: the two kinds of cards, lists and texts.
 */
#define _XOPEN_SOURCE 700

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popcard.h"

enum {
	ANCHOR = 64,		/* every so many rows of a text have their
				   offset kept: few for a text of any size */
	MARGIN = 3,		/* rows of a card that are not its list */
	PERCENT = 6		/* columns that tell how far one has read */
};

static struct text frame;	/* the screen to come */
static int left;		/* columns left in its row */

static void
begin_row(int row, bool reverse)
{
	char s[48];
	int n;

	n = snprintf(s, sizeof(s), "\033[%d;1H\033[%sm\033[K", row + 1,
	    reverse ? "0;7" : "0");
	text_add(&frame, s, (size_t)n);
	left = term_cols();
}

void
put(const char *s, size_t n, int cols)
{
	char g[GLYPH];
	size_t k;
	int col, marks, w;

	cols = cols > left ? left : cols;
	left -= cols;
	col = marks = 0;
	for (; n > 0; s += k, n -= k) {
		k = glyph(s, n, col, &marks, g, &w);
		if (col + w > cols)
			break;
		text_add(&frame, g, strlen(g));
		col += w;
	}
	for (; col < cols; col++)
		text_add(&frame, " ", 1);
}

void
print(int cols, const char *fmt, ...)
{
	char s[2048];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(s, sizeof(s), fmt, ap) < 0)
		s[0] = '\0';
	va_end(ap);
	put(s, strlen(s), cols);
}

static size_t
fold_row(const char *s, size_t n, int cols)
{
	char g[GLYPH];
	size_t i, k, blank;
	int col, marks, w;

	col = marks = 0;
	for (i = blank = 0; i < n && s[i] != '\n'; i += k) {
		k = glyph(s + i, n - i, col, &marks, g, &w);
		if (col + w > cols && i > 0)
			return blank > 0 ? blank : i;
		col += w;
		/* A word that would leave half a row empty is cut instead. */
		if (s[i] == ' ' && col > cols / 2)
			blank = i + k;
	}
	return i < n ? i + 1 : i;
}

void
say(struct screen *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->say, sizeof(s->say), fmt, ap);
	va_end(ap);
}

void
status(struct screen *s)
{
	begin_row(term_rows() - 1, false);
	print(term_cols(), "%s", s->say);
	term_write(STDOUT_FILENO, frame.s, frame.n);
	frame.n = 0;
}

/* Ask for one key of a choice; the last one is also what ESC means. */
int
choice(struct screen *s, const char *keys, const char *fmt, ...)
{
	char text[sizeof(s->say)];	/* s->say may be an argument */
	va_list ap;
	int c;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(s->say, text, sizeof(text));
	do {
		status(s);
		if ((c = term_key(s->tick, s->arg)) == KEY_ESC)
			c = (unsigned char)keys[strlen(keys) - 1];
	} while (c <= 0 || c >= KEY_UP || strchr(keys, c) == NULL);
	s->say[0] = '\0';
	return c;
}

/* Remove the last character of a line of n octets: what is left of it. */
static size_t
rub_out(const char *line, size_t n)
{
	while (n > 0 && ((unsigned char)line[--n] & 0xc0) == 0x80)
		;
	return n;
}

bool
prompt(struct screen *s, const char *what, char *line, size_t size)
{
	size_t n, from;
	int c, room;

	for (n = strlen(line);;) {
		room = term_cols() - (int)strlen(what) - 2;
		from = room > 0 && n > (size_t)room ? n - (size_t)room : 0;
		while (from < n && (line[from] & 0xc0) == 0x80)
			from++;
		line[n] = '\0';
		say(s, "%s%s_", what, line + from);
		status(s);
		c = term_key(s->tick, s->arg);
		if (c == '\r' || c == '\n' || c == KEY_ESC)
			break;
		if (c == 0177 || c == '\b')
			n = rub_out(line, n);
		else if (c == ('u' & 037))
			n = 0;
		else if (c >= ' ' && c < KEY_UP && n + 1 < size)
			line[n++] = (char)c;
	}
	s->say[0] = '\0';
	return c != KEY_ESC && n > 0;
}

/* The text at an offset, up to the end of its part. */
static const char *
text_at(const struct view *v, size_t off, size_t *n)
{
	if (off < v->headn) {
		*n = v->headn - off;
		return v->head + off;
	}
	*n = v->bodyn - (off - v->headn);
	return v->body + (off - v->headn);
}

static size_t
next_row(const struct view *v, size_t off)
{
	const char *p;
	size_t n;

	p = text_at(v, off, &n);
	return off + fold_row(p, n, v->cols);
}

/* Count the rows of a text, and keep the offset of every ANCHORth. */
static void
fold(struct view *v, int cols)
{
	size_t off;

	v->cols = cols;
	v->cur = 0;
	v->anchors.n = 0;
	for (off = v->n = 0; off < v->headn + v->bodyn; v->n++) {
		if (v->n % ANCHOR == 0)
			text_add(&v->anchors, (const char *)&off, sizeof(off));
		if (off <= v->off)	/* stay where we were */
			v->cur = v->n;
		off = next_row(v, off);
	}
}

static size_t
draw_text(struct view *v, size_t rows)
{
	const char *p;
	size_t first, i, len, n, off, next_off;

	off = 0;
	if (v->shown < v->n) {
		memcpy(&off, v->anchors.s + v->shown / ANCHOR * sizeof(off),
		    sizeof(off));
		for (i = v->shown % ANCHOR; i > 0; i--)
			off = next_row(v, off);
	}
	first = off;
	for (i = 0; i < rows; i++) {
		begin_row((int)i + 1, false);
		if (v->shown + i >= v->n)
			continue;
		next_off = next_row(v, off);
		p = text_at(v, off, &n);
		len = next_off - off;
		if (len > 0 && p[len - 1] == '\n')
			len--;
		put(p, len, v->cols);
		off = next_off;
	}
	return first;
}

/* Draw the card; rows is its height without title, keys and status. The offset
 * of the first row of a text. */
static size_t
draw(struct screen *s, struct view *v, const char *keys, size_t rows)
{
	size_t i, off, seen;
	int cols;

	cols = term_cols();
	begin_row(0, true);
	print(cols > PERCENT ? cols - PERCENT : 0, " %s", s->title);
	seen = v->shown + rows < v->n ? v->shown + rows : v->n;
	if (v->n > rows)
		print(PERCENT, "%4zu%%", seen * 100 / v->n);
	else
		print(PERCENT, "%s", "");
	off = v->row == NULL ? draw_text(v, rows) : 0;
	for (i = 0; v->row != NULL && i < rows; i++) {
		begin_row((int)i + 1, v->shown + i == v->cur && v->n > 0);
		if (v->shown + i < v->n)
			v->row(v->owner, v->shown + i,
			    v->shown + i == v->cur, cols);
	}
	begin_row(term_rows() - 2, true);
	print(cols, " %s", keys);
	return off;
}

/* Fit the view into the terminal as it is now: its height; *end is the last
 * row that can be the current one. */
static size_t
fit(struct view *v, size_t *end)
{
	size_t rows, page;

	rows = term_rows() > MARGIN ? (size_t)(term_rows() - MARGIN) : 1;
	if (v->row == NULL && v->cols != term_cols())
		fold(v, term_cols());
	page = v->row == NULL ? rows : 1;
	*end = v->n > page ? v->n - page : 0;
	if (v->cur > *end)
		v->cur = *end;
	v->shown = v->top;
	if (v->row == NULL || v->cur < v->shown)
		v->shown = v->cur;
	else if (v->cur >= v->shown + rows)
		v->shown = v->cur - rows + 1;
	if (v->row != NULL && v->shown + rows > v->n)
		v->shown = v->n > rows ? v->n - rows : 0;
	return rows;
}

int
card(struct screen *s, struct view *v, const char *keys)
{
	size_t rows, end, off;
	int c;

	for (c = KEY_NONE;;) {
		rows = fit(v, &end);
		off = draw(s, v, keys, rows);
		/* A terminal that gets its size back shows the same again. */
		if (c != KEY_RESIZE) {
			v->top = v->shown;
			v->off = off;
		}
		status(s);
		c = term_key(s->tick, s->arg);
		if (c != KEY_RESIZE && c != KEY_NONE)
			s->say[0] = '\0';
		switch (c) {
		case KEY_RESIZE:
		case KEY_NONE:
		case 'l' & 037:
			break;
		case 'j':
		case KEY_DOWN:
			v->cur++;
			break;
		case 'k':
		case KEY_UP:
			v->cur -= v->cur > 0;
			break;
		case ' ':
			if (v->row == NULL && v->cur == end)
				return c;
			/* FALLTHROUGH */
		case KEY_PGDN:
			v->cur += rows;
			break;
		case '-':
		case KEY_PGUP:
			v->cur -= v->cur < rows ? v->cur : rows;
			break;
		case KEY_HOME:
			v->cur = 0;
			break;
		case KEY_END:
			v->cur = end;
			break;
		default:
			return c;
		}
	}
}

/* A card with a text that is read and left again. */
void
text_card(struct screen *s, const char *title, const char *p, size_t n)
{
	struct view v = { .body = p, .bodyn = n };
	int c;

	snprintf(s->title, sizeof(s->title), "%s", title);
	do
		c = card(s, &v, "space next page  - page back  q back");
	while (c != 'q' && c != ' ' && c != '\r' && c != '\n' &&
	    c != KEY_LEFT && c != KEY_ESC);
	text_free(&v.anchors);
}
