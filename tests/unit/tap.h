/*
 * What every unit test needs: results in TAP, and numbers that look random
 * but are the same in every run.
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sanitizers make everything ten times as slow. */
#if defined(__SANITIZE_ADDRESS__)
#define TAP_MANY(n)	((n) / 8)
#else
#define TAP_MANY(n)	(n)
#endif

#if defined(__GNUC__)
#define TAP_PRINTF(f, a)	__attribute__((format(printf, f, a)))
#else
#define TAP_PRINTF(f, a)
#endif

static int tap_tests, tap_failed;
static bool tap_mute;		/* no remarks */

/* One result; the text says what holds. */
TAP_PRINTF(2, 3)
static inline bool
ok(bool good, const char *fmt, ...)
{
	va_list ap;

	if (!good)
		tap_failed++;
	printf("%sok %d - ", good ? "" : "not ", ++tap_tests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	return good;
}

/* A remark; the first few are enough to see what is wrong. */
TAP_PRINTF(1, 2)
static inline void
note(const char *fmt, ...)
{
	static int said;
	va_list ap;

	if (tap_mute || ++said > 60)
		return;
	fputs("# ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

static inline int
tap_end(void)
{
	printf("1..%d\n", tap_tests);
	return tap_failed == 0 ? 0 : 1;
}

/* Xorshift: the state is the seed, and must not be 0. */
static inline uint64_t
rnd(uint64_t *seed)
{
	uint64_t x = *seed;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*seed = x;
	return x * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

static inline size_t
below(uint64_t *seed, size_t n)
{
	return (size_t)(rnd(seed) % n);
}

/* A buffer that grows. */
struct buf {
	char *p;
	size_t n, room;
};

static inline void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (n > b->room - b->n) {
		b->room = (b->n + n) * 2 + 64;
		if ((b->p = realloc(b->p, b->room)) == NULL)
			abort();
	}
	if (n > 0)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline void
buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

static inline void
buf_fill(struct buf *b, char c, size_t n)
{
	char run[256];

	memset(run, c, sizeof(run));
	for (; n > sizeof(run); n -= sizeof(run))
		buf_add(b, run, sizeof(run));
	buf_add(b, run, n);
}

static inline void
buf_free(struct buf *b)
{
	free(b->p);
	b->p = NULL;
	b->n = b->room = 0;
}

#endif
