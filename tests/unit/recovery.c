/*
 * Recovery, row by row of the table in spool/recover.c: a record and a spool
 * made by hand, and what must become of them.  Each row is then tried with a
 * crash at every operation of recovery: it must come to the same.
 */
#include "disk.h"

/* ---- a scene ------------------------------------------------------------- */

enum { MARKS = 16, ROOM = 8192, MOST_OPS = 40 };

/* A change of a spool of a few messages. */
static struct {
	struct buf old, new;	/* the spool, without what is cut off first */
	struct plan plan;
	struct buf text[MARKS];	/* the messages that stay: their new texts */
	size_t n;
} scene;

static struct buf spool;	/* as the row has it */
static struct buf mail;		/* one more message */

static void
write_message(struct buf *b, size_t i, size_t body, const char *field)
{
	char line[128];
	size_t k;

	(void)snprintf(line, sizeof(line), "From m%zu@example.org Sat Jan  3 "
	    "01:05:34 1996\nSubject: %zu\n%s\n", i, i, field);
	buf_str(b, line);
	for (k = 0; k < body; k++)
		buf_add(b, k % 61 == 60 || k + 1 == body ? "\n" :
		    &"abcdefghijklmnopqrstuvwxyz"[(i * 7 + k) % 26], 1);
	buf_str(b, "\n");
}

/*
 * Messages with bodies of so many bytes: k stays, d is deleted, r stays and
 * gets a Status line.
 */
static void
make_scene(const char *marks, size_t body)
{
	bool begun = false;
	struct entry e;
	size_t i, at, kept_end = 0;

	plan_free(&scene.plan);
	scene.old.n = scene.new.n = scene.n = mail.n = 0;
	for (i = 0; marks[i] != '\0'; i++) {
		at = scene.old.n;
		write_message(&scene.old, i, body + i, "");
		if (!begun && marks[i] != 'k')
			plan_begin(&scene.plan, 0, at);
		begun = begun || marks[i] != 'k';
		if (marks[i] == 'd')
			continue;
		e = (struct entry){ .src = at, .len = scene.old.n - at };
		if (marks[i] == 'r') {
			e.at = (uint32_t)(strstr(scene.old.p + at, "\n\n") -
			    (scene.old.p + at) + 1);
			e.add = SPLICE_STATUS;
		}
		kept_end = scene.old.n;
		scene.text[scene.n].n = 0;
		write_message(&scene.text[scene.n], i, body + i,
		    marks[i] == 'r' ? "Status: RO\n" : "");
		buf_add(&scene.new, scene.text[scene.n].p,
		    scene.text[scene.n].n);
		scene.n++;
		if (begun && plan_add(&scene.plan, &e) == -1)
			abort();
	}
	scene.plan.old_size = scene.old.n = kept_end;
	write_message(&mail, 100, 40, "");
	restart();
	set_file(STATE, &(struct buf){ .n = 0 });
	set_buf(&spool, &scene.old);
}

/* The plan, as its owner gives it away. */
static void
copy_plan(struct plan *pl)
{
	size_t k;

	plan_begin(pl, scene.plan.old_size, scene.plan.first);
	for (k = 0; k < scene.plan.n; k++)
		if (plan_add(pl, &scene.plan.v[k]) == -1)
			abort();
}

/* Its journal, not yet on disk, with room for such texts. */
static void
make_journal(struct journal *j, uint64_t room)
{
	struct spool sp = open_spool();
	struct plan pl;

	copy_plan(&pl);
	set_file(SPOOL, &scene.old);
	jrn_begin(j, FD + STATE, &pl, &sp);
	j->r.room = j->pl.room = room;
	j->r.entries_at = INDEX_AT;
	j->r.text_at[0] = file_aligned(INDEX_AT + j->r.entries *
	    sizeof(struct entry), SECTOR);
	j->r.text_at[1] = file_aligned(j->r.text_at[0] + room, SECTOR);
	j->end = j->r.text_at[1] + room;
	if (jrn_witness(FD + SPOOL, &j->r, &j->r.witness) == -1 ||
	    jrn_put_entries(j) == -1)
		abort();
}

/* The record with that progress, on disk. */
static void
record(struct journal *j, enum pass pass, uint64_t off)
{
	j->r.pass = pass;
	j->r.off = off;
	if (jrn_put_record(j) == -1)
		abort();
}

/* A journal that has come so far. */
static void
journal(enum pass pass, uint64_t off)
{
	struct journal j;

	make_journal(&j, ROOM);
	record(&j, pass, off);
	jrn_end(&j);
}

