/*
 * The update engine on a simulated disk: any change of a spool, any room for
 * texts, and a crash at every operation.  What must hold:
 *
 *	after each operation, before any repair, the scanner cuts out each kept
 *	message as a message of its own, from the spool or from a text in the
 *	state file
 *	after recovery, which may crash as well, the spool is the new one, or
 *	the old one if nothing had been moved; and then the mail that arrived
 *	if another program rewrites the spool before recovery, no kept message
 *	is lost
 *
 * usage: engine [SEED [SECONDS]]
 */
#include "disk.h"

#include <time.h>

/* ---- a case -------------------------------------------------------------- */

enum { MESSAGES = 700 };

struct kept {
	struct buf old, new;	/* its text before and after */
	size_t id;
	bool cut;		/* it may be moved in parts */
};

static struct {
	struct kept kept[MESSAGES];
	size_t n;
	struct buf old, new;	/* the spool */
	size_t kept_end;	/* what is after it is cut off first */
	struct buf mail;	/* that arrived after a crash */
	struct plan plan;
	uint64_t room;
	struct file base[FILES];
} w;

/* A message; its Status field, if any, is at *at and has *drop bytes. */
static void
write_message(struct buf *b, size_t i, size_t size, size_t status,
    uint32_t *at, uint32_t *drop)
{
	size_t begin = b->n, k, line = 0;
	char text[128];

	(void)snprintf(text, sizeof(text), "From m%zu@example.org Sat Jan  3 "
	    "01:05:34 1996\nSubject: %zu\n", i, i);
	buf_str(b, text);
	*at = (uint32_t)(b->n - begin);
	*drop = (uint32_t)status;
	if (status > 0) {
		buf_str(b, "Status:");
		buf_fill(b, ' ', status - 8);
		buf_str(b, "\n");
	}
	buf_str(b, "\n");
	for (k = 0; k < size; k++)
		buf_add(b, ++line % 61 == 0 || k + 1 == size ? "\n" :
		    &"abcdefghijklmnopqrstuvwxyz"[rnd(&seed) % 26], 1);
	buf_str(b, "\n");
}

static void
keep_one(const struct entry *e, const char *text, size_t id)
{
	struct kept *k = &w.kept[w.n++];
	const struct str add = plan_splice(e->add);

	k->old.n = k->new.n = 0;
	buf_add(&k->old, text, (size_t)e->len);
	buf_add(&k->new, text, e->at);
	buf_add(&k->new, add.p, add.n);
	buf_add(&k->new, text + e->at + e->drop,
	    (size_t)e->len - e->at - e->drop);
	buf_fill(&k->new, '\n', e->ends);
	k->id = id;
	k->cut = k->new.n + 2 * GROWTH_MOST > w.room;
}

/* A random spool, a random change of it, and a random room. */
static void
make_case(void)
{
	static const size_t rooms[] = { 0, 90, 400, 1500, 6000, 1 << 20 };
	static const size_t statuses[] = { 0, 0, 10, 9, 8, 11, 15, 40 };
	size_t kind = below(&seed, 200), n, i, most, at = 0, size;
	size_t deleting = below(&seed, 5), reading = below(&seed, 5);
	bool begun = false, gone, seen;
	uint32_t where, drop;
	struct entry e;

	/* many lines in front of line ends; blocks; moves larger than messages */
	n = kind == 0 ? 500 : kind < 20 && kind > 1 ? 10 + below(&seed, 30) :
	    1 + below(&seed, kind == 1 ? 5 : 9);
	most = kind == 1 ? 700000 : kind < 20 ? 20 : below(&seed, 3) == 0 ?
	    3000 : 150;
	w.room = kind == 1 ? below(&seed, 1 << 20) : rooms[below(&seed, 6)];
	w.n = 0;
	w.old.n = w.new.n = w.mail.n = 0;
	plan_free(&w.plan);
	for (i = 0; i < n; i++, at += size) {
		write_message(&w.old, i, 1 + below(&seed, most),
		    statuses[below(&seed, 8)], &where, &drop);
		size = w.old.n - at;
		gone = below(&seed, 5) < deleting;
		seen = !gone && below(&seed, 5) < reading;
		if (!begun && (gone || seen))
			plan_begin(&w.plan, 0, at);
		begun = begun || gone || seen;
		if (gone)
			continue;
		e = (struct entry){ .src = at, .len = size };
		if (seen) {
			e.at = where;
			e.drop = drop;
			e.add = SPLICE_STATUS;
		}
		keep_one(&e, w.old.p + at, i);
		w.kept_end = w.old.n;
		buf_add(&w.new, w.kept[w.n - 1].new.p, w.kept[w.n - 1].new.n);
		if (begun && plan_add(&w.plan, &e) == -1)
			abort();
	}
	if (!begun)
		plan_begin(&w.plan, w.old.n, w.old.n);
	w.plan.old_size = w.n > 0 ? w.kept_end : 0;
}

