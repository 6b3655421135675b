/*
 * popper -n -S: do two hosts see the same files?  Run on both at once, it has
 * them take turns with one file, which each locks as it would lock a spool.
 * What the other host has changed must be there now.  Then the file is changed
 * as mail programs change a spool, and a name appears or goes, as name.lock
 * does.
 *
 * The baton is three bytes of a second file, by kernel locks.  A host holds the
 * byte of its next turn while it waits, and gives it up when the turn is over;
 * the other, waiting for it, keeps it for the turn after its own:
 *
 *	turn		0	1	2	3	4
 *	of the host	first	second	first	second	first
 *	begins with	2	0	1	2	0
 *	gives up	0	1	2	0	1
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check/check.h"

#define SHARED	".popper.hosts"		/* as it were, the spool */
#define BATON	".popper.baton"
#define NAME	".popper.name"

enum {
	TURNS = 61,		/* an odd number: the first host has the last */
	GROWTH = 8000,		/* bytes that a turn adds */
	TEXT = 3 * GROWTH,	/* that the text has at most: its half goes */
	POLL_MS = 2,
	APART = 60		/* seconds: beyond some minutes a host takes the
				   lock files of the other for stale ones */
};

/* The first sector of the file; the text is after it. */
struct head {
	uint64_t turn;		/* the one in which this was written */
	uint64_t size, sum;	/* of the text */
	int64_t clock;		/* of its host, seconds since the epoch */
	char host[64];
};

/* What a turn finds: what the other host did, or what is an old one. */
enum view {
	VIEW_TRUE, VIEW_SIZE, VIEW_TEXT, VIEW_TIMES, VIEW_NAMES,
	VIEW_CLOCKS, VIEW_ALONE, VIEW_STUCK, VIEW_ERROR
};

struct pair {
	struct check *c;
	struct maildrop box;	/* its spool is SHARED */
	int baton;
	uint64_t turn;
	struct head head;	/* as read or written last */
	char other[64];		/* the name of the other host */
	struct stamp last;	/* of the file after this host's last turn */
	char text[TEXT];
};

/* ---- the baton ----------------------------------------------------------- */

/* Whether this host now has the lock of a byte; or, for F_GETLK, the other. */
static bool
byte_lock(int fd, uint64_t byte, int call, short type)
{
	struct flock fl;

	memset(&fl, 0, sizeof(fl));
	fl.l_type = type;
	fl.l_whence = SEEK_SET;
	fl.l_start = (off_t)byte;
	fl.l_len = 1;
	return fcntl(fd, call, &fl) != -1 && fl.l_type != F_UNLCK;
}

static bool
pause_until(struct pair *x, int64_t until)
{
	return wait_now() < until && wait_sleep(x->c->p->conn.env,
	    wait_now() + POLL_MS) == 0;
}

static enum view
wait_for_turn(struct pair *x)
{
	int64_t until = wait_deadline(x->box.wait);

	while (!byte_lock(x->baton, (x->turn + 2) % 3, F_SETLK, F_WRLCK))
		if (!pause_until(x, until))
			return VIEW_STUCK;
	return VIEW_TRUE;
}

static void
give_up_turn(struct pair *x)
{
	(void)byte_lock(x->baton, x->turn % 3, F_SETLK, F_UNLCK);
}

/* Whether the other host waits: without it, all bytes are free. */
static bool
is_there(const struct pair *x)
{
	return byte_lock(x->baton, (x->turn + 1) % 3, F_GETLK, F_WRLCK);
}

/* ---- a turn -------------------------------------------------------------- */

/* Whether the name is there after a turn. */
static bool
has_name(uint64_t turn)
{
	return turn % 3 != 0;
}

/* The file and the name as they are now, against the turn before. */
static enum view
look(struct pair *x, const struct spool *sp)
{
	struct stat name;
	struct stamp st;

	if (file_read(sp->fd, &x->head, sizeof(x->head), 0) == -1)
		return VIEW_ERROR;
	if (x->head.turn != x->turn - 1 || x->head.size > TEXT)
		return VIEW_TEXT;
	if ((uint64_t)sp->st.st_size != SECTOR + x->head.size)
		return VIEW_SIZE;
	if (file_read(sp->fd, x->text, (size_t)x->head.size, SECTOR) == -1)
		return VIEW_ERROR;
	if (file_sum(x->text, (size_t)x->head.size, x->head.turn) !=
	    x->head.sum)
		return VIEW_TEXT;
	stamp_of(&sp->st, &st);	/* some have only whole seconds */
	if (sp->st.st_ctim.tv_nsec != 0 && stamp_same(&st, &x->last))
		return VIEW_TIMES;
	if ((fstatat(x->box.dir, NAME, &name, AT_SYMLINK_NOFOLLOW) == 0) !=
	    has_name(x->turn - 1))
		return VIEW_NAMES;
	return llabs((long long)(x->head.clock - time(NULL))) > APART ?
	    VIEW_CLOCKS : VIEW_TRUE;
}

/* The text gets longer, stays as long, or gets shorter.  0, or -1. */
static int
change_text(struct pair *x, int fd)
{
	struct head *h = &x->head;
	size_t i, from = 0, size = (size_t)h->size;

	if (x->turn % 3 == 0)
		size /= 2;
	if (x->turn % 3 == 1) {
		from = size;
		size += GROWTH;
	}
	for (i = from; i < size; i++)
		x->text[i] = (char)(x->turn + i);
	h->turn = x->turn;
	h->size = size;
	h->sum = file_sum(x->text, size, x->turn);
	h->clock = time(NULL);
	host_name(h->host, sizeof(h->host));
	if (file_write(fd, x->text + from, size - from, SECTOR + from) ==
	    -1 || file_write(fd, h, sizeof(*h), 0) == -1)
		return -1;
	return x->turn % 3 == 0 ? ftruncate(fd, (off_t)(SECTOR + size)) : 0;
}

