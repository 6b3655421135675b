/*
 * What is shown: text from outside made safe, and the two kinds of cards, lists
 * and texts.
 */
#include "popcard.h"

#include <wchar.h>
#include <wctype.h>

enum {
	TAB_STOP = 8,
	MARKS = 2,		/* accents over a letter; more are spelt out */
	MARGIN = 3,		/* rows of a card that are not its list */
	PERCENT = 6		/* columns that tell how far one has read */
};

/* Characters that show nothing and could mislead: writing directions, joiners
 * and the like. */
static bool
unseen(unsigned long c)
{
	return c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	    c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || c >= 0xe0000;
}

size_t
glyph(const char *s, size_t n, int col, int *marks, char out[GLYPH], int *width)
{
	mbstate_t state;
	wchar_t wc;
	unsigned long code;
	size_t k, own;
	unsigned char c;
	bool accent;

	c = (unsigned char)*s;
	k = 1;
	accent = false;
	if (c >= ' ' && c < 0x7f) {
		*width = 1;
		out[0] = (char)c;
		out[1] = '\0';
	} else if (c == '\t') {
		*width = TAB_STOP - col % TAB_STOP;
		snprintf(out, GLYPH, "%*s", *width, "");
	} else if (c < 0x80) {
		*width = snprintf(out, GLYPH, "^%c", c ^ 0x40);
	} else if ((k = utf8_next(s, n, &code)) == 0) {
		k = 1;
		*width = snprintf(out, GLYPH, "\\x%02X", c);
	} else {
		wc = (wchar_t)code;
		memset(&state, 0, sizeof(state));
		own = wcrtomb(out, wc, &state);
		*width = iswprint((wint_t)wc) ? wcwidth(wc) : -1;
		accent = *width == 0;
		if (own < GLYPH && !unseen(code) && *width >= 0 &&
		    (!accent || *marks < MARKS))
			out[own] = '\0';
		else
			*width = snprintf(out, GLYPH, "<U+%04lX>", code);
	}
	*marks = accent ? *marks + 1 : 0;
	return k;
}

void
error(int code, const char *fmt, ...)
{
	struct text out = { 0 };
	char s[2048], g[GLYPH];
	va_list ap;
	size_t i, k, len;
	int marks, w;

	va_start(ap, fmt);
	if (vsnprintf(s, sizeof(s), fmt, ap) < 0)
		s[0] = '\0';
	va_end(ap);
	len = strlen(s);
	marks = 0;
	text_str(&out, "popcard: ");
	for (i = 0; i < len; i += k) {
		k = glyph(s + i, len - i, 0, &marks, g, &w);
		text_str(&out, g);
	}
	text_str(&out, "\n");
	term_stop();
	write_octets(STDERR_FILENO, out.s, out.n);
	text_free(&out);
	if (code != EX_OK)
		exit(code);
}

static struct text frame;	/* the screen to come */
static int left;		/* columns left in its row */

static void
begin_row(int row, bool reverse)
{
	text_printf(&frame, "\033[%d;1H\033[%sm\033[K", row + 1,
	    reverse ? "0;7" : "0");
	left = term_cols();
}

void
put(const char *s, size_t n, int cols)
{
	char g[GLYPH];
	size_t k;
	int col, marks, w;

	cols = cols > left ? left : cols < 0 ? 0 : cols;
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
	write_octets(STDOUT_FILENO, frame.s, frame.n);
	frame.n = 0;
}

int
choice(struct screen *s, const char *keys)
{
	int c;

	do {
		status(s);
		if ((c = term_key()) == KEY_ESC)
			c = (unsigned char)keys[strlen(keys) - 1];
	} while (c <= 0 || c >= KEY_UP || strchr(keys, c) == NULL);
	s->say[0] = '\0';
	return c;
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
		c = term_key();
		if (c == '\r' || c == '\n' || c == KEY_ESC)
			break;
		if (c == 0177 || c == '\b') {	/* all of a character */
			while (n > 0 && (line[--n] & 0xc0) == 0x80)
				;
		} else if (c == ('u' & 037))
			n = 0;
		else if (c >= ' ' && c < KEY_UP && n + 1 < size)
			line[n++] = (char)c;
	}
	s->say[0] = '\0';
	return c != KEY_ESC && n > 0;
}

/* Fold a text for the width of the terminal; the current row is the one with
 * the octet that was at the top. */
static void
fold_text(struct view *v)
{
	size_t off, room;

	v->cols = term_cols();
	v->n = v->cur = room = 0;
	for (off = 0; off < v->len; v->n++) {
		if (v->n == room) {
			room = room * 2 + 64;
			v->off = must(realloc(v->off, room * sizeof(*v->off)));
		}
		v->off[v->n] = (unsigned)off;
		if (off <= v->at)
			v->cur = v->n;
		off += fold_row(v->text + off, v->len - off, v->cols);
	}
}

static void
draw_row(const struct view *v, size_t i)
{
	size_t end;

	if (i >= v->n)
		return;
	if (v->row != NULL) {
		v->row(v->owner, i, i == v->cur, term_cols());
		return;
	}
	end = i + 1 < v->n ? v->off[i + 1] : v->len;
	put(v->text + v->off[i], end - v->off[i] - (v->text[end - 1] == '\n'),
	    term_cols());
}

static void
draw(struct screen *s, const struct view *v, const char *keys, size_t rows)
{
	char percent[PERCENT + 1] = "";
	size_t i, end;

	for (i = 0; i < rows; i++) {
		begin_row((int)i + 1, v->row != NULL && v->n > 0 &&
		    v->shown + i == v->cur);
		draw_row(v, v->shown + i);
	}
	end = v->shown + rows < v->n ? v->shown + rows : v->n;
	if (v->shown > 0 || end < v->n)
		snprintf(percent, sizeof(percent), "%4zu%%", end * 100 / v->n);
	begin_row(0, true);
	print(term_cols() - PERCENT, " %s", s->title);
	print(PERCENT, "%s", percent);
	begin_row(term_rows() - 2, true);
	print(term_cols(), " %s", keys);
}

/* Find the rows that are shown, of so many at once; the last one that can be
 * the current row. */
static size_t
fit(struct view *v, size_t rows)
{
	size_t last, most;

	most = v->n > rows ? v->n - rows : 0;
	last = v->row == NULL ? most : v->n > 0 ? v->n - 1 : 0;
	v->cur = v->cur < last ? v->cur : last;
	v->shown = v->row == NULL || v->cur < v->top ? v->cur :
	    v->cur >= v->top + rows ? v->cur - rows + 1 : v->top;
	v->shown = v->shown < most ? v->shown : most;
	return last;
}

int
card(struct screen *s, struct view *v, const char *keys)
{
	size_t last, rows;
	int c;

	for (c = KEY_NONE;;) {
		rows = term_rows() > MARGIN ? (size_t)term_rows() - MARGIN : 1;
		if (v->row == NULL &&
		    (c == KEY_RESIZE || v->cols != term_cols()))
			fold_text(v);
		last = fit(v, rows);
		draw(s, v, keys, rows);
		/* A terminal that gets its size back shows the same again. */
		if (c != KEY_RESIZE) {
			v->top = v->shown;
			v->at = v->row == NULL && v->n > 0 ? v->off[v->cur] : 0;
		}
		status(s);
		c = term_key();
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
			if (v->row == NULL && v->cur == last)
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
			v->cur = last;
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
	free(v.off);
}
