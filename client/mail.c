/*
 * Header fields, and a file read whole.
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "mail.h"

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

bool
read_all(int fd, struct text *t)
{
	char buf[8192];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n == -1 && errno != EINTR)
			return false;
		if (n > 0)
			text_add(t, buf, (size_t)n);
	}
	errno = EFBIG;
	return !t->cut;
}
