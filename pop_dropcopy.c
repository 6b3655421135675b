/*
 * The maildrop, opened for a session: its lock, its table, and the temporary
 * copy from which all text is sent.
 *
 * While the spool's stamp is the one that the table was made from, the table
 * is true and nothing needs to be read.  The copy is made when a command first
 * needs text, from that message on: STAT, LIST and UIDL cost the same for any
 * size of spool.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

enum result
drop_refuse(struct pop *p, enum fault f)
{
	char text[FAULT_LEN], name[STATE_NAME];

	state_name(p->drop.box.name, name);
	return reply_err(&p->conn, "%s",
	    fault_reply(f, name, text, sizeof(text)));
}

/* What a client is told when the spool cannot be locked or read. */
static enum result
say_trouble(struct pop *p, const char *doing)
{
	enum fault f = fault_of(&p->drop.box, errno);

	if (f == FAULT_LOCKED)
		log_notice(&p->env, "lock user=%s: spool stays locked",
		    p->env.who);
	else if (f == FAULT_NOT_MBOX)
		log_notice(&p->env, "%s user=%s: not an mbox", doing,
		    p->env.who);
	else if (f != FAULT_STALE)	/* of which the log knows */
		log_error(&p->env, "%s", doing);
	return drop_refuse(p, f);
}

/* ---- opening it --------------------------------------------------------- */

/* The table of the spool, in which duplicates keep their numbers. */
static int
scan_table(struct pop *p, struct spool *sp)
{
	struct drop *d = &p->drop;
	struct msgs old;
	int r;

	if (index_read(d->box.state, &old) == -1 && errno != EILSEQ)
		return -1;
	r = scan_part(sp->fd, 0, d->stamp.size, &d->all, &old, p->opt.xuidl ?
	    xuidl_note : NULL, &d->names);
	if (r == 0)
		r = scan_numbers(sp->fd, &d->all, &old);
	if (r == 0)
		r = xuidl_settle(&d->names, &d->all);
	msgs_free(&old);
	return r;
}

/* Makes the table anew from the locked spool, and keeps it as the index. */
static int
scan_spool(struct pop *p, struct spool *sp)
{
	struct drop *d = &p->drop;

	msgs_free(&d->all);
	xuidl_free(&d->names);
	d->loaded = false;
	if (lock_undisturbed(sp, scan_table(p, sp)) == -1) {
		msgs_free(&d->all);
		return -1;
	}
	d->loaded = true;
	summary_of(&d->all, &d->sum);
	if (index_write(d->box.state, &d->stamp, &d->all, &d->index) == -1 ||
	    (p->opt.xuidl && xuidl_write(d->box.state, &d->names) == -1))
		log_error(&p->env, "index: cannot save it");
	d->settled = stamp_settled(d->box.state, &d->stamp);
	log_debug(&p->env, "scan user=%s messages=%zu bytes=%llu", p->env.who,
	    d->all.n, (unsigned long long)d->stamp.size);
	return 0;
}

/* Whether the index is true, and has all that this session needs. */
static bool
index_usable(struct pop *p)
{
	struct drop *d = &p->drop;

	xuidl_free(&d->names);
	d->settled = index_head(d->box.state, &d->stamp, &d->sum);
	return d->settled &&
	    (!p->opt.xuidl || xuidl_read(d->box.state, &d->names) == 0);
}

/* Learns what the spool holds: from the index if that will do, or a scan. */
static int
load_maildrop(struct pop *p)
{
	struct drop *d = &p->drop;
	struct spool sp = { .tries = 0 };
	int r;

	do {
		if (lock_read(&p->drop.box, &sp) == -1)
			return -1;
		stamp_of(&sp.st, &d->stamp);
		r = index_usable(p) ? 0 : scan_spool(p, &sp);
		unlock_spool(&p->drop.box, &sp);
	} while (r == -1 && errno == EAGAIN);
	return r;
}