static int
change_name(struct pair *x)
{
	int fd;

	if (!has_name(x->turn))
		return unlinkat(x->box.dir, NAME, 0) == 0 ||
		    errno == ENOENT ? 0 : -1;
	if (has_name(x->turn - 1))
		return 0;
	fd = openat(x->box.dir, NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	file_close(fd);
	return fd == -1 ? -1 : 0;
}

/* As a login reads a spool. */
static enum view
look_as_reader(struct pair *x)
{
	struct spool sp = { .tries = 0 };
	enum view v = VIEW_ERROR;

	if (lock_read(&x->box, &sp) == -1)
		return VIEW_ERROR;
	if (sp.fd != -1)
		v = look(x, &sp);
	unlock_spool(&x->box, &sp);
	return v;
}

/* As an UPDATE finds and changes it.  The first turn of all finds nothing. */
static enum view
take_turn(struct pair *x)
{
	enum view v = x->turn == 0 ? VIEW_TRUE : look_as_reader(x);
	struct spool sp;

	if (v != VIEW_TRUE)
		return v;
	if (lock_spool(&x->box, SPOOL_WRITE, true, &sp) == -1)
		return VIEW_ERROR;
	if (x->turn > 0 && (v = look(x, &sp)) == VIEW_TRUE)
		memcpy(x->other, x->head.host, sizeof(x->other));
	if (v == VIEW_TRUE && (change_text(x, sp.fd) == -1 ||
	    change_name(x) == -1 || file_now(sp.fd, &sp.st) == -1))
		v = VIEW_ERROR;
	stamp_of(&sp.st, &x->last);
	unlock_spool(&x->box, &sp);
	return v;
}

/* ---- both hosts ---------------------------------------------------------- */

/* The first host waits for another one to hold the byte of its own turn. */
static enum view
meet(struct pair *x)
{
	int64_t until = wait_deadline(x->box.wait);

	while (!byte_lock(x->baton, 1, F_GETLK, F_WRLCK))
		if (!pause_until(x, until))
			return VIEW_ALONE;
	return VIEW_TRUE;
}

static enum view
take_turns(struct pair *x)
{
	enum view v = VIEW_TRUE;

	if (byte_lock(x->baton, 0, F_SETLK, F_WRLCK)) {
		if (!byte_lock(x->baton, 2, F_SETLK, F_WRLCK))
			return VIEW_ERROR;
		v = meet(x);
	} else {
		x->turn = 1;
		if (!byte_lock(x->baton, 1, F_SETLK, F_WRLCK))
			return VIEW_ALONE;	/* there are two already */
	}
	while (v == VIEW_TRUE && x->turn < TURNS) {
		if ((x->turn > 0 && (v = wait_for_turn(x)) != VIEW_TRUE) ||
		    (v = take_turn(x)) != VIEW_TRUE)
			break;
		give_up_turn(x);
		x->turn += 2;
	}
	return v == VIEW_TEXT && !is_there(x) ? VIEW_STUCK : v;
}

static void
say_view(struct pair *x, enum view v)
{
	static const char *const old[] = {
		[VIEW_SIZE] = "size of a file", [VIEW_TEXT] = "text of a file",
		[VIEW_TIMES] = "times of a file", [VIEW_NAMES] = "names"
	};

	if (v == VIEW_TRUE)
		check_say(x->c, CHECK_OK, "hosts: each has seen at once what "
		    "the other changed, here and on %s", x->other);
	else if (v == VIEW_ALONE)
		check_say(x->c, CHECK_WARN, "hosts: no other one to compare "
		    "with by kernel locks; run popper -n -S on two at once");
	else if (v == VIEW_CLOCKS)
		check_say(x->c, CHECK_FAIL, "hosts: the clock of %s differs by "
		    "more than %d seconds", x->head.host, APART);
	else if (v == VIEW_STUCK)
		check_say(x->c, CHECK_FAIL, "hosts: the other one has stopped; "
		    "it says why");
	else if (v == VIEW_ERROR)
		check_say(x->c, CHECK_FAIL, "hosts: the files %s and %s: "
		    "%s", SHARED, BATON, strerror(errno));
	else
		check_say(x->c, CHECK_FAIL, "hosts: after a change by another, "
		    "this one still sees the old %s: the file system keeps it "
		    "without asking, and would lose mail", old[v]);
}

void
check_hosts(struct check *c)
{
	struct pair x = { .c = c, .box = c->p->drop.box };
	struct stat sb;
	enum view v = VIEW_ERROR;

	(void)snprintf(x.box.name, sizeof(x.box.name), "%s", SHARED);
	x.baton = file_open(x.box.dir, BATON, O_RDWR | O_CREAT, geteuid(), &sb);
	if (x.baton != -1)
		v = take_turns(&x);
	say_view(&x, v);
	if (x.turn % 2 == 0 && (v == VIEW_TRUE || v == VIEW_ALONE)) {
		/* the first host, and no other needs them now */
		(void)unlinkat(x.box.dir, SHARED, 0);
		(void)unlinkat(x.box.dir, NAME, 0);
		(void)unlinkat(x.box.dir, BATON, 0);
	}
	file_close(x.baton);
}
