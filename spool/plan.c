/*
 * A change of the spool as a list of the messages that stay, and the order in
 * which they move.  Pure: no files.
 *
 * Messages keep their order.  One that ends no later than before can only
 * overwrite what stood before it, and one that ends later only what stood
 * after it.  So the first kind moves in one pass from the front, the other kind
 * in a second pass from the back, and no move overwrites what a later one
 * needs.
 *
 * A window is what moves at once.  It is direct if its new place touches none
 * of its own sources: until a later window overwrites these, it can be done
 * again from them.  Otherwise its new text must be durable in the journal
 * first.  Where old bytes would stay between a message and the next one, the
 * window has line ends for them.
 *
 * Windows are not stored: the next one follows from the entries, the room for
 * a text, and the progress.
 */
#include <errno.h>
#include <string.h>

#include "spool/journal.h"

enum {
	WINDOWS_MAX = 20000,	/* each costs two syncs: it must end */
	WINDOW_MOST = 1 << 30,	/* bytes: between windows the lock is touched */
	/*
	 * A direct window writes its bytes once, a text twice, and both need
	 * two syncs, each of which costs about as much as writing 512 KB.  So
	 * a direct window of this size is as cheap per byte as any text.
	 */
	DIRECT_PAYS = 1 << 20
};

/* Messages cannot be moved: there is too little room for their text. */
static int
no_window(void)
{
	errno = ENOSPC;
	return -1;
}

void
plan_begin(struct plan *pl, uint64_t old_size, uint64_t first)
{
	memset(pl, 0, sizeof(*pl));
	pl->old_size = old_size;
	pl->first = pl->new_size = first;
}

void
plan_free(struct plan *pl)
{
	file_free(pl->v);
	memset(pl, 0, sizeof(*pl));
}

struct str
plan_splice(uint32_t add)
{
	static const struct str text[SPLICES] = {
		[SPLICE_STATUS] = { "Status: RO\n", 11 },
		[SPLICE_STATUS_CRLF] = { "Status: RO\r\n", 12 }
	};

	return text[add];
}

uint64_t
plan_length(const struct entry *e)
{
	return e->len - e->drop + plan_splice(e->add).n + e->ends;
}

static uint64_t
new_end(const struct entry *e)
{
	return e->dst + plan_length(e);
}

static uint64_t
old_end(const struct entry *e)
{
	return e->src + e->len;
}

int
plan_add(struct plan *pl, const struct entry *e)
{
	struct entry *v = array_room(pl->v, pl->n, &pl->slots, sizeof(*v));

	if (v == NULL)
		return -1;
	pl->v = v;
	v[pl->n] = *e;
	v[pl->n].dst = pl->new_size;
	pl->new_size = new_end(&v[pl->n++]);
	return 0;
}

bool
plan_sound(struct plan *pl, uint64_t limit)
{
	uint64_t from = 0, to = pl->first;
	struct entry *e;

	for (e = pl->v; e < pl->v + pl->n; e++) {
		if (e->add >= SPLICES || e->ends > ENDS_MOST || e->len == 0 ||
		    e->at > e->len || e->drop > e->len - e->at ||
		    e->drop == e->len || e->src < from || e->src > limit ||
		    e->len > limit - e->src || to > INT64_MAX)
			return false;
		if (!pl->from_state)
			from = old_end(e);
		e->dst = to;
		to = new_end(e);
	}
	return to == pl->new_size;
}

/* ---- the new text -------------------------------------------------------- */

