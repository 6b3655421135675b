/*
 * Which entries of two tables are the same message, and the numbers of messages
 * that share a unique-id: mbox/duplicate.c.
 */
#include <string.h>

#include "popper.h"
#include "tap.h"

/*
 * A table from a word: each lower-case letter is a message of that unique-id,
 * and the capital letter after it, if there is one, the digest of its body.
 */
static struct msgs
table(const char *word)
{
	struct msgs t = { .n = 0 };
	struct msg m;
	const char *p;

	for (p = word; *p != '\0'; p++) {
		memset(&m, 0, sizeof(m));
		memset(m.uid, *p, UID_LEN);
		m.offset = (uint64_t)t.n * 100;
		m.length = 100;
		if (p[1] >= 'A' && p[1] <= 'Z') {
			m.flags = MSG_DUPLICATE;
			m.check = (uint64_t)*++p;
		}
		if (msgs_add(&t, &m) == -1)
			abort();
	}
	return t;
}

/* The unique-ids of a table, each with the number it has, if any. */
static void
show(const struct msgs *t, char *to, size_t room)
{
	size_t i, n = 0;

	to[0] = '\0';
	for (i = 0; i < t->n && n < room; i++)
		n += (size_t)(t->v[i].number == 0 ?
		    snprintf(to + n, room - n, "%c", t->v[i].uid[0]) :
		    snprintf(to + n, room - n, "%c%u", t->v[i].uid[0],
		    t->v[i].number));
}

/* Numbers a table, then a later one of the same file. */
static void
numbers(const char *then, const char *now, const char *want, const char *what)
{
	struct msgs old = table(then), t = table(now);
	char text[80];

	if (mbox_number(&old, NULL) == -1 || mbox_number(&t, &old) == -1)
		abort();
	show(&t, text, sizeof(text));
	if (!ok(strcmp(text, want) == 0, "%s", what))
		note("%s, not %s", text, want);
	msgs_free(&old);
	msgs_free(&t);
}

static void
fresh(const char *word, const char *want)
{
	numbers("", word, want, word);
}

/* Which messages of a table are duplicates, alone or next to another table. */
static void
ambiguous(const char *word, const char *other, const char *want)
{
	struct msgs t = table(word), x = table(other);
	char text[80];
	size_t i, n, marked = 0;

	if (mbox_ambiguous(&t, other[0] == '\0' ? NULL : &x, &n) == -1)
		abort();
	for (i = 0; i < t.n; i++) {
		text[i] = t.v[i].flags & MSG_DUPLICATE ? '+' : '-';
		marked += text[i] == '+';
	}
	text[i] = '\0';
	ok(strcmp(text, want) == 0 && n == marked, "duplicates of %s next "
	    "to '%s': %s", word, other, text);
	msgs_free(&t);
	msgs_free(&x);
}

/*
 * Pairs two tables.  want: for each message of the first the digit of its
 * partner's place in the second, or -.
 */
static void
pairs(const char *a, const char *b, bool sure, const char *want,
    const char *what)
{
	struct msgs x = table(a), y = table(b);
	char text[80];
	size_t to[40], i;

	if (mbox_match(&x, &y, sure, to) == -1)
		abort();
	for (i = 0; i < x.n; i++)
		text[i] = to[i] == SIZE_MAX ? '-' : (char)('0' + to[i]);
	text[i] = '\0';
	if (!ok(strcmp(text, want) == 0, "%s", what))
		note("%s, not %s", text, want);
	msgs_free(&x);
	msgs_free(&y);
}

/*
 * Pairs random tables of messages with digests: each entry at most once, only
 * with its equal, in order, and as many pairs as there can be.
 */
