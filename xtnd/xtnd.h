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

/* The texts of a board, in the order in which X-BBOARDS has them. */
enum {
	BOARD_NAME, BOARD_ALIASES, BOARD_MAILDROP, BOARD_ARCHIVE,
	BOARD_TEXTS = 12,	/* the others have no name here: see file.c */
	BOARD_TEXT_LEN = 512
};

/* One board of the boards file. */
struct board {
	char text[BOARD_TEXTS][BOARD_TEXT_LEN];
	char date[BOARD_TEXT_LEN];	/* of the newest message */
	unsigned flags;
	uint32_t maxima;	/* the highest number in use */
};

/*
 * Calls fn for each board of the boards file, in its order, as long as it
 * returns true; no file is an empty one.  0, or -1 with errno: EINVAL if the
 * file cannot be opened (*line is 0), or line *line is not understood.  The log
 * has the cause.
 */
typedef bool board_fn(void *arg, struct board *b);
int board_each(struct pop *p, board_fn *fn, void *arg, unsigned *line);

/* The board with that name or alias.  0, or -1 with errno: ENOENT, or those. */
int board_find(struct pop *p, struct str name, struct board *b);

/* ---- board.c ------------------------------------------------------------- */

/*
 * Opens a board's maildrop or archive, read-only, and fills in b's maxima and
 * date.  wait: seconds for the locks of others.  0, or -1 with d closed and
 * errno: ENOENT also if the user may not read it, EILSEQ if it is no mbox.
 */
int board_open(struct pop *p, const char *path, unsigned wait,
    struct board *b, struct drop *d);

/* Fills in the same from b's maildrop, and closes it. */
int board_measure(struct pop *p, unsigned wait, struct board *b);

#endif