static void
reset_disk(void)
{
	size_t i;

	restart();
	for (i = 0; i < FILES; i++) {
		file[i].now.n = 0;
		file[i].dirty.n = 0;
	}
	buf_add(&file[SPOOL].now, w.old.p, w.old.n);
	for (i = 0; i < FILES; i++)
		set_buf(&file[i].disk, &file[i].now);
	held = true;
}

/* The plan, as its owner gives it away. */
static void
copy_plan(struct plan *pl)
{
	size_t k;

	plan_begin(pl, w.plan.old_size, w.plan.first);
	for (k = 0; k < w.plan.n; k++)
		if (plan_add(pl, &w.plan.v[k]) == -1)
			abort();
}

/* The update, with the room that the case has for a text.  0, or errno. */
static int
update(void)
{
	struct spool sp = open_spool();
	uint64_t most;
	struct journal j;
	struct plan pl;
	bool begun;
	int r;

	copy_plan(&pl);
	if (pl.old_size < w.old.n &&
	    journal_cut(&sp, w.old.n, pl.old_size, &begun) == -1) {
		plan_free(&pl);
		return errno;
	}
	jrn_begin(&j, FD + STATE, &pl, &sp);
	if (plan_fit(&j.pl, w.room, &most) == -1) {
		jrn_end(&j);
		return ENOSPC;
	}
	j.r.room = j.pl.room;
	j.r.entries_at = INDEX_AT;
	j.r.text_at[0] = file_aligned(INDEX_AT + j.r.entries *
	    sizeof(struct entry), SECTOR);
	j.r.text_at[1] = file_aligned(j.r.text_at[0] + w.room, SECTOR);
	j.end = j.r.text_at[1] + w.room;
	r = jrn_witness(sp.fd, &j.r, &j.r.witness);
	if (r == 0)
		r = jrn_put_entries(&j);
	if (r == 0)
		r = jrn_run(&box, &sp, &j);
	if (r == -1 && errno == ENOSPC)
		errno = ERANGE;		/* what fits in the plan fits on disk */
	if (r == 0)
		r = jrn_void(FD + STATE, true);
	jrn_end(&j);
	return r == 0 ? 0 : errno;
}

/* ---- what must hold ------------------------------------------------------ */

static size_t
without_ends(const char *p, size_t n)
{
	while (n > 0 && p[n - 1] == '\n')
		n--;
	return n;
}

/* Marks the kept messages that the scanner finds in a part of a file. */
static void
find_kept(int fd, uint64_t from, uint64_t to, bool *found)
{
	const struct buf *b = &file[fd - FD].now;
	struct msgs t;
	size_t i, k, n, m;
	const char *p;
	const struct buf *is;
	int which;

	if (scan_part(fd, from, to, &t, NULL, NULL, NULL) == -1)
		return;
	for (i = 0; i < t.n; i++) {
		p = b->p + t.v[i].offset;
		n = without_ends(p, (size_t)t.v[i].length);
		for (k = 0; k < w.n; k++)
			for (which = 0; which < 2; which++) {
				is = which == 0 ? &w.kept[k].old :
				    &w.kept[k].new;
				m = without_ends(is->p, is->n);
				if (n == m && memcmp(p, is->p, n) == 0)
					found[k] = true;
			}
	}
	msgs_free(&t);
}

/* The same in a text, which may begin in the middle of a message. */
static void
find_in_text(const struct journal *j, uint64_t area, bool *found)
{
	uint64_t from = j->r.text[area].from, at = j->r.text_at[area];
	size_t k = plan_at(&j->pl, from);

	if (jrn_text_there(j, area) != 1 || k == j->pl.n)
		return;
	if (j->pl.v[k].dst < from && ++k == j->pl.n)
		return;
	if (j->pl.v[k].dst < from + j->r.text[area].len)
		find_kept(FD + STATE, at + j->pl.v[k].dst - from,
		    at + j->r.text[area].len, found);
}

