/*
 * For a static popper on Debian, whose musl has no crypt(3): the functions that
 * Debian's libcrypt.a, built for glibc, needs from libc and that musl lacks.
 * "make static" links this together with it; the server itself uses none of it.
 */
#include <sys/random.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void __explicit_bzero_chk(void *p, size_t n, size_t room);
int __snprintf_chk(char *s, size_t n, int flag, size_t room,
    const char *fmt, ...);
void arc4random_buf(void *p, size_t n);

void
__explicit_bzero_chk(void *p, size_t n, size_t room)
{
	if (n > room)
		abort();
	explicit_bzero(p, n);
}

int
__snprintf_chk(char *s, size_t n, int flag, size_t room, const char *fmt, ...)
{
	va_list ap;
	int r;

	(void)flag;
	if (n > room)
		abort();
	va_start(ap, fmt);
	r = vsnprintf(s, n, fmt, ap);
	va_end(ap);
	return r;
}

void
arc4random_buf(void *p, size_t n)
{
	unsigned char *s = p;
	ssize_t r;

	for (; n > 0; s += r, n -= (size_t)r)
		if ((r = getrandom(s, n, 0)) == -1)
			abort();
}
