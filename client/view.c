/*
 * What is shown: text from outside made safe, and the two kinds of cards, lists
 * and texts.
 */
#include "popcard.h"

#include <limits.h>
#include <wchar.h>
#include <wctype.h>

enum {
	FORM = 32,		/* the longest form of one character */
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

/* The form of a character beyond ASCII in the charset of the locale, spelt out
 * if that lacks it; *marks counts accents in a row. Returns its width. */
static int
wide_form(unsigned long c, int *marks, char form[FORM])
{
	mbstate_t state = { 0 };
	size_t n = wcrtomb(form, (wchar_t)c, &state);
	int width = iswprint((wint_t)c) ? wcwidth((wchar_t)c) : -1;

	*marks = width == 0 ? *marks + 1 : 0;
	/* what shows nothing could mislead: writing directions, joiners */
	if (n >= FORM || width < 0 || *marks > MARKS ||
	    c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	    c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || c >= 0xe0000)
		return snprintf(form, FORM, "<U+%04lX>", c);
	form[n] = '\0';
	return width;
}

size_t
safe_text(const char *s, size_t n, int *cols, struct text *out)
{
	char form[FORM] = "";
	unsigned long code;
	size_t i, k;
	int c, col, marks, width;

	for (i = 0, col = marks = 0; i < n && s[i] != '\n'; i += k) {
		c = (unsigned char)s[i];
		k = c < 0x80 ? 1 : utf8_next(s + i, n - i, &code);
		if (k > 1)
			width = wide_form(code, &marks, form);
		else if (c >= ' ' && c < 0x7f) {
			form[0] = (char)c;
			form[1] = '\0';
			width = 1;
		} else
			width = c == '\t' ? snprintf(form, FORM, "%*s",
			    TAB_STOP - col % TAB_STOP, "") : k == 0 ?
			    snprintf(form, FORM, "\\x%02X", c) :
			    snprintf(form, FORM, "^%c", c ^ 0x40);
		if (col + width > *cols)
			break;
		if (out != NULL)
			text_str(out, form);
		col += width;
		marks = k > 1 ? marks : 0;
		k += k == 0;
	}
	*cols = col;
	return i;
}

const char *
human(size_t n, char buf[8])
{
	static const char units[] = " KMGT";
	int u;

	for (u = 0; n > 9999; u++)
		n /= 1000;
	snprintf(buf, 8, "%zu%.*s", n, u > 0, &units[u]);
	return buf;
}

void
error(int code, const char *what, const char *why)
{
	struct text out = { 0 };
	int cols = INT_MAX;

	text_str(&out, "popcard: ");
	safe_text(what, strlen(what), &cols, &out);
	cols = INT_MAX;
	safe_text(why, strlen(why), &cols, &out);
	text_str(&out, "\n");
	term_stop();
	write_octets(STDERR_FILENO, out.s, out.n);
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

/* Show what was drawn, and the last row. */
static void
status(struct screen *s)
{
	term_size(&s->rows, &s->cols);
	begin_row(s, s->rows - 1, false);
	put(s, s->say, strlen(s->say), s->cols);
	write_octets(STDOUT_FILENO, s->frame.s, s->frame.n);
	s->frame.n = 0;
}

void
say(struct screen *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->say, sizeof(s->say), fmt, ap);
	va_end(ap);
	status(s);
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

/* Fold a text; the row with the octet that was at the top becomes current. */
static void
fold_text(struct view *v, int width)
{
	const char *s;
	size_t i, k, n, off, room;
	int cols;

	v->cols = width;
	v->n = v->cur = room = 0;
	for (off = 0; off < v->text->n; off += k) {
		if (v->n == room) {
			room = room * 2 + 64;
			v->off = must(realloc(v->off, room * sizeof(*v->off)));
		}
		v->cur = off <= v->at ? v->n : v->cur;
		v->off[v->n++] = (unsigned)off;
		s = v->text->s + off;
		n = v->text->n - off;
		cols = width;
		k = safe_text(s, n, &cols, NULL);
		if (k == n || s[k] == '\n') {
			k += k < n;
			continue;
		}
		for (i = k; i > k / 2 && s[i - 1] != ' '; i--)
			;
		/* A word that would leave half a row empty is cut instead. */
		k = i > k / 2 ? i : k > 0 ? k : 1;
	}
}

static void
draw(struct screen *s, const struct view *v, const char *keys, size_t rows)
{
	char percent[PERCENT + 1] = "";
	size_t i, end = v->n - v->shown > rows ? v->shown + rows : v->n;

	for (i = v->shown; i < v->shown + rows; i++) {
		begin_row(s, (int)(i - v->shown) + 1, v->row != NULL &&
		    i < end && i == v->cur);
		if (i < end && v->row != NULL)
			v->row(s, v->owner, i, i == v->cur);
		else if (i < end)
			put(s, v->text->s + v->off[i], (i + 1 < v->n ?
			    v->off[i + 1] : v->text->n) - v->off[i], s->cols);
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
