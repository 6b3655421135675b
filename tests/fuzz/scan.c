/*
 * The scanner against the naive one of the unit test, on any file: both must
 * find the same messages.  The first two bytes of the input say how the file
 * is cut into blocks, the next two where it ended when the old table was made.
 */
#define main unit_main
#include "../unit/scan.c"
#undef main

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { HEAD = 4 };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool compiled;
	struct buf f = { NULL, 0, 0 };
	struct msgs want = { .n = 0 };
	struct msgs old = { .n = 0 };
	struct way w = at_once(&old);
	size_t end;
	int error;

	if (!compiled)
		compile();
	compiled = true;
	if (n < HEAD)
		return 0;
	end = data[2] * 256u + data[3];
	buf_add(&f, data + HEAD, n - HEAD < end ? n - HEAD : end);
	if (naive(&f, 0, NULL, &old) != 0)
		msgs_free(&old);
	f.n = 0;
	buf_add(&f, data + HEAD, n - HEAD);
	error = naive(&f, 0, &old, &want);
	if (!try(&f, w, &want, error, "at once"))
		abort();
	w.size = MBOX_LINE + (size_t)data[0] * 16;
	w.chunk = 1 + (size_t)data[1] * 64;
	if (!try(&f, w, &want, error, "in parts"))
		abort();
	msgs_free(&want);
	msgs_free(&old);
	buf_free(&f);
	return 0;
}
