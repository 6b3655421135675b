/*
 * xtnd: the extension of RFC 1082 and of popper, but for XMIT: bulletin boards,
 * and one header field of all messages at once.
 */
#ifndef XTND_H
#define XTND_H

#include "popper.h"

/* ---- xlst.c, boards.c: the commands -------------------------------------- */

/* XTND XLST field [msg] */
enum result xtnd_xlst(struct pop *p);

/* XTND BBOARDS [board], ARCHIVE board, X-BBOARDS board (RFC 1082) */
enum result xtnd_bboards(struct pop *p);
enum result xtnd_archive(struct pop *p);
enum result xtnd_x_bboards(struct pop *p);

/* ---- file.c -------------------------------------------------------------- */

enum { BOARD_FIELD = 512 };

/* One of the boards file, RFC 1082's fields of it. */
struct board {
	char name[BOARD_FIELD], aliases[BOARD_FIELD];
	char maildrop[BOARD_FIELD], archive[BOARD_FIELD];
	char info[BOARD_FIELD], map[BOARD_FIELD], leaders[BOARD_FIELD];
	char address[BOARD_FIELD], request[BOARD_FIELD];
	char incoming[BOARD_FIELD], outgoing[BOARD_FIELD];
	char date[BOARD_FIELD];	/* of the newest message */
	unsigned flags;
	uint32_t maxima;	/* the highest number in use */
};

/* The board of that name or alias.  0, or -1 with errno: ENOENT, EINVAL. */
int board_find(struct pop *p, struct str name, struct board *b);

/*
 * +OK and a line for each board that the user can read.  ERR: no +OK, but errno;
 * ABORT: somebody has written nonsense into the file since the +OK.
 */
enum result board_list(struct pop *p);

/*
 * Calls fn for each board of the file.  0, or -1: *line is not understood, or
 * 0: no file.
 */
typedef void board_fn(void *arg, const struct board *b);
int board_survey(struct pop *p, board_fn *fn, void *arg, unsigned *line);

/* NAME MAXIMA, and the fourteen lines of X-BBOARDS. */
void board_listing(struct pop *p, const struct board *b);
void board_information(struct pop *p, const struct board *b);

/* ---- board.c ------------------------------------------------------------- */

/*
 * Opens a board's maildrop or archive, read-only, and learns its maxima and
 * date.  wait: seconds for the locks of others.  0, or -1 with errno and d
 * closed.
 */
int board_open(struct pop *p, const char *path, unsigned wait,
    struct board *b, struct drop *d);

/* Learns the same, and closes it. */
int board_measure(struct pop *p, unsigned wait, struct board *b);

#endif