size_t
plan_at(const struct plan *pl, uint64_t pos)
{
	size_t low = 0, high = pl->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (new_end(&pl->v[mid]) > pos)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* What an entry's new text has at pos: bytes of the source, or at p. */
static struct piece
piece_of(const struct entry *e, uint64_t pos)
{
	static const char ends[] = "\n\n\n";
	const struct str add = plan_splice(e->add);
	uint64_t off = pos - e->dst, after = e->at + add.n;
	uint64_t rest = e->len - e->at - e->drop;

	if (off < e->at)
		return (struct piece){ NULL, e->src + off, e->at - off };
	if (off < after)
		return (struct piece){ add.p + (off - e->at), 0, after - off };
	off -= after;
	if (off < rest)
		return (struct piece){ NULL, e->src + e->at + e->drop + off,
		    rest - off };
	return (struct piece){ ends, 0, e->ends - (off - rest) };
}

struct piece
plan_piece(const struct plan *pl, const struct window *w, uint64_t pos)
{
	static const char fill[] = "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n";
	const struct entry *first = &pl->v[w->first], *last = &pl->v[w->last];
	uint64_t end = pos < first->dst ? first->dst : w->to;

	if (pos >= first->dst && pos < new_end(last))
		return piece_of(&pl->v[plan_at(pl, pos)], pos);
	return (struct piece){ fill, 0, end - pos < sizeof(fill) - 1 ?
	    end - pos : sizeof(fill) - 1 };
}

/* ---- windows ------------------------------------------------------------- */

enum pass
plan_pass(const struct plan *pl, size_t k)
{
	const struct entry *e;

	if (k >= pl->n)
		return PASS_NONE;
	e = &pl->v[k];
	if (e->dst == e->src && e->add == SPLICE_NONE && e->drop == 0)
		return PASS_NONE;
	return new_end(e) > old_end(e) ? PASS_RIGHT : PASS_LEFT;
}

bool
plan_idle(const struct plan *pl)
{
	size_t k;

	for (k = 0; k < pl->n && plan_pass(pl, k) == PASS_NONE; k++)
		;
	return k == pl->n && pl->new_size == pl->old_size;
}

/*
 * Where the new text of entry k begins, with the line ends that come before it
 * if the message before stands where it was: that has yet to grow into them, or
 * they are all that it needs.
 */
static uint64_t
fill_from(const struct plan *pl, size_t k)
{
	return k > 0 && plan_pass(pl, k - 1) != PASS_LEFT ?
	    old_end(&pl->v[k - 1]) : pl->v[k].dst;
}

/*
 * How far into its source an entry has been read when its new text is there up
 * to pos, which is within it.
 */
static uint64_t
source_of(const struct entry *e, uint64_t pos)
{
	uint64_t off = pos - e->dst, add = plan_splice(e->add).n;

	if (off > e->at)
		off = off < e->at + add ? e->at : off - add + e->drop;
	return e->src + (off < e->len ? off : e->len);
}

/* The most that a direct window which begins there in entry k can carry. */
static uint64_t
gap_at(const struct plan *pl, size_t k, uint64_t edge)
{
	uint64_t src = source_of(&pl->v[k], edge);

	if (src <= edge)
		return 0;
	return src - edge < WINDOW_MOST ? src - edge : WINDOW_MOST;
}

/*
 * The bytes from an offset on, up to most, that are whole entries of the first
 * pass from k on, and the last of these.  pays: not beyond one at which a
 * direct window pays.
 */
static uint64_t
left_run(const struct plan *pl, size_t k, uint64_t from, uint64_t most,
    bool pays, size_t *last)
{
	uint64_t run = 0;
	size_t i;

	for (i = k; plan_pass(pl, i) == PASS_LEFT; i++) {
		if (new_end(&pl->v[i]) - from > most || (pays && i != k &&
		    gap_at(pl, i, pl->v[i].dst) >= DIRECT_PAYS))
			break;
		run = new_end(&pl->v[i]) - from;
		*last = i;
	}
	return run;
}

/*
 * A part of a message that is larger than the room for a text and than its own
 * move: on a full disk it cannot stand whole meanwhile.  0: it cannot be moved.
 */
static uint64_t
left_part(const struct plan *pl, const struct window *w, uint64_t edge,
    uint64_t gap)
{
	const struct entry *e = &pl->v[w->first];
	uint64_t most = w->text ? pl->room : gap, all = new_end(e) - w->from;

	return e->dst > e->src || most <= edge - w->from ? 0 :
	    most < all ? most : all;
}

/*
 * In the first pass, from entry k on, of which the text before edge is moved.
 * If the message after it stands where it was, there are line ends up to that:
 * fewer than a message grows by.
 */
static int
left_window(const struct plan *pl, size_t k, uint64_t edge, struct window *w)
{
	uint64_t gap = gap_at(pl, k, edge), room = pl->room, run, text = 0;
	size_t last = k;

	*w = (struct window){ .first = k, .last = k, .from =
	    edge == pl->v[k].dst ? fill_from(pl, k) : edge };
	if (gap > 0)
		gap += edge - w->from;
	run = left_run(pl, k, w->from, gap, false, &w->last);
	if (run < DIRECT_PAYS && room > GROWTH_MOST)
		text = left_run(pl, k, w->from, room - GROWTH_MOST, true,
		    &last);
	if (text > run) {
		w->text = true;
		w->last = last;
		run = text;
	} else if (run == 0) {
		w->text = gap < room;
		run = left_part(pl, w, edge, gap);
	}
	w->next = w->to = w->from + run;
	if (w->to == new_end(&pl->v[w->last]) && w->last + 1 < pl->n &&
	    w->to < pl->v[w->last + 1].src &&
	    plan_pass(pl, w->last + 1) != PASS_LEFT) {
		w->to = pl->v[w->last + 1].src;
		w->text = true;		/* its own sources are there */
	}
	return run > 0 && (!w->text || w->to - w->from <= room) ? 1 :
	    no_window();
}

/*
 * In the second pass, down from entry k: whole messages, by way of the journal.
 * An update that has too little room for that can do without what grows.
 */
static int
right_window(const struct plan *pl, size_t k, struct window *w)
{
	uint64_t to = new_end(&pl->v[k]), from;
	size_t i = k + 1;
	bool more = true;

	w->last = k;
	while (more) {
		i--;
		more = i > 0 && plan_pass(pl, i - 1) == PASS_RIGHT;
		from = fill_from(pl, i);
		if (to - from > pl->room)
			return i < k ? 1 : no_window();
		*w = (struct window){ .first = i, .last = k, .from = from,
		    .to = to, .next = pl->v[i].dst, .text = true };
	}
	return 1;
}

/* What is put back into the spool moves nothing in it. */
static int
back_window(const struct plan *pl, size_t k, uint64_t off, struct window *w)
{
	if (k == pl->n)
		return 0;
	if (off < pl->v[k].dst)
		off = pl->v[k].dst;
	*w = (struct window){ .first = k, .last = pl->n - 1, .from = off,
	    .to = pl->new_size, .next = pl->new_size };
	return 1;
}

int
plan_window(const struct plan *pl, enum pass pass, uint64_t off,
    struct window *w)
{
	size_t k = plan_at(pl, off);

	if (pl->from_state)
		return pass == PASS_LEFT ? back_window(pl, k, off, w) : 0;
	if (pass == PASS_RIGHT) {
		while (k > 0 && plan_pass(pl, k - 1) != PASS_RIGHT)
			k--;
		return k == 0 ? 0 : right_window(pl, k - 1, w);
	}
	while (k < pl->n && plan_pass(pl, k) != PASS_LEFT)
		k++;
	return k == pl->n ? 0 : left_window(pl, k, off > pl->v[k].dst ? off :
	    pl->v[k].dst, w);
}

int
plan_fit(struct plan *pl, uint64_t room, uint64_t *most)
{
	enum pass pass;
	struct window w;
	size_t n = 0;
	uint64_t off;
	int r;

	pl->room = room;
	*most = 0;
	for (pass = PASS_LEFT; pass <= PASS_RIGHT; pass++)
		for (off = plan_start(pass); (r = plan_window(pl, pass, off,
		    &w)) != 0; off = w.next) {
			if (r == -1 || ++n > WINDOWS_MAX + pl->n)
				return no_window();
			if (w.text && w.to - w.from > *most)
				*most = w.to - w.from;
		}
	return 0;
}

uint64_t
plan_start(enum pass pass)
{
	return pass == PASS_RIGHT ? UINT64_MAX : 0;
}
