/*
 * The decoder of lib/base64.c: what RFC 4648 and RFC 5034 have as examples,
 * every octet in every place, and everything that is not base64.
 */
#include "popper.h"
#include "tap.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* An encoder of the plainest kind. */
static size_t
encode(const unsigned char *in, size_t n, char *out)
{
	size_t i, at = 0;
	unsigned long v;

	for (i = 0; i < n; i += 3) {
		v = (unsigned long)in[i] << 16;
		if (i + 1 < n)
			v |= (unsigned long)in[i + 1] << 8;
		if (i + 2 < n)
			v |= in[i + 2];
		out[at++] = alphabet[v >> 18 & 63];
		out[at++] = alphabet[v >> 12 & 63];
		out[at++] = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
		out[at++] = i + 2 < n ? alphabet[v & 63] : '=';
	}
	return at;
}

/* Decodes a copy of exact size, so that a read behind it is seen. */
static bool
decode(const char *in, size_t n, char *out, size_t room, size_t *got)
{
	char *copy = malloc(n + 1);
	bool good;

	if (copy == NULL)
		abort();
	memcpy(copy, in, n);
	good = base64_decode((struct str){ copy, n }, out, room, got);
	free(copy);
	return good;
}

static void
is_text(const char *in, const char *want, size_t n)
{
	char out[64];
	size_t got;

	ok(decode(in, strlen(in), out, sizeof(out), &got) && got == n &&
	    memcmp(out, want, n) == 0, "\"%s\" is decoded", in);
}

static void
is_refused(const char *in, size_t n)
{
	char out[64], shown[64];
	size_t got, i;

	for (i = 0; i < n; i++)		/* a title is one line of text */
		shown[i] = in[i] < ' ' ? '.' : in[i];
	shown[n] = '\0';
	ok(!decode(in, n, out, sizeof(out), &got), "\"%s\" is refused",
	    shown);
}

/* Octets at random, of every length: there and back, with room just enough. */
static void
there_and_back(void)
{
	unsigned char in[200];
	char text[300], out[200];
	uint64_t seed = 20250309;
	size_t n, i, len, got, bad = 0, tight = 0;

	for (n = 0; n <= sizeof(in); n++) {
		for (i = 0; i < n; i++)
			in[i] = (unsigned char)rnd(&seed);
		len = encode(in, n, text);
		if (!decode(text, len, out, n, &got) || got != n ||
		    memcmp(in, out, n) != 0)
			bad++;
		if (n > 0 && decode(text, len, out, n - 1, &got))
			tight++;
	}
	ok(bad == 0, "0 to 200 octets come back as they were");
	ok(tight == 0, "one octet of room too few is refused");
}

/* Of all octets in all places of a group only the alphabet's are taken. */
static void
every_octet(void)
{
	char text[8], out[8];
	size_t i, got;
	unsigned c, wrong = 0;
	bool taken, good;

	for (i = 0; i < 8; i++)
		for (c = 0; c < 256; c++) {
			memcpy(text, "AAAAAAAA", 8);
			text[i] = (char)c;
			taken = decode(text, 8, out, sizeof(out), &got);
			good = c != 0 && strchr(alphabet, (int)c) != NULL;
			if (i == 7 && c == '=')
				good = true;
			wrong += taken != good;
		}
	ok(wrong == 0, "every octet in every place");
}

/* Bits that no octet takes must be zero: a text has one encoding only. */
static void
one_encoding(void)
{
	char text[4] = { 'A', 'A', '=', '=' }, out[8];
	size_t i, got, taken = 0;

	for (i = 0; i < 64; i++) {
		text[1] = alphabet[i];
		taken += decode(text, 4, out, sizeof(out), &got);
	}
	ok(taken == 4, "one octet: 4 of 64 second characters");
	text[1] = 'A';
	for (i = 0, taken = 0; i < 64; i++) {
		text[2] = alphabet[i];
		taken += decode(text, 4, out, sizeof(out), &got) && got == 2;
	}
	ok(taken == 16, "two octets: 16 of 64 third characters");
}

int
main(void)
{
	static const char *const wrong[] = { "=", "==", "====", "A", "AA",
	    "AAA", "AAAAA", "A===", "=AAA", "AAA=BBB", "AAA=BBBB", "AA==AAAA",
	    "AA=A", "!!!!", "AAA ", " AAAA", "AAAA ", "AA\nA", "AAA\r", "AA-_",
	    "*", "AGFsaWNlAHMzY3JldA=", "AGFsaWNlAHMzY3JldA" };
	size_t i;

	is_text("", "", 0);
	is_text("Zg==", "f", 1);
	is_text("Zm8=", "fo", 2);
	is_text("Zm9v", "foo", 3);
	is_text("Zm9vYg==", "foob", 4);
	is_text("Zm9vYmE=", "fooba", 5);
	is_text("Zm9vYmFy", "foobar", 6);
	is_text("AGFsaWNlAHMzY3JldA==", "\0alice\0s3cret", 13);
	is_text("////", "\377\377\377", 3);
	is_text("+/+/", "\373\377\277", 3);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		is_refused(wrong[i], strlen(wrong[i]));
	is_refused("AA\0A", 4);
	there_and_back();
	every_octet();
	one_encoding();
	return tap_end();
}
