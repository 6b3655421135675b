/*
 * The scanner's way through bodies, which are most of an mbox: by windows,
 * which need not begin or end with a line.  Pure, as mbox/scan.c.
 */
#include <string.h>

#include "mbox/mbox.h"

/* A faster way for one family of processors; others have the plain one. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__TINYC__) && \
    !defined(POPPER_PORTABLE)
#define HAS_WIDE	1
#define ALWAYS_INLINE	__attribute__((always_inline))
#include <cpuid.h>
#else
#define ALWAYS_INLINE
#endif

enum {
	LANES = 32,		/* bytes of a wide vector */
	ASK_FROM = 4 << 20	/* on a virtual machine asking the processor
				   costs as much as scanning so many bytes */
};

/* What is in a window of MBOX_WINDOW bytes. */
struct body_window {
	int lf;			/* line ends */
	int cr;			/* not 0: a CR anywhere */
	int fr;			/* not 0: a line that begins "Fr" */
};

/*
 * A plain loop of fixed length, which a compiler turns into vectors: a
 * comparison that is true is then a byte of ones.  Half of the time of a scan
 * is spent here, so it is compiled twice.
 */
static inline struct body_window ALWAYS_INLINE
window_of(const char *p)
{
	unsigned char lf[LANES] = { 0 }, cr[LANES] = { 0 }, fr[LANES] = { 0 };
	struct body_window w = { 0, 0, 0 };
	size_t i, j;

	for (i = 0; i < MBOX_WINDOW; i += LANES)
		for (j = 0; j < LANES; j++) {
			lf[j] = (unsigned char)(lf[j] + (p[i + j] == '\n'));
			cr[j] |= (unsigned char)-(p[i + j] == '\r');
			fr[j] |= (unsigned char)-((p[i + j] == '\n') &
			    (p[i + j + 1] == 'F') & (p[i + j + 2] == 'r'));
		}
	for (j = 0; j < LANES; j++) {
		w.lf += lf[j];
		w.cr |= cr[j];
		w.fr |= fr[j];
	}
	return w;
}

#ifdef HAS_WIDE
/* The same with vectors of 32 bytes: twice as fast. */
static struct body_window __attribute__((target("avx2")))
wide_window_of(const char *p)
{
	return window_of(p);
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
#define wide_window_of(p)	window_of(p)
#define has_wide()	false
#endif

bool
mbox_wide(struct scan *s)
{
	s->asked = true;
	s->wide = has_wide();
	return s->wide;
}

/* How many CRs of a window are a line end together with the LF after them. */
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

/*
 * The first line in the window at p that begins a message, or may if more is
 * known, and how many line ends before it are an LF alone.  NULL: none.
 */
static const char *
first_from(const struct scan *s, const char *p, const char *end, int *lone)
{
	const char *stop = p + MBOX_WINDOW, *line = p, *nl;

	*lone = 0;
	while ((nl = memchr(line, '\n', (size_t)(stop - line))) != NULL) {
		*lone += nl == line || nl[-1] != '\r';
		line = nl + 1;
		if (line[0] == 'F' && line[1] == 'r' && line - p >= 3 &&
		    s->pos + (uint64_t)(line - p) >= s->until &&
		    mbox_blank_before(s, line) > 0 &&
		    mbox_from(line, end, false) != FROM_NO)
			return line;
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
	struct body_window w;
	int lone;

	if (end - p < MBOX_WINDOW + 8 || near_from(s, p, end))
		return p;
	if (!s->asked && s->pos - s->begin > ASK_FROM)
		(void)mbox_wide(s);
	w = s->wide ? wide_window_of(p) : window_of(p);
	if (w.fr != 0)
		from = first_from(s, p, end, &lone);
	if (from != NULL)
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
	s->empty = mbox_blank_before(s, stop);
	s->blank = s->empty > 0;
	return stop;
}
