/*
 * Base64: what is decoded, encoded again, is the input: there is one way only
 * to write anything.
 */
#include <stdlib.h>
#include <string.h>

#include "popper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	struct str in = { (const char *)data, n };
	char *out = malloc(PASSWORD_LEN), *exact, back[4];
	size_t got, again, i, k;
	uint32_t bits;

	if (out == NULL)
		abort();
	if (base64_decode(in, out, PASSWORD_LEN, &got)) {
		for (i = 0; i < n; i += 4) {
			for (bits = 0, k = 0; k < 3; k++)
				bits = bits << 8 | (i / 4 * 3 + k < got ?
				    (unsigned char)out[i / 4 * 3 + k] : 0);
			for (k = 0; k < 4; k++)
				back[k] = digits[bits >> (18 - 6 * k) & 63];
			for (k = got - i / 4 * 3 + 1; k < 4; k++)
				back[k] = '=';
			if (memcmp(back, data + i, 4) != 0)
				abort();
		}
		/* room for exactly that is enough, one less is not */
		if ((exact = malloc(got + 1)) == NULL ||
		    !base64_decode(in, exact, got, &again) || again != got ||
		    (got > 0 && base64_decode(in, exact, got - 1, &again)))
			abort();
		free(exact);
	}
	free(out);
	return 0;
}
