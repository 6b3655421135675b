/*
 * text.c: a growing piece of text, and the small parsers that all files need.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define PRINTF(m, n)	__attribute__((__format__(__printf__, m, n)))

enum {
	TEXT_MAX = 64 << 20	/* octets of one text; more is cut */
};

/* A growing piece of text, not terminated; all zero is an empty one. */
struct text {
	char *s;
	size_t n, room;
	bool cut;		/* it reached TEXT_MAX, the rest is lost */
};

/*
 * must()		the pointer, or the end of the program where it is NULL
 * text_add()		append n octets; the memory comes from must()
 * text_str()		append a string without its '\0'
 * text_string()	the text as a string, until something is added to it
 * text_free()		release the memory; the text is empty again
 * text_blanks()	past the blanks and tabs, any number, at s
 * text_number()	a decimal number up to max at *s, followed by a blank
 *			or the end of the string; moves *s past both
 */
void	*must(void *);
void	text_add(struct text *, const char *, size_t n);
void	text_str(struct text *, const char *);
char	*text_string(struct text *);
void	text_free(struct text *);
const char *text_blanks(const char *s);
bool	text_number(const char **s, unsigned long max, unsigned long *);

#endif
