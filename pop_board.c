/*
 * The boards file, and what is to be known of a bulletin board (RFC 1082).
 * All of it is read as the logged-in user: what he cannot read is not there.
 *
 * The file is lines of a keyword and its value, a board beginning at each
 * "board" line; see popper-boards(5).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

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

/* ---- a board's maildrop -------------------------------------------------- */

/* What the scan of a board notes beside the table. */
struct notes {
	uint32_t *ids;		/* BBoard-ID of each message, 0: none */
	size_t room;
	bool failed;
	bool dating;		/* inside a Date: field */
	char date[BOARD_FIELD];	/* of the last message that has one */
};

static struct str
trimmed(struct str s)
{
	for (; s.n > 0 && (*s.p == ' ' || *s.p == '\t'); s.n--)
		s.p++;
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static void
note_id(struct notes *n, size_t i, struct str value)
{
	uint32_t *more;
	uint64_t id;
	size_t room;

	if (!text_number(value, UINT32_MAX, &id))
		return;
	if (i >= n->room) {
		room = i < 512 ? 1024 : i * 2;
		if ((more = realloc(n->ids, room * sizeof(*more))) == NULL) {
			n->failed = true;
			return;
		}
		memset(more + n->room, 0, (room - n->room) * sizeof(*more));
		n->ids = more;
		n->room = room;
	}
	n->ids[i] = (uint32_t)id;
}

static void
note_board_field(void *arg, size_t i, struct str line)
{
	struct notes *n = arg;
	size_t have = 0;
	int r;

	if (*line.p == ' ' || *line.p == '\t') {
		if (!n->dating)
			return;
		have = strlen(n->date);		/* a folded date */
	} else
		n->dating = false;
	if (mbox_field(line, "BBoard-ID:"))
		note_id(n, i, trimmed((struct str){ line.p + 10,
		    line.n - 10 }));
	if (mbox_field(line, "Date:")) {
		n->dating = true;
		line.p += 5;
		line.n -= 5;
	}
	if (!n->dating)
		return;
	line = trimmed(line);
	r = snprintf(n->date + have, sizeof(n->date) - have, "%s%.*s",
	    have > 0 ? " " : "", (int)(line.n < BOARD_FIELD ? line.n :
	    BOARD_FIELD), line.p);
	n->dating = r > 0 && (size_t)r < sizeof(n->date) - have;
}

/* MAXIMA of every message: its BBoard-ID, else its number; and the board's. */
static int
set_maxima(struct drop *d, struct notes *n, struct board *b)
{
	size_t i;

	d->maxima = malloc((d->all.n + 1) * sizeof(*d->maxima));
	if (n->failed || d->maxima == NULL) {
		errno = ENOMEM;
		return -1;
	}
	b->maxima = 0;
	for (i = 0; i < d->all.n; i++) {
		d->maxima[i] = i < n->room && n->ids[i] > 0 ? n->ids[i] :
		    (uint32_t)(i + 1 - d->sum.hidden);
		if (d->maxima[i] > b->maxima)
			b->maxima = d->maxima[i];
	}
	return 0;
}

/* Makes the table of a locked board, and what b says of it. */
static int
board_table(struct drop *d, struct spool *sp, struct board *b)
{
	struct notes n;
	int r;

	memset(&n, 0, sizeof(n));
	msgs_free(&d->all);		/* of a try that was disturbed */
	file_free(d->maxima);
	d->maxima = NULL;
	errno = ENOENT;
	index_stamp(&d->stamp, &sp->st);
	r = sp->fd == -1 ? -1 : scan_part(sp->fd, 0, d->stamp.size, &d->all,
	    NULL, note_board_field, &n);
	if (r == 0 && (r = scan_numbers(sp->fd, &d->all, NULL)) == 0) {
		index_sum(&d->all, &d->sum);
		r = set_maxima(d, &n, b);
	}
	file_free(n.ids);
	d->loaded = r == 0;
	d->settled = true;	/* it is only read */
	d->sum.last = 0;
	(void)snprintf(b->date, sizeof(b->date), "%s", n.date);
	return r;
}

/* Scans the board whose file is d's. */
static int
scan_board(struct drop *d, struct board *b)
{
	struct spool sp = { .tries = 0 };
	int r;

	do {
		if (lock_read(&d->box, &sp) == -1)
			return -1;
		r = lock_undisturbed(&sp, board_table(d, &sp, b));
		unlock_spool(&d->box, &sp);
	} while (r == -1 && errno == EAGAIN);
	return r;
}

int
board_open(struct pop *p, const char *path, unsigned wait, struct board *b,
    struct drop *d)
{
	const char *slash = strrchr(path, '/');
	char dir[BOARD_FIELD];
	int n, saved;

	drop_init(p, d);
	d->box.board = true;
	d->box.wait = wait;
	if (slash == NULL || slash[1] == '\0') {
		errno = ENOENT;		/* no archive, for instance */
		return -1;
	}
	n = snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - path), path);
	if (n < 0 || (size_t)n >= sizeof(dir) ||
	    strlen(slash + 1) >= sizeof(d->box.name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)snprintf(d->box.name, sizeof(d->box.name), "%s", slash + 1);
	d->box.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->box.dir != -1 && scan_board(d, b) == 0)
		return 0;
	saved = errno;
	drop_close(d);
	errno = saved == EPERM || saved == EACCES ? ENOENT : saved;
	return -1;
}

int
board_measure(struct pop *p, unsigned wait, struct board *b)
{
	struct drop d;

	if (board_open(p, b->maildrop, wait, b, &d) == -1)
		return -1;
	drop_close(&d);
	return 0;
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
