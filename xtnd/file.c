/*
 * The boards file (RFC 1082), which is read as the logged-in user: lines of a
 * keyword and its value, a board beginning at each "board" line; see
 * popper-boards(5).
 */
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xtnd/xtnd.h"

enum { BOARD_LINE = 1024 };

/* The keywords of a board's texts; RFC 1082's password has none. */
static const char *const keywords[BOARD_TEXTS] = { "board", "alias",
    "maildrop", "archive", "info", "map", "", "leader", "address", "request",
    "incoming", "outgoing" };

/* NAME of RFC 1082: a letter, then letters, digits and hyphens. */
static bool
board_name_ok(const char *s)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ" "0123456789-";

	return *s != '\0' && strchr("0123456789-", *s) == NULL &&
	    s[strspn(s, chars)] == '\0';
}

static bool
take_flags(struct board *b, const char *value)
{
	unsigned long flags;

	if (*value == '\0' || value[strspn(value, "01234567")] != '\0')
		return false;
	errno = 0;
	flags = strtoul(value, NULL, 8);
	b->flags = (unsigned)flags;
	return errno == 0 && flags <= UINT_MAX;
}

/* Takes a keyword and its value; most keywords may come several times. */
static bool
take_setting(struct board *b, const char *key, const char *value)
{
	bool named = b->text[BOARD_NAME][0] != '\0';
	size_t k = 0, n;
	int r;

	if (strcmp(key, "flags") == 0)
		return named && take_flags(b, value);
	while (k < BOARD_TEXTS && strcmp(key, keywords[k]) != 0)
		k++;
	if (k == BOARD_TEXTS || named == (k == BOARD_NAME) ||
	    (k == BOARD_NAME && !board_name_ok(value)))
		return false;
	n = strlen(b->text[k]);
	if ((k == BOARD_MAILDROP || k == BOARD_ARCHIVE) &&
	    (value[0] != '/' || n > 0))
		return false;
	r = snprintf(b->text[k] + n, BOARD_TEXT_LEN - n, "%s%s",
	    n > 0 ? " " : "", value);
	return r >= 0 && (size_t)r < BOARD_TEXT_LEN - n;
}

/* Splits "key  value" in place; both NULL for a blank line or a comment. */
static void
split_setting(char *line, char **key, char **value)
{
	size_t n;

	line[strcspn(line, "\r\n")] = '\0';
	line += strspn(line, " \t");
	*key = *value = NULL;
	if (*line == '\0' || *line == '#')
		return;
	*key = line;
	line += strcspn(line, " \t");
	if (*line != '\0')
		*line++ = '\0';
	line += strspn(line, " \t");
	for (n = strlen(line); n > 0 && strchr(" \t", line[n - 1]) != NULL;)
		line[--n] = '\0';
	*value = line;
}

/* 0, or an errno: EINVAL for a line that is not understood. */
static int
read_boards(FILE *f, board_fn *fn, void *arg, unsigned *lineno)
{
	char line[BOARD_LINE], *key, *value;
	struct board b;

	memset(&b, 0, sizeof(b));
	while (fgets(line, sizeof(line), f) != NULL) {
		++*lineno;
		if (strchr(line, '\n') == NULL && !feof(f))
			return EINVAL;
		split_setting(line, &key, &value);
		if (key == NULL)
			continue;
		if (strcmp(key, keywords[BOARD_NAME]) == 0 &&
		    b.text[BOARD_NAME][0] != '\0') {
			if (!fn(arg, &b))
				return 0;
			memset(&b, 0, sizeof(b));
		}
		if (!take_setting(&b, key, value))
			return EINVAL;
	}
	if (ferror(f))
		return errno;
	if (b.text[BOARD_NAME][0] != '\0')
		(void)fn(arg, &b);
	return 0;
}

int
board_each(struct pop *p, board_fn *fn, void *arg, unsigned *line)
{
	struct stat sb;
	FILE *f;
	int e;

	*line = 0;
	if (p->opt.boards == NULL)
		return 0;
	if ((f = file_text(p->opt.boards, &sb)) == NULL) {
		log_error(&p->env, "boards file=%s", p->opt.boards);
		errno = EINVAL;
		return -1;
	}
	e = read_boards(f, fn, arg, line);
	(void)fclose(f);
	if (e == EINVAL)
		log_notice(&p->env, "boards file=%s line=%u: not understood",
		    p->opt.boards, *line);
	errno = e;
	return e == 0 ? 0 : -1;
}

/* ---- one board ----------------------------------------------------------- */

/* A name that is looked for, and the board that has it. */
struct wanted {
	struct str name;
	struct board *b;
	bool found;
};

/* Whether a board has the wanted name in that text of it, among others. */
static bool
has_word(const char *text, struct str name)
{
	size_t n;

	for (; *text != '\0'; text += n, text += strspn(text, " ")) {
		n = strcspn(text, " ");
		if (text_is((struct str){ text, n }, name))
			return true;
	}
	return false;
}

static bool
is_wanted(void *arg, struct board *b)
{
	struct wanted *w = arg;

	w->found = has_word(b->text[BOARD_NAME], w->name) ||
	    has_word(b->text[BOARD_ALIASES], w->name);
	if (w->found)
		*w->b = *b;
	return !w->found;
}

int
board_find(struct pop *p, struct str name, struct board *b)
{
	struct wanted w = { name, b, false };
	unsigned line;

	if (board_each(p, is_wanted, &w, &line) == -1)
		return -1;
	errno = ENOENT;
	return w.found ? 0 : -1;
}
