/*
 * Recovery: what an earlier session or an older popper left in the state file
 * goes on, or goes back into the spool.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/journal.h"

/* ---- what the state file holds ------------------------------------------ */

/*
 * A left-over's mail begins where an ordinary journal has its head, and must
 * stay there until the spool has it.  So its journal stands behind the mail,
 * and a locator at the next sector says where the mail ends.
 */
struct locator {
	char magic[32];
	uint64_t end;		/* of the mail */
	uint64_t ino;		/* of the state file: no letter can forge it */
	uint64_t sum;
};

static const char locator_magic[32] = "popper left-over 1\n";

static void
locator_make(struct locator *l, uint64_t end, const struct stat *sb)
{
	memset(l, 0, sizeof(*l));
	memcpy(l->magic, locator_magic, sizeof(l->magic));
	l->end = end;
	l->ino = (uint64_t)sb->st_ino;
	l->sum = jrn_sum(l, offsetof(struct locator, sum));
}

/* Looks for the locator at every sector; *end stays where there is none. */
static int
locator_find(int state, const struct stat *sb, uint64_t *end, bool *found)
{
	struct locator l, want;
	char *block;
	uint64_t at;
	ssize_t n = 1, i;

	*found = false;
	if ((block = file_block(BLOCK)) == NULL)
		return -1;
	for (at = 0; n > 0 && !*found; at += BLOCK) {
		n = file_some(state, block, BLOCK, at);
		for (i = 0; i + (ssize_t)sizeof(l) <= n && !*found;
		    i += SECTOR) {
			memcpy(&l, block + i, sizeof(l));
			if (jrn_aligned(l.end, SECTOR) != at + (uint64_t)i)
				continue;
			locator_make(&want, l.end, sb);
			*found = memcmp(&l, &want, sizeof(l)) == 0;
		}
	}
	file_free(block);
	if (*found)
		*end = l.end;
	return n == -1 ? -1 : 0;
}

/*
 * Until the locator is on the disk, a crash may leave NULs behind the mail:
 * they are no part of it.
 */
static int
trim(int state, uint64_t *end)
{
	char block[SECTOR];
	size_t n;

	while (*end > 0) {
		n = *end < SECTOR ? (size_t)*end : SECTOR;
		if (file_read(state, block, n, *end - n) == -1)
			return -1;
		for (; n > 0 && block[n - 1] == '\0'; n--)
			--*end;
		if (n > 0)
			break;
	}
	return 0;
}

/*
 * Makes room for a journal behind the mail that ends there: *base.  From then
 * on that mail can be told from what follows it.
 */
static int
journal_behind(int state, uint64_t end, uint64_t *base)
{
	struct locator l;
	struct stat sb;
	char sector[SECTOR] = { 0 };
	uint64_t at = jrn_aligned(end, SECTOR);

	*base = at + SECTOR;
	if (fstat(state, &sb) == -1)
		return -1;
	locator_make(&l, end, &sb);
	memcpy(sector, &l, sizeof(l));
	if (file_write(state, sector, sizeof(sector), at) == -1)
		return -1;
	return file_sync(state);
}

/* Whether a sector says nothing at all. */
static bool
is_void(const char *s, size_t n)
{
	while (n > 0 && s[n - 1] == '\0')
		n--;
	return n == 0;
}