static bool
all_stand(void)
{
	bool found[MESSAGES] = { false };
	struct journal j;
	size_t k;
	uint64_t i;

	find_kept(FD + SPOOL, 0, file[SPOOL].now.n, found);
	if (jrn_load(&j, FD + STATE) == 0) {
		for (i = 0; i < 2; i++)
			find_in_text(&j, i, found);
		for (k = 0; k < j.pl.n && j.pl.from_state; k++)
			find_kept(FD + STATE, j.pl.v[k].src, j.pl.v[k].src +
			    j.pl.v[k].len, found);
		jrn_end(&j);
	}
	for (k = 0; k < w.n; k++)
		if (!found[k] && !w.kept[k].cut) {
			note("after operation %zu kept message %zu does not "
			    "stand", ops, k);
			return false;
		}
	return true;
}

static bool
is_text(const struct buf *b, const struct buf *text)
{
	return b->n == text->n + w.mail.n &&
	    memcmp(b->p, text->p, text->n) == 0 && (w.mail.n == 0 ||
	    memcmp(b->p + text->n, w.mail.p, w.mail.n) == 0);
}

/* The last recovery; then the spool is old or new. */
static bool
comes_right(const char *what, size_t n)
{
	struct buf was;
	int e;

	restart();
	if ((e = recover()) != 0) {
		note("%s %zu: %s", what, n, strerror(e));
		return false;
	}
	was = w.old;
	was.n = (size_t)w.plan.old_size;
	if (is_text(&file[SPOOL].now, &w.new) ||
	    is_text(&file[SPOOL].now, &w.old) ||
	    is_text(&file[SPOOL].now, &was))
		return true;
	note("%s %zu: the spool is neither old nor new (%zu; %zu, %zu, %zu)",
	    what, n, file[SPOOL].now.n, w.old.n, w.new.n, w.mail.n);
	return false;
}

static void
deliver(void)
{
	uint32_t at, drop;
	struct buf one = { .n = 0 };

	write_message(&one, 1000 + below(&seed, 99), below(&seed, 300), 0,
	    &at, &drop);
	buf_add(&w.mail, one.p, one.n);
	buf_add(&file[SPOOL].now, one.p, one.n);
	buf_add(&file[SPOOL].disk, one.p, one.n);
	buf_free(&one);
}

/* A crash at operation n, perhaps more in recovery; then it comes right. */
static bool
crash_at(size_t n, bool power)
{
	size_t again;

	w.mail.n = 0;
	reset_disk();
	die_at = n;
	(void)update();
	for (again = below(&seed, 3); ; again--) {
		if (power)
			power_cut();
		else if (!all_stand())
			return false;
		if (!power && below(&seed, 4) == 0)
			deliver();
		if (again == 0)
			break;
		restart();
		die_at = 1 + below(&seed, 30);
		(void)recover();
	}
	return comes_right(power ? "power cut before operation" :
	    "killed before operation", n);
}

/* Operation n fails; then perhaps the power.  */
static bool
fails_at(size_t n)
{
	bool good;

	w.mail.n = 0;
	reset_disk();
	fail_at = n;
	(void)update();
	restart();
	if (below(&seed, 2) == 0) {
		die_at = 1 + below(&seed, 30);
		(void)recover();
	}
	if (below(&seed, 2) == 0)
		power_cut();
	good = comes_right("failed operation", n);
	power_cut();
	return good && comes_right("failed operation, at last", n);
}

/* ---- another program between -------------------------------------------- */

/* A message with the Status field of another program: "Status: O". */
static void
put_foreign(struct buf *to, const char *p, size_t n)
{
	const char *end = p + n, *nl;
	bool head = true;

	for (; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end - 1;
		if (head && *p == '\n') {
			buf_str(to, "Status: O\n");
			head = false;
		}
		if (!head || nl - p < 7 || memcmp(p, "Status:", 7) != 0)
			buf_add(to, p, (size_t)(nl + 1 - p));
	}
}

/*
 * What mail programs do: they read all messages, and write them back in place,
 * without one that they delete, whose number *gone gets.
 */
