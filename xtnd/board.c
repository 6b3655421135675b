/*
 * A board's maildrop, which is read as the logged-in user: a board that they
 * cannot read does not exist for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "xtnd/xtnd.h"

/* What the scan of a board finds in its headers. */
struct notes {
	uint32_t *ids;		/* BBoard-ID of each message, 0: none */
	size_t n, room;
	bool failed;
	bool dating;		/* inside a Date: field */
	char date[BOARD_TEXT_LEN];	/* of the last message that has one */
};

/* Makes the ids so many, new ones being 0. */
static bool
ids_grow(struct notes *notes, size_t n)
{
	uint32_t *ids;

	while (notes->n < n) {
		if ((ids = array_room(notes->ids, notes->n, &notes->room,
		    sizeof(*ids))) == NULL)
			return false;
		notes->ids = ids;
		ids[notes->n++] = 0;
	}
	return true;
}

static void
note_board_field(void *arg, size_t i, struct str line)
{
	struct notes *notes = arg;
	struct str value;
	size_t have = 0;
	uint64_t id;
	int r;

	if (*line.p == ' ' || *line.p == '\t') {	/* folded */
		value = mbox_trimmed(line);
		have = strlen(notes->date);
	} else {
		if (mbox_value(line, "BBoard-ID:", &value) &&
		    text_number(value, UINT32_MAX, &id)) {
			if (ids_grow(notes, i + 1))
				notes->ids[i] = (uint32_t)id;
			else
				notes->failed = true;
		}
		notes->dating = mbox_value(line, "Date:", &value);
	}
	if (!notes->dating)
		return;
	r = snprintf(notes->date + have, sizeof(notes->date) - have, "%s%.*s",
	    have > 0 ? " " : "", (int)(value.n < BOARD_TEXT_LEN ? value.n :
	    BOARD_TEXT_LEN), value.p);
	notes->dating = r >= 0 && (size_t)r < sizeof(notes->date) - have;
}

/* MAXIMA of every message: its BBoard-ID, else its number; and the board's. */
static int
set_maxima(struct drop *d, struct notes *notes, struct board *b)
{
	size_t i;

	if (notes->failed || !ids_grow(notes, d->all.n)) {
		errno = ENOMEM;
		return -1;
	}
	d->maxima = notes->ids;
	notes->ids = NULL;
	b->maxima = 0;
	for (i = 0; i < d->all.n; i++) {
		if (d->maxima[i] == 0)
			d->maxima[i] = (uint32_t)(i + 1 - d->sum.hidden);
		if (d->maxima[i] > b->maxima)
			b->maxima = d->maxima[i];
	}
	return 0;
}

/* Makes the table of a locked board, and fills in what b says of it. */
static int
board_table(struct drop *d, struct spool *sp, struct board *b)
{
	struct notes notes;
	int r;

	memset(&notes, 0, sizeof(notes));
	msgs_free(&d->all);		/* of an attempt that was disturbed */
	file_free(d->maxima);
	d->maxima = NULL;
	errno = ENOENT;
	stamp_of(&sp->st, &d->stamp);
	r = sp->fd == -1 ? -1 : scan_part(sp->fd, 0, d->stamp.size, &d->all,
	    NULL, note_board_field, &notes);
	if (r == 0 && (r = scan_numbers(sp->fd, &d->all, NULL)) == 0) {
		summary_of(&d->all, &d->sum);
		r = set_maxima(d, &notes, b);
	}
	file_free(notes.ids);
	d->loaded = r == 0;
	d->settled = true;	/* it is only read */
	d->sum.last = 0;
	(void)snprintf(b->date, sizeof(b->date), "%s", notes.date);
	return r;
}

/* Scans the board's file, which d names, under a read lock. */
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
	char dir[BOARD_TEXT_LEN];
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

	if (board_open(p, b->text[BOARD_MAILDROP], wait, b, &d) == -1)
		return -1;
	drop_close(&d);
	return 0;
}
