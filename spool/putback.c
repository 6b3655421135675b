/*
 * Putting mail of the state file back into the spool: after its end, where it
 * moves nothing.  That is an update of its own, whose entries are read from the
 * state file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/journal.h"

/* Where a message ends if it has one empty line at its end. */
static int
trimmed_end(int fd, const struct msg *m, uint64_t *at)
{
	uint64_t head = m->offset + m->head, end = m->offset + m->length;
	unsigned lines;
	char c = '\n';
	int r = 0;

	for (*at = end; *at > head && r == 0; --*at)
		if ((r = file_read(fd, &c, 1, *at - 1)) == -1 ||
		    (c != '\n' && c != '\r'))
			break;
	for (lines = *at <= head; *at < end && lines < 2 && r == 0; ++*at) {
		r = file_read(fd, &c, 1, *at);
		lines += c == '\n';
	}
	return r;
}

/*
 * The messages as they are without line ends that an update may have put after
 * them: these make the size of a body another, and so its identity.
 */
static int
trim_all(int fd, const struct msgs *t, struct msgs *trimmed)
{
	const struct msg *m;
	struct msgs one;
	uint64_t end;
	size_t i;
	int r = 0;

	for (i = 0; i < t->n && r == 0; i++) {
		m = &t->v[i];
		if (trimmed_end(fd, m, &end) == -1)
			return -1;
		if (end == m->offset + m->length) {
			r = msgs_add(trimmed, m);
			continue;
		}
		if (scan_part(fd, m->offset, end, &one, NULL, NULL, NULL) ==
		    -1)
			return -1;
		r = msgs_add(trimmed, one.n == 1 ? &one.v[0] : m);
		msgs_free(&one);
	}
	return r;
}

/*
 * Finds for each message of the state file the same one in the spool: to[], or
 * SIZE_MAX.
 */
static int
match_trimmed(int state, struct msgs *left, int spool, struct msgs *there,
    size_t *to)
{
	size_t n, i;
	int same = 0;

	if (scan_bodies(state, 0, UINT64_MAX, left, there, &n) == -1 ||
	    scan_bodies(spool, 0, UINT64_MAX, there, left, &n) == -1 ||
	    mbox_match(left, there, false, to) == -1)
		return -1;
	for (i = 0; i < left->n && same != -1; i++) {
		if (to[i] == SIZE_MAX)
			continue;
		/* a torn one may have kept its length */
		same = scan_same_body(state, &left->v[i], spool,
		    &there->v[to[i]]);
		if (same == 0)
			to[i] = SIZE_MAX;
	}
	return same == -1 ? -1 : 0;
}

static int
find_partners(int state, const struct msgs *left, int spool,
    const struct msgs *there, size_t *to)
{
	struct msgs a = { .n = 0 }, b = { .n = 0 };
	int r = trim_all(state, left, &a);

	if (r == 0)
		r = trim_all(spool, there, &b);
	if (r == 0)
		r = match_trimmed(state, &a, spool, &b, to);
	msgs_free(&a);
	msgs_free(&b);
	return r;
}

/*
 * Plans those that have no partner.  The partners are written again: see
 * write_again().  What the record will overwrite is copied first.
 */
static int
plan_missing(int state, const struct msgs *left, const size_t *to, int spool,
    const struct msgs *there, uint64_t *kept, struct plan *pl)
{
	const struct msg *m, *x;
	struct entry e;
	size_t i;

	for (i = 0; i < left->n; i++) {
		m = &left->v[i];
		if (to[i] != SIZE_MAX) {
			x = &there->v[to[i]];
			if (file_copy(spool, x->offset, spool, x->offset,
			    x->length) == -1)
				return -1;
			continue;
		}
		if (m->flags & MSG_HIDDEN)
			continue;
		e = (struct entry){ .src = m->offset, .len = m->length,
		    .ends = mbox_lacks(m) };
		if (m->offset < INDEX_AT) {
			if (file_copy(state, m->offset, state, *kept,
			    m->length) == -1)
				return -1;
			e.src = *kept;
			*kept += m->length;
		}
		if (plan_add(pl, &e) == -1)
			return -1;
	}
	return 0;
}

/* What the spool lacks, as a plan. */
static int
plan_back(int state, struct msgs *left, const struct spool *sp,
    uint64_t *kept, struct plan *pl)
{
	uint64_t size = (uint64_t)sp->st.st_size;
	struct msgs there = { .n = 0 };
	size_t *to = malloc((left->n + 1) * sizeof(*to));
	int r;

	r = to == NULL ? -1 : scan_file(sp->fd, size, &there, NULL);
	if (r == 0)
		r = find_partners(state, left, sp->fd, &there, to);
	plan_begin(pl, size, size + (there.n == 0 ? 0 :
	    mbox_lacks(&there.v[there.n - 1])));
	pl->from_state = true;
	if (r == 0)
		r = plan_missing(state, left, to, sp->fd, &there, kept, pl);
	if (r == 0)
		r = file_sync(sp->fd);
	file_free(to);
	msgs_free(&there);
	return r;
}

