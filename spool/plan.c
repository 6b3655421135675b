/*
 * A change of the spool as a list of moves, and its order.  Pure: no files.
 *
 * Pieces keep their order, so a piece that moves towards the front can only
 * run into pieces before it, and one that moves towards the back only into
 * pieces behind it.  Those that move forward are therefore done from the
 * front, then those that move back (a Status line was put in before them)
 * from the back, and no step overwrites what a later one needs.  A message is
 * moved as a whole, in the direction of its last piece, so that it stands
 * whole in the spool or in the journal while its step is done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spool/spool.h"

enum {
	STEPS_MAX = 20000,	/* each costs two syncs: it must end */
	STEP_MOST = 1 << 30	/* bytes: between steps we show that we live */
};

void
plan_begin(struct plan *pl, uint64_t old_size, uint64_t first)
{
	memset(pl, 0, sizeof(*pl));
	pl->old_size = old_size;
	pl->new_size = first;
}

void
plan_free(struct plan *pl)
{
	file_free(pl->v);
	memset(pl, 0, sizeof(*pl));
}

static int
append(struct plan *pl, const struct piece *x)
{
	struct piece *v = array_room(pl->v, pl->n, &pl->room, sizeof(*v));

	if (v == NULL)
		return -1;
	pl->v = v;
	pl->v[pl->n++] = *x;
	return 0;
}

int
plan_add(struct plan *pl, enum src kind, uint64_t src, uint64_t len,
    bool begins_message)
{
	struct piece x = { .src = src, .dst = pl->new_size, .len = len,
	    .kind = kind, .flags = begins_message ? PIECE_MSG : 0 };

	if (len == 0)
		return 0;
	pl->new_size += len;
	return append(pl, &x);
}

int
plan_ends(struct plan *pl, unsigned n)
{
	int r = 0;

	for (; n > 0 && r == 0; n--)
		r = plan_add(pl, SRC_LF, 0, 1, false);
	return r;
}

struct str
plan_literal(enum src kind)
{
	static const struct str text[SRC_KINDS] = {
		[SRC_STATUS] = { "Status: RO\n", 11 },
		[SRC_STATUS_CRLF] = { "Status: RO\r\n", 12 },
		[SRC_LF] = { "\n", 1 }
	};

	return text[kind];
}

/* The pieces of one message, or what is left of them: v[from..to-1]. */
struct group {
	size_t from, to;
	uint64_t dst, len;
	uint64_t src, src_end;	/* what it reads of the spool; equal: nothing */
	bool left, still;	/* how its last piece moves */
	bool mixed;		/* some of it moves the other way */
};

/*
 * Where all that is left of a message stands still but for a Status line, that
 * line goes the way that the rest has gone: with what is behind it from the
 * front, with what is before it from the back.
 */
static void
weigh(const struct plan *w, struct group *g)
{
	const struct piece *x;
	bool reads = false, lefts = false, rights = false, literals = false;
	size_t i;

	g->dst = w->v[g->from].dst;
	g->len = g->src = g->src_end = 0;
	g->left = false;
	for (i = g->from; i < g->to; i++) {
		x = &w->v[i];
		g->len += x->len;
		if (x->kind != SRC_SPOOL) {
			literals = true;
			continue;
		}
		if (!reads)
			g->src = x->src;
		reads = true;
		g->src_end = x->src + x->len;
		g->left = x->dst <= x->src;
		lefts = lefts || x->dst < x->src;
		rights = rights || x->dst > x->src;
	}
	if (!lefts && !rights && w->v[g->to - 1].kind != SRC_SPOOL)
		g->left = false;
	g->mixed = g->left ? rights : lefts;
	g->still = !literals && !lefts && !rights;
}

/* The message that begins at piece i, or (backwards) that ends before it. */
static struct group
group_at(const struct plan *w, size_t i, bool left)
{
	struct group g = { .from = left ? i : i - 1, .to = left ? i + 1 : i };

	if (left)
		while (g.to < w->n && !(w->v[g.to].flags & PIECE_MSG))
			g.to++;
	else
		while (g.from > 0 && !(w->v[g.from].flags & PIECE_MSG))
			g.from--;
	weigh(w, &g);
	return g;
}

/*
 * Adds a piece to the step that began at piece begin of out.  Neighbors become
 * one, but a message stays to be told from the rest of one before it.
 */
static int
emit(struct plan *out, size_t begin, const struct piece *x, bool text)
{
	struct piece y = *x, *last;

	y.flags &= PIECE_MSG;
	if (out->n > begin) {
		last = &out->v[out->n - 1];
		if (last->kind == y.kind &&
		    (y.kind == SRC_SPOOL || y.kind == SRC_STATE) &&
		    last->src + last->len == y.src &&
		    (last->flags & PIECE_MSG || !(y.flags & PIECE_MSG))) {
			last->len += y.len;
			return 0;
		}
	} else
		y.flags |= PIECE_STEP | (text ? PIECE_TEXT : 0);
	return append(out, &y);
}

/* Moves the first n bytes of the pieces from *i on into a step of out. */
static int
emit_first(struct plan *w, size_t *i, uint64_t n, struct plan *out, bool text)
{
	size_t begin = out->n;
	struct piece *x, part;

	for (; n > 0; n -= part.len) {
		x = &w->v[*i];
		part = *x;
		if (part.len > n) {
			part.len = n;
			x->src += n;
			x->dst += n;
			x->len -= n;
			x->flags &= ~(uint32_t)PIECE_MSG;
		} else
			++*i;
		if (emit(out, begin, &part, text) == -1)
			return -1;
	}
	return 0;
}

