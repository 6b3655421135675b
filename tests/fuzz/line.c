/*
 * The line reader: any octets in portions of any size.  A line that it gives
 * is within its limit, has neither line end nor control octet, and lies in
 * the buffer.
 */
#include <stdlib.h>

#include "../../net/line.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check(const struct in *in, struct str line, enum io what, size_t max)
{
	size_t i;

	if (line.p < in->buf || line.p + line.n > in->buf + in->end ||
	    in->start > in->end)
		abort();
	if (what != IO_OK)
		return;
	if (line.n >= max)
		abort();
	for (i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct in in;
	struct str line = { in.buf, 0 };
	enum io what = IO_OK;
	size_t max, some;

	memset(&in, 0, sizeof(in));
	if (n == 0)
		return 0;
	max = *data & 1 ? LINE_SASL : LINE_COMMAND;
	for (data++, n--; n > 0; data += some, n -= some) {
		while (take_line(&in, max, &line, &what))
			check(&in, line, what, max);
		/* as fill() does it */
		memmove(in.buf, in.buf + in.start, in.end - in.start);
		in.end -= in.start;
		in.start = 0;
		some = 1 + *data % 200u * 8u;
		if (some > n)
			some = n;
		if (some > sizeof(in.buf) - in.end)
			some = sizeof(in.buf) - in.end;
		if (some == 0)
			abort();	/* it would wait for ever */
		memcpy(in.buf + in.end, data, some);
		in.end += some;
	}
	while (take_line(&in, max, &line, &what))
		check(&in, line, what, max);
	return 0;
}
