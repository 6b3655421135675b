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
prompt(struct screen *s, const char *what, bool is_secret, char *line,
    size_t size)
{
	size_t n, from;
	int c, room;

	for (n = strlen(line);;) {
		room = term_cols() - (int)strlen(what) - 2;
		from = room > 0 && n > (size_t)room ? n - (size_t)room : 0;
		while (from < n && (line[from] & 0xc0) == 0x80)
			from++;
		line[n] = '\0';
		say(s, "%s%s_", what, is_secret ? "" : line + from);
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

/* The row of a text after the one at an offset. */
static size_t
next_row(const struct view *v, size_t off)
{
	return off + fold_row(v->text + off, v->len - off, term_cols());
}

/* The row of a text that is so many rows before an offset, or the first one. */
static size_t
rows_before(const struct view *v, size_t off, size_t rows)
{
	size_t count, end, line, row;

	for (end = off; end > 0; end = line) {
		for (line = end - 1; line > 0 && v->text[line - 1] != '\n';
		    line--)
			;
		for (count = 0, row = line; row < end; count++)
			row = next_row(v, row);
		if (count >= rows) {
			for (row = line; count > rows; count--)
				row = next_row(v, row);
			return row;
		}
		rows -= count;
	}
	return 0;
}

/* Fit a text into so many rows. The last one that can be the first, or the end
 * if that is not in sight. */
static size_t
fit_text(struct view *v, size_t rows)
{
	size_t end, i;

	v->shown = v->cols == term_cols() || v->top >= v->len ? v->top :
	    rows_before(v, v->top + 1, 1);
	for (i = 0, end = v->shown; i < rows && end < v->len; i++)
		end = next_row(v, end);
	if (end < v->len)
		return v->len;
	end = rows_before(v, v->len, rows);
	if (v->shown > end)
		v->shown = end;
	return end;
}

static void
fit_list(struct view *v, size_t rows)
{
	if (v->cur >= v->n)
		v->cur = v->n > 0 ? v->n - 1 : 0;
	v->shown = v->cur < v->top ? v->cur :
	    v->cur >= v->top + rows ? v->cur - rows + 1 : v->top;
	if (v->shown + rows > v->n)
		v->shown = v->n > rows ? v->n - rows : 0;
}

/* Draw the rows between title and keys; how much of all has been shown then, in
 * percent. */
static size_t
draw_rows(const struct view *v, size_t rows)
{
	size_t i, off, next;

	for (i = 0, off = v->shown; i < rows; i++) {
		begin_row((int)i + 1, v->row != NULL && v->n > 0 &&
		    off == v->cur);
		if (v->row != NULL && off < v->n) {
			v->row(v->owner, off, off == v->cur, term_cols());
			off++;
		} else if (v->row == NULL && off < v->len) {
			next = next_row(v, off);
			put(v->text + off, next - off -
			    (v->text[next - 1] == '\n'), term_cols());
			off = next;
		}
	}
	i = v->row != NULL ? v->n : v->len;
	return v->shown == 0 && off == i ? 0 :
	    (size_t)(off * 100ull / i);
}

static void
draw(struct screen *s, const struct view *v, const char *keys, size_t rows)
{
	size_t percent;
	int cols;

	cols = term_cols();
	percent = draw_rows(v, rows);
	begin_row(0, true);
	print(cols > PERCENT ? cols - PERCENT : 0, " %s", s->title);
	if (percent > 0)
		print(PERCENT, "%4zu%%", percent);
	else
		print(PERCENT, "%s", "");
	begin_row(term_rows() - 2, true);
	print(cols, " %s", keys);
}

/* Move by so many rows. */
static void
move(struct view *v, long by)
{
	size_t n = (size_t)(by < 0 ? -by : by);

	if (v->row != NULL)
		v->cur = by >= 0 ? v->cur + n : v->cur < n ? 0 : v->cur - n;
	else if (by < 0)
		v->top = rows_before(v, v->top, n);
	else
		for (; n > 0 && v->top < v->len; n--)
			v->top = next_row(v, v->top);
}

int
card(struct screen *s, struct view *v, const char *keys)
{
	size_t end;
	long rows;
	int c;

	for (c = KEY_NONE;;) {
		rows = term_rows() > MARGIN ? term_rows() - MARGIN : 1;
		end = v->len;
		if (v->row != NULL)
			fit_list(v, (size_t)rows);
		else
			end = fit_text(v, (size_t)rows);
		draw(s, v, keys, (size_t)rows);
		/* A terminal that gets its size back shows the same again. */
		if (c != KEY_RESIZE) {
			v->top = v->shown;
			v->cols = term_cols();
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
			move(v, 1);
			break;
		case 'k':
		case KEY_UP:
			move(v, -1);
			break;
		case ' ':
			if (v->row == NULL && v->top == end)
				return c;
			/* FALLTHROUGH */
		case KEY_PGDN:
			move(v, rows);
			break;
		case '-':
		case KEY_PGUP:
			move(v, -rows);
			break;
		case KEY_HOME:
			v->cur = v->top = 0;
			break;
		case KEY_END:
			v->cur = v->n;
			v->top = v->row != NULL ? v->top : v->len;
			break;
		case '\n':
		case KEY_RIGHT:
			return '\r';
		case KEY_LEFT:
			return KEY_ESC;
		default:
			return c;
		}
	}
}

/* A card with a text that is read and left again. */
void
text_card(struct screen *s, const char *title, const struct text *t)
{
	struct view v = { .text = t->s, .len = t->n };
	int c;

	snprintf(s->title, sizeof(s->title), "%s", title);
	do
		c = card(s, &v, "space next page  - page back  q back");
	while (c != 'q' && c != ' ' && c != '\r' && c != KEY_ESC);
}
