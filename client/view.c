/*
 * What is shown: text from outside made safe, and the two kinds of cards, lists
 * and texts.
 */
#include "popcard.h"

#include <limits.h>
#include <wchar.h>
#include <wctype.h>

enum {
	GLYPH = 32,		/* the longest form of one character */
	TAB_STOP = 8,
	MARKS = 2,		/* accents over a letter; more are spelt out */
	MARGIN = 3,		/* rows of a card that are not its list */
	PERCENT = 6		/* columns that tell how far one has read */
};

/* The keys that move on all cards, by how many rows and pages. */
static const struct {
	int key, rows, pages;
} moves[] = { { 'j', 1, 0 }, { KEY_DOWN, 1, 0 }, { 'k', -1, 0 },
    { KEY_UP, -1, 0 }, { ' ', 0, 1 }, { KEY_PGDN, 0, 1 }, { '-', 0, -1 },
    { KEY_PGUP, 0, -1 }, { KEY_HOME, -INT_MAX, 0 }, { KEY_END, INT_MAX, 0 } };

/* Characters that show nothing and could mislead: writing directions, joiners
 * and the like. */
static bool
unseen(unsigned long c)
{
	return c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	    c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || c >= 0xe0000;
}

/* The first of n > 0 octets of UTF-8 as it is shown from column col on: its
 * form in the charset of the locale, spelt out if that lacks it, and its width.
 * *marks counts accents in a row. The octets that it took. */
static size_t
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

size_t
safe_text(const char *s, size_t n, int *cols, struct text *out)
{
	char form[GLYPH];
	size_t i, k;
	int col, marks, width;

	for (i = 0, col = marks = 0; i < n && s[i] != '\n'; i += k) {
		k = glyph(s + i, n - i, col, &marks, form, &width);
		if (col + width > *cols)
			break;
		if (out != NULL)
			text_str(out, form);
		col += width;
	}
	*cols = col;
	return i;
}

const char *
human(size_t n, char buf[8])
{
	static const char units[] = " KMGT";
	const char *u;
	double d;

	for (d = (double)n, u = units; d >= 999.5 && u[1] != '\0'; u++)
		d /= 1000;
	snprintf(buf, 8, u == units || d >= 9.95 ? "%.0f%.1s" : "%.1f%.1s", d,
	    u == units ? "" : u);
	return buf;
}

void
error(int code, const char *fmt, ...)
{
	struct text out = { 0 };
	char s[2048];
	va_list ap;
	int cols;

	va_start(ap, fmt);
	if (vsnprintf(s, sizeof(s), fmt, ap) < 0)
		s[0] = '\0';
	va_end(ap);
	cols = INT_MAX;
	safe_text(s, strlen(s), &cols, &out);
	term_stop();
	dprintf(STDERR_FILENO, "popcard: %s\n", text_string(&out));
	text_free(&out);
	if (code != EX_OK)
		exit(code);
}

static void
begin_row(struct screen *s, int row, bool reverse)
{
	text_printf(&s->frame, "\033[%d;1H\033[%sm\033[K", row + 1,
	    reverse ? "0;7" : "0");
	s->left = s->cols;
}

void
put(struct screen *s, const char *p, size_t n, int cols)
{
	int used;

	cols = cols > s->left ? s->left : cols < 0 ? 0 : cols;
	s->left -= cols;
	used = cols;
	safe_text(p, n, &used, &s->frame);
	text_printf(&s->frame, "%*s", cols - used, "");
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
	term_size(&s->rows, &s->cols);
	begin_row(s, s->rows - 1, false);
	put(s, s->say, strlen(s->say), s->cols);
	write_octets(STDOUT_FILENO, s->frame.s, s->frame.n);
	s->frame.n = 0;
}

