/*
 * MD5 (RFC 1321), for unique-ids and APOP: it names a message, no more.
 * And SipHash, for checks that no sender of mail can foresee.
 */
#include <string.h>

#include "lib/lib.h"

static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee,
	0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be,
	0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
	0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
	0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
	0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
	0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039,
	0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
	0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391
};

static uint32_t
md5_rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static uint32_t
md5_word(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

/* One of the 64 operations; the four rounds differ in f and in the word. */
#define STEP(a, b, f, k, i, s) \
	(a) = (b) + md5_rotate((a) + (f) + w[(k)] + sines[(i)], (s))
#define F(x, y, z)	((z) ^ ((x) & ((y) ^ (z))))
#define G(x, y, z)	((y) ^ ((z) & ((x) ^ (y))))
#define H(x, y, z)	((x) ^ (y) ^ (z))
#define I(x, y, z)	((y) ^ ((x) | ~(z)))
#define ROUND(f, i, k0, k1, k2, k3, s0, s1, s2, s3) do { \
	STEP(a, b, f(b, c, d), k0, (i), s0); \
	STEP(d, a, f(a, b, c), k1, (i) + 1, s1); \
	STEP(c, d, f(d, a, b), k2, (i) + 2, s2); \
	STEP(b, c, f(c, d, a), k3, (i) + 3, s3); \
} while (0)

/* Digests the whole blocks of 64 bytes in n bytes. */
static void
md5_blocks(struct md5 *m, const unsigned char *p, size_t n)
{
	uint32_t w[16];
	int i;

	for (; n >= 64; p += 64, n -= 64) {
		uint32_t a = m->state[0], b = m->state[1];
		uint32_t c = m->state[2], d = m->state[3];

		for (i = 0; i < 16; i++)
			w[i] = md5_word(p + 4 * i);
		for (i = 0; i < 16; i += 4)
			ROUND(F, i, i, i + 1, i + 2, i + 3, 7, 12, 17, 22);
		for (i = 16; i < 32; i += 4)
			ROUND(G, i, (5 * i + 1) & 15, (5 * i + 6) & 15,
			    (5 * i + 11) & 15, (5 * i + 16) & 15,
			    5, 9, 14, 20);
		for (i = 32; i < 48; i += 4)
			ROUND(H, i, (3 * i + 5) & 15, (3 * i + 8) & 15,
			    (3 * i + 11) & 15, (3 * i + 14) & 15,
			    4, 11, 16, 23);
		for (i = 48; i < 64; i += 4)
			ROUND(I, i, (7 * i) & 15, (7 * i + 7) & 15,
			    (7 * i + 14) & 15, (7 * i + 21) & 15,
			    6, 10, 15, 21);
		m->state[0] += a;
		m->state[1] += b;
		m->state[2] += c;
		m->state[3] += d;
	}
}

void
md5_begin(struct md5 *m)
{
	m->state[0] = 0x67452301;
	m->state[1] = 0xefcdab89;
	m->state[2] = 0x98badcfe;
	m->state[3] = 0x10325476;
	m->bytes = 0;
}

void
md5_add(struct md5 *m, const void *data, size_t n)
{
	const unsigned char *p = data;
	size_t have = m->bytes % 64, take;

	m->bytes += n;
	if (have > 0) {
		take = n < 64 - have ? n : 64 - have;
		memcpy(m->block + have, p, take);
		p += take;
		n -= take;
		if (have + take < 64)
			return;
		md5_blocks(m, m->block, 64);
	}
	md5_blocks(m, p, n);
	memcpy(m->block, p + n / 64 * 64, n % 64);
}

void
md5_end(struct md5 *m, unsigned char digest[MD5_LEN])
{
	static const unsigned char pad[64] = { 0x80 };
	unsigned char length[8];
	uint64_t bits = m->bytes * 8;
	size_t have = m->bytes % 64;
	int i;

	for (i = 0; i < 8; i++)
		length[i] = (unsigned char)(bits >> 8 * i);
	md5_add(m, pad, have < 56 ? 56 - have : 120 - have);
	md5_add(m, length, sizeof(length));
	for (i = 0; i < MD5_LEN; i++)
		digest[i] = (unsigned char)(m->state[i / 4] >> i % 4 * 8);
}

/* ---- SipHash-1-3 --------------------------------------------------------- */

static inline uint64_t
sip_rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = sip_rotate(v[1], 13) ^ v[0];
	v[3] = sip_rotate(v[3], 16) ^ v[2];
	v[0] = sip_rotate(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = sip_rotate(v[1], 17) ^ v[2];
	v[3] = sip_rotate(v[3], 21) ^ v[0];
	v[2] = sip_rotate(v[2], 32);
}

static inline void
sip_word(uint64_t v[4], uint64_t w)
{
	v[3] ^= w;
	sip_round(v);
	v[0] ^= w;
}

uint64_t
key_sum(const struct key *key, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t v[4] = {
		key->k[0] ^ UINT64_C(0x736f6d6570736575),
		key->k[1] ^ UINT64_C(0x646f72616e646f6d),
		key->k[0] ^ UINT64_C(0x6c7967656e657261),
		key->k[1] ^ UINT64_C(0x7465646279746573)
	};
	uint64_t w = 0, length = n;
	int i;

	if ((key->k[0] | key->k[1]) == 0)
		return 0;
	for (; n >= sizeof(w); n -= sizeof(w), p += sizeof(w)) {
		memcpy(&w, p, sizeof(w));	/* in this machine's order */
		sip_word(v, w);
	}
	w = 0;
	memcpy(&w, p, n);
	sip_word(v, w ^ length << 56);
	v[2] ^= 0xff;
	for (i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
