/*
 * safe.c: text from outside made safe for the terminal. All of it goes through
 * glyph(), in the cards and outside of them, so none of it can steer the
 * terminal.
 */
#ifndef SAFE_H
#define SAFE_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

enum {
	GLYPH = 32		/* the longest form of one character */
};

/*
 * glyph()		the first character of n > 0 octets of UTF-8 as it is shown
 *			from column col on: its form in the charset of the
 *			locale, spelt out if that lacks it, and its width.
 *			*marks counts accents in a row. The octets it took
 * error()		one safe line on stderr, after the terminal was given
 *			back
 * secret(), last_words()	term_secret() and term_last_words() made safe
 */
size_t	glyph(const char *, size_t n, int col, int *marks, char out[GLYPH],
	    int *width);
void	error(const char *, ...) PRINTF(1, 2);
bool	secret(char *, size_t, const char *prompt, ...) PRINTF(3, 4);
void	last_words(const char *, ...) PRINTF(1, 2);

#endif