void
drop_init(struct pop *p, struct drop *d)
{
	memset(d, 0, sizeof(*d));
	d->box.env = &p->env;
	d->box.ids = &p->ids;
	d->box.wait = p->opt.wait;
	d->box.hosts = p->opt.hosts;
	d->box.dir = d->box.state = d->copy = -1;
}

enum result
drop_open(struct pop *p)
{
	char clean[STATE_CLEAN];
	enum fault f;

	if ((f = maildrop_open(&p->drop.box)) != FAULT_NONE) {
		if (f == FAULT_NETWORK)
			log_network(p);
		else if (f != FAULT_SESSION)
			log_error(&p->env, "login: %s",
			    state_clean(&p->drop.box, clean));
		return drop_refuse(p, f);
	}
	if (recover_maildrop(&p->drop.box) == -1) {
		if (errno != EILSEQ)
			return say_trouble(p, "recover");
		log_notice(&p->env, "recover user=%s: %s or the spool is "
		    "damaged", p->env.who, state_clean(&p->drop.box, clean));
		return drop_refuse(p, FAULT_DAMAGED);
	}
	if (load_maildrop(p) == -1)
		return say_trouble(p, "login: spool");
	p->drop.last = p->drop.sum.last;
	return OK;
}

void
drop_unlock(struct drop *d)
{
	if (d->box.state != -1)
		(void)close(d->box.state);
	d->box.state = -1;
}

/*
 * Truncating the file gives its blocks back at once: XFS may do so only some
 * time after close(2), and an UPDATE on a full disk needs them.
 */
void
drop_close_copy(struct drop *d)
{
	if (d->copy == -1)
		return;
	if (ftruncate(d->copy, 0) == -1) {
		/* close(2) gives them back too */
	}
	(void)close(d->copy);
	d->copy = -1;
	d->cloned = false;
}

void
drop_close(struct drop *d)
{
	msgs_free(&d->all);
	xuidl_free(&d->names);
	free(d->maxima);
	d->maxima = NULL;
	drop_unlock(d);
	drop_close_copy(d);
	if (d->box.dir != -1)
		(void)close(d->box.dir);
	d->box.dir = -1;
}

/*
 * The index is damaged: the spool is scanned again, and must be the same still,
 * since the client has been told its numbers.  The table stays where it is and
 * keeps its flags.
 */
static int
scan_again(struct pop *p)
{
	struct drop *d = &p->drop, was = *d;
	size_t i;

	if (errno != EILSEQ)
		return -1;
	memset(&d->all, 0, sizeof(d->all));
	memset(&d->index, 0, sizeof(d->index));
	memset(&d->names, 0, sizeof(d->names));
	if (index_drop(d->box.state) == 0 && load_maildrop(p) == 0) {
		if (stamp_same(&was.stamp, &d->stamp) && d->loaded &&
		    memcmp(&was.sum, &d->sum, sizeof(d->sum)) == 0) {
			for (i = 0; i < was.all.n; i++) {
				d->all.v[i].flags |= was.all.v[i].flags &
				    MSG_SESSION;
				was.all.v[i] = d->all.v[i];
			}
			if (was.all.v != NULL) {
				msgs_free(&d->all);
				d->all = was.all;
			}
			xuidl_free(&was.names);
			return 0;
		}
		errno = ESTALE;
	}
	msgs_free(&d->all);
	xuidl_free(&d->names);
	*d = was;
	return -1;
}

static bool
have_table(struct drop *d)
{
	if (!d->loaded)
		d->loaded = index_open(d->box.state, &d->sum, &d->all,
		    &d->index) == 0;
	return d->loaded;
}

int
drop_load(struct pop *p)
{
	struct drop *d = &p->drop;

	if (have_table(d) && index_rest(d->box.state, &d->all, &d->index) == 0)
		return 0;
	return scan_again(p);
}

