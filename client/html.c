/*
 * text/html as plain text.
 */
#define _XOPEN_SOURCE 700

#include "mime.h"

void
html_text(const char *s, size_t n, struct text *out)
{
	bool tag;

	for (tag = false; n > 0; s++, n--) {
		if (*s == '<' || *s == '>')
			tag = *s == '<';
		else if (!tag)
			text_add(out, s, 1);
	}
}