static void
rewrite(size_t *gone)
{
	struct buf text = { .n = 0 };
	struct msgs t;
	const char *p;
	size_t i, drop;

	*gone = SIZE_MAX;
	if (scan_file(FD + SPOOL, file[SPOOL].now.n, &t, NULL) == -1)
		return;
	drop = below(&seed, 2 * t.n + 1);
	for (i = 0; i < t.n; i++) {
		p = file[SPOOL].now.p + t.v[i].offset;
		if (i == drop)
			*gone = (size_t)strtoul(p + 6, NULL, 10);
		else
			put_foreign(&text, p, (size_t)t.v[i].length);
	}
	set_file(SPOOL, &text);
	msgs_free(&t);
	buf_free(&text);
}

/* A text without Status fields and the line ends after it. */
static void
plain(struct buf *to, const char *p, size_t n)
{
	const char *end = p + n, *nl;

	for (to->n = 0; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end - 1;
		if (end - p < 7 || memcmp(p, "Status:", 7) != 0)
			buf_add(to, p, (size_t)(nl + 1 - p));
	}
	to->n = without_ends(to->p, to->n);
}

/* How often the spool has a kept message. */
static size_t
times_there(const struct kept *k)
{
	struct buf a = { .n = 0 }, b = { .n = 0 };
	struct msgs t;
	size_t i, n = 0;

	plain(&a, k->old.p, k->old.n);
	if (scan_file(FD + SPOOL, file[SPOOL].now.n, &t, NULL) == -1)
		return 0;
	for (i = 0; i < t.n; i++) {
		plain(&b, file[SPOOL].now.p + t.v[i].offset,
		    (size_t)t.v[i].length);
		n += a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
	}
	msgs_free(&t);
	buf_free(&a);
	buf_free(&b);
	return n;
}

/*
 * Killed at operation n; another program rewrites the spool; then recovery,
 * perhaps with a crash of its own.  No kept message is lost, and none that
 * stood in the spool comes from the state file as well.
 */
static bool
rewritten_at(size_t n)
{
	size_t k, gone, before[MESSAGES], after;
	int e;

	w.mail.n = 0;
	reset_disk();
	die_at = n;
	(void)update();
	restart();
	rewrite(&gone);
	for (k = 0; k < w.n; k++)
		before[k] = times_there(&w.kept[k]);
	if (below(&seed, 2) == 0) {
		die_at = 1 + below(&seed, 30);
		(void)recover();
		restart();
	}
	if ((e = recover()) != 0) {
		note("rewritten after operation %zu: %s", n, strerror(e));
		return false;
	}
	for (k = 0; k < w.n; k++) {
		after = times_there(&w.kept[k]);
		if (w.kept[k].cut || gone == w.kept[k].id || (after > 0 &&
		    after <= (before[k] > 1 ? before[k] : 1)))
			continue;
		note("rewritten after operation %zu: kept message %zu was "
		    "there %zu times, and is %zu times", n, k, before[k],
		    after);
		return false;
	}
	return true;
}

static bool
try_case(void)
{
	size_t total, n, step;
	bool good;

	reset_disk();
	after_op = all_stand;
	if ((n = (size_t)update()) == ENOSPC)
		return true;
	total = ops;
	restart();
	good = n == 0 && is_text(&file[SPOOL].now, &w.new) && held;
	if (n != 0)
		note("the update: %s", strerror((int)n));
	step = w.old.n > 20000 ? 1 + total / 10 : 1;
	for (n = 1; n <= total + 1 && good; n += step)
		good = crash_at(n, false) && crash_at(n, true) &&
		    crash_at(n, true) && fails_at(n) && rewritten_at(n);
	return good;
}

int
main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, at;
	time_t until = argc > 2 ? time(NULL) + strtol(argv[2], NULL, 10) : 0;
	size_t cases = 0, bad = 0;

	for (at = first; until == 0 ? cases < TAP_MANY(400) :
	    time(NULL) < until; at++, cases++) {
		seed = at * UINT64_C(0x9e3779b97f4a7c15) | 1;
		make_case();
		if (!try_case()) {
			note("seed %llu", (unsigned long long)at);
			if (++bad == 5)
				break;
		}
	}
	ok(bad == 0, "%zu changes, a crash at every operation", cases);
	return tap_end();
}
