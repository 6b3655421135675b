/*
 * Base64 as SASL has it (RFC 4648, 4; RFC 5034, 4): no other character
 * anywhere, "=" at the end only, no bits left over.
 */
#include <string.h>

#include "lib/lib.h"

bool
base64_decode(struct str in, char *out, size_t room, size_t *n)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *digit;
	uint32_t bits = 0;
	size_t i, pad = 0, full;

	*n = 0;
	if (in.n % 4 != 0)
		return false;
	while (pad < 2 && pad < in.n && in.p[in.n - 1 - pad] == '=')
		pad++;
	full = in.n - pad;
	for (i = 0; i < full; i++) {
		digit = memchr(alphabet, in.p[i], sizeof(alphabet) - 1);
		if (digit == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(digit - alphabet);
		if (i % 4 == 0)
			continue;	/* six bits are no octet yet */
		if (*n == room)
			return false;
		out[(*n)++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	return pad == 0 || (bits & (pad == 1 ? 3 : 15)) == 0;
}