/* The new text of the bytes from..to, as area has it. */
static void
put_text(struct journal *j, uint64_t area, uint64_t from, uint64_t to)
{
	size_t n = (size_t)(to - from);

	j->r.text[area] = (struct text){ .from = from, .len = n,
	    .sum = file_sum(scene.new.p + from, n, 0) };
	if (file_write(FD + STATE, scene.new.p + from, n, j->r.text_at[area])
	    == -1)
		abort();
}

/* A journal whose first text has the new text from an entry on. */
static void
journal_with_text(struct journal *j, size_t entry)
{
	make_journal(j, ROOM);
	put_text(j, 0, j->pl.v[entry].dst, scene.new.n);
	record(j, PASS_LEFT, j->pl.v[entry].dst);
}

static void
join(struct buf *to, const struct buf *a, const char *between,
    const struct buf *b)
{
	struct buf text = { .n = 0 };

	buf_add(&text, a->p, a->n);
	buf_str(&text, between);
	buf_add(&text, b->p, b->n);
	set_buf(to, &text);
	buf_free(&text);
}

/* ---- what must become of it ---------------------------------------------- */

static bool
same(const struct buf *a, const struct buf *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->p, b->p, a->n) == 0);
}

static void
copy_file(struct file *to, const struct file *from)
{
	set_buf(&to->now, &from->now);
	set_buf(&to->disk, &from->disk);
	set_buf(&to->dirty, &from->dirty);
}

/* One recovery: it ends so, the spool is that, and nothing is left to do. */
static bool
comes_to(int error, const struct buf *want, const char *when, size_t n)
{
	int e;

	restart();
	e = recover();
	if (e == error && same(&file[SPOOL].now, want) &&
	    (error != 0 || recover_probe(FD + STATE) == 0))
		return true;
	note("%s %zu: %s; the spool has %zu bytes, not %zu", when, n,
	    e == 0 ? "recovered" : strerror(e), file[SPOOL].now.n, want->n);
	return false;
}

/* The same, and with a crash at each operation before. */
static bool
recovers_to(int error, const struct buf *want)
{
	static struct file base[FILES];
	size_t total, n, i, k;
	bool good;

	for (k = 0; k < FILES; k++)
		copy_file(&base[k], &file[k]);
	good = comes_to(error, want, "at once,", 0);
	total = ops;
	for (n = 1; n <= total + 1 && good && error == 0; n++)
		for (i = 0; i < 5 && good; i++) {
			for (k = 0; k < FILES; k++)
				copy_file(&file[k], &base[k]);
			restart();
			die_at = n;
			(void)recover();
			if (i > 0)
				power_cut();
			good = comes_to(0, want, i > 0 ?
			    "power cut before operation" :
			    "killed before operation", n);
			power_cut();
			good = good && (same(&file[SPOOL].now, want) ||
			    (note("power cut after operation %zu", n), false));
		}
	return good;
}

/* That is so if this is the spool. */
static bool
with_spool(const struct buf *is, int error, const struct buf *want)
{
	set_file(SPOOL, is);
	settle(STATE);
	return recovers_to(error, want);
}

/* The spool stays as the row has it. */
static bool
is_left_alone(int error)
{
	return with_spool(&spool, error, &spool);
}

/*
 * The spool is the new text, then the mail that stands after it.  Where that is
 * moved, the empty line before it goes: the new text ends in one.
 */
static bool
is_finished(const char *between, bool moved, bool with_mail)
{
	static const struct buf none;
	struct buf want = { .n = 0 };
	bool good;

	join(&want, &scene.new, moved ? "" : between,
	    with_mail ? &mail : &none);
	join(&spool, &spool, between, with_mail ? &mail : &none);
	good = with_spool(&spool, 0, &want);
	buf_free(&want);
	return good;
}

/* ---- A: never in force --------------------------------------------------- */

