/*
 * popper -n, for the two files that do it.
 */
#ifndef CHECK_H
#define CHECK_H

#include "xtnd/xtnd.h"

enum word { ALL_OK, TO_NOTE, TO_MEND };

/* What has been found so far. */
struct check {
	struct pop *p;		/* its drop.dir is the spool directory */
	unsigned mend;
	unsigned long boards;		/* of the file of -b */
	unsigned long spools;		/* maildrops that are there */
	unsigned long refused;		/* that a login is refused */
	unsigned long barred;		/* of users who may not log in */
	unsigned long left;		/* with something for recovery */
	unsigned long unclaimed;	/* users not seen in the file of -p */
	char stranger[4 * NAME_LEN + 1];	/* no account of the system */
	bool blind;			/* accounts cannot be looked up */
};

/* A line of what is said. */
void say(struct check *c, enum word word, const char *fmt, ...)
    PRINTF(3, 4);

/* A number with its word: "1 line", "2 lines". */
#define COUNTED(n, word)	(n), (n) == 1 ? word : word "s"

/* ---- check.c ------------------------------------------------------------- */

/* Says on descriptor 1 what is fit to serve and what is not.  0, or -1. */
int check_installation(struct pop *p);

/* ---- maildrops.c ------------------------------------------------------- */

void check_maildrops(struct check *c);

#endif
