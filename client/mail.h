/* mail.c: header fields. */
#ifndef MAIL_H
#define MAIL_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

/*
 * mail_head()		where the header of a message ends: at its blank line,
 *			or at a line that can be no header line
 * mail_field()		the values of all fields of a name, unfolded, with
 *			commas in between and '\0' after; false if there is none
 * mail_8bit()		is there an octet that is not ASCII?
 * read_all()		what is left of a file; false with errno
 */
size_t	mail_head(const char *, size_t);
bool	mail_field(const char *, size_t, const char *name, struct text *);
bool	mail_8bit(const char *, size_t);
bool	read_all(int fd, struct text *);

#endif
