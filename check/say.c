/*
 * One line of what popper -n says.
 */
#include <stdarg.h>
#include <stdio.h>

#include "check/check.h"

void
check_say(struct check *c, enum finding word, const char *fmt, ...)
{
	static const char *const words[] = { "ok  ", "warn", "FAIL" };
	va_list ap;

	c->failures += word == CHECK_FAIL;
	printf("%s  ", words[word]);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}
