/*
 * Which entries of two tables are the same message, and the numbers of those
 * that are alike (pop_twin.c).
 */
#include <string.h>

#include "maildrop.h"
#include "tap.h"

/* A table from a word: each letter a message of that unique-id. */
static struct msgs
table(const char *uids)
{
	struct msgs t = { .n = 0 };
	struct msg m;
	size_t i;

	for (i = 0; uids[i] != '\0'; i++) {
		memset(&m, 0, sizeof(m));
		memset(m.uid, uids[i], UID_LEN);
		m.offset = i * 100;
		m.length = 100;
		if (msgs_add(&t, &m) == -1)
			abort();
	}
	return t;
}

/* Letters of the table with the twin number behind each that has one. */
static void
show(const struct msgs *t, char *to, size_t room)
{
	size_t i, n = 0;

	to[0] = '\0';
	for (i = 0; i < t->n && n < room; i++)
		n += (size_t)(t->v[i].twin == 0 ?
		    snprintf(to + n, room - n, "%c", t->v[i].uid[0]) :
		    snprintf(to + n, room - n, "%c%u", t->v[i].uid[0],
		    t->v[i].twin));
}

/* Numbers the twins of then, removes those marked -, numbers now. */
static void
twins(const char *then, const char *keep, const char *added,
    const char *want, const char *what)
{
	struct msgs old = table(then), now = { .n = 0 },
	    more = table(added);
	struct msg m;
	char text[80];
	size_t i;

	if (mbox_twins(&old, NULL) == -1)
		abort();
	for (i = 0; i < old.n + more.n; i++) {
		m = i < old.n ? old.v[i] : more.v[i - old.n];
		m.twin = 0;
		if (i >= old.n)
			m.offset += old.n * 100;
		if ((i >= old.n || keep[i] == '+') && msgs_add(&now, &m) == -1)
			abort();
	}
	if (mbox_twins(&now, &old) == -1)
		abort();
	show(&now, text, sizeof(text));
	if (!ok(strcmp(text, want) == 0, "%s", what))
		note("%s, not %s", text, want);
	msgs_free(&old);
	msgs_free(&now);
	msgs_free(&more);
}

static void
fresh(const char *uids, const char *want)
{
	struct msgs t = table(uids);
	char text[80];

	if (mbox_twins(&t, NULL) == -1)
		abort();
	show(&t, text, sizeof(text));
	ok(strcmp(text, want) == 0, "numbers of %s", uids);
	msgs_free(&t);
}

/*
 * Pairs random tables: each entry at most once, only with its like, and as
 * many pairs as there can be; what stands where it stood is its own pair.
 */
static void
matches(void)
{
	struct msgs a, b;
	size_t to[40], i, j, pairs, can, na, nb;
	char x[40], y[40], uid;
	uint64_t seed = 11;
	unsigned wrong = 0, k;
	bool taken[40];

	for (k = 0; k < 5000; k++) {
		na = below(&seed, 20);
		nb = below(&seed, 20);
		for (i = 0; i < na; i++)
			x[i] = (char)('a' + below(&seed, 6));
		for (i = 0; i < nb; i++)
			y[i] = i < na && below(&seed, 2) ? x[i] :
			    (char)('a' + below(&seed, 6));
		x[na] = y[nb] = '\0';
		a = table(x);
		b = table(y);
		if (mbox_match(&a, &b, to) == -1)
			abort();
		memset(taken, 0, sizeof(taken));
		for (pairs = i = 0; i < na; i++) {
			if (i < nb && x[i] == y[i])
				wrong += to[i] != i;
			if (to[i] == SIZE_MAX)
				continue;
			pairs++;
			wrong += to[i] >= nb || taken[to[i]] ||
			    y[to[i]] != x[i];
			if (to[i] < nb)
				taken[to[i]] = true;
		}
		for (can = 0, uid = 'a'; uid < 'g'; uid++) {
			size_t inx = 0, iny = 0;

			for (j = 0; j < na; j++)
				inx += x[j] == uid;
			for (j = 0; j < nb; j++)
				iny += y[j] == uid;
			can += inx < iny ? inx : iny;
		}
		wrong += pairs != can;
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

	fresh("", "");
	fresh("abc", "abc");
	fresh("aab", "aa2b");
	fresh("abaaba", "aba2a3b2a4");
	twins("aab", "-++", "", "a2b", "the twin of a removed one keeps its "
	    "number");
	twins("aaa", "+-+", "", "aa3", "so do those around a removed one");
	twins("aab", "++-", "a", "aa2a3", "a new twin takes no number that is "
	    "another's");
	twins("ab", "-+", "a", "ba", "one that comes again, alone, has the "
	    "number it had");
	twins("abc", "+++", "cba", "abcc2b2a2", "new ones behind old ones");
	matches();

	memset(&m, 0, sizeof(m));
	m.uid[0] = 0xab;
	m.uid[UID_LEN - 1] = 0x01;
	mbox_uid(&m, text);
	ok(strcmp(text, "ab000000000000000000000000000001") == 0,
	    "a unique-id as text");
	m.twin = UINT32_MAX;
	mbox_uid(&m, text);
	ok(strcmp(text, "ab000000000000000000000000000001.4294967295") == 0,
	    "that of a twin");
	return tap_end();
}
