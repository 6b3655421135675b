/*
 * Where a header ends, and its fields.
 */
#define _XOPEN_SOURCE 700

#include <string.h>
#include <strings.h>

#include "mime.h"

size_t
mail_head(const char *s, size_t n)
{
	const char *lf;
	size_t i, k, after;

	for (i = 0; i < n; i = after) {
		lf = memchr(s + i, '\n', n - i);
		after = lf != NULL ? (size_t)(lf - s) + 1 : n;
		if (i > 0 && (s[i] == ' ' || s[i] == '\t'))
			continue;
		for (k = i; k < after && s[k] > ' ' && s[k] != ':'; k++)
			;
		if (k == i || k == after || s[k] != ':')
			break;
	}
	return i;
}

bool
mail_field(const char *s, size_t n, const char *name, struct text *out)
{
	size_t i, len;
	bool found, in;

	n = mail_head(s, n);
	len = strlen(name);
	text_free(out);
	found = in = false;
	for (i = 0; i < n; i++) {
		if ((i == 0 || s[i - 1] == '\n') && s[i] != ' ' &&
		    s[i] != '\t') {
			in = n - i > len && s[i + len] == ':' &&
			    strncasecmp(s + i, name, len) == 0;
			if (in) {
				if (found)
					text_add(out, ", ", 2);
				found = true;
				i += len + 1;
				while (i < n && (s[i] == ' ' || s[i] == '\t'))
					i++;
				if (i == n)
					break;
			}
		}
		if (in && s[i] != '\n' && s[i] != '\r')
			text_add(out, s + i, 1);
	}
	text_add(out, "", 1);
	return found;
}

bool
mail_8bit(const char *s, size_t n)
{
	for (; n > 0; s++, n--)
		if ((unsigned char)*s > 0x7f)
			return true;
	return false;
}