static void
row_a(void)
{
	struct journal j;
	bool good;

	make_scene("dk", 40);
	ok(is_left_alone(0), "A: an empty state file");

	make_journal(&j, ROOM);
	record(&j, PASS_LEFT, 0);
	file[STATE].now.p[j.r.entries_at] ^= 1;
	jrn_end(&j);
	ok(is_left_alone(0), "A: entries that do not add up, never synced");

	/* an earlier update, when the clock was ahead */
	make_journal(&j, ROOM);
	j.r.ino = 7;
	record(&j, PASS_LEFT, 0);
	record(&j, PASS_RIGHT, UINT64_MAX);
	good = jrn_void(FD + STATE, true) == 0;
	good = good && is_left_alone(0);
	ok(good, "A: no record but in the second sector");

	j.r.ino = (uint64_t)FD + SPOOL;
	j.r.seq -= 1000;
	record(&j, PASS_LEFT, 0);
	jrn_end(&j);
	set_buf(&spool, &scene.old);
	ok(is_finished("", false, false),
	    "A: a second record that does not follow the first");
}

/* ---- B: damaged ---------------------------------------------------------- */

static void
row_b(void)
{
	static const struct entry unsound[] = {
		{ .src = 0, .len = 0 },
		{ .src = 0, .len = 1 << 20 },
		{ .src = 1 << 20, .len = 1 },
		{ .src = 0, .len = 40, .at = 41 },
		{ .src = 0, .len = 40, .at = 20, .drop = 21 },
		{ .src = 0, .len = 40, .drop = 40 },
		{ .src = 0, .len = 40, .add = SPLICES },
		{ .src = 0, .len = 40, .ends = ENDS_MOST + 1 }
	};
	struct journal j;
	bool good;
	size_t i;

	make_scene("dkk", 40);
	journal(PASS_LEFT, 0);
	file[STATE].now.p[offsetof(struct record, off)] ^= 1;
	ok(is_left_alone(EILSEQ), "B: a record that does not add up");

	make_journal(&j, ROOM);
	record(&j, PASS_LEFT, 0);
	record(&j, PASS_LEFT, 0);
	file[STATE].now.p[j.r.entries_at] ^= 1;
	ok(is_left_alone(EILSEQ), "B: entries that do not add up, once synced");
	jrn_end(&j);

	make_journal(&j, ROOM);
	record(&j, PASS_LEFT, 0);
	for (i = 0, good = true; i < sizeof(unsound) / sizeof(unsound[0]) &&
	    good; i++) {
		j.pl.v[0] = unsound[i];
		if (jrn_put_entries(&j) == -1)
			abort();
		record(&j, PASS_LEFT, 0);
		if (!(good = is_left_alone(EILSEQ)))
			note("unsound entry %zu", i);
	}
	ok(good, "B: entries that no update makes");
	jrn_end(&j);

	make_journal(&j, ROOM);
	record(&j, PASS_LEFT, 0);
	j.pl.v[1].src -= 10;
	good = jrn_put_entries(&j) == 0;
	record(&j, PASS_LEFT, 0);
	jrn_end(&j);
	ok(good && is_left_alone(EILSEQ), "B: entries that overlap");

	/* the text is gone, and so is what it was made of */
	make_scene("kr", 2000);
	make_journal(&j, ROOM);
	put_text(&j, 0, j.pl.v[0].dst, scene.new.n);
	record(&j, PASS_RIGHT, UINT64_MAX);
	file[STATE].now.p[j.r.text_at[0]] ^= 1;
	jrn_end(&j);
	buf_fill(&spool, '\n', scene.new.n - scene.old.n);
	spool.p[scene.old.n - 500] ^= 1;
	ok(is_left_alone(EILSEQ), "B: a text that is not as it was synced");
}

/* ---- C: perhaps grown ---------------------------------------------------- */

static void
row_c(void)
{
	size_t growth, i;
	bool good = true;

	make_scene("krk", 40);
	growth = scene.new.n - scene.old.n;
	for (i = 0; i <= growth && good; i++) {
		make_scene("krk", 40);
		journal(PASS_GROW, 0);
		buf_fill(&spool, '\n', i);
		good = with_spool(&spool, 0, &scene.old);
	}
	ok(good, "C: line ends, or part of them, are cut off");

	make_scene("krk", 40);
	journal(PASS_GROW, 0);
	buf_fill(&spool, '\n', growth / 2);
	buf_fill(&spool, '\0', growth - growth / 2);
	ok(with_spool(&spool, 0, &scene.old), "C: so is what a power cut left");

	make_scene("krk", 40);
	journal(PASS_GROW, 0);
	buf_fill(&spool, '\n', growth);
	join(&spool, &spool, "", &mail);
	join(&scene.new, &scene.new, "", &mail);
	ok(with_spool(&spool, 0, &scene.new), "C: grown, then mail: goes on");

	make_scene("krk", 40);
	journal(PASS_GROW, 0);
	join(&spool, &spool, "\n\n", &mail);
	ok(is_left_alone(0), "C: mail after part of the line ends: nothing");

	make_scene("krk", 40);
	journal(PASS_GROW, 0);
	join(&spool, &spool, "", &mail);
	ok(is_left_alone(0), "C: mail in their place: nothing");

	make_scene("krk", 40);
	journal(PASS_GROW, 0);
	spool.n -= 10;
	ok(is_left_alone(0), "C: a smaller spool: nothing");
}

