/*
 * The order of moves in spool/plan.c, carried out on an array: after every
 * step, and with any part of a step's place destroyed in the middle of it,
 * doing the step again must lead to the new text, and every message must
 * stand whole somewhere.
 */
#include <errno.h>
#include <string.h>

#include "popper.h"
#include "tap.h"

enum { ROOM = 1 << 16, MESSAGES = 24, BIT = 16 };

/* A message that is kept: where it stands, and where it will stand. */
struct kept {
	enum src kind;
	size_t src, len, dst, new_len;
};

struct world {
	char old[ROOM], work[ROOM];	/* the sources as they were */
	char new[ROOM];			/* what must become of the spool */
	char now[ROOM];			/* the spool on its way */
	size_t old_size, state_size, new_size, first;
	struct kept kept[2 * MESSAGES];
	size_t n;
	struct plan plan, steps;
};

static struct world w;

static void
add(enum src kind, size_t src, size_t len, bool begins)
{
	size_t at = (size_t)w.plan.new_size;

	if (kind == SRC_SPOOL)
		memcpy(w.new + at, w.old + src, len);
	else if (kind == SRC_STATE)
		memcpy(w.new + at, w.work + src, len);
	else
		memcpy(w.new + at, plan_literal(kind).p + src, len);
	if (plan_add(&w.plan, kind, src, len, begins) == -1)
		abort();
}

static void
keep_from(enum src kind, size_t src, size_t len)
{
	struct kept *k = &w.kept[w.n++];

	k->kind = kind;
	k->src = src;
	k->len = len;
	k->dst = (size_t)w.plan.new_size;
}

static void
keep_to(void)
{
	struct kept *k = &w.kept[w.n - 1];

	k->new_len = (size_t)w.plan.new_size - k->dst;
}

/* A kept message, perhaps with another Status line than before. */
static void
keep_one(uint64_t *seed, size_t src, size_t len, bool status)
{
	size_t cut, lost;

	keep_from(SRC_SPOOL, src, len);
	if (status && len > 4) {
		cut = 1 + below(seed, len - 2);
		lost = below(seed, 3) == 0 ? below(seed, len - cut) : 0;
		lost = lost < 40 ? lost : 40;
		add(SRC_SPOOL, src, cut, true);
		add(below(seed, 2) ? SRC_STATUS : SRC_STATUS_CRLF, 0,
		    11, false);
		if (cut + lost < len)
			add(SRC_SPOOL, src + cut + lost, len - cut - lost,
			    false);
	} else
		add(SRC_SPOOL, src, len, true);
	keep_to();
}

/*
 * A random spool and a random change of it: deletions, Status lines put in
 * and replaced, and for a merge mail from the state file in front.
 */
static void
make_world(uint64_t *seed)
{
	size_t n = 1 + below(seed, MESSAGES), i, at = 0, len[MESSAGES];
	size_t most = below(seed, 3) == 0 ? 1500 : 200, j, deleting, marking;
	bool merge = below(seed, 4) == 0, changed = false;

	w.n = 0;
	for (i = 0; i < ROOM; i++) {
		w.old[i] = (char)rnd(seed);
		w.work[i] = (char)rnd(seed);
	}
	for (i = 0; i < n; i++) {
		len[i] = 2 + below(seed, most);
		at += len[i];
	}
	w.old_size = at;
	w.state_size = 0;
	deleting = below(seed, 5);
	marking = below(seed, 5);
	plan_begin(&w.plan, w.old_size, 0);
	if (merge)
		for (i = 0; i < 1 + below(seed, 4); i++) {
			j = 1 + below(seed, most);
			keep_from(SRC_STATE, w.state_size, j);
			add(SRC_STATE, w.state_size, j, true);
			keep_to();
			if (below(seed, 2) == 0)
				add(SRC_LF, 0, 1, false);
			w.state_size += j;
			changed = true;
		}
	for (at = 0, i = 0; i < n; at += len[i++]) {
		if (!merge && below(seed, 5) < deleting) {
			if (!changed)
				plan_begin(&w.plan, w.old_size, at);
			changed = true;
			continue;
		}
		if (!changed && below(seed, 5) >= marking)
			continue;
		if (!changed)
			plan_begin(&w.plan, w.old_size, at);
		changed = true;
		keep_one(seed, at, len[i], !merge && below(seed, 5) < marking);
	}
	w.new_size = (size_t)w.plan.new_size;
	w.first = w.plan.n > 0 ? (size_t)w.plan.v[0].dst : w.new_size;
	memcpy(w.now, w.old, ROOM);
}

/* ---- one step ---------------------------------------------------------- */

static size_t
step_end(size_t i)
{
	do
		i++;
	while (i < w.steps.n && !(w.steps.v[i].flags & PIECE_STEP));
	return i;
}

/* What a piece reads, as it is now. */
static const char *
source(const struct piece *x)
{
	if (x->kind == SRC_SPOOL)
		return w.now + x->src;
	if (x->kind == SRC_STATE)
		return w.work + x->src;
	return plan_literal((enum src)x->kind).p + x->src;
}

