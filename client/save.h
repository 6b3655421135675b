/*
 * save.c: messages and their files written to files of the user's.
 *
 * save()		ask for a message or one of its files, and for a path; id
 *			is the message's number. Only the path that the user
 *			typed is written to, and a file that exists only if they
 *			agree. The last row tells the outcome
 */
#ifndef SAVE_H
#define SAVE_H

#include "mime.h"
#include "view.h"

void	save(struct screen *, const struct mime *, unsigned long id);

#endif