/* ---- D, E, F: going on --------------------------------------------------- */

/* The same progress and spool, and what may stand after it. */
static void
goes_on(const char *row, const char *marks, enum pass pass, bool cut,
    size_t variants)
{
	static const struct {
		const char *between;
		bool with_mail;
		const char *what;
	} after[] = {
		{ "", false, "nothing" },
		{ "", true, "a message" },
		{ "\n", true, "an empty line and a message" }
	};
	size_t i;

	for (i = 0; i < variants; i++) {
		make_scene(marks, 300);
		journal(pass, cut ? scene.new.n : pass == PASS_RIGHT ?
		    UINT64_MAX : 0);
		if (cut)
			set_buf(&spool, &scene.new);
		if (scene.new.n > scene.old.n)
			buf_fill(&spool, '\n', scene.new.n - scene.old.n);
		ok(is_finished(after[i].between, !cut && scene.new.n <
		    scene.old.n, after[i].with_mail),
		    "%s: %s after it", row, after[i].what);
	}
}

/* ---- G: another program -------------------------------------------------- */

/* A change of one byte of the spool. */
static bool
other_byte(const char *marks, size_t body, size_t at, char c)
{
	make_scene(marks, body);
	journal(PASS_LEFT, 0);
	spool.p[at] = c;
	return is_left_alone(0);
}

static void
row_g_verdict(void)
{
	struct journal j;
	size_t at;

	make_scene("dkk", 200000);
	at = scene.new.n;
	ok(other_byte("dkk", 200000, at + 999, 'X'),
	    "G: the text to be cut off has another beginning");
	make_scene("dkk", 200000);
	at = scene.old.n;
	ok(other_byte("dkk", 200000, at - 999, 'X'), "G: or another end");

	make_scene("dkk", 40);
	at = (size_t)scene.plan.v[0].src;
	ok(other_byte("dkkkkk", 40, at, 'X'), "G: a message does not begin");

	make_scene("dkk", 40);
	make_journal(&j, ROOM);
	j.r.ino = 7;
	record(&j, PASS_LEFT, 0);
	jrn_end(&j);
	ok(is_left_alone(0), "G: another file");

	make_scene("drk", 40);
	journal(PASS_LEFT, 0);
	at = (size_t)scene.plan.v[0].src + scene.plan.v[0].at;
	memcpy(spool.p + at, "Status: RO\n", 11);
	ok(is_left_alone(0), "G: a message has its Status line already");
	set_buf(&spool, &scene.old);
	spool.p[at - 1] = 'x';
	ok(is_left_alone(0), "G: no line ends where one goes");

	make_scene("kdk", 40);
	journal_with_text(&j, 0);
	spool.p[j.r.text[0].from - 2] = 'x';
	jrn_end(&j);
	ok(is_left_alone(0), "G: before a text that is due no message ends");

	make_scene("dkk", 40);
	journal(PASS_LEFT, 0);
	spool.n -= 10;
	ok(is_left_alone(0), "G: a smaller spool");
}

