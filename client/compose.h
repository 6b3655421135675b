/*
 * compose.c: messages that are written.
 *
 * compose()		edit a draft that begins with this text, or the one that
 *			is kept if the user wants it; then send it or keep it
 * compose_kept()	offer a draft that an earlier session has kept
 */
#ifndef COMPOSE_H
#define COMPOSE_H

#include "maildrop.h"

void	compose(struct session *, const struct text *);
void	compose_kept(struct session *);

#endif