int
drop_entry(struct pop *p, size_t i)
{
	struct drop *d = &p->drop;

	if (have_table(d) &&
	    index_entry(d->box.state, &d->all, &d->index, i) == 0)
		return 0;
	return scan_again(p);
}

/* ---- the temporary copy ------------------------------------------------ */

/* How many bytes of a message a part of it has. */
static uint64_t
part_size(const struct msg *m, enum part part)
{
	return part == PART_HEAD ? m->head : m->length;
}

bool
drop_has_part(const struct drop *d, const struct msg *m, enum part part)
{
	return d->copy != -1 && m->offset >= d->copied &&
	    m->offset + part_size(m, part) <= d->copied_end;
}

/* Puts the bytes from..to of the spool into the copy, at the same places. */
static int
fill_copy(struct pop *p, struct spool *sp, uint64_t from, uint64_t to)
{
	struct drop *d = &p->drop;

	if (file_copy(sp->fd, from, d->copy, from, to - from) == -1)
		return -1;
	d->copied = from;
	log_debug(&p->env, "copy user=%s from=%llu to=%llu", p->env.who,
	    (unsigned long long)from, (unsigned long long)to);
	return 0;
}

/*
 * A new copy with the bytes from..to, wherever there is room for them.  A clone
 * has all of the spool and needs none.
 */
static int
make_copy(struct pop *p, struct spool *sp, uint64_t from, uint64_t to)
{
	struct drop *d = &p->drop;
	int saved;

	drop_close_copy(d);
	d->copy = file_unnamed(d->box.dir, 0, 0);
	if (d->copy != -1 && file_clone(sp->fd, d->copy) == 0) {
		d->cloned = true;
		d->copied = 0;
		d->copied_end = d->stamp.size;
		return 0;
	}
	if (d->copy == -1 || file_reserve(d->copy, from, to - from) == -1) {
		drop_close_copy(d);
		d->copy = file_unnamed(d->box.dir, from, to - from);
	}
	if (d->copy == -1)
		d->copy = file_memory(from, to - from);
	if (d->copy == -1)
		return -1;
	d->copied = d->copied_end = to;		/* nothing is in it yet */
	if (fill_copy(p, sp, from, to) == 0)
		return 0;
	saved = errno;
	drop_close_copy(d);
	errno = saved;
	return -1;
}

/* Has the spool from there on in the copy; extends it if there is room. */
static int
copy_from(struct pop *p, struct spool *sp, uint64_t from)
{
	struct drop *d = &p->drop;

	if (d->copy != -1 && from >= d->copied)
		return 0;
	if (d->copy != -1 &&
	    file_reserve(d->copy, from, d->copied - from) == 0 &&
	    fill_copy(p, sp, from, d->copied) == 0)
		return 0;
	if (d->copy != -1 && !file_no_room(errno))
		return -1;
	return make_copy(p, sp, from, d->stamp.size);
}

/* Takes over where a message is now; the session's flags stay. */
static void
take_place(struct drop *d, struct msg *m, const struct msg *now)
{
	uint32_t flags = m->flags & (MSG_DELETED | MSG_SEEN);

	d->sum.octets += now->octets - m->octets;
	if (flags & MSG_DELETED)
		d->deleted_octets += now->octets - m->octets;
	m->offset = now->offset;
	m->length = now->length;
	m->octets = now->octets;
	m->check = now->check;
	m->from = now->from;
	m->head = now->head;
	m->flags = (now->flags & ~(uint32_t)MSG_HIDDEN) |
	    (m->flags & MSG_HIDDEN) | flags;
}

int
drop_match(struct drop *d, int fd, struct msgs *now, size_t *to)
{
	size_t n;

	/* what the copy has of a duplicate tells it from the others */
	if (scan_bodies(fd, 0, UINT64_MAX, now, &d->all, &n) == -1 ||
	    scan_bodies(d->copy, d->copied, d->copy == -1 ? 0 : d->copied_end,
	    &d->all, now, &n) == -1)
		return -1;
	return mbox_match(&d->all, now, true, to);
}

