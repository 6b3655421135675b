/*
 * The boards file, and what is to be known of a bulletin board (RFC 1082).
 * All of it is read as the logged-in user: what he cannot read is not there.
 *
 * The file is lines of a keyword and its value, a board beginning at each
 * "board" line; see popper-boards(5).
 */
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xtnd/xtnd.h"

enum { LINE_LEN = 1024 };

/* The fields of a board by their keyword; "board" itself begins one. */
static char *
field_of(struct board *b, const char *key)
{
	static const struct {
		const char *key;
		size_t at;
	} fields[] = {
		{ "alias", offsetof(struct board, aliases) },
		{ "maildrop", offsetof(struct board, maildrop) },
		{ "archive", offsetof(struct board, archive) },
		{ "info", offsetof(struct board, info) },
		{ "map", offsetof(struct board, map) },
		{ "leader", offsetof(struct board, leaders) },
		{ "address", offsetof(struct board, address) },
		{ "request", offsetof(struct board, request) },
		{ "incoming", offsetof(struct board, incoming) },
		{ "outgoing", offsetof(struct board, outgoing) }
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(key, fields[i].key) == 0)
			return (char *)b + fields[i].at;
	return NULL;
}

/* NAME: a letter, then letters, digits and hyphens. */
static bool
board_name_ok(const char *s)
{
	const char *letters = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (*s == '\0' || strchr(letters, *s) == NULL)
		return false;
	for (; *s != '\0'; s++)
		if (strchr(letters, *s) == NULL && strchr("0123456789-", *s)
		    == NULL)
			return false;
	return true;
}

/* Adds a value to a field; aliases and leaders may come several times. */
static int
add_value(char *field, const char *value)
{
	size_t n = strlen(field);
	int r;

	r = snprintf(field + n, BOARD_FIELD - n, "%s%s", n > 0 ? " " : "",
	    value);
	return r < 0 || (size_t)r >= BOARD_FIELD - n ? -1 : 0;
}

static int
take_setting(struct board *b, const char *key, const char *value)
{
	char *field;
	unsigned long flags;
	char *end;

	if (strcmp(key, "flags") == 0) {
		errno = 0;
		flags = strtoul(value, &end, 8);
		if (errno != 0 || *value == '\0' || *end != '\0' ||
		    flags > UINT_MAX)
			return -1;
		b->flags = (unsigned)flags;
		return 0;
	}
	if ((field = field_of(b, key)) == NULL)
		return -1;
	if ((strcmp(key, "maildrop") == 0 || strcmp(key, "archive") == 0) &&
	    (value[0] != '/' || field[0] != '\0'))
		return -1;
	return add_value(field, value);
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

static FILE *
open_boards(struct pop *p)
{
	struct stat sb;
	FILE *f;

	if (p->opt.boards == NULL) {
		errno = ENOENT;
		return NULL;
	}
	if ((f = file_text(p->opt.boards, &sb)) == NULL) {
		log_error(&p->env, "boards file=%s", p->opt.boards);
		errno = EINVAL;
	}
	return f;
}

/*
 * The next board of the file.  1, 0 at its end, or -1 with errno: EINVAL for
 * a line that is none of ours, which the log names.
 */
static int
next_board(struct pop *p, FILE *f, struct board *b, unsigned *lineno)
{
	char line[LINE_LEN], *key, *value;
	long at = ftell(f);

	memset(b, 0, sizeof(*b));
	for (; fgets(line, sizeof(line), f) != NULL; at = ftell(f)) {
		++*lineno;
		if (strchr(line, '\n') == NULL && !feof(f))
			goto bad;
		split_setting(line, &key, &value);
		if (key == NULL)
			continue;
		if (strcmp(key, "board") == 0) {
			if (b->name[0] != '\0') {	/* the one after */
				--*lineno;
				return fseek(f, at, SEEK_SET) == -1 ? -1 : 1;
			}
			if (!board_name_ok(value) || add_value(b->name, value))
				goto bad;
		} else if (b->name[0] == '\0' ||
		    take_setting(b, key, value) == -1)
			goto bad;
	}
	if (ferror(f))
		return -1;
	return b->name[0] != '\0';
bad:
	log_notice(&p->env, "boards file=%s line=%u: not understood",
	    p->opt.boards, *lineno);
	errno = EINVAL;
	return -1;
}

/* Whether name is b's, or one of its aliases. */
static bool
answers_to(const struct board *b, struct str name)
{
	const char *s = b->aliases;
	size_t n;

	if (text_is(text_of(b->name), name))
		return true;
	for (; *s != '\0'; s += n, s += strspn(s, " ")) {
		n = strcspn(s, " ");
		if (text_is((struct str){ s, n }, name))
			return true;
	}
	return false;
}

int
board_find(struct pop *p, struct str name, struct board *b)
{
	unsigned lineno = 0;
	FILE *f;
	int r, saved;

	if ((f = open_boards(p)) == NULL)
		return -1;
	while ((r = next_board(p, f, b, &lineno)) == 1)
		if (answers_to(b, name))
			break;
	saved = r == 0 ? ENOENT : errno;
	(void)fclose(f);
	errno = saved;
	return r == 1 ? 0 : -1;
}

int
board_survey(struct pop *p, board_fn *fn, void *arg, unsigned *line)
{
	struct board b;
	FILE *f;
	int r, saved;

	*line = 0;
	if ((f = open_boards(p)) == NULL)
		return -1;
	while ((r = next_board(p, f, &b, line)) == 1)
		fn(arg, &b);
	saved = errno;
	(void)fclose(f);
	errno = saved;
	return r;
}

void
board_listing(struct pop *p, const struct board *b)
{
	reply_line(&p->conn, "%s %lu", b->name, (unsigned long)b->maxima);
}

/*
 * The file is read to its end before +OK: a broken one is a whole -ERR.  A
 * board that somebody has locked is left out, not waited for.
 */
enum result
board_list(struct pop *p)
{
	unsigned lineno = 0, pass;
	struct board b;
	FILE *f;
	int r = 0, saved;

	if (p->opt.boards == NULL) {
		reply_puts(&p->conn, "+OK XTND\r\n");
		return OK;
	}
	if ((f = open_boards(p)) == NULL)
		return ERR;
	for (pass = 0; pass < 2 && r == 0; pass++) {
		if (pass == 1)
			reply_puts(&p->conn, "+OK XTND\r\n");
		rewind(f);
		lineno = 0;
		while ((r = next_board(p, f, &b, &lineno)) == 1)
			if (pass == 1 && board_measure(p, 0, &b) == 0)
				board_listing(p, &b);
	}
	saved = errno;
	(void)fclose(f);
	errno = saved;
	return r == 0 ? OK : pass == 1 ? ERR : ABORT;
}

/* Fourteen lines (RFC 1082); the password is nobody's business. */
void
board_information(struct pop *p, const struct board *b)
{
	const char *lines[] = { b->name, b->aliases, b->maildrop, b->archive,
	    b->info, b->map, "", b->leaders, b->address, b->request,
	    b->incoming, b->outgoing };
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		reply_line(&p->conn, "%s", lines[i]);
	reply_line(&p->conn, "%o %lu", b->flags, (unsigned long)b->maxima);
	reply_line(&p->conn, "%s", b->date);
}
