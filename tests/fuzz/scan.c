/*
 * The scanner against the naive one of the unit test, on any file: both must
 * find the same messages.  The first two bytes of the input say how the file
 * is cut into blocks.
 */
#define main unit_main
#include "../unit/scan.c"
#undef main

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf f = { NULL, 0, 0 };
	struct msgs want = { NULL, 0, 0 };
	size_t size, chunk;
	int error;

	if (n < 2)
		return 0;
	size = MBOX_LINE + (size_t)data[0] * 16;
	chunk = 1 + (size_t)data[1] * 64;
	buf_add(&f, data + 2, n - 2);
	error = naive(&f, &want);
	if (!try(&f, BLOCK, BLOCK, NULL, &want, error, "at once") ||
	    !try(&f, size, chunk, NULL, &want, error, "in parts"))
		abort();
	msgs_free(&want);
	buf_free(&f);
	return 0;
}