static void
row_g_texts(void)
{
	struct journal j;
	struct buf want = { .n = 0 };
	size_t i;
	bool good;

	/* two texts that the spool has, or has not */
	for (i = 0; i < 4; i++) {
		make_scene("dkk", 40);
		make_journal(&j, ROOM);
		put_text(&j, 0, 0, scene.text[0].n);
		put_text(&j, 1, scene.text[0].n, scene.new.n);
		j.r.ino = 7;
		record(&j, PASS_LEFT, 0);
		jrn_end(&j);
		set_buf(&spool, &mail);
		join(&spool, &spool, "", i & 1 ? &scene.text[0] : &want);
		join(&spool, &spool, "", i & 2 ? &scene.text[1] : &want);
		set_buf(&want, &spool);
		join(&want, &want, "", i & 1 ? &(struct buf){ .n = 0 } :
		    &scene.text[0]);
		join(&want, &want, "", i & 2 ? &(struct buf){ .n = 0 } :
		    &scene.text[1]);
		ok(with_spool(&spool, 0, &want), "G: %s put back",
		    i == 0 ? "two texts are" : i == 3 ? "nothing is" :
		    "one text is");
		want.n = 0;
	}

	make_scene("dk", 40);
	journal_with_text(&j, 0);
	j.r.ino = 7;
	record(&j, PASS_LEFT, 0);
	jrn_end(&j);
	set_buf(&spool, &scene.new);
	spool.p[spool.n - 9] = 'X';
	join(&want, &spool, "", &scene.new);
	ok(with_spool(&spool, 0, &want),
	    "G: a torn message of the same length is not the same");

	/* its line ends make no difference, and are not copied */
	make_scene("dk", 40);
	journal_with_text(&j, 0);
	j.r.ino = 7;
	record(&j, PASS_LEFT, 0);
	jrn_end(&j);
	join(&spool, &scene.new, "\n\n\n\n\n", &mail);
	ok(is_left_alone(0), "G: line ends after a message in the spool");
	make_scene("dk", 40);
	buf_fill(&scene.new, '\n', 5);
	journal_with_text(&j, 0);
	j.r.ino = 7;
	record(&j, PASS_LEFT, 0);
	jrn_end(&j);
	join(&spool, &scene.text[0], "", &mail);
	ok(is_left_alone(0), "G: line ends after a message in a text");

	/* the other program was killed before its sync, or that failed */
	for (i = 0; i < 2; i++) {
		make_scene("dk", 3000);
		journal_with_text(&j, 0);
		j.r.ino = 7;
		record(&j, PASS_LEFT, 0);
		jrn_end(&j);
		join(&spool, &mail, "", &scene.new);
		set_file(SPOOL, &spool);
		memset(file[SPOOL].disk.p + mail.n, 'X', scene.new.n);
		if (i == 0)
			mark_dirty(&file[SPOOL], 0, spool.n);
		restart();
		good = recover() == 0;
		power_cut();
		ok(good && same(&file[SPOOL].now, &spool),
		    "G: mail that %s", i == 0 ?
		    "another program has not synced" : "it could not sync");
	}

	buf_free(&want);
}

/* ---- H: mail was being put back ------------------------------------------ */

/* A journal that puts the new text, which is in the state file, back. */
static void
journal_back(enum pass pass)
{
	struct journal j;
	struct plan pl;
	struct spool sp = open_spool();
	size_t k, at;

	set_file(SPOOL, &spool);
	plan_begin(&pl, spool.n, spool.n);
	pl.from_state = true;
	for (k = 0, at = 8 * SECTOR; k < scene.n; at += scene.text[k++].n)
		if (plan_add(&pl, &(struct entry){ .src = at, .len =
		    scene.text[k].n }) == -1 || file_write(FD + STATE,
		    scene.text[k].p, scene.text[k].n, at) == -1)
			abort();
	jrn_begin(&j, FD + STATE, &pl, &sp);
	j.r.since = 0;
	j.r.entries_at = INDEX_AT;
	if (jrn_put_entries(&j) == -1)
		abort();
	record(&j, pass, 0);
	jrn_end(&j);
}

static void
row_h(void)
{
	struct buf want = { .n = 0 }, part = { .n = 0 };
	enum pass pass;
	size_t n, i;
	bool good = true;

	for (n = 0; n <= 180 && good; n += 20)
		for (i = 0; i < 2 && good; i++) {
			make_scene("dkk", 40);
			set_buf(&spool, &mail);
			journal_back(PASS_LEFT);
			join(&want, &spool, "", &scene.new);
			set_buf(&part, &want);
			memset(part.p + (i == 0 ? mail.n : part.n - n), '\n',
			    n);
			good = with_spool(&part, 0, &want);
		}
	ok(good, "H: line ends and parts of the mail: goes on");

	for (pass = PASS_GROW; pass <= PASS_LEFT; pass++) {
		make_scene("dkk", 40);
		set_buf(&spool, &mail);
		journal_back(pass);
		part.n = 0;
		write_message(&part, 7, 400, "");
		join(&part, &spool, "", &part);
		join(&want, &part, "", &scene.new);
		ok(with_spool(&part, 0, &want), "H: other mail stands there%s",
		    pass == PASS_GROW ? " before it has grown" : "");

		make_scene("dkk", 40);
		set_buf(&spool, &mail);
		journal_back(pass);
		part.n = 0;		/* of just the size */
		write_message(&part, 7, 40, "");
		buf_fill(&part, '\n', scene.new.n - part.n);
		join(&part, &spool, "", &part);
		join(&want, &part, "", &scene.new);
		ok(with_spool(&part, 0, &want), "H: other mail of that size%s",
		    pass == PASS_GROW ? " before it has grown" : "");

		make_scene("dkk", 40);
		set_buf(&spool, &mail);
		journal_back(pass);
		ok(with_spool(&scene.text[0], 0, &scene.new),
		    "H: another spool, which has a part of it");
	}
	buf_free(&want);
	buf_free(&part);
}