/*
 * The spool is another than the table says: mail came, or another program
 * rewrote it.  The messages are found again by what they are.
 */
static int
relocate_messages(struct pop *p, struct spool *sp)
{
	struct drop *d = &p->drop;
	struct msgs now;
	size_t *to, i;
	int r = -1;

	if (index_rest(d->box.state, &d->all, &d->index) == -1) {
		errno = ESTALE;		/* what was there is lost */
		return -1;
	}
	if (scan_file(sp->fd, (uint64_t)sp->st.st_size, &now, &d->all) == -1)
		return -1;
	if ((to = malloc((d->all.n + 1) * sizeof(*to))) != NULL &&
	    drop_match(d, sp->fd, &now, to) == 0) {
		for (i = 0; i < d->all.n; i++)
			if (to[i] == SIZE_MAX)
				d->all.v[i].flags |= MSG_GONE;
			else
				take_place(d, &d->all.v[i], &now.v[to[i]]);
		drop_close_copy(d);
		d->moved = d->settled = true;
		stamp_of(&sp->st, &d->stamp);
		r = 0;
	}
	file_free(to);
	msgs_free(&now);
	return r;
}

/*
 * Whether the table tells where message m is in the spool: an equal stamp is a
 * hint, and a copy that should have it proves the opposite.  1, 0, or -1 with
 * errno.
 */
static int
stamp_holds(const struct drop *d, const struct spool *sp, const struct msg *m,
    enum part part)
{
	struct stamp now;

	stamp_of(&sp->st, &now);
	if (!stamp_same(&now, &d->stamp) || !d->settled)
		return 0;
	if (m->flags & MSG_GONE || sp->fd == -1)
		return 1;
	if (drop_has_part(d, m, part))
		return 0;
	return scan_same(sp->fd, &d->all, (size_t)(m - d->all.v));
}

/* Whether the copy has message m, and where the table says. */
static bool
in_copy(const struct drop *d, const struct msg *m, enum part part)
{
	char s[5];

	if (!drop_has_part(d, m, part))
		return false;
	if (d->box.board)	/* no time proves that it is as it was */
		return scan_same(d->copy, &d->all, (size_t)(m - d->all.v)) == 1;
	return file_read(d->copy, s, sizeof(s), m->offset) == 0 &&
	    memcmp(s, "From ", sizeof(s)) == 0;
}

static int
copy_locked(struct pop *p, struct spool *sp, const struct msg *m,
    enum part part)
{
	struct drop *d = &p->drop;
	int r = stamp_holds(d, sp, m, part);

	if (r == -1 || (r == 0 && relocate_messages(p, sp) == -1))
		return -1;
	if (sp->fd == -1 || m->flags & MSG_GONE)
		return 0;
	if (!d->alone) {	/* what was moved is copied once, all of it */
		if (copy_from(p, sp, d->moved ? 0 : m->offset) == 0)
			return 0;
		if (!file_no_room(errno))
			return -1;
		d->alone = true;
	}
	return make_copy(p, sp, m->offset, m->offset + part_size(m, part));
}

int
drop_part(struct pop *p, const struct msg *m, enum part part)
{
	struct drop *d = &p->drop;
	struct spool sp = { .tries = 0 };
	int r;

	if (in_copy(d, m, part))
		return 0;
	do {
		if (sp.tries > 0)
			drop_close_copy(d);	/* of what was being changed */
		if ((r = lock_read(&p->drop.box, &sp)) == -1)
			break;
		r = lock_undisturbed(&sp, copy_locked(p, &sp, m, part));
		unlock_spool(&p->drop.box, &sp);
	} while (r == -1 && errno == EAGAIN);
	return r;
}

enum result
drop_text(struct pop *p, const struct msg *m, enum part part)
{
	return drop_part(p, m, part) == -1 ? say_trouble(p, "copy") : OK;
}
