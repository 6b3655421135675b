/*
 * The scanner's way through bodies, where most bytes of an mbox are: by windows,
 * which need not begin or end with a line.  Pure, as pop_mbox.c.
 */
#include <string.h>

#include "popper.h"

enum { LANES = 32 };

/* What is in a window of MBOX_WINDOW bytes. */
struct sight {
	int lf;			/* line ends */
	int cr;			/* not 0: a CR anywhere */
	int fr;			/* not 0: a line that begins "Fr" */
};

/*
 * Plain loops of fixed length, which a compiler turns into vectors: a
 * comparison that is true is then a byte of ones.
 */
static struct sight
look_at(const char *p)
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

/* Up to the first line that begins "Fr", which is there; the lone LFs. */
static const char *
up_to_fr(const char *p, const char *end, int *lone)
{
	const char *nl;

	for (*lone = 0;; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		*lone += nl == p || nl[-1] != '\r';
		if (nl[1] == 'F' && nl[2] == 'r')
			return nl + 1;
	}
}

const char *
mbox_body(struct scan *s, const char *p, const char *end)
{
	const char *stop = p + MBOX_WINDOW;
	bool line = s->midline;		/* it begins within one */
	struct sight w;
	int lone;

	if (end - p < MBOX_WINDOW + 2 || (s->blank && *p == 'F'))
		return p;
	w = look_at(p);
	lone = w.lf - (w.cr != 0 ? crlf_in(p) : 0);
	if (w.fr != 0)
		stop = up_to_fr(p, end, &lone);
	else if (stop[-1] == '\r') {	/* left with its LF: is the line empty? */
		lone += *stop == '\n';
		stop--;
	}
	s->lone += (uint64_t)lone;
	s->pos += (uint64_t)(stop - p);
	s->midline = stop[-1] != '\n';
	s->empty = 0;
	if (s->midline)
		;
	else if (stop - p == 1 ? !line : stop[-2] == '\n')
		s->empty = 1;
	else if (stop - p > 1 && stop[-2] == '\r' &&
	    (stop - p == 2 ? !line : stop[-3] == '\n'))
		s->empty = 2;
	s->blank = s->empty > 0;
	return stop;
}
