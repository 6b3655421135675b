/* MD5 against the test suite of RFC 1321, A.5, in one piece and in many. */
#include <string.h>

#include "popper.h"
#include "tap.h"

static const struct {
	const char *text, *digest;
} suite[] = {
	{ "", "d41d8cd98f00b204e9800998ecf8427e" },
	{ "a", "0cc175b9c0f1b6a831c399e269772661" },
	{ "abc", "900150983cd24fb0d6963f7d28e17f72" },
	{ "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
	{ "abcdefghijklmnopqrstuvwxyz",
	    "c3fcd3d76192e4007dfb496cca67e13b" },
	{ "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	    "d174ab98d277d9f5a5611c2c9f419d9f" },
	{ "1234567890123456789012345678901234567890123456789012345678901234"
	    "5678901234567890", "57edf4a22be3c955ac49da2e2107b67a" }
};

static void
hex(const unsigned char *digest, char text[2 * UID_LEN + 1])
{
	int i;

	for (i = 0; i < UID_LEN; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

int
main(void)
{
	static char block[1000];
	unsigned char whole[UID_LEN], parts[UID_LEN];
	char text[2 * UID_LEN + 1];
	struct md5 m;
	uint64_t seed = 3;
	size_t i, n, at, some;
	bool good = true;

	for (i = 0; i < sizeof(suite) / sizeof(suite[0]); i++) {
		md5_begin(&m);
		md5_add(&m, suite[i].text, strlen(suite[i].text));
		md5_end(&m, whole);
		hex(whole, text);
		ok(strcmp(text, suite[i].digest) == 0, "\"%s\"",
		    suite[i].text);
	}
	md5_begin(&m);
	for (i = 0; i < 1000000; i++)
		md5_add(&m, "a", 1);
	md5_end(&m, whole);
	hex(whole, text);
	ok(strcmp(text, "7707d6ae4e027c70eea2a935c2296f21") == 0,
	    "a million times a");

	for (i = 0; i < sizeof(block); i++)
		block[i] = (char)rnd(&seed);
	for (n = 0; n < sizeof(block); n++) {
		md5_begin(&m);
		md5_add(&m, block, n);
		md5_end(&m, whole);
		md5_begin(&m);
		for (at = 0; at < n; at += some) {
			some = 1 + below(&seed, 150);
			some = some < n - at ? some : n - at;
			md5_add(&m, block + at, some);
		}
		md5_end(&m, parts);
		good = good && memcmp(whole, parts, UID_LEN) == 0;
	}
	ok(good, "every length up to 999, in one piece and in many");
	return tap_end();
}
