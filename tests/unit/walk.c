/*
 * A random walk through the life of a maildrop, on a simulated disk.  A session
 * is the real login (drop_open), table (drop_load) and QUIT (updt_maildrop).
 * It may be killed at any operation, one of its calls or reads may fail, the
 * disk may be full at QUIT, and the power may be cut at its end.  Before it,
 * and between login and QUIT, mail comes, and another program removes messages
 * or changes their order.  File times may be coarse.
 *
 * What must hold whenever a session shows its table:
 *
 *	each entry is one whole message: no index is believed for another spool
 *	no message that was kept is lost, and none is there twice
 *	a deleted one is back only if its QUIT was not answered
 *	no unique-id means two messages, and each of several messages with the
 *	same header keeps the one that a client was told
 *	no login is refused, and no QUIT fails, without a cause
 *
 * usage: walk [SEED [SECONDS]]
 */
#include "disk.h"

#include <time.h>

#include "popper.h"

enum {
	MESSAGES = 4096,
	HEADERS = 3,		/* that several messages have */
	STEPS = 25,		/* of a walk */
	END_OF_MESSAGE = sizeof("\nmessage 000123\n\n") - 1,
	NONE = -1
};

enum fate {
	GONE,
	MAYBE,			/* deleted, but that was not answered */
	KEPT
};

/* What is known of each message: its number is its place here. */
static struct message {
	enum fate fate;
	int header;		/* which it shares with others, or NONE */
	size_t filling;		/* bytes of its text */
	char told[UID_TEXT];	/* its unique-id as one of several; or empty */
	bool shown;		/* the table has it */
	bool deleted;		/* this session's QUIT is to remove it */
} mail[MESSAGES];
static int nmail;
static bool sound;		/* nothing has failed to hold in this walk */

enum trouble { NO_TROUBLE, KILLED, CALL_FAILS, READ_FAILS, FULL, TROUBLES };
static enum trouble trouble;	/* of this session */

static size_t
pick(size_t n)
{
	return below(&seed, n);
}

/* True in one of n cases. */
static bool
one_in(size_t n)
{
	return pick(n) == 0;
}

/* Says the first thing in a walk that does not hold; of a message, or NONE. */
static void
fault(const char *what, int i)
{
	if (sound && i == NONE)
		note("%s", what);
	else if (sound)
		note("message %d %s", i, what);
	sound = false;
}

/* ---- the messages -------------------------------------------------------- */

/* A message, which ends in its number. */
static void
write_message(struct buf *b, int i, const char *status)
{
	char text[64];

	buf_str(b, "From m@example.org Sat Jan  3 01:05:34 1996\n");
	if (mail[i].header != NONE)
		(void)snprintf(text, sizeof(text), "Subject: the same %d\n",
		    mail[i].header);
	else
		(void)snprintf(text, sizeof(text), "Subject: %d\n%s: n%d\n", i,
		    i % 3 == 0 ? "X-UIDL" : "X-Name", i);
	buf_str(b, text);
	buf_str(b, status);
	buf_str(b, "\n");
	buf_fill(b, 'x', mail[i].filling);
	(void)snprintf(text, sizeof(text), "\nmessage %06d\n\n", i);
	buf_str(b, text);
}

/* Whether that is message i to the last byte, with a Status line or without. */
static bool
is_message(const char *p, size_t n, int i)
{
	static struct buf unread, read;

	unread.n = read.n = 0;
	write_message(&unread, i, "");
	write_message(&read, i, "Status: RO\n");
	return (n == unread.n && memcmp(p, unread.p, n) == 0) ||
	    (n == read.n && memcmp(p, read.p, n) == 0);
}

/* The number of the message that a table has there, or NONE. */
static int
message_at(const struct msg *m)
{
	const struct buf *b = &file[SPOOL].now;
	const char *p;
	char end[END_OF_MESSAGE + 1] = "";
	size_t n = (size_t)m->length;
	int i;

	if (n < END_OF_MESSAGE || m->offset + m->length > b->n)
		return NONE;
	p = b->p + m->offset;
	memcpy(end, p + n - END_OF_MESSAGE, END_OF_MESSAGE);
	i = (int)strtol(end + sizeof("\nmessage"), NULL, 10);
	return i >= 0 && i < nmail && is_message(p, n, i) ? i : NONE;
}

/* ---- other programs ------------------------------------------------------ */

static void
deliver(void)
{
	size_t n = 1 + pick(one_in(6) ? 40 : 3);

	for (; n > 0 && nmail < MESSAGES; n--, nmail++) {
		mail[nmail] = (struct message){ .fate = KEPT, .header = NONE };
		if (!one_in(3))
			mail[nmail].header = (int)pick(HEADERS);
		else
			mail[nmail].filling = pick(one_in(4) ? 3000 : 90);
		write_message(&file[SPOOL].now, nmail, "");
	}
	touch(&file[SPOOL]);
	settle(SPOOL);
}

