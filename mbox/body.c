/*
 * The scanner's way through bodies, where most bytes of an mbox are: by windows,
 * which need not begin or end with a line.  Pure, as mbox/scan.c.
 */
#include <string.h>

#include "mbox/mbox.h"

/* A way for some processors of one family; elsewhere there is the plain one. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__TINYC__) && \
    !defined(POPPER_PORTABLE)
#define HAS_WIDE	1
#define ALWAYS_INLINE	__attribute__((always_inline))
#include <cpuid.h>
#else
#define ALWAYS_INLINE
#endif

enum {
	LANES = 32,
	ASK_FROM = 4 << 20	/* to ask the processor costs as much as that,
				   where a hypervisor answers */
};

/* What is in a window of MBOX_WINDOW bytes. */
struct sight {
	int lf;			/* line ends */
	int cr;			/* not 0: a CR anywhere */
	int fr;			/* not 0: a line that begins "Fr" */
};

/*
 * A plain loop of fixed length, which a compiler turns into vectors: a
 * comparison that is true is then a byte of ones.  Half of a scan's own time is
 * spent here, so it is compiled twice where that is of use.
 */
static inline struct sight ALWAYS_INLINE
sight_of(const char *p)
{
	unsigned char lf[LANES] = { 0 }, cr[LANES] = { 0 }, fr[LANES] = { 0 };
	struct sight s = { 0, 0, 0 };
	size_t i, j;

	for (i = 0; i < MBOX_WINDOW; i += LANES)
		for (j = 0; j < LANES; j++) {
			lf[j] = (unsigned char)(lf[j] + (p[i + j] == '\n'));
			cr[j] |= (unsigned char)-(p[i + j] == '\r');
			fr[j] |= (unsigned char)-((p[i + j] == '\n') &
			    (p[i + j + 1] == 'F') & (p[i + j + 2] == 'r'));
		}
	for (j = 0; j < LANES; j++) {
		s.lf += lf[j];
		s.cr |= cr[j];
		s.fr |= fr[j];
	}
	return s;
}

/* Notes after which bytes of a window an empty line and "From " follow. */
static inline void ALWAYS_INLINE
find_from(const char *p, unsigned char at[MBOX_WINDOW])
{
	size_t i;

	for (i = 0; i < MBOX_WINDOW; i++)
		at[i] = (unsigned char)(((p[i + 1] == '\n') |
		    ((p[i] == '\n') & (p[i + 1] == '\r'))) &
		    (p[i + 2] == '\n') & (p[i + 3] == 'F') &
		    (p[i + 4] == 'r') & (p[i + 5] == 'o') &
		    (p[i + 6] == 'm') & (p[i + 7] == ' '));
}

static struct sight
look_at(const char *p)
{
	return sight_of(p);
}

static void
find_from_at(const char *p, unsigned char at[MBOX_WINDOW])
{
	find_from(p, at);
}

#ifdef HAS_WIDE
/* The same for processors with vectors of 32 bytes: twice as fast. */
static struct sight __attribute__((target("avx2")))
look_wide(const char *p)
{
	return sight_of(p);
}

static void __attribute__((target("avx2")))
find_from_wide(const char *p, unsigned char at[MBOX_WINDOW])
{
	find_from(p, at);
}

static bool
has_wide(void)
{
	unsigned a, b, c, d, low, high;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return false;
	/* whether the system saves these registers, too */
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (low & 6) == 6 && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
	    b & bit_AVX2;
}
#else
#define look_wide look_at
#define find_from_wide find_from_at

static bool
has_wide(void)
{
	return false;
}
#endif

bool
mbox_wide(struct scan *s)
{
	s->asked = true;
	s->wide = has_wide();
	return s->wide;
}

/* How many CRs of a window are a line end together with the LF behind them. */
static int
crlf_in(const char *p)
{
	unsigned char count[LANES] = { 0 };
	size_t i, j;
	int n = 0;

	for (i = 0; i < MBOX_WINDOW; i += LANES)
		for (j = 0; j < LANES; j++)
			count[j] = (unsigned char)(count[j] +
			    ((p[i + j] == '\r') & (p[i + j + 1] == '\n')));
	for (j = 0; j < LANES; j++)
		n += count[j];
	return n;
}

