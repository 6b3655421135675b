/*
 * Base64 as SASL has it (RFC 4648, 4; RFC 5034, 4): no other character
 * anywhere, "=" at the end only, no bits left over.  Pure.
 */
#include "lib/lib.h"

static int
value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool
base64_decode(struct str in, char *out, size_t room, size_t *n)
{
	uint32_t bits = 0;
	size_t i, pad = 0, full;
	int v;

	*n = 0;
	if (in.n % 4 != 0)
		return false;
	while (pad < 2 && pad < in.n && in.p[in.n - 1 - pad] == '=')
		pad++;
	full = in.n - pad;
	for (i = 0; i < full; i++) {
		if ((v = value(in.p[i])) == -1)
			return false;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 == 0)
			continue;	/* six bits are no octet yet */
		if (*n == room)
			return false;
		out[(*n)++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	return pad == 0 || (bits & (pad == 1 ? 3 : 15)) == 0;
}