int
choice(struct screen *s, const char *keys)
{
	int c;

	do {
		status(s);
		if ((c = term_key(&s->keys)) == KEY_ESC)
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
		room = s->cols - (int)strlen(what) - 2;
		from = room > 0 && n > (size_t)room ? n - (size_t)room : 0;
		while (from < n && (line[from] & 0xc0) == 0x80)
			from++;
		line[n] = '\0';
		say(s, "%s%s_", what, is_secret ? "" : line + from);
		status(s);
		c = term_key(&s->keys);
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

/* The octets of the next row of a text. */
static size_t
fold_row(const char *s, size_t n, int cols)
{
	size_t i, k;

	k = safe_text(s, n, &cols, NULL);
	if (k == n || s[k] == '\n')
		return k + (k < n);
	/* A word that would leave half a row empty is cut instead. */
	for (i = k; i > k / 2; i--)
		if (s[i - 1] == ' ')
			return i;
	return k > 0 ? k : 1;
}

/* Fold a text for a width; the current row is the one with the octet that was
 * at the top. */
static void
fold_text(struct view *v, int cols)
{
	size_t off, room;

	v->cols = cols;
	v->n = v->cur = room = 0;
	for (off = 0; off < v->len; v->n++) {
		if (v->n == room) {
			room = room * 2 + 64;
			v->off = must(realloc(v->off, room * sizeof(*v->off)));
		}
		v->off[v->n] = (unsigned)off;
		if (off <= v->at)
			v->cur = v->n;
		off += fold_row(v->text + off, v->len - off, cols);
	}
}

/* Draw a card, with so many of its rows from v->shown on. */
static void
draw(struct screen *s, const struct view *v, const char *keys, size_t rows)
{
	char percent[PERCENT + 1] = "";
	size_t end, i;

	end = v->n - v->shown > rows ? v->shown + rows : v->n;
	for (i = v->shown; i < v->shown + rows; i++) {
		begin_row(s, (int)(i - v->shown) + 1, v->row != NULL &&
		    i < end && i == v->cur);
		if (i < end && v->row != NULL)
			v->row(s, v->owner, i, i == v->cur);
		else if (i < end)
			put(s, v->text + v->off[i], (i + 1 < v->n ?
			    v->off[i + 1] : v->len) - v->off[i], s->cols);
	}
	if (end - v->shown < v->n)
		snprintf(percent, sizeof(percent), "%4zu%%", end * 100 / v->n);
	begin_row(s, 0, true);
	put(s, " ", 1, 1);
	put(s, s->title, strlen(s->title), s->left - PERCENT);
	put(s, percent, strlen(percent), PERCENT);
	begin_row(s, s->rows - 2, true);
	put(s, " ", 1, 1);
	put(s, keys, strlen(keys), s->left);
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

/* Move by a key; false if it does not move. */
static bool
move(struct view *v, int key, size_t page)
{
	size_t i;
	long by;

	for (i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
		if (moves[i].key == key) {
			by = moves[i].rows + moves[i].pages * (long)page;
			v->cur = by < 0 && v->cur < (size_t)-by ? 0 :
			    v->cur + (size_t)by;
			return true;
		}
	return false;
}

int
card(struct screen *s, struct view *v, const char *keys)
{
	size_t last, page;
	int c;

	for (c = KEY_NONE;;) {
		term_size(&s->rows, &s->cols);
		page = s->rows > MARGIN ? (size_t)(s->rows - MARGIN) : 1;
		if (v->row == NULL && (c == KEY_RESIZE || v->cols != s->cols))
			fold_text(v, s->cols);
		last = fit(v, page);
		draw(s, v, keys, page);
		/* A terminal that gets its size back shows the same again. */
		if (c != KEY_RESIZE) {
			v->top = v->shown;
			v->at = v->row == NULL && v->n > 0 ? v->off[v->cur] : 0;
		}
		status(s);
		c = term_key(&s->keys);
		if (c == KEY_RESIZE || c == KEY_NONE)
			continue;
		s->say[0] = '\0';
		if ((c == ' ' && v->row == NULL && v->cur == last) ||
		    !move(v, c, page))
			return c == '\n' || c == KEY_RIGHT ? '\r' :
			    c == KEY_LEFT ? KEY_ESC : c;
	}
}