/* Moves the last n bytes of the pieces before *i into a step of out. */
static int
emit_last(struct plan *w, size_t *i, uint64_t n, struct plan *out, bool text)
{
	size_t begin = out->n, from = *i, k;
	struct piece part;
	uint64_t rest = n, cut = 0;

	while (rest > 0) {		/* where in which piece it begins */
		from--;
		if (w->v[from].len > rest)
			cut = w->v[from].len - rest;
		rest -= w->v[from].len - cut;
	}
	for (k = from; k < *i; k++) {
		part = w->v[k];
		if (k == from && cut > 0) {
			part.src += cut;
			part.dst += cut;
			part.len -= cut;
			part.flags &= ~(uint32_t)PIECE_MSG;
		}
		if (emit(out, begin, &part, text) == -1)
			return -1;
	}
	if (cut > 0)
		w->v[from].len = cut;
	*i = cut > 0 ? from + 1 : from;
	return 0;
}

/* Whether b may share a step with a. */
static bool
alike(const struct group *a, const struct group *b)
{
	return a->left == b->left && a->mixed == b->mixed && !b->still;
}

/*
 * The bytes of whole messages from piece i on (or, backwards, before it) that
 * move as g does and do not exceed limit.
 */
static uint64_t
run_of(const struct plan *w, size_t i, const struct group *g, uint64_t limit)
{
	struct group next;
	uint64_t run = 0;

	while (g->left ? i < w->n : i > 0) {
		next = group_at(w, i, g->left);
		if (!alike(g, &next) || next.len > limit - run)
			break;
		run += next.len;
		i = g->left ? next.to : next.from;
	}
	return run;
}

/*
 * The bytes that the step beginning with g takes; *text: by way of the
 * journal.  A direct step's new place must end before its own source begins
 * (or begin behind its end), so it carries as much as its pieces move.  It is
 * half the writing, and is taken as soon as it carries as much as the journal
 * or all there is.  0: there is no room for any step.
 */
static uint64_t
step_size(const struct plan *w, size_t i, const struct group *g,
    uint64_t room, bool *text)
{
	uint64_t gap, run;

	if (g->mixed)
		gap = 0;
	else if (g->src == g->src_end)
		gap = UINT64_MAX;	/* nothing of the spool is read */
	else
		gap = g->left ? g->src - g->dst : g->dst + g->len - g->src_end;
	if (gap > STEP_MOST)
		gap = STEP_MOST;
	*text = gap < room && (g->len > gap || run_of(w, i, g, gap) <
	    run_of(w, i, g, room));
	run = run_of(w, i, g, *text ? room : gap);
	if (run > 0)
		return run;
	return g->mixed ? 0 : *text ? room : gap;
}

/* Cuts up what moves to the front (left), from there, or what moves back. */
static int
steps_of(struct plan *w, bool left, uint64_t room, struct plan *out)
{
	struct group g;
	uint64_t n;
	size_t i = left ? 0 : w->n;
	bool text;

	while (left ? i < w->n : i > 0) {
		g = group_at(w, i, left);
		if (g.still || g.left != left) {
			i = left ? g.to : g.from;
			continue;
		}
		n = step_size(w, i, &g, room, &text);
		if (n == 0 || out->n > STEPS_MAX + w->n) {
			errno = ENOSPC;
			return -1;
		}
		if ((left ? emit_first(w, &i, n, out, text) :
		    emit_last(w, &i, n, out, text)) == -1)
			return -1;
	}
	return 0;
}

/* The pieces cut up as steps are taken from them: each order its own copy. */
static int
copy_of(const struct plan *pl, struct plan *w)
{
	size_t bytes = pl->n * sizeof(*pl->v);

	*w = *pl;
	if ((w->v = malloc(bytes + 1)) == NULL)
		return -1;
	w->room = pl->n;
	if (bytes > 0)
		memcpy(w->v, pl->v, bytes);
	return 0;
}

int
plan_steps(const struct plan *pl, uint64_t room, struct plan *steps)
{
	struct plan w;
	int r = 0, way;

	plan_begin(steps, pl->old_size, pl->new_size);
	for (way = 0; way < 2 && r == 0; way++)
		if ((r = copy_of(pl, &w)) == 0) {
			r = steps_of(&w, way == 0, room, steps);
			plan_free(&w);
		}
	if (r == -1)
		plan_free(steps);
	return r;
}

bool
plan_sound(const struct plan *st, uint64_t state_size)
{
	uint64_t limit = st->old_size > st->new_size ? st->old_size :
	    st->new_size;
	const struct piece *x;
	uint64_t source;
	size_t i;

	for (i = 0; i < st->n; i++) {
		x = &st->v[i];
		if (x->kind >= SRC_KINDS || x->flags & ~(uint32_t)PIECE_FLAGS)
			return false;
		source = x->kind == SRC_SPOOL ? limit :
		    x->kind == SRC_STATE ? state_size :
		    plan_literal((enum src)x->kind).n;
		if (x->len == 0 || x->len > source ||
		    x->src > source - x->len || x->len > st->new_size ||
		    x->dst > st->new_size - x->len)
			return false;
		if (i == 0 && !(x->flags & PIECE_STEP))
			return false;
		/* within a step the new text is one run */
		if (!(x->flags & PIECE_STEP) &&
		    x->dst != x[-1].dst + x[-1].len)
			return false;
	}
	return true;
}
