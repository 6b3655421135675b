/*
 * A board's maildrop, and what is to be known of it.  All of it is read as the
 * logged-in user: what they cannot read is not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xtnd/xtnd.h"

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