int
journal_kind(int state, enum holding *kind, uint64_t *base, uint64_t *end)
{
	char s[SECTOR];
	struct numbers l;
	struct stat sb;
	ssize_t n;
	bool found;

	*base = *end = 0;
	if ((n = file_some(state, s, sizeof(s), 0)) == -1)
		return -1;
	*kind = HOLDS_ALIEN;
	if (is_void(s, (size_t)n) || (n == sizeof(s) &&
	    is_void(s, sizeof(s) / 2) && numbers_locate(state, &l) == 0 &&
	    numbers_end(&l) > 0))
		*kind = HOLDS_NOTHING;
	else if (n >= 13 && memcmp(s, "popper index ", 13) == 0)
		*kind = HOLDS_INDEX;
	else if (n >= 16 && memcmp(s, "popper journal 1", 16) == 0)
		*kind = HOLDS_JOURNAL;
	if (n < 5 || memcmp(s, "From ", 5) != 0)
		return 0;
	*kind = HOLDS_MBOX;
	if (fstat(state, &sb) == -1)
		return -1;
	*end = (uint64_t)sb.st_size;
	if (locator_find(state, &sb, end, &found) == -1)
		return -1;
	if (found)
		*base = jrn_aligned(*end, SECTOR) + SECTOR;
	else
		return trim(state, end);
	return 0;
}

/* ---- putting mail back ------------------------------------------------- */

/* Finds the digests by which duplicates in two files are told apart. */
static int
tell_apart(int fd, struct msgs *t, int other_fd, struct msgs *other)
{
	size_t n;

	if (scan_bodies(fd, 0, UINT64_MAX, t, other, &n) == -1)
		return -1;
	return scan_bodies(other_fd, 0, UINT64_MAX, other, t, &n);
}

/*
 * Whether the spool holds the message m of the state file, which has that
 * partner there: a torn one may have kept its length.  1, 0, or -1 with errno.
 */
static int
holds(int state, const struct msg *m, int spool, const struct msgs *t,
    size_t partner)
{
	return partner == SIZE_MAX ? 0 :
	    scan_same_body(state, m, spool, &t->v[partner]);
}

/*
 * Adds left's messages to the plan: those that the spool does not hold.  An
 * update that died half-way had written some of them back.
 */
static int
plan_missing(int state, struct msgs *left, const struct spool *sp,
    struct msgs *spool, struct plan *pl)
{
	const struct msg *m = left->v;
	size_t *to, i;
	int r, have;

	if ((to = malloc((left->n + 1) * sizeof(*to))) == NULL)
		return -1;
	r = tell_apart(state, left, sp->fd, spool);
	if (r == 0)
		r = mbox_match(left, spool, false, to);
	for (i = 0; i < left->n && r == 0; i++, m++) {
		have = holds(state, m, sp->fd, spool, to[i]);
		if (have == -1)
			r = -1;
		else if (have == 0 && !(m->flags & MSG_HIDDEN)) {
			r = plan_add(pl, SRC_STATE, m->offset, m->length, true);
			if (r == 0)
				r = plan_ends(pl, mbox_lacks(m));
		}
	}
	file_free(to);
	return r;
}

/*
 * Plans them in front of the spool; or behind it, which moves nothing of it and so
 * needs the least room in the state file.
 */
static int
plan_merge(int state, struct msgs *left, const struct spool *sp,
    struct msgs *spool, bool front, struct plan *pl)
{
	uint64_t size = (uint64_t)sp->st.st_size;
	size_t i;
	int r = 0;

	plan_begin(pl, size, front ? 0 : size);
	if (!front && spool->n > 0)
		r = plan_ends(pl,
		    mbox_lacks(&spool->v[spool->n - 1]));
	if (r == 0)
		r = plan_missing(state, left, sp, spool, pl);
	if (!front || pl->n == 0)
		return r;
	for (i = 0; i < spool->n && r == 0; i++)
		r = plan_add(pl, SRC_SPOOL, spool->v[i].offset,
		    spool->v[i].length, true);
	return r;
}

/*
 * Merges into the spool what a journal has left, and a left-over's mail, which
 * is there up to end.  The new journal takes the place of the one whose
 * messages it saves, or stands behind the mail.
 */
static int
merge(struct maildrop *box, struct spool *sp, uint64_t base, uint64_t end,
    struct msgs *left, uint64_t area)
{
	struct msgs mail = { .n = 0 }, spool = { .n = 0 };
	char clean[STATE_CLEAN];
	struct plan pl;
	bool begun = false;
	int r;