/* ---- I: cannot be read --------------------------------------------------- */

/*
 * Whether a read that fails refuses the session, unless recovery can do without
 * it, and the next session comes to the same.
 */
static bool
reads_fail(const struct buf *want)
{
	static struct file base[FILES];
	size_t n, k;
	int e;

	for (k = 0; k < FILES; k++)
		copy_file(&base[k], &file[k]);
	for (n = 1; ; n++) {
		for (k = 0; k < FILES; k++)
			copy_file(&file[k], &base[k]);
		restart();
		read_fails_at = n;
		e = recover();
		if (reads < n)
			break;
		if (!(e == 0 ? same(&file[SPOOL].now, want) :
		    comes_to(0, want, "after failed read", n))) {
			note("read %zu fails: %s", n, strerror(e));
			return false;
		}
	}
	return n > 10;
}

static void
row_i(void)
{
	struct journal j;
	struct buf want = { .n = 0 };

	make_scene("dkk", 40);
	journal(PASS_LEFT, 0);
	set_file(SPOOL, &spool);
	ok(reads_fail(&scene.new), "I: in row D each read can fail");

	make_scene("rkk", 40);
	journal(PASS_GROW, 0);
	buf_fill(&spool, '\n', 11);
	join(&spool, &spool, "", &mail);
	set_file(SPOOL, &spool);
	join(&want, &scene.new, "", &mail);
	ok(reads_fail(&want), "I: in row C, too");

	make_scene("dk", 40);
	journal_with_text(&j, 0);
	set_file(SPOOL, &mail);
	jrn_end(&j);
	join(&want, &mail, "", &scene.new);
	ok(reads_fail(&want), "I: in row G, too");

	make_scene("dkk", 40);
	set_buf(&spool, &mail);
	journal_back(PASS_LEFT);
	join(&spool, &spool, "", &scene.text[0]);
	set_file(SPOOL, &spool);
	join(&spool, &mail, "", &scene.new);
	ok(reads_fail(&spool), "I: in row H, too");
	buf_free(&want);
}

/* ---- mail of an older popper --------------------------------------------- */

static void
left_over(void)
{
	static const char internal[] = "From MAILER-DAEMON Sat Jan  3 01:05:34 "
	    "1996\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
	    "X-IMAP: 1 2\n\nbody\n\n";
	struct buf want = { .n = 0 }, one = { .n = 0 };

	make_scene("kkk", 900);
	set_file(STATE, &scene.new);
	join(&spool, &mail, "", &scene.text[1]);
	join(&want, &spool, "", &scene.text[0]);
	join(&want, &want, "", &scene.text[2]);
	ok(with_spool(&spool, 0, &want),
	    "left-over mail: what the spool lacks is appended");

	make_scene("k", 40);
	set_buf(&one, &scene.new);
	one.n--;			/* without its empty line */
	set_file(STATE, &one);
	set_buf(&spool, &mail);
	spool.n -= 2;
	join(&want, &mail, "", &scene.new);
	ok(with_spool(&spool, 0, &want), "left-over mail: ends are added");

	one.n = 0;
	buf_str(&one, internal);
	join(&one, &one, "", &scene.new);
	set_file(STATE, &one);
	ok(with_spool(&mail, 0, &want),
	    "left-over mail: c-client's folder data is not mail");
	buf_free(&want);
	buf_free(&one);
}

/* ---- the update itself --------------------------------------------------- */

static size_t arrives_at;	/* mail comes after this operation; 0: never */
static bool arrived;

static bool
mail_arrives(void)
{
	if (ops != arrives_at || arrived)
		return true;
	arrived = true;
	buf_add(&file[SPOOL].now, mail.p, mail.n);
	return true;
}

/*
 * Whether the spool is the text, line ends that it would have grown by, and
 * the mail that arrived.
 */
