/*
 * Files sorted by sort(1): bisection finds all lines of each key, in their order,
 * and none of a key that is not there; and it reads little.
 */
#include <errno.h>
#include <unistd.h>

#include "lib/lib.h"
#include "tap.h"

enum { KEYS = 4000, KEY = 24 };

static char dir[] = "/tmp/popper-lines-XXXXXX";
static char file[64], unsorted[64];
static char keys[KEYS][KEY];
static uint64_t seed = 1;

/* A key of characters on both sides of ":" in the order of bytes. */
static void
make_key(char *to)
{
	static const char set[] = "aabBzZ019-.+_@!~;\\\200\377";
	size_t i, n = 1 + below(&seed, 6);

	for (i = 0; i < n; i++)
		to[i] = set[below(&seed, sizeof(set) - 1)];
	to[n] = '\0';
}

/* Lines "key", or "key:number of the line:and more", with that many bytes more. */
static void
make_file(size_t lines, bool values, size_t more)
{
	char command[256];
	FILE *f = fopen(unsorted, "w");
	size_t i, j;

	for (i = 0; f != NULL && i < lines; i++) {
		make_key(keys[i]);
		fprintf(f, "%s", keys[i]);
		if (values)
			fprintf(f, ":%zu:", i);
		for (j = values && more > 0 ? below(&seed, more) : 0; j > 0; j--)
			putc('x', f);
		putc('\n', f);
	}
	if (f == NULL || fclose(f) == EOF)
		abort();
	snprintf(command, sizeof(command), "{ echo '# sorted'; LC_ALL=C sort -s "
	    "-t: -k1,1 %s; } >%s", unsorted, file);
	if (system(command) != 0)
		abort();
}

/* The values of all lines with a key, as text; and how many lines were seen. */
static size_t
values_of(const char *path, const char *key, bool find, struct buf *to)
{
	struct lines l;
	char *line;
	size_t n, seen = 0;

	to->n = 0;
	if (lines_open(&l, path, false) == -1)
		abort();
	if (find)
		lines_find(&l, key);
	for (; (line = lines_next(&l)) != NULL; seen++) {
		n = strcspn(line, ":\n");
		if (n == strlen(key) && memcmp(line, key, n) == 0)
			buf_str(to, line);
	}
	buf_add(to, "", 1);
	if (lines_close(&l) == -1)
		abort();
	return seen;
}

static void
try(size_t lines, bool values, size_t more)
{
	struct buf all = { 0 }, found = { 0 };
	size_t i, seen, most = 0, wrong = 0;
	char key[KEY];

	make_file(lines, values, more);
	for (i = 0; i < 2 * TAP_MANY(160); i++) {
		if (i % 2 == 0 && lines > 0)
			memcpy(key, keys[below(&seed, lines)], KEY);
		else
			make_key(key);
		(void)values_of(unsorted, key, false, &all);
		seen = values_of(file, key, true, &found);
		if (seen > most)
			most = seen;
		if (strcmp(all.p, found.p) != 0 && wrong++ < 5)
			note("key %s: %s instead of %s", key, found.p, all.p);
	}
	ok(wrong == 0, "%zu lines%s, up to %zu bytes more: all are found", lines,
	    values ? " with values" : "", more);
	/* the block at the end of the search, its neighbors, and duplicates */
	ok(lines == 0 || most <= PAGE / 2 + 2 + lines / 5,
	    "at most %zu of the lines were read", most);
	buf_free(&all);
	buf_free(&found);
}

/* Changes the file in the middle of a search; error is what that gives. */
static void
try_change(const char *what, const char *command, int error)
{
	struct lines l;
	int r;

	make_file(KEYS, true, 50);
	if (lines_open(&l, file, false) == -1)
		abort();
	lines_find(&l, keys[0]);
	if (system(command) != 0)
		abort();
	while (lines_next(&l) != NULL)
		continue;
	r = lines_close(&l);
	ok((r == -1 ? errno : 0) == error, "a file is %s meanwhile: %s", what,
	    error == 0 ? "the old one counts" : strerror(error));
}

static void
try_lines(void)
{
	char command[256];

	try(0, true, 0);
	try(1, false, 0);
	try(10, true, 0);
	try(10, true, 3000);
	try(KEYS, false, 0);
	try(KEYS, true, 0);
	try(KEYS, true, 300);
	try(KEYS / 4, true, 3900);	/* a line of nearly LINE_MOST */

	/* lines that are too long: read as a whole, and found all the same */
	try(1000, true, 20000);

	snprintf(command, sizeof(command), "mv %s %s", unsorted, file);
	try_change("replaced", command, 0);
	snprintf(command, sizeof(command), "echo zzz:1: >>%s", file);
	try_change("appended to", command, EAGAIN);
	snprintf(command, sizeof(command), "cat %s >%s", unsorted, file);
	try_change("overwritten", command, EAGAIN);
	snprintf(command, sizeof(command), ": >%s", file);
	try_change("emptied", command, EAGAIN);
}

static const struct {
	const char *line, *key;
	int order;
} orders[] = {
	{ "bob", "bob", 0 },
	{ "bob:x", "bob", 0 },
	{ "bob\n", "bob", 0 },
	{ "bob\r\n", "bob", 0 },
	{ "", "", 0 },
	{ ":x", "", 0 },
	{ "bob-x:y", "bob", 1 },	/* though "-" is below ":" */
	{ "bob:y", "bob-x", -1 },
	{ "bob:x", "bob:x", -1 },	/* no key has a colon */
	{ "Bob", "bob", -1 },
	{ "b\377", "ba", 1 },
	{ "b", "b\377", -1 },
	{ "b", "", 1 },
	{ "", "b", -1 }
};

int
main(void)
{
	size_t i;
	int r;

	for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		r = lines_order(orders[i].line, orders[i].key);
		ok((r > 0) - (r < 0) == orders[i].order, "the key of line %zu: "
		    "%d", i, orders[i].order);
	}
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(file, sizeof(file), "%s/sorted", dir);
	snprintf(unsorted, sizeof(unsorted), "%s/unsorted", dir);
	try_lines();
	(void)unlink(file);
	(void)unlink(unsorted);
	(void)rmdir(dir);
	return tap_end();
}
