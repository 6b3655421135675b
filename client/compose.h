/* compose.c: edit a message and send it, or keep it as a draft. */
#ifndef COMPOSE_H
#define COMPOSE_H

#include "maildrop.h"

void	compose(struct session *, const char *to, const char *re,
	    const char *subject);

#endif
