/*
 * spool MESSAGES BYTES SEED MBOX [WIRE]: writes an mbox of that many messages
 * and about that many bytes, always the same for the same arguments.  WIRE
 * gets the replies to RETR 1, 2, ... as a server has to send them, and
 * WIRE.idx one struct entry for each.  The octets of all go to stdout.
 *
 * Sizes are as in people's mail: most messages are short text, and a few with
 * attachments make up most of the bytes.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum {
	POOL = 1 << 14,			/* lines to choose from, of each kind */
	LINE = 80
};

struct pool {
	char	line[POOL][LINE];
	size_t	len[POOL];
};

static struct pool text, coded;
static uint64_t state;
static FILE *mbox, *wire;
static uint64_t at;			/* in WIRE */
static uint64_t mbox_at;		/* in MBOX */
static struct entry entry;

static uint64_t
draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static void
put(FILE *f, const void *p, size_t n)
{
	if (fwrite(p, 1, n, f) != n)
		fail("write");
}

/* A line without its end, into both files. */
static void
line(const char *s, size_t n)
{
	put(mbox, s, n);
	put(mbox, "\n", 1);
	entry.octets += n + 2;
	mbox_at += n + 1;
	if (wire == NULL)
		return;
	if (n > 0 && s[0] == '.') {
		put(wire, ".", 1);
		at++;
	}
	put(wire, s, n);
	put(wire, "\r\n", 2);
	at += n + 2;
}

static void
fill_pools(void)
{
	static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char *const word[] = { "the", "mail", "of", "a", "spool",
	    "is", "here", "and", "will", "be", "read", "tomorrow", "by",
	    "somebody", "who", "answers", "it", "with", "another", "question",
	    "about", "Tuesday,", "perhaps.", "Then", "we", "shall", "see" };
	size_t i, n, want, w;

	for (i = 0; i < POOL; i++) {
		want = draw(10) == 0 ? draw(20) : 56 + draw(16);
		n = 0;
		if (draw(200) == 0)
			text.line[i][n++] = '.';
		while (n < want) {
			w = draw(sizeof(word) / sizeof(word[0]));
			memcpy(text.line[i] + n, word[w], strlen(word[w]));
			n += strlen(word[w]);
			text.line[i][n++] = ' ';
		}
		text.len[i] = n > LINE - 4 ? LINE - 4 : n;
		for (n = 0; n < 76; n++)
			coded.line[i][n] = b64[draw(64)];
		coded.len[i] = 76;
	}
}

static void
head(unsigned long number, int attachment)
{
	static const char *const day[] = { "Mon", "Tue", "Wed", "Thu", "Fri" };
	char b[LINE * 2];
	unsigned hops = 2 + (unsigned)draw(3), i;
	unsigned sec = (unsigned)draw(60), d = 1 + (unsigned)draw(28);
	int n;

	n = fprintf(mbox, "From friend%u@example.net %s Mar %2u 10:24:%02u 2025\n",
	    (unsigned)draw(500), day[draw(5)], d, sec);
	if (n < 0)
		fail("write");
	mbox_at += (uint64_t)n;
	entry.text = mbox_at;
#define HEAD(...) do { \
	n = snprintf(b, sizeof(b), __VA_ARGS__); \
	if (n < 0 || (size_t)n >= sizeof(b)) \
		fail("header"); \
	line(b, (size_t)n); \
} while (0)
	HEAD("Return-Path: <friend%u@example.net>", (unsigned)draw(500));
	for (i = 0; i < hops; i++) {
		HEAD("Received: from mx%u.example.net (mx%u.example.net "
		    "[192.0.2.%u])", i, i, (unsigned)draw(255));
		HEAD("\tby relay%u.example.org (Postfix) with ESMTPS id "
		    "%08" PRIX64 "%04" PRIX64, i, draw(1ULL << 32),
		    draw(1 << 16));
		HEAD("\tfor <reader@example.org>; %s, %2u Mar 2025 10:24:%02u"
		    " +0000 (UTC)", day[draw(5)], d, sec);
	}
	HEAD("Message-ID: <%lu.%012" PRIX64 "@example.net>", number,
	    draw(1ULL << 48));
	HEAD("Date: %s, %u Mar 2025 10:24:%02u +0000", day[draw(5)], d, sec);
	HEAD("From: A. Friend <friend%u@example.net>", (unsigned)draw(500));
	HEAD("To: A. Reader <reader@example.org>");
	HEAD("Subject: %s%lu about %u things", draw(3) ? "" : "Re: ", number,
	    (unsigned)draw(1000));
	HEAD("MIME-Version: 1.0");
	HEAD("Content-Type: %s", attachment ? "application/octet-stream" :
	    "text/plain; charset=utf-8");
	HEAD("Content-Transfer-Encoding: %s", attachment ? "base64" : "8bit");
	line("", 0);
#undef HEAD
}

static void
message(unsigned long number, uint64_t size)
{
	int attachment = size > 24 * 1024;
	const struct pool *from = attachment ? &coded : &text;
	uint64_t begin = at, have;
	size_t i;

	memset(&entry, 0, sizeof(entry));
	entry.at = at;
	if (wire != NULL) {
		put(wire, "+OK\r\n", 5);
		at += 5;
	}
	head(number, attachment);
	entry.head = at - begin - 5;
	for (have = entry.octets; have < size; have += from->len[i] + 1) {
		i = draw(POOL);
		line(from->line[i], from->len[i]);
	}
	entry.bytes = mbox_at - entry.text;
	put(mbox, "\n", 1);
	mbox_at++;
	if (wire != NULL) {
		put(wire, ".\r\n", 3);
		at += 3;
	}
	entry.len = at - begin;
}

/* What a message weighs beside others. */
static uint64_t
weight(void)
{
	uint64_t r = draw(100);

	if (r < 60)
		return 10 + draw(30);
	if (r < 90)
		return 40 + draw(110);
	if (r < 99)
		return 150 + draw(450);
	return 600 + draw(3400);
}

static FILE *
create(const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL || setvbuf(f, NULL, _IOFBF, 1 << 20) != 0)
		fail(path);
	return f;
}

int
main(int argc, char **argv)
{
	unsigned long n, i;
	uint64_t bytes, sum = 0, octets = 0, *size;
	char path[4096];
	FILE *idx = NULL;

	if (argc < 5 || argc > 6)
		usage("spool MESSAGES BYTES SEED MBOX [WIRE]");
	n = number(argv[1]);
	bytes = number(argv[2]);
	state = number(argv[3]) * 0x9e3779b97f4a7c15 + 1;
	fill_pools();
	if ((size = calloc(n, sizeof(*size))) == NULL)
		fail("memory");
	for (i = 0; i < n; i++)
		sum += size[i] = weight();
	mbox = create(argv[4]);
	if (argc == 6) {
		wire = create(argv[5]);
		if (snprintf(path, sizeof(path), "%s.idx", argv[5]) >=
		    (int)sizeof(path))
			fail("name too long");
		idx = create(path);
	}
	for (i = 0; i < n; i++) {
		message(i + 1, (uint64_t)((double)size[i] / (double)sum *
		    (double)bytes));
		octets += entry.octets;
		if (idx != NULL)
			put(idx, &entry, sizeof(entry));
	}
	free(size);
	if (fclose(mbox) == EOF || (wire != NULL && fclose(wire) == EOF) ||
	    (idx != NULL && fclose(idx) == EOF))
		fail("write");
	printf("%" PRIu64 "\n", octets);
	return fflush(stdout) == EOF;
}