static bool
is_with_mail(const struct buf *text)
{
	const struct buf *is = &file[SPOOL].now;
	size_t n = text->n, most = n + MARKS * GROWTH_MOST;

	if (is->n < n || memcmp(is->p, text->p, n) != 0)
		return false;
	for (; n < is->n && n < most && is->p[n] == '\n'; n++)
		;
	if (!arrived)
		return n == is->n;
	return is->n - n == mail.n && memcmp(is->p + n, mail.p, mail.n) == 0;
}

/*
 * Operation n of an update fails: what that then says must be true.  Returns
 * whether all is well; *failed: whether it failed.
 */
static bool
fails_truly(size_t n, bool *failed)
{
	struct msgs then = { .n = 0 };
	struct index next;
	bool begun = false, good;
	struct spool sp;
	struct plan pl;
	int e = 0;

	set_file(STATE, &(struct buf){ .n = 0 });
	set_file(SPOOL, &scene.old);
	sp = open_spool();
	copy_plan(&pl);
	restart();
	fail_at = n;
	held = true;
	arrived = false;
	after_op = mail_arrives;
	*failed = journal_apply(&box, &sp, &pl, &then, &next, &begun) == -1;
	after_op = NULL;
	plan_free(&pl);
	if (*failed && begun)
		e = recover();
	good = e == 0 && recover_probe(FD + STATE) == 0 &&
	    (is_with_mail(&scene.new) ? begun :
	    is_with_mail(&scene.old) && *failed);
	if (!good)
		note("operation %zu fails, mail comes after %zu: %s; begun %d; "
		    "%zu bytes", n, arrives_at, strerror(e), begun,
		    file[SPOOL].now.n);
	return good;
}

static void
update_fails(void)
{
	/* the last one grows by more than the mail has */
	static const char *const marks[] = { "dkk", "krk", "drdrk",
	    "rrrrrrrrrrrrrr" };
	size_t i, n;
	bool good, failed;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		make_scene(marks[i], 300);
		good = true;
		for (arrives_at = MOST_OPS; good && arrives_at-- > 0;)
			for (n = 1; good && n < MOST_OPS; n++)
				good = fails_truly(n, &failed);
		ok(good && !failed, "update %s: each operation can fail, and mail comes "
		    "after each", marks[i]);
	}
}

/*
 * The disk is full before the spool has grown, and then mail comes, from a
 * program that sees neither lock.
 */
static void
full_before_grown(void)
{
	struct buf want = { .n = 0 };
	bool failed, good = true, meanwhile = false;

	make_scene("rrrrrrrrrrrrrr", 300);
	buf_fill(&want, '\n', 20);
	join(&want, &scene.old, "", &want);
	join(&want, &want, "", &mail);
	limit[SPOOL] = scene.old.n + 20;
	for (arrives_at = MOST_OPS; good && arrives_at-- > 0;) {
		good = fails_truly(0, &failed) && failed;
		meanwhile = meanwhile || same(&file[SPOOL].now, &want);
	}
	limit[SPOOL] = UINT64_MAX;
	ok(good && meanwhile,
	    "no room to grow, and mail comes meanwhile: the mail stays");
	buf_free(&want);
}

/* The table of a text, with the messages whose number is one: then it is 2. */
static void
table_of(const struct buf *text, struct msgs *t)
{
	size_t i;

	set_file(SPOOL, text);
	if (scan_file(FD + SPOOL, text->n, t, NULL) == -1)
		abort();
	for (i = 0; i < t->n; i++) {
		t->v[i].flags |= MSG_DUPLICATE;
		t->v[i].number = 2;
	}
}

/*
 * Whether the state file has the index of either table, in which duplicates
 * have their number.
 */
static bool
has_numbers(const struct msgs *now, const struct msgs *then)
{
	struct msgs t;
	bool has;

	if (index_read(FD + STATE, &t) == -1)
		return false;
	has = (t.n == now->n || t.n == then->n) && t.v[0].number == 2;
	msgs_free(&t);
	return has;
}

/*
 * An index is written, then an UPDATE begins and dies or fails at operation n;
 * recovery finds the spool as that left it, or as another program has it.
 * Returns whether there was an operation n; *good: whether numbers are known.
 */