	plan_begin(&pl, 0, 0);
	r = scan_file(box->state, end, &mail, NULL);
	if (r == 0)
		r = tell_apart(box->state, &mail, box->state, left);
	if (r == 0)
		r = mbox_join(&mail, left);
	if (r == 0)
		r = scan_file(sp->fd, (uint64_t)sp->st.st_size, &spool, NULL);
	if (r == 0)
		r = plan_merge(box->state, &mail, sp, &spool, true, &pl);
	if (r == 0 && pl.n > 0) {
		log_notice(box->env, "recover user=%s: putting back mail "
		    "from %s", box->env->who, state_clean(box, clean));
		if (left->n == 0)
			r = journal_behind(box->state, end, &base);
		if (r == 0)
			r = journal_apply(box, sp, &pl, NULL, base,
			    left->n == 0 ? 0 : area, &begun);
		if (r == -1 && !begun && file_no_room(errno)) {
			plan_free(&pl);
			r = plan_merge(box->state, &mail, sp, &spool, false,
			    &pl);
			if (r == 0)
				r = journal_apply(box, sp, &pl, NULL, base,
				    left->n == 0 ? 0 : area, &begun);
		}
	}
	plan_free(&pl);
	msgs_free(&mail);
	msgs_free(&spool);
	return r;
}

static int
recover_locked(struct maildrop *box, struct spool *sp, enum holding kind,
    uint64_t base, uint64_t end)
{
	struct msgs left = { .n = 0 };
	char clean[STATE_CLEAN];
	uint64_t area = 0;
	int r = 0;

	if (kind == HOLDS_JOURNAL || base > 0)
		r = journal_redo(box, sp, base, &left, &area);
	if (r != -1 && sp->fd != -1 && fstat(sp->fd, &sp->st) == -1)
		r = -1;
	if (r == 0 && kind == HOLDS_MBOX) {	/* that may have been all */
		r = journal_kind(box->state, &kind, &base, &end);
		if (r == 0 && kind == HOLDS_MBOX)
			r = 1;
	}
	if (r == 1)
		r = end == 0 && left.n == 0 ? 0 :
		    merge(box, sp, base, end, &left, area);
	msgs_free(&left);
	/* the spool may be right and not on the disk: its writer was killed */
	if (r == 0 && sp->fd != -1)
		r = fsync(sp->fd);
	if (r == 0)
		r = jrn_void(box->state, 0, kind == HOLDS_JOURNAL);
	if (r == 0 && index_wipe(box->state, 0) == -1)
		log_error(box->env, "recover: cannot clear %s", state_clean(box,
		    clean));
	return r;
}

int
recover_maildrop(struct maildrop *box)
{
	enum holding kind;
	uint64_t base, end;
	struct spool sp;
	int r;

	if (journal_kind(box->state, &kind, &base, &end) == -1)
		return -1;
	if (kind == HOLDS_NOTHING || kind == HOLDS_INDEX)
		return 0;
	if (kind == HOLDS_ALIEN) {
		errno = EILSEQ;
		return -1;
	}
	if (lock_spool(box, SPOOL_WRITE, true, &sp) == -1)
		return -1;
	r = recover_locked(box, &sp, kind, base, end);
	unlock_spool(box, &sp);
	return r;
}

int
recover_probe(int state)
{
	enum holding kind;
	uint64_t base, end;
	struct journal j;

	if (journal_kind(state, &kind, &base, &end) == -1)
		return -1;
	if (kind == HOLDS_NOTHING || kind == HOLDS_INDEX)
		return 0;
	errno = EILSEQ;
	if (kind == HOLDS_ALIEN)
		return -1;
	if (kind == HOLDS_JOURNAL || base > 0) {
		if (jrn_load(state, base, &j) == 0)
			plan_free(&j.st);
		else if (errno != ENOENT)
			return -1;
		else if (kind == HOLDS_JOURNAL)
			return 0;	/* it never came into force */
	}
	return 1;
}
