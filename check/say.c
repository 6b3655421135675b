/*
 * The lines that popper -n prints.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "check/check.h"

void
check_say(struct check *c, enum finding word, const char *fmt, ...)
{
	static const char *const words[] = { "ok  ", "warn", "FAIL" };
	va_list ap;

	if (c->quiet && word == CHECK_OK)
		return;
	c->failures += word == CHECK_FAIL;
	printf("%s  ", words[word]);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void
check_say_errno(struct check *c, const char *what, const char *path)
{
	check_say(c, CHECK_FAIL, "%s %s: %s", what, path, strerror(errno));
}