/*
 * The new record and its entries.  Texts depend on these, so they are durable
 * before the record is; then what the state file has reserved goes back to the
 * disk, so that the spool can grow.
 */
static int
carry_back(struct maildrop *box, struct spool *sp, struct journal *j,
    uint64_t kept)
{
	if (jrn_take_heads(j) == -1)
		return -1;
	j->r.since = 0;
	j->r.entries_at = file_aligned(kept, SECTOR);
	j->end = j->r.entries_at + j->r.entries * sizeof(*j->pl.v);
	if (jrn_put_entries(j) == -1 || file_sync(j->state) == -1 ||
	    jrn_put_record(j) == -1 ||
	    ftruncate(j->state, (off_t)j->end) == -1)
		return -1;
	return jrn_run(box, sp, j);
}

int
put_back(struct maildrop *box, struct spool *sp, struct msgs *left,
    uint64_t kept)
{
	char clean[STATE_CLEAN];
	struct plan pl;
	struct journal j;
	int r;

	if (file_now(sp->fd, &sp->st) == -1)
		return -1;
	kept = file_aligned(kept, SECTOR);
	r = plan_back(box->state, left, sp, &kept, &pl);
	if (r == -1 || pl.n == 0) {
		plan_free(&pl);
		return r;
	}
	log_notice(box->env, "recover user=%s: putting back mail from %s",
	    box->env->who, state_clean(box, clean));
	jrn_begin(&j, box->state, &pl, sp);
	r = carry_back(box, sp, &j, kept);
	jrn_end(&j);
	return r;
}

/* ---- left-over mail ------------------------------------------------------ */

/*
 * Left-over mail begins where the record has its place, and must stay until the
 * spool has it.  So before anything is written after that mail, the next sector
 * says where it ends; by the inode number of the file no message can forge it.
 */
struct mail_end {
	char magic[32];
	uint64_t end, ino;
};

static const char mail_end_magic[32] = "popper left-over 1\n";

static bool
is_mail_end(const struct mail_end *l, uint64_t at, const struct stat *sb)
{
	return memcmp(l->magic, mail_end_magic, sizeof(l->magic)) == 0 &&
	    l->ino == (uint64_t)sb->st_ino && file_aligned(l->end, SECTOR) == at;
}

/*
 * Finds the end of left-over mail: *end, and whether a sector *said so.  A
 * power cut may leave NULs at the end of a file.  0, or -1 with errno.
 */
static int
find_mail_end(int state, uint64_t *end, bool *said)
{
	struct mail_end l;
	struct stat sb;
	ssize_t n;
	char c = '\0';
	uint64_t at;

	if (file_now(state, &sb) == -1)
		return -1;
	for (*said = false, at = 0; (n = file_some(state, &l, sizeof(l), at)) ==
	    sizeof(l) && !*said; at += SECTOR)
		if ((*said = is_mail_end(&l, at, &sb)))
			*end = l.end;
	if (n == -1 || *said)
		return n == -1 ? -1 : 0;
	for (*end = (uint64_t)sb.st_size; *end > 0; --*end)
		if (file_read(state, &c, 1, *end - 1) == -1)
			return -1;
		else if (c != '\0')
			break;
	return 0;
}

static int
say_mail_end(int state, uint64_t end)
{
	char sector[SECTOR] = { 0 };
	struct mail_end l = { .end = end };
	struct stat sb;

	if (file_now(state, &sb) == -1)
		return -1;
	memcpy(l.magic, mail_end_magic, sizeof(l.magic));
	l.ino = (uint64_t)sb.st_ino;
	memcpy(sector, &l, sizeof(l));
	if (file_write(state, sector, sizeof(sector), file_aligned(end,
	    SECTOR)) == -1)
		return -1;
	return file_sync(state);
}

int
mail_has_journal(int state)
{
	char s[16];		/* of no message: a sector said where it ends */
	uint64_t end;
	bool said;
	ssize_t n = 0;

	if (find_mail_end(state, &end, &said) == -1 || (said &&
	    (n = file_some(state, s, sizeof(s), file_aligned(end, SECTOR) +
	    SECTOR)) == -1))
		return -1;
	return n == sizeof(s) && memcmp(s, "popper journal 1", sizeof(s)) == 0;
}

int
put_mail_back(struct maildrop *box, struct spool *sp)
{
	struct msgs left = { .n = 0 };
	uint64_t end;
	bool said;
	int r;

	if (scan_begins(sp->fd) == -1 ||
	    find_mail_end(box->state, &end, &said) == -1 ||
	    scan_file(box->state, end, &left, NULL) == -1)
		return -1;
	r = said ? 0 : say_mail_end(box->state, end);
	if (r == 0)
		r = put_back(box, sp, &left, file_aligned(end, SECTOR) +
		    SECTOR);
	msgs_free(&left);
	return r;
}
