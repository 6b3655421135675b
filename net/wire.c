/*
 * Message text on its way to the wire.
 *
 * A large RETR spends most of its own time here.  Text is copied a vector at a
 * time, before it is known what the vector holds; where a line ends in it, the
 * copy goes on from there.  libc's memchr(3) and memcpy(3) would look at each
 * line twice, and musl's are slow.
 */
#include <string.h>

#include "net/net.h"

#if defined(__SSE2__) && !defined(POPPER_PORTABLE)
#include <emmintrin.h>

enum { VECTOR = sizeof(__m128i) };

/* Copies a vector.  Returns the place of the first LF in it; VECTOR: none. */
static inline size_t
copy_vector(char *to, const char *s)
{
	__m128i v = _mm_loadu_si128((const void *)s);
	int lf = _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')));

	_mm_storeu_si128((void *)to, v);
	return lf == 0 ? VECTOR : (size_t)__builtin_ctz((unsigned)lf);
}
#else
enum { VECTOR = sizeof(uint64_t) };

static inline size_t
copy_vector(char *to, const char *s)
{
	const uint64_t ones = UINT64_MAX / UINT8_MAX;	/* 1 in each byte */
	uint64_t v, x;
	size_t n = 0;

	memcpy(&v, s, sizeof(v));
	memcpy(to, &v, sizeof(v));
	x = v ^ (ones * '\n');
	if (((x - ones) & ~x & (ones << 7)) == 0)	/* no byte of x is 0 */
		return VECTOR;
	while (s[n] != '\n')
		n++;
	return n;
}
#endif

enum { WIRE_PIECE = 4096 };	/* bytes: few, so that writes are nearly full */

/* Copies text up to the next LF, or to end; returns where that is. */
static inline const char *
copy_line(char *to, const char *s, const char *end)
{
	size_t n;

	for (; end - s >= VECTOR; s += VECTOR, to += VECTOR)
		if ((n = copy_vector(to, s)) < VECTOR)
			return s + n;
	for (; s < end && *s != '\n'; s++)
		*to++ = *s;
	return s;
}

/*
 * Puts a piece of text at to, where there is room for twice its size: LF
 * becomes CRLF, a dot may become two.  Returns the end of it.
 */
static char *
wire_piece(struct wire *w, char *to, const char *s, const char *end)
{
	const char *lf;

	for (; s < end; s = lf + 1) {
		if (w->last == '\n' && *s == '.')
			*to++ = '.';
		lf = copy_line(to, s, end);
		to += lf - s;
		if (lf > s)
			w->last = lf[-1];
		if (lf == end)
			break;
		if (w->last != '\r')
			*to++ = '\r';
		*to++ = w->last = '\n';
	}
	return to;
}

void
wire_text(struct conn *c, struct wire *w, const char *s, size_t n)
{
	struct out *o = &c->out;
	size_t some;

	for (; n > 0 && o->state == IO_OK; s += some, n -= some) {
		some = n < WIRE_PIECE ? n : WIRE_PIECE;
		if (sizeof(o->buf) - o->n < 2 * some)
			(void)reply_flush(c);
		o->n = (size_t)(wire_piece(w, o->buf + o->n, s, s + some) -
		    o->buf);
	}
}

void
wire_end(struct conn *c, struct wire *w)
{
	if (w->last == '\r')	/* its LF was cut off */
		reply_put(c, "\n", 1);
	else if (w->last != '\n')
		reply_put(c, "\r\n", 2);
}
