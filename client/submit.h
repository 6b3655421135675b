/* submit.c: popcard -s, in place of sendmail; an exit status. */
#ifndef SUBMIT_H
#define SUBMIT_H

#include "pop.h"

int	submit_main(struct pop *, int, char **);

#endif