/*
 * Another program writes the messages back, in another order, without some or
 * all of them, perhaps to a new file.  Not while a journal is in force: what
 * becomes of mail then, tests/unit/engine.c has.
 */
static void
rewrite(void)
{
	struct buf text = { .n = 0 };
	size_t i, k, first, drop = pick(6);
	struct msgs t;
	int gone;

	if (recover_probe(FD + STATE) != 0 ||
	    scan_file(FD + SPOOL, file[SPOOL].now.n, &t, NULL) == -1)
		return;
	first = one_in(2) || t.n == 0 ? 0 : pick(t.n);
	for (i = 0; i < t.n; i++) {
		k = (first + i) % t.n;
		if (drop > 2 || (drop > 0 && !one_in(4)))
			buf_add(&text, file[SPOOL].now.p + t.v[k].offset,
			    (size_t)t.v[k].length);
		else if ((gone = message_at(&t.v[k])) != NONE)
			mail[gone].fate = GONE;
	}
	set_file(SPOOL, &text);
	file[SPOOL].replaced += one_in(3);
	msgs_free(&t);
	buf_free(&text);
}

/* ---- what must hold ------------------------------------------------------ */

/* The unique-id of an entry, and -U's name of it. */
static void
check_ids(struct pop *p, size_t k, int i)
{
	const struct msgs *t = &p->drop.all;
	char uid[UID_TEXT], other[UID_TEXT];
	const char *name;
	size_t j;

	mbox_uid(&t->v[k], uid);
	for (j = 0; j < k && sound; j++) {
		mbox_uid(&t->v[j], other);
		if (strcmp(uid, other) == 0)
			fault("has the unique-id of another", i);
	}
	/* a deleted one that is back may be a new one */
	if (mail[i].fate == KEPT && mail[i].told[0] != '\0' &&
	    strcmp(uid, mail[i].told) != 0)
		fault("has another unique-id than it had", i);
	if (!p->opt.xuidl || mail[i].header != NONE || i % 3 != 0)
		return;
	name = xuidl_find(&p->drop.names, k);
	if (name == NULL || strtol(name + 1, NULL, 10) != i)
		fault("has not the name of its X-UIDL field", i);
}

/* An entry of the table, which a client was told or not. */
static void
check_entry(struct pop *p, size_t k, bool told)
{
	const struct msg *m = &p->drop.all.v[k];
	int i = message_at(m);

	if (i == NONE) {
		fault("an entry of the table is no message", NONE);
		return;
	}
	if (mail[i].shown)
		fault("is there twice", i);
	if (mail[i].fate == GONE)
		fault("was deleted, and is back", i);
	check_ids(p, k, i);
	mail[i].shown = true;
	if (!told)
		return;
	mail[i].fate = KEPT;
	/* before it was one of several, its body was not looked at */
	if (m->flags & MSG_DUPLICATE)
		mbox_uid(m, mail[i].told);
}

/* What is not in the spool can come back if the disk still has it. */
static bool
on_disk(void)
{
	const struct buf *now = &file[SPOOL].now, *disk = &file[SPOOL].disk;

	return now->n == disk->n &&
	    (now->n == 0 || memcmp(now->p, disk->p, now->n) == 0);
}

static void
check_table(struct pop *p)
{
	/* an index that could not be written does not keep what it told */
	const bool told = trouble != CALL_FAILS || ops < fail_at;
	size_t k;
	int i;

	for (i = 0; i < nmail; i++)
		mail[i].shown = false;
	for (k = 0; k < p->drop.all.n; k++)
		check_entry(p, k, told);
	for (i = 0; i < nmail; i++) {
		if (mail[i].shown)
			continue;
		if (mail[i].fate == KEPT)
			fault("is lost", i);
		if (on_disk())
			mail[i].fate = GONE;
		mail[i].told[0] = '\0';
	}
}

/* ---- a session ----------------------------------------------------------- */

/* Kills come in rows: the next one finds what the last has left. */
static void
begin_trouble(void)
{
	bool again = trouble == KILLED && one_in(2);
	size_t n = 1 + pick(again ? 8 : one_in(2) ? 30 : 90);

	trouble = again ? KILLED : (enum trouble)pick(TROUBLES);
	if (trouble == KILLED)
		die_at = n;
	else if (trouble == CALL_FAILS)
		fail_at = n;
	else if (trouble == READ_FAILS)
		read_fails_at = 1 + pick(200);
}

static void
fill_disk(void)
{
	limit[STATE] = file_aligned(file[STATE].now.n, PAGE) +
	    (one_in(2) ? 0 : pick(3000));
	limit[SPOOL] = file[SPOOL].now.n + (one_in(2) ? 0 : pick(200));
}

static void
end_trouble(void)
{
	bool cut = one_in(trouble == KILLED ? 2 : 6);

	restart();
	limit[STATE] = limit[SPOOL] = UINT64_MAX;
	if (cut)
		power_cut();
}

