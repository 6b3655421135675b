/*
 * To be preloaded into popper: the NOMEM_AT-th allocation of memory fails, and
 * the file NOMEM_MARK is made to say so.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

static int
fails(void)
{
	static long left = -1;
	const char *s;

	if (left == -1)
		left = (s = getenv("NOMEM_AT")) == NULL ? 0 : atol(s);
	if (left == 0 || --left > 0)
		return 0;
	if ((s = getenv("NOMEM_MARK")) != NULL)
		(void)close(open(s, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t n)
{
	static void *(*real)(size_t);

	if (real == NULL)
		real = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	return fails() ? NULL : real(n);
}

void *
realloc(void *p, size_t n)
{
	static void *(*real)(void *, size_t);

	if (real == NULL)
		real = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
	return fails() ? NULL : real(p, n);
}

void *
calloc(size_t k, size_t n)
{
	static void *(*real)(size_t, size_t);

	if (real == NULL)
		real = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
	return fails() ? NULL : real(k, n);
}

void *
aligned_alloc(size_t align, size_t n)
{
	static void *(*real)(size_t, size_t);

	if (real == NULL)
		real = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT,
		    "aligned_alloc");
	return fails() ? NULL : real(align, n);
}