/* How many line ends of p..end, which ends with one, are an LF alone. */
static int
lone_in(const char *p, const char *end)
{
	const char *nl;
	int n = 0;

	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		n += nl == p || nl[-1] != '\r';
	}
	return n;
}

/*
 * The first line after p that begins "Fr", which is there, and how many line
 * ends before it are an LF alone.
 */
static const char *
first_fr(const char *p, const char *end, int *lone)
{
	const char *nl;

	for (*lone = 0;; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		*lone += nl == p || nl[-1] != '\r';
		if (nl[1] == 'F' && nl[2] == 'r')
			return nl + 1;
	}
}

/* Whether a message begins at q, or may, in the window at p. */
static bool
begins_in(const struct scan *s, const char *p, const char *q, const char *end)
{
	return q - p >= 3 && s->pos + (uint64_t)(q - p) >= s->until &&
	    (q[-2] == '\n' || (s->crlf && q[-2] == '\r' && q[-3] == '\n')) &&
	    mbox_from(q, end, false) != FROM_NO;
}

/*
 * Where in the window at p a message begins, or may if more is known: the text
 * from there on, or NULL.
 */
static const char *
first_from(const struct scan *s, const char *p, const char *end)
{
	unsigned char at[MBOX_WINDOW];
	uint64_t eight;
	const char *q;
	size_t i, j;

	if (s->wide)
		find_from_wide(p, at);
	else
		find_from_at(p, at);
	for (i = 0; i < MBOX_WINDOW; i += sizeof(eight)) {
		memcpy(&eight, at + i, sizeof(eight));
		for (j = i; eight != 0 && j < i + sizeof(eight); j++) {
			q = p + j + 3;
			if (at[j] != 0 && begins_in(s, p, q, end))
				return q;
		}
	}
	return NULL;
}

/*
 * Whether a message begins, or may, so near to p that a window there does not
 * show the empty line before.
 */
static bool
near_from(const struct scan *s, const char *p, const char *end)
{
	bool start = !s->midline;
	size_t at = start && p[0] == '\n' && p[1] == 'F' ? 1 :
	    p[1] == '\n' && p[2] == 'F' && (p[0] == '\n' ||
	    (start && p[0] == '\r' && s->crlf)) ? 2 : 3;

	if (start && s->blank && p[0] == 'F')	/* mbox_feed() asks */
		return true;
	return at < 3 && s->pos + at >= s->until &&
	    mbox_from(p + at, end, false) != FROM_NO;
}

const char *
mbox_body(struct scan *s, const char *p, const char *end)
{
	const char *stop = p + MBOX_WINDOW, *from = NULL;
	bool line = s->midline;		/* it begins within one */
	struct sight w;
	int lone;

	if (end - p < MBOX_WINDOW + 8 || near_from(s, p, end))
		return p;
	if (!s->asked && s->pos - s->begin > ASK_FROM)
		(void)mbox_wide(s);
	w = s->wide ? look_wide(p) : look_at(p);
	if (w.fr != 0) {	/* mostly it is the only one */
		from = first_fr(p, end, &lone);
		if (!begins_in(s, p, from, end) &&
		    (from = first_from(s, p, end)) != NULL)
			lone = lone_in(p, from);
	}
	if (from != NULL && from < stop)
		stop = from;
	else {
		lone = w.lf - (w.cr != 0 ? crlf_in(p) : 0);
		if (stop[-1] == '\r') {	/* left with its LF: is it empty? */
			lone += *stop == '\n';
			stop--;
		}
	}
	s->lone += (uint64_t)lone;
	s->pos += (uint64_t)(stop - p);
	s->midline = stop[-1] != '\n';
	s->empty = 0;
	if (s->midline)
		;
	else if (stop - p == 1 ? !line : stop[-2] == '\n')
		s->empty = 1;
	else if (s->crlf && stop - p > 1 && stop[-2] == '\r' &&
	    (stop - p == 2 ? !line : stop[-3] == '\n'))
		s->empty = 2;
	s->blank = s->empty > 0;
	return stop;
}