/* Whether there is nothing that a session could fail by. */
static bool
must_work(void)
{
	return trouble == NO_TROUBLE || trouble == FULL;
}

/* Login.  Whether the session has got in. */
static bool
log_in(struct pop *p)
{
	drop_init(p, &p->drop);
	(void)snprintf(p->drop.box.name, sizeof(p->drop.box.name), "user");
	if (drop_open(p) == OK)
		return !is_dead();
	if (must_work())
		fault("a login is refused", NONE);
	return false;
}

/* A session that has the whole table.  Whether another one can follow. */
static bool
poll_maildrop(struct pop *p)
{
	bool in = log_in(p), good = in && drop_load(p) == 0 && !is_dead();

	if (good)
		check_table(p);
	else if (in && must_work())
		fault("there is no table", NONE);
	drop_close(&p->drop);
	return good;
}

/* Whether message k of n goes: none, the newest, the oldest, many or few do. */
static bool
is_deleted(size_t how, size_t k, size_t n)
{
	switch (how) {
	case 0:
		return false;
	case 1:
		return n - k <= 5;
	case 2:
		return k < 2;
	case 3:
		return one_in(3);
	default:
		return one_in(12);
	}
}

/* Deletes some messages, and reads others.  Whether the session goes on. */
static bool
set_flags(struct pop *p)
{
	struct drop *d = &p->drop;
	size_t k, n = (size_t)d->sum.count, how = pick(5);
	bool gone, seen;
	int i;

	for (i = 0; i < nmail; i++)
		mail[i].deleted = false;
	for (k = n; k-- > 0;) {
		gone = is_deleted(how, k, n);
		seen = how != 1 && one_in(6);
		if (!gone && !seen)
			continue;
		if (drop_entry(p, k) == -1) {
			if (must_work())
				fault("an entry cannot be read", NONE);
			return false;
		}
		list_flag(p, &d->all.v[k], gone ? MSG_DELETED : MSG_SEEN);
		if (gone && (i = message_at(&d->all.v[k])) != NONE)
			mail[i].deleted = true;
	}
	return !is_dead();
}

/* What has become of the messages that the session has deleted. */
static void
set_fates(enum fate fate)
{
	int i;

	for (i = 0; i < nmail; i++)
		if (mail[i].deleted && mail[i].fate != GONE)
			mail[i].fate = fate;
}

static void
quit(struct pop *p)
{
	bool begun = false, other = one_in(7);
	int i, r;

	if (other && one_in(2))
		deliver();
	else if (other)
		rewrite();
	if (trouble == FULL)
		fill_disk();
	/*
	 * There, that messages go is worth more than the index, which alone
	 * knows the unique-ids of messages with the same header.
	 */
	for (i = 0; i < nmail && trouble == FULL && p->drop.ndeleted > 0; i++)
		mail[i].told[0] = '\0';
	r = updt_maildrop(p, &begun);
	if (r == -1 && trouble == NO_TROUBLE)
		fault("a QUIT fails", NONE);
	/* where other mail came, one that may be another's is not deleted */
	if (is_dead() || other || (r == -1 && begun))
		set_fates(MAYBE);
	else if (r == 0)
		set_fates(GONE);
}

/* A poll; and then a session that may have the index of that. */
static void
session(void)
{
	static struct pop p;

	memset(&p, 0, sizeof(p));
	p.env.trace = -1;
	p.conn.env = &p.env;
	p.conn.out.state = IO_EOF;	/* there is no client */
	p.opt.nostatus = one_in(2);
	p.opt.xuidl = one_in(3);
	begin_trouble();
	if (poll_maildrop(&p)) {
		if (log_in(&p) && (one_in(2) || drop_load(&p) == 0) &&
		    set_flags(&p))
			quit(&p);
		drop_close(&p.drop);
	}
	end_trouble();
}

static void
walk(void)
{
	static const struct buf none;
	size_t i;

	nmail = 0;
	changes = 0;
	grain = one_in(2) ? 1 : 50;
	sound = true;
	trouble = NO_TROUBLE;
	for (i = 0; i < FILES; i++) {
		set_file((int)i, &none);
		file[i].replaced = 0;
	}
	for (i = 0; i < STEPS && sound; i++) {
		if (one_in(2))
			deliver();
		if (one_in(5))
			rewrite();
		if (one_in(2))
			changes += grain;	/* time passes */
		session();
	}
}

int
main(int argc, char **argv)
{
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, at;
	time_t until = argc > 2 ? time(NULL) + strtol(argv[2], NULL, 10) : 0;
	size_t walks = 0, bad = 0;

	for (at = first; bad < 5 && (until == 0 ? walks < TAP_MANY(1000) :
	    time(NULL) < until); at++, walks++) {
		seed = at * UINT64_C(0x9e3779b97f4a7c15) | 1;
		walk();
		if (!sound) {
			note("seed %llu", (unsigned long long)at);
			bad++;
		}
	}
	ok(bad == 0, "%zu walks of %d sessions", walks, STEPS);
	return tap_end();
}
