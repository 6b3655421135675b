/*
 * popper -n, for the two files that do it.
 */
#ifndef CHECK_H
#define CHECK_H

#include "popper.h"

enum word { ALL_OK, TO_NOTE, TO_MEND };

/* What has been found so far. */
struct check {
	struct pop *p;		/* its drop.dir is the spool directory */
	unsigned mend;
	unsigned long spools, odd, left;
};

/* A line of what is said. */
void say(struct check *c, enum word word, const char *fmt, ...)
    PRINTF(3, 4);

/* ---- pop_survey.c ------------------------------------------------------- */

void check_maildrops(struct check *c);

#endif