static bool
overlap(uint64_t a, uint64_t an, uint64_t b, uint64_t bn)
{
	return a < b + bn && b < a + an;
}

/* Whether the step v[i..end-1] overwrites what anybody still needs. */
static bool
harmless(size_t i, size_t end)
{
	const struct piece *v = w.steps.v;
	uint64_t dst = v[i].dst, len = 0;
	size_t k;

	for (k = i; k < end; k++)
		len += v[k].len;
	for (k = v[i].flags & PIECE_TEXT ? end : i; k < w.steps.n; k++)
		if (v[k].kind == SRC_SPOOL &&
		    overlap(dst, len, v[k].src, v[k].len)) {
			note("step at piece %zu overwrites the source of "
			    "piece %zu", i, k);
			return false;
		}
	return true;
}

/*
 * Whether every message not larger than room stands whole: old place, new
 * place, state file, or the text of this step.
 */
static bool
all_whole(uint64_t room, uint64_t text_at, uint64_t text_len)
{
	const struct kept *k;
	size_t i;

	for (i = 0; i < w.n; i++) {
		k = &w.kept[i];
		if (k->kind == SRC_STATE || k->new_len > room ||
		    memcmp(w.now + k->src, w.old + k->src, k->len) == 0 ||
		    memcmp(w.now + k->dst, w.new + k->dst, k->new_len) == 0)
			continue;
		if (text_len == 0 || k->dst < text_at ||
		    k->dst + k->new_len > text_at + text_len) {
			note("message %zu of %zu bytes, room %llu, stands "
			    "nowhere", i, k->new_len,
			    (unsigned long long)room);
			return false;
		}
	}
	return true;
}

/*
 * Destroys every so many bits of dst, any subset, and does the step again.
 */
static bool
redo(size_t i, size_t end, const char *text, uint64_t len, uint64_t room,
    uint64_t *seed)
{
	const struct piece *v = w.steps.v;
	bool by_text = v[i].flags & PIECE_TEXT;
	char fresh[ROOM];
	uint64_t dst = v[i].dst, at = 0;
	size_t k, j;

	for (k = 0; k < len; k += BIT)
		if (below(seed, 3) > 0)
			for (j = k; j < k + BIT && j < len; j++)
				w.now[dst + j] = (char)(below(seed, 2) ?
				    rnd(seed) : (unsigned char)text[j]);
	if (!all_whole(room, dst, by_text ? len : 0))
		return false;
	for (k = i; k < end; k++) {
		memcpy(fresh + at, source(&v[k]), (size_t)v[k].len);
		at += v[k].len;
	}
	memcpy(w.now + dst, by_text ? text : fresh, (size_t)len);
	if (memcmp(w.now + dst, w.new + dst, (size_t)len) == 0)
		return true;
	note("the step at piece %zu, done again, gives another text", i);
	return false;
}

static bool
one_step(size_t i, size_t end, uint64_t room, uint64_t *seed)
{
	const struct piece *v = w.steps.v;
	char text[ROOM];
	uint64_t len = 0;
	size_t k;
	int times;

	for (k = i; k < end; k++) {
		if (v[k].dst != v[i].dst + len) {
			note("a step's new text is not one run");
			return false;
		}
		memcpy(text + len, source(&v[k]), (size_t)v[k].len);
		len += v[k].len;
	}
	if (v[i].flags & PIECE_TEXT && len > room) {
		note("a text of %llu for a room of %llu",
		    (unsigned long long)len, (unsigned long long)room);
		return false;
	}
	if (memcmp(text, w.new + v[i].dst, (size_t)len) != 0) {
		note("the step at piece %zu gives another text", i);
		return false;
	}
	if (!harmless(i, end))
		return false;
	for (times = 0; times < 3; times++)
		if (!redo(i, end, text, len, room, seed))
			return false;
	return all_whole(room, 0, 0);
}

/* Carries it out; *steps counts. */
static bool
carry_out(uint64_t room, uint64_t *seed, unsigned *steps)
{
	size_t i, end;

	if (!plan_sound(&w.steps, w.state_size)) {
		note("the steps are not sound");
		return false;
	}
	for (i = 0; i < w.steps.n; i = end) {
		end = step_end(i);
		if (!one_step(i, end, room, seed))
			return false;
		++*steps;
	}
	if (memcmp(w.now + w.first, w.new + w.first,
	    w.new_size - w.first) == 0 &&
	    memcmp(w.now, w.old, w.first) == 0)
		return true;
	note("the spool is not what it should be");
	return false;
}

/* Whether there may be too little room: some message is larger. */
static bool
may_refuse(uint64_t room)
{
	size_t i;

	for (i = 0; i < w.n; i++)
		if (w.kept[i].new_len + 2 > room)
			return true;
	return false;
}