static void
random_pairs(void)
{
	static const char *const kind[] = { "aA", "aB", "bA", "bC" };
	struct msgs a, b;
	size_t to[40], na[4], nb[4], i, j, got, can;
	char x[80], y[80];
	uint64_t seed = 11;
	unsigned wrong = 0, k;

	for (k = 0; k < 5000; k++) {
		x[0] = y[0] = '\0';
		memset(na, 0, sizeof(na));
		memset(nb, 0, sizeof(nb));
		for (i = below(&seed, 20); i > 0; i--) {
			na[j = below(&seed, 4)]++;
			memcpy(x + strlen(x), kind[j], 3);
		}
		for (i = below(&seed, 20); i > 0; i--) {
			nb[j = below(&seed, 4)]++;
			memcpy(y + strlen(y), kind[j], 3);
		}
		a = table(x);
		b = table(y);
		if (mbox_match(&a, &b, false, to) == -1)
			abort();
		for (got = i = 0; i < a.n; i++) {
			if (to[i] == SIZE_MAX)
				continue;
			got++;
			wrong += memcmp(y + 2 * to[i], x + 2 * i, 2) != 0;
			for (j = 0; j < i; j++)
				wrong += to[j] == to[i] || (to[j] > to[i] &&
				    to[j] != SIZE_MAX &&
				    memcmp(x + 2 * j, x + 2 * i, 2) == 0);
		}
		for (can = i = 0; i < 4; i++)
			can += na[i] < nb[i] ? na[i] : nb[i];
		wrong += got != can;
		msgs_free(&a);
		msgs_free(&b);
	}
	ok(wrong == 0, "%u random pairs of tables", k);
}

int
main(void)
{
	struct msg m;
	char text[UID_TEXT];

	ambiguous("abc", "", "---");
	ambiguous("aba", "", "+-+");
	ambiguous("ab", "bb", "-+");
	ambiguous("ab", "bA", "-+");
	ambiguous("ab", "bBc", "-+");

	pairs("abc", "cxa", true, "2-0", "a uid that is there once");
	pairs("aAaB", "aBaA", true, "10", "bodies tell them apart");
	pairs("aAaB", "aB", true, "-0", "one is gone: the other is not it");
	pairs("aAaA", "aA", true, "--", "equal ones: which is gone?");
	pairs("aAaA", "aA", false, "0-", "unless that does not matter");
	pairs("aAaA", "aAaAaA", true, "01", "equal ones, and one more");
	pairs("aA", "aB", true, "-", "the same header, another body");
	pairs("a", "aAaB", true, "-",
	    "an unknown body: it could be either");
	pairs("aa", "aAaB", true, "--", "two unknown bodies");
	random_pairs();

	fresh("", "");
	fresh("abc", "abc");
	fresh("aAaBb", "aa2b");
	fresh("aAbAaBaAbBaC", "aba2a3b2a4");
	numbers("aAaBb", "aBb", "a2b", "one is removed, the other keeps its "
	    "number");
	numbers("aAaBaC", "aAaC", "aa3", "so do the others around a removed one");
	numbers("aAaB", "aBaA", "a2a", "they changed places");
	numbers("aAaBb", "aAaBbaC", "aa2ba3", "a new one takes no number that "
	    "is another's");
	numbers("aAaB", "aBaC", "a2a3", "nor one that was used before");
	numbers("aAaA", "aA", "a3", "equal ones: a new number");
	numbers("ab", "ba", "ba", "a uid that is there once keeps its "
	    "number");
	numbers("a", "aAaB", "a2a3", "either could be the one that was alone");

	memset(&m, 0, sizeof(m));
	m.uid[0] = 0xab;
	m.uid[UID_LEN - 1] = 0x01;
	mbox_uid(&m, text);
	ok(strcmp(text, "ab000000000000000000000000000001") == 0,
	    "a unique-id as text");
	m.number = UINT32_MAX;
	mbox_uid(&m, text);
	ok(strcmp(text, "ab000000000000000000000000000001.4294967295") == 0,
	    "the unique-id of a duplicate");
	return tap_end();
}