static bool
numbers_after(size_t n, unsigned how, const struct msgs *now,
    const struct msgs *then, bool *good)
{
	struct stamp st = { .size = scene.old.n };
	struct index ix, next;
	struct spool sp;
	struct plan pl;
	bool begun = false;
	size_t done;

	set_file(STATE, &(struct buf){ .n = 0 });
	set_file(SPOOL, &scene.old);
	restart();
	copy_plan(&pl);
	sp = open_spool();
	if (index_write(FD + STATE, &st, now, &ix) == -1)
		abort();
	settle(STATE);
	restart();
	if (how == 0)
		fail_at = n;
	else
		die_at = n;
	(void)journal_apply(&box, &sp, &pl, then, &next, &begun);
	done = ops;
	plan_free(&pl);
	if (how > 1)
		power_cut();
	if (how % 2 == 1)
		set_file(SPOOL, &mail);
	restart();
	*good = recover() == 0 && has_numbers(now, then);
	return done + 1 >= n;
}

static void
numbers_stay(void)
{
	static const char *const marks[] = { "dkk", "krk", "kkd" };
	struct msgs now, then;
	size_t i, n;
	unsigned how;
	bool good = true;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]) && good; i++)
		for (how = 0; how < 4; how++) {
			make_scene(marks[i], 300);
			table_of(&scene.old, &now);
			table_of(&scene.new, &then);
			for (n = 1; good && numbers_after(n, how, &now, &then,
			    &good); n++)
				;
			if (!good)
				note("%s, %u, operation %zu", marks[i], how, n);
			msgs_free(&now);
			msgs_free(&then);
		}
	ok(good, "duplicates keep their numbers, whatever an UPDATE comes to");
}

/*
 * An index is cut off, the next one is written up to operation n, and the power
 * fails.  Returns whether there was an operation n; *good: whether one of the
 * three can be read.
 */
static bool
numbers_after_cut(size_t n, const struct msgs *now, bool *good)
{
	struct msgs first = { .v = now->v, .n = 1, .end = now->v[0].length,
	    .key = now->key };
	struct stamp st = { .size = now->end };
	struct summary sum;
	struct index ix;
	size_t done;

	set_file(STATE, &(struct buf){ .n = 0 });
	restart();
	if (index_write(FD + STATE, &st, now, &ix) == -1)
		abort();
	settle(STATE);
	summary_of(&first, &sum);
	st.size = first.end;
	if (index_restamp(FD + STATE, ix.serial, &st, &sum) == -1)
		abort();
	st.size = now->end;
	restart();
	die_at = n;
	(void)index_write(FD + STATE, &st, now, &ix);
	done = ops;
	power_cut();
	restart();
	*good = has_numbers(now, &first);
	return done + 1 >= n;
}

static void
numbers_stay_after_cut(void)
{
	struct msgs now;
	size_t i, n;
	bool good = true;

	make_scene("kkkkkkkkkk", 300);
	table_of(&scene.old, &now);
	for (i = 0; i < 50 && good; i++)
		for (n = 1; good && numbers_after_cut(n, &now, &good); n++)
			;
	ok(good, "so they do after the newest were cut off");
	msgs_free(&now);
}

static void
small_things(void)
{
	struct spool sp;
	struct journal j;
	struct plan pl;
	bool begun = false;

	make_scene("dk", 40);
	join(&spool, &spool, "", &mail);
	set_file(SPOOL, &spool);
	sp = open_spool();
	ok(journal_cut(&sp, scene.old.n, 0, &begun) == -1 && errno == EAGAIN &&
	    !begun && same(&file[SPOOL].now, &spool),
	    "a spool that mail has come to is not cut");

	make_journal(&j, ROOM);
	record(&j, PASS_LEFT, 0);
	jrn_end(&j);
	restart();
	fail_at = 2;
	ok(jrn_void(FD + STATE, true) == -1 && recover_probe(FD + STATE) == 1,
	    "a record that cannot be made void durably is still there");

	plan_begin(&pl, 10, 10);
	ok(plan_idle(&pl), "a plan of nothing");
	pl.new_size = 5;
	ok(!plan_idle(&pl), "a plan that cuts");
	plan_free(&pl);
}

int
main(void)
{
	row_a();
	row_b();
	row_c();
	goes_on("D", "dkk", PASS_LEFT, false, 3);
	goes_on("E", "dkk", PASS_LEFT, true, 3);
	goes_on("F", "krk", PASS_LEFT, false, 3);
	goes_on("F, second pass", "krk", PASS_RIGHT, false, 3);
	row_g_verdict();
	row_g_texts();
	row_h();
	row_i();
	left_over();
	update_fails();
	full_before_grown();
	numbers_stay();
	numbers_stay_after_cut();
	small_things();
	return tap_end();
}