static void
random_plans(const char *what, size_t least, size_t most)
{
	uint64_t seed, was, room;
	unsigned i, steps = 0, refused = 0, wrong = 0;
	unsigned plans = TAP_MANY(3000);
	bool good;

	for (i = 0; i < plans && wrong < 3; i++) {
		was = seed = UINT64_C(0x9e3779b97f4a7c15) * (i + 1 + most);
		make_world(&seed);
		room = least + below(&seed, most - least + 1);
		good = true;
		if (plan_steps(&w.plan, room, &w.steps) == 0) {
			good = carry_out(room, &seed, &steps);
			plan_free(&w.steps);
		} else {
			refused++;
			good = errno == ENOSPC && may_refuse(room);
			if (!good)
				note("refused: errno %d", errno);
		}
		plan_free(&w.plan);
		if (!good) {
			wrong++;
			note("room %llu, the plan of seed %llx",
			    (unsigned long long)room,
			    (unsigned long long)was);
		}
	}
	ok(wrong == 0, "%u random plans, %s: %u steps survive being cut off, "
	    "%u plans refused", i, what, steps, refused);
	ok(steps > plans / 4, "%s: there were steps to try", what);
}

/* ---- bounds ------------------------------------------------------------ */

static void
sound(void)
{
	static const struct {
		const char *what;
		struct piece x;
		bool good;
	} t[] = {
		{ "one move", { 50, 0, 50, SRC_SPOOL, PIECE_STEP }, true },
		{ "by text", { 50, 0, 50, SRC_SPOOL, PIECE_STEP | PIECE_TEXT |
		    PIECE_MSG }, true },
		{ "from the state file", { 100, 0, 50, SRC_STATE, PIECE_STEP },
		    true },
		{ "no step begins", { 50, 0, 50, SRC_SPOOL, 0 }, false },
		{ "another flag", { 50, 0, 50, SRC_SPOOL, PIECE_STEP | 8 },
		    false },
		{ "another kind", { 0, 0, 1, SRC_KINDS, PIECE_STEP }, false },
		{ "no length", { 50, 0, 0, SRC_SPOOL, PIECE_STEP }, false },
		{ "source too long", { 51, 0, 50, SRC_SPOOL, PIECE_STEP },
		    false },
		{ "source far away", { UINT64_MAX, 0, 50, SRC_SPOOL,
		    PIECE_STEP }, false },
		{ "all too long", { 0, 0, UINT64_MAX, SRC_SPOOL, PIECE_STEP },
		    false },
		{ "behind the new text", { 0, 51, 50, SRC_SPOOL, PIECE_STEP },
		    false },
		{ "far behind it", { 0, UINT64_MAX - 9, 50, SRC_SPOOL,
		    PIECE_STEP }, false },
		{ "state file too short", { 101, 0, 50, SRC_STATE, PIECE_STEP },
		    false },
		{ "a literal too long", { 0, 0, 12, SRC_STATUS, PIECE_STEP },
		    false },
		{ "a literal's end", { 10, 0, 1, SRC_STATUS, PIECE_STEP },
		    true },
		{ "behind a literal", { 11, 0, 1, SRC_STATUS, PIECE_STEP },
		    false },
	};
	struct piece v[2];
	struct plan st = { 100, 100, v, 1, 2 };
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		v[0] = t[i].x;
		ok(plan_sound(&st, 150) == t[i].good, "bounds: %s", t[i].what);
	}
	v[0] = t[0].x;
	v[1] = t[0].x;
	v[1].flags = 0;
	st.n = 2;
	ok(!plan_sound(&st, 150), "bounds: a step that is no run");
	v[1].dst = 50;
	ok(plan_sound(&st, 150), "bounds: a step of two pieces");
	st.n = 0;
	ok(plan_sound(&st, 0), "bounds: nothing to move");
}

/* Programs that know the dotlock alone take it for dead after five minutes. */
static void
large(enum src kind, uint64_t src)
{
	const uint64_t size = (uint64_t)50 << 30, most = (uint64_t)1 << 30;
	struct plan pl, st;
	uint64_t len, done = 0, longest = 0;
	size_t i;

	plan_begin(&pl, src + size, 0);
	if (plan_add(&pl, kind, src, size, true) == -1 ||
	    plan_steps(&pl, ROOM, &st) == -1)
		abort();
	for (i = 0; i < st.n; i++) {
		len = st.v[i].len;
		done += len;
		longest = len > longest ? len : longest;
	}
	ok(done == size && longest == most, "%llu GB are moved in %zu steps",
	    (unsigned long long)(done >> 30), st.n);
	plan_free(&pl);
	plan_free(&st);
}

int
main(void)
{
	large(SRC_SPOOL, (uint64_t)60 << 30);
	large(SRC_STATE, 0);
	random_plans("no room in the journal", 0, 0);
	random_plans("little room", 1, 64);
	random_plans("some room", 64, 1000);
	random_plans("room for all", ROOM, 2 * ROOM);
	sound();
	return tap_end();
}
