/*
 * Message text on its way to the wire, net/wire.c: both ways of copying lines,
 * by vectors and by words, against a naive loop, on random text at every
 * alignment, cut at every place.
 */
#include <string.h>

#include "net/net.h"
#include "tap.h"

/* The way for processors without vectors, under names of its own. */
#undef POPPER_PORTABLE
#define POPPER_PORTABLE	1
#define wire_text	plain_text
#define wire_end	plain_end
void plain_text(struct conn *, struct wire *, const char *, size_t);
void plain_end(struct conn *, struct wire *);
#include "net/wire.c"
#undef wire_text
#undef wire_end

enum {
	TEXT_MOST = 200,	/* bytes: several vectors */
	ALIGNMENTS = 64,
	LONG = 3 * WIRE_PIECE	/* what is sent needs no write */
};

/* RFC 1939, 3: byte by byte; the last line gets an end. */
static size_t
naive(char *to, const char *s, size_t n)
{
	char *begin = to, last = '\n';
	size_t i;

	for (i = 0; i < n; last = s[i++]) {
		if (last == '\n' && s[i] == '.')
			*to++ = '.';
		if (s[i] == '\n' && last != '\r')
			*to++ = '\r';
		*to++ = s[i];
	}
	if (last != '\n' && last != '\r')
		*to++ = '\r';
	if (last != '\n')
		*to++ = '\n';
	return (size_t)(to - begin);
}

/* Lines of all lengths, with what is special near one another. */
static void
fill(char *s, size_t n, uint64_t *seed)
{
	static const char special[] = "\n\n\r.\v\x8a";	/* LF and its like */
	size_t run = 0, i;

	for (i = 0; i < n; i++) {
		if (run == 0 && below(seed, 4) == 0)
			run = 1 + below(seed, 40);
		if (run > 0) {
			s[i] = (char)below(seed, 256);
			run--;
		} else
			s[i] = special[below(seed, sizeof(special) - 1)];
	}
}

typedef void text_fn(struct conn *, struct wire *, const char *, size_t);
typedef void end_fn(struct conn *, struct wire *);

/* Whether text in two parts, the first of cut bytes, is sent as it should be. */
static bool
sent(text_fn *text, end_fn *end, const char *s, size_t n, size_t cut)
{
	static struct conn c;
	static char want[2 * LONG + 3];
	struct wire w = { .last = '\n' };
	size_t have = c.out.n = cut % 32;	/* alignments of it, too */

	text(&c, &w, s, cut);
	text(&c, &w, s + cut, n - cut);
	end(&c, &w);
	n = naive(want, s, n);
	return c.out.n - have == n && memcmp(c.out.buf + have, want, n) == 0;
}

/* How many texts are sent wrongly, of this length, cut at every place. */
static size_t
wrong(text_fn *text, end_fn *end, size_t texts, size_t most)
{
	_Alignas(ALIGNMENTS) static char room[ALIGNMENTS + LONG];
	uint64_t seed = 7;
	size_t bad = 0, i, n, cut, step = most / TEXT_MOST;
	char *s;

	for (i = 0; i < texts; i++) {
		s = room + i % ALIGNMENTS;
		n = below(&seed, most + 1);
		fill(s, n, &seed);
		for (cut = 0; cut <= n; cut += step)
			bad += !sent(text, end, s, n, cut);
	}
	return bad;
}

int
main(void)
{
	ok(wrong(wire_text, wire_end, TAP_MANY(16000), TEXT_MOST) == 0,
	    "by vectors: each cut at each alignment");
	ok(wrong(wire_text, wire_end, TAP_MANY(400), LONG) == 0,
	    "by vectors: text of several pieces");
	ok(wrong(plain_text, plain_end, TAP_MANY(16000), TEXT_MOST) == 0,
	    "by words: each cut at each alignment");
	ok(wrong(plain_text, plain_end, TAP_MANY(400), LONG) == 0,
	    "by words: text of several pieces");
	return tap_end();
}
