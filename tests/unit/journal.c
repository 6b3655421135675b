/*
 * The update engine on real files, and every state in which a crash can leave
 * them.  The calls that change a file are taken here, done, and noted; from
 * the notes any moment can be built again, as a kill leaves it or as a power
 * cut does: what was not synced may be on the disk or not, sector by sector.
 * From each state recovery must come to the old text or to the new one.
 */
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"
#include "spool/journal.h"
#include "tap.h"

enum { SPOOL, WORK, FILES };

/* ---- the disk ---------------------------------------------------------- */

enum what { WRITE, SIZE, SYNC };

struct op {
	enum what what;
	int file;
	size_t at, n;		/* SIZE: at is the size */
	bool failed;		/* SYNC */
	char *data;
};

struct tape {
	struct op *v;
	size_t n, room;
};

static struct tape *tape;		/* where calls are noted, or NULL */
static ino_t inode[FILES];
static uint64_t limit = UINT64_MAX;	/* size of the state file */
static size_t out_of_bounds;
static uint64_t bound;			/* of writes to the spool */
static size_t fail_at, syncs;		/* sync that fails, from 1 on; done */

static int
which(int fd)
{
	struct stat sb;
	int i;

	if (fstat(fd, &sb) == -1)
		return -1;
	for (i = 0; i < FILES; i++)
		if (sb.st_ino == inode[i])
			return i;
	return -1;
}

static void
take_down(enum what what, int fd, size_t at, const void *data, size_t n)
{
	int file = which(fd);
	struct op *x;

	if (file == SPOOL && what != SYNC && at + n > bound)
		out_of_bounds++;
	if (tape == NULL || file == -1)
		return;
	if (tape->n == tape->room) {
		tape->room = tape->room * 2 + 64;
		tape->v = realloc(tape->v, tape->room * sizeof(*tape->v));
		if (tape->v == NULL)
			abort();
	}
	x = &tape->v[tape->n++];
	x->what = what;
	x->file = file;
	x->at = at;
	x->n = n;
	x->failed = what == SYNC && syncs == fail_at;
	x->data = NULL;
	if (n > 0) {
		if ((x->data = malloc(n)) == NULL)
			abort();
		memcpy(x->data, data, n);
	}
}

static void
tape_free(struct tape *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		free(t->v[i].data);
	free(t->v);
	memset(t, 0, sizeof(*t));
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (which(fd) == WORK && (uint64_t)at + n > limit) {
		errno = ENOSPC;
		return -1;
	}
	take_down(WRITE, fd, (size_t)at, p, n);
	return (ssize_t)syscall(SYS_pwrite64, fd, p, n, at);
}

int
ftruncate(int fd, off_t size)
{
	take_down(SIZE, fd, (size_t)size, NULL, 0);
	return (int)syscall(SYS_ftruncate, fd, size);
}

int
fdatasync(int fd)
{
	syncs++;
	take_down(SYNC, fd, 0, NULL, 0);
	errno = EIO;
	return syncs == fail_at ? -1 : 0;
}

int
fsync(int fd)
{
	return fdatasync(fd);
}

int
posix_fallocate(int fd, off_t at, off_t n)
{
	struct stat sb;

	if ((which(fd) == WORK && (uint64_t)at + (uint64_t)n > limit) ||
	    n > 1 << 28 || at > 1 << 28)
		return ENOSPC;
	if (fstat(fd, &sb) == -1)
		return errno;
	if (at + n > sb.st_size)
		return ftruncate(fd, at + n) == -1 ? errno : 0;
	return 0;
}

/* Nobody reads what is logged here. */
void syslog(int, const char *, ...) PRINTF(2, 3);
void
syslog(int priority, const char *fmt, ...)
{
	(void)priority;
	(void)fmt;
}

struct disk {
	struct buf f[FILES];
};

static void
copy_disk(struct disk *to, const struct disk *from)
{
	int i;

	for (i = 0; i < FILES; i++) {
		to->f[i].n = 0;
		buf_add(&to->f[i], from->f[i].p, from->f[i].n);
	}
}

static void
free_disk(struct disk *d)
{
	buf_free(&d->f[SPOOL]);
	buf_free(&d->f[WORK]);
}

static void
set_size(struct buf *b, size_t n)
{
	if (n > b->n)
		buf_fill(b, '\0', n - b->n);
	b->n = n;
}

static void
apply_part(struct disk *d, const struct op *x, size_t from, size_t to)
{
	struct buf *b = &d->f[x->file];

	if (b->n < x->at + to)
		set_size(b, x->at + to);
	memcpy(b->p + x->at + from, x->data + from, to - from);
}

static void
apply_op(struct disk *d, const struct op *x)
{
	if (x->what == WRITE)
		apply_part(d, x, 0, x->n);
	else if (x->what == SIZE)
		set_size(&d->f[x->file], x->at);
}

/*
 * The files after a kill in front of call number n, or with half in the
 * middle of that call: false where it is too small for that.
 */
static bool
after_kill(const struct disk *base, const struct tape *t, size_t n, bool half,
    struct disk *d)
{
	size_t i, to;

	copy_disk(d, base);
	for (i = 0; i < n; i++)
		apply_op(d, &t->v[i]);
	if (!half)
		return true;
	if (n == t->n || t->v[n].what != WRITE)
		return false;
	to = (t->v[n].at + t->v[n].n / 2) / PAGE * PAGE;
	if (to <= t->v[n].at)
		return false;
	apply_part(d, &t->v[n], 0, to - t->v[n].at);
	return true;
}

/*
 * Whether call i of the first n is on the disk for certain.  The first sync after
 * it decides: the system forgets what it could not write.
 */
static bool
durable(const struct tape *t, size_t i, size_t n)
{
	size_t k;

	for (k = i; k < n; k++)
		if (t->v[k].what == SYNC && t->v[k].file == t->v[i].file)
			return !t->v[k].failed;
	return false;
}

/*
 * The files after a power cut in front of call n.  Each sector that was not
 * synced asks for a bit: of mask as long as it has some, then by chance.
 * Returns how many asked.
 */
static unsigned
after_cut(const struct disk *base, const struct tape *t, size_t n,
    uint64_t mask, uint64_t *seed, struct disk *d)
{
	const struct op *x;
	unsigned asked = 0;
	size_t i, from, to;
	size_t share = 1 + below(seed, 5);

	copy_disk(d, base);
	for (i = 0; i < n; i++) {
		x = &t->v[i];
		if (x->what == SYNC)
			continue;
		if (durable(t, i, n)) {
			apply_op(d, x);
			continue;
		}
		for (from = 0; from < x->n || from == 0; from = to) {
			to = x->what == SIZE ? 1 :
			    (x->at + from) / SECTOR * SECTOR + SECTOR - x->at;
			to = x->what == SIZE || to < x->n ? to : x->n;
			if (mask != UINT64_MAX ? !(mask >> asked % 64 & 1) :
			    below(seed, 6) < share) {
				asked++;
				continue;
			}
			asked++;
			if (x->what == SIZE)
				apply_op(d, x);
			else
				apply_part(d, x, from, to);
		}
	}
	return asked;
}

/* ---- the session ------------------------------------------------------- */

static char dir[64];
static struct pop pop;
static bool is_there[FILES] = { true, true };

static void
put_file(const char *name, const struct buf *b, int file)
{
	int fd = openat(pop.drop.box.dir, name, O_RDWR | O_CREAT, 0600);
	struct stat sb;
	size_t done;
	ssize_t n;

	if (fd == -1 || syscall(SYS_ftruncate, fd, 0) == -1 ||
	    fstat(fd, &sb) == -1)
		abort();
	for (done = 0; done < b->n; done += (size_t)n)
		if ((n = write(fd, b->p + done, b->n - done)) <= 0)
			abort();
	inode[file] = sb.st_ino;
	(void)close(fd);
}

static void
get_file(const char *name, struct buf *b)
{
	static char block[65536];
	int fd = openat(pop.drop.box.dir, name, O_RDONLY);
	ssize_t n;

	b->n = 0;
	if (fd == -1)
		return;
	/* a forged offset may make a file with a hole of any size */
	while (b->n < 1 << 25 && (n = read(fd, block, sizeof(block))) > 0)
		buf_add(b, block, (size_t)n);
	(void)close(fd);
}

static void
put_disk(const struct disk *d)
{
	put_file("alice", &d->f[SPOOL], SPOOL);
	put_file(".alice.pop", &d->f[WORK], WORK);
	if (!is_there[SPOOL])
		(void)unlinkat(pop.drop.box.dir, "alice", 0);
}

static void
get_disk(struct disk *d)
{
	get_file("alice", &d->f[SPOOL]);
	get_file(".alice.pop", &d->f[WORK]);
}

static void
rename_file(const char *from, const char *to)
{
	if (renameat(pop.drop.box.dir, from, pop.drop.box.dir, to) == -1)
		abort();
}

static void
begin_session(void)
{
	struct stat sb;

	pop.drop.box.state = file_open(pop.drop.box.dir, ".alice.pop", O_RDWR,
	    pop.ids.uid, &sb);
	if (pop.drop.box.state == -1)
		abort();
	pop.drop.copy = -1;
	pop.drop.moved = false;
}

static void
end_session(void)
{
	msgs_free(&pop.drop.all);
	(void)close(pop.drop.box.state);
	tape = NULL;
}

/* One recovery from d; d becomes what it leaves.  0, or errno. */
static int
recover(struct disk *d, struct tape *t)
{
	int r;

	put_disk(d);
	begin_session();
	tape = t;
	r = recover_maildrop(&pop.drop.box) == -1 ? errno : 0;
	end_session();
	get_disk(d);
	return r;
}

/* ---- letters ----------------------------------------------------------- */

struct letter {
	struct buf old, new;
	bool deleted, seen, there;	/* there: in the spool */
};

struct scene {
	const char *name;
	const char *marks;	/* one a letter: d deleted, r read, . nothing,
				   L left over, B left over and in the spool;
				   o, O: has a Status line, and o is read */
	size_t size;		/* of a body; grows by a third a letter */
	uint64_t limit;		/* of the state file; 0: none; 1: room for a
				   quarter of what is moved, twice */
	bool crlf, arrives, large;
};

static const struct scene scenes[] = {
	{ "the first deleted", "d..", 40, 0, 0, 0, 0 },
	{ "the middle deleted", ".d.", 700, 0, 0, 0, 0 },
	{ "the last deleted", "..d", 40, 0, 0, 0, 0 },
	{ "all deleted", "ddd", 40, 0, 0, 0, 0 },
	{ "every other deleted", "d.d.d.d.", 300, 0, 0, 0, 0 },
	{ "Status only", "r.rr", 600, 0, 0, 0, 0 },
	{ "Status of the last", "..r", 300, 0, 0, 0, 0 },
	{ "Status replaced", "oOo.", 400, 0, 0, 0, 0 },
	{ "Status and deletions", "rd.rdo.", 500, 0, 0, 0, 0 },
	{ "forward, then back", "dorrrrrr.r", 5, 0, 0, 0, 0 },
	{ "CRLF", "rd.rdr", 300, 0, true, 0, 0 },
	{ "mail arrives", "rd.", 300, 0, 0, true, 0 },
	{ "mail arrives, CRLF", "d.r", 200, 0, true, true, 0 },
	{ "no room in the journal", "dr..", 900, 4096, 0, 0, 0 },
	{ "no room, one large", "..d.", 900, 4096, 0, 0, 0 },
	{ "left-over mail", "LL..", 400, 0, 0, 0, 0 },
	{ "left-over mail, half of it back", "BLBL.", 300, 0, 0, 0, 0 },
	{ "left-over mail, nothing else", "LLL", 400, 0, 0, 0, 0 },
	{ "left-over mail, CRLF", "LL..", 300, 0, true, 0, 0 },
	{ "little room, many steps", "d...............", 9000, 1, 0, 0,
	    true },
	{ "little room, a large one", "d......", 20000, 1, 0, 0, true },
	{ "little room, forward and back", "d....rrrrrrrr...", 9000, 1,
	    0, 0, true },
	{ "a block and more, left over", "L...", 90000, 0, 0, 0, true },
};

static const struct scene *sc;
static struct letter letters[32];
static size_t nletters;
static struct buf mail, old_text, new_text;
static uint64_t room;		/* a larger letter may be moved in parts */

static void
put_line(struct buf *b, const char *s)
{
	buf_str(b, s);
	buf_str(b, sc->crlf ? "\r\n" : "\n");
}

static void
body_of(struct buf *b, size_t i, size_t n)
{
	char line[80];
	size_t k, some;

	for (k = 0; n > 0; k++, n -= some) {
		some = n < 60 ? n : 60;
		(void)snprintf(line, sizeof(line), "letter %zu line %zu %s",
		    i, k, "abcdefghijklmnopqrstuvwxyz0123456789/abcdefghijk");
		line[some - 1] = '\0';
		put_line(b, line);
	}
}

static void
write_letter(struct buf *b, size_t i, const char *status, size_t size)
{
	char line[80];

	b->n = 0;
	(void)snprintf(line, sizeof(line), "From sender%zu@example.org Sat "
	    "Jan  3 01:%02zu:34 1996", i, i);
	put_line(b, line);
	(void)snprintf(line, sizeof(line), "Subject: letter %zu", i);
	put_line(b, line);
	if (status != NULL)
		put_line(b, status);
	put_line(b, "");
	body_of(b, i, size);
	put_line(b, "");
}

/* The letters of a scene, and the old and the new text of the spool. */
static void
make_scene(void)
{
	const char *m;
	struct letter *x;
	size_t i, size = sc->size;

	old_text.n = new_text.n = mail.n = 0;
	nletters = strlen(sc->marks);
	for (i = 0; i < nletters; i++) {
		x = &letters[i];
		m = &sc->marks[i];
		x->deleted = *m == 'd';
		x->seen = *m == 'r' || *m == 'o';
		x->there = *m != 'L';
		if (sc->large && i == 0 && *m == 'd')
			size = 100;
		else if (sc->large && sc->size == 20000 && i == 2)
			size = 150000;
		else
			size = sc->size + i * (sc->size / 3) % 4000;
		write_letter(&x->old, i, *m == 'o' || *m == 'O' ?
		    "Status: O" : NULL, size);
		write_letter(&x->new, i, x->seen ? "Status: RO" :
		    *m == 'O' ? "Status: O" : NULL, size);
		if (x->there)
			buf_add(&old_text, x->old.p, x->old.n);
	}
	/* left-over mail that the spool lacks comes in front */
	for (i = 0; i < nletters; i++)
		if (!letters[i].there)
			buf_add(&new_text, letters[i].new.p,
			    letters[i].new.n);
	for (i = 0; i < nletters; i++)
		if (letters[i].there && !letters[i].deleted)
			buf_add(&new_text, letters[i].new.p,
			    letters[i].new.n);
	write_letter(&mail, 99, NULL, 150);
	room = sc->limit == 0 ? UINT64_MAX : sc->limit > 1 ? 0 :
	    new_text.n / 4;
	limit = sc->limit == 0 ? UINT64_MAX : sc->limit > 1 ? sc->limit :
	    4 * PAGE + 2 * room;
}

static bool
left_over(void)
{
	return strpbrk(sc->marks, "LB") != NULL;
}

/* The files before the update. */
static void
make_disk(struct disk *d)
{
	struct msgs t;
	struct index ix;
	struct stamp st;
	size_t i;
	int fd;

	memset(d, 0, sizeof(*d));
	buf_add(&d->f[SPOOL], old_text.p, old_text.n);
	for (i = 0; i < nletters; i++)
		if (strchr("LB", sc->marks[i]) != NULL)
			buf_add(&d->f[WORK], letters[i].old.p,
			    letters[i].old.n);
	put_disk(d);
	if (left_over())
		return;
	begin_session();		/* an index, from a session before */
	fd = openat(pop.drop.box.dir, "alice", O_RDONLY);
	memset(&st, 0, sizeof(st));
	if (fd == -1 || scan_file(fd, UINT64_MAX, &t, NULL) == -1 ||
	    index_write(pop.drop.box.state, &st, &t, &ix) == -1)
		abort();
	(void)close(fd);
	msgs_free(&t);
	end_session();
	get_disk(d);
}

/* UPDATE, with the marks of the scene; d becomes what it leaves. */
static int
update(struct disk *d, struct tape *t)
{
	struct drop *drop = &pop.drop;
	struct stat sb;
	bool begun;
	size_t i;
	int fd, r;

	put_disk(d);
	begin_session();
	fd = openat(drop->box.dir, "alice", O_RDWR | O_APPEND);
	if (fd == -1 || scan_file(fd, UINT64_MAX, &drop->all, NULL) == -1 ||
	    fstat(fd, &sb) == -1)
		abort();
	index_stamp(&drop->stamp, &sb);
	index_sum(&drop->all, &drop->sum);
	drop->loaded = true;
	drop->ndeleted = drop->nseen = 0;
	for (i = 0; i < drop->all.n && i < nletters; i++) {
		if (letters[i].deleted) {
			drop->all.v[i].flags |= MSG_DELETED;
			drop->ndeleted++;
		}
		if (letters[i].seen) {
			drop->all.v[i].flags |= MSG_SEEN;
			drop->nseen++;
		}
	}
	if (sc->arrives && write(fd, mail.p, mail.n) != (ssize_t)mail.n)
		abort();
	(void)close(fd);
	get_file("alice", &d->f[SPOOL]);
	tape = t;
	r = updt_maildrop(&pop, &begun) == -1 ? errno : 0;
	end_session();
	return r;
}

/* ---- what must hold ---------------------------------------------------- */

static bool
find(const struct buf *in, const struct buf *what)
{
	const char *p = in->p, *end = in->p + in->n;

	while (in->n > 0 && (size_t)(end - p) >= what->n &&
	    (p = memchr(p, 'F', (size_t)(end - p) - what->n + 1)) != NULL) {
		if (memcmp(p, what->p, what->n) == 0)
			return true;
		p++;
	}
	return false;
}

/* The same where a line begins. */
static bool
find_line(const struct buf *in, const struct buf *what)
{
	struct buf rest = *in;
	const char *nl = in->p;

	while (rest.n >= what->n) {
		if (memcmp(rest.p, what->p, what->n) == 0)
			return true;
		if ((nl = memchr(rest.p, '\n', rest.n)) == NULL)
			break;
		rest.n -= (size_t)(nl + 1 - rest.p);
		rest.p += nl + 1 - rest.p;
	}
	return false;
}

/* Every kept letter stands whole in one of the two files. */
static bool
all_whole(const struct disk *d, const char *when, size_t n)
{
	const struct letter *x;
	size_t i;

	for (i = 0; i < nletters; i++) {
		x = &letters[i];
		/* larger than the journal's room, it may be in two halves */
		if (x->deleted || x->old.n > room)
			continue;
		if (!find(&d->f[SPOOL], &x->old) &&
		    !find(&d->f[SPOOL], &x->new) &&
		    !find(&d->f[WORK], &x->old) &&
		    !find(&d->f[WORK], &x->new)) {
			note("%s: %s %zu: letter %zu stands nowhere",
			    sc->name, when, n, i);
			return false;
		}
	}
	return true;
}

static bool
is_text(const struct buf *b, const struct buf *text, const struct buf *more)
{
	size_t n = more == NULL ? 0 : more->n;

	return b->n == text->n + n && (text->n == 0 ||
	    memcmp(b->p, text->p, text->n) == 0) && (n == 0 ||
	    memcmp(b->p + text->n, more->p, n) == 0);
}

static unsigned states;		/* that recovery was tried on */
static struct disk start, base, now, then, mid;
static struct tape first;

/*
 * The next session finds all as it was or all done, and what came meanwhile
 * behind it; once QUIT has been answered (sure), all done.  t gets its calls,
 * and mid the files that they were made on, where that is not d.
 */
static bool
recovers(struct disk *d, bool more, bool sure, struct tape *t,
    const char *when, size_t n)
{
	struct buf text = { NULL, 0, 0 }, done = { NULL, 0, 0 };
	uint64_t was = limit;
	bool good;
	int r;

	buf_add(&text, old_text.p, old_text.n);
	buf_add(&done, new_text.p, new_text.n);
	if (sc->arrives) {
		buf_add(&text, mail.p, mail.n);
		buf_add(&done, mail.p, mail.n);
	}
	states++;
	r = recover(d, t);
	if (r == ENOSPC && sc->limit > 0) {	/* refused, until there is */
		good = all_whole(d, when, n);
		limit = UINT64_MAX;
		if (t != NULL) {
			tape_free(t);
			copy_disk(&mid, d);
		}
		r = good ? recover(d, t) : ENOSPC;
		limit = was;
	}
	good = r == 0 && (is_text(&d->f[SPOOL], &done, more ? &mail : NULL) ||
	    (!sure && is_text(&d->f[SPOOL], &text, more ? &mail : NULL)));
	if (!good)
		note("%s: %s %zu%s: %s: %zu bytes, old %zu, new %zu, mail %zu",
		    sc->name, when, n, more ? ", then mail" : "",
		    r != 0 ? strerror(r) : "neither old nor new",
		    d->f[SPOOL].n, text.n, done.n, mail.n);
	buf_free(&text);
	buf_free(&done);
	return good;
}

/* ---- kills and power cuts ---------------------------------------------- */

/* A kill in front of every call; then a kill in the recovery. */
static bool
kills(bool again)
{
	struct tape second = { NULL, 0, 0 };
	bool good = true, sure;
	size_t i, n, m;
	int more;

	for (i = 0; i <= 2 * first.n && good; i++) {
		n = i / 2;
		sure = n == first.n || left_over();
		if (!after_kill(&base, &first, n, i % 2 > 0, &now))
			continue;
		good = all_whole(&now, "kill at call", n);
		for (more = 0; more < 2 && good; more++) {
			copy_disk(&then, &now);
			if (more)
				buf_add(&then.f[SPOOL], mail.p, mail.n);
			copy_disk(&mid, &then);
			good = recovers(&then, more, sure, &second,
			    "kill at call", n);
			for (m = 0; again && !more && m < second.n && good;
			    m++) {
				(void)after_kill(&mid, &second, m, false,
				    &then);
				good = all_whole(&then, "second kill", m) &&
				    recovers(&then, more, sure, NULL,
				    "second kill", n * 1000 + m);
			}
			tape_free(&second);
		}
	}
	return good;
}

/* Power cuts in front of every call. */
static bool
cuts(unsigned samples, bool again)
{
	struct tape second = { NULL, 0, 0 };
	uint64_t seed = 1234567, mask;
	unsigned asked, k, all;
	bool good = true, sure, more;
	size_t n, m;

	for (n = 0; n <= first.n && good; n++) {
		sure = n == first.n || left_over();
		asked = after_cut(&base, &first, n, 0, &seed, &now);
		all = asked <= 6 ? 1U << asked : samples;
		for (k = 0; k < all && good; k++) {
			mask = asked <= 6 ? k : UINT64_MAX;
			(void)after_cut(&base, &first, n, mask, &seed, &now);
			good = all_whole(&now, "power cut at call", n);
			more = rnd(&seed) & 1;
			if (more)
				buf_add(&now.f[SPOOL], mail.p, mail.n);
			copy_disk(&mid, &now);
			if (good)
				good = recovers(&now, more, sure, &second,
				    "power cut at call", n);
			if (again && good && second.n > 0) {
				m = below(&seed, second.n + 1);
				(void)after_cut(&mid, &second, m, UINT64_MAX,
				    &seed, &now);
				good = all_whole(&now, "second cut", m) &&
				    recovers(&now, more, sure, NULL,
				    "second cut", n * 1000 + m);
			}
			tape_free(&second);
		}
	}
	return good;
}

/*
 * The same with the sync at call number skip left out.  Returns whether that
 * can be noticed: it loses or tears something.
 */
static bool
missed(size_t skip, unsigned samples)
{
	struct tape t = first;
	uint64_t seed = 99;
	unsigned k;
	bool good = true;
	size_t n;

	if ((t.v = malloc(first.n * sizeof(*t.v))) == NULL)
		abort();
	memcpy(t.v, first.v, skip * sizeof(*t.v));
	memcpy(t.v + skip, first.v + skip + 1,
	    (first.n - skip - 1) * sizeof(*t.v));
	t.n--;
	tap_mute = true;
	for (n = skip; n <= t.n && good; n++)	/* before that all is as it was */
		for (k = 0; k < samples && good; k++) {
			(void)after_cut(&base, &t, n, UINT64_MAX, &seed, &now);
			good = all_whole(&now, "cut", n) && recovers(&now,
			    false, n == t.n || left_over(), NULL, "cut", n);
		}
	tap_mute = false;
	free(t.v);
	return !good;
}

/* ---- syncs that fail --------------------------------------------------- */

/* Adds the first n calls of a tape to another one, which owns nothing. */
static void
splice(struct tape *to, const struct tape *from, size_t n)
{
	to->v = realloc(to->v, (to->n + n + 1) * sizeof(*to->v));
	if (to->v == NULL)
		abort();
	if (n > 0)
		memcpy(to->v + to->n, from->v, n * sizeof(*to->v));
	to->n += n;
}

/*
 * The calls up to from are those of a session in which a sync failed; the others
 * recovered from what it left in the system's memory, and found end.  Power cuts
 * in and after that.
 */
static bool
cuts_after(const struct tape *t, size_t from, const struct buf *end,
    unsigned samples, const char *when, size_t which_one)
{
	uint64_t seed = 4711 + which_one;
	unsigned k;
	bool good = true;
	size_t n;

	for (n = from; n <= t->n && good; n++)
		for (k = 0; k < samples && good; k++) {
			(void)after_cut(&base, t, n, UINT64_MAX, &seed, &now);
			good = all_whole(&now, when, which_one) &&
			    recovers(&now, false, left_over(), NULL, when,
			    which_one);
			/* a session that changed nothing promises nothing */
			if (good && n == t->n && n > from &&
			    !is_text(&now.f[SPOOL], end, NULL)) {
				note("%s: %s %zu: not what was shown before",
				    sc->name, when, which_one);
				good = false;
			}
		}
	return good;
}

/* The next session after a failed sync, and power cuts in and after it. */
static bool
next_session(struct tape *all, struct disk *d, unsigned samples,
    const char *when, size_t which_one)
{
	struct tape t = { NULL, 0, 0 };
	size_t from = all->n;
	bool good;

	good = all_whole(d, when, which_one) && recovers(d, false,
	    left_over(), &t, when, which_one);
	splice(all, &t, t.n);
	good = good && cuts_after(all, from, &d->f[SPOOL], samples, when,
	    which_one);
	tape_free(&t);
	return good;
}

/* Each sync of the update fails. */
static bool
bad_syncs(unsigned samples)
{
	struct tape t = { NULL, 0, 0 }, all = { NULL, 0, 0 };
	struct disk d = { { { NULL, 0, 0 }, { NULL, 0, 0 } } };
	bool good = true, done = false;
	size_t i;
	int r;

	for (i = 1; good && !done; i++) {
		copy_disk(&d, &start);
		syncs = 0;
		fail_at = i;
		r = left_over() ? recover(&d, &t) : update(&d, &t);
		done = syncs < i;
		fail_at = 0;
		if (!left_over())
			get_disk(&d);
		if (!done && r == 0) {
			note("%s: sync %zu fails, and that is not said",
			    sc->name, i);
			good = false;
		}
		all.n = 0;
		splice(&all, &t, t.n);
		if (good && !done)
			good = next_session(&all, &d, samples, "bad sync", i);
		tape_free(&t);
	}
	free(all.v);
	free_disk(&d);
	return good;
}

/* A kill here and there; then each sync of the recovery fails. */
static bool
bad_recoveries(unsigned samples)
{
	struct tape t = { NULL, 0, 0 }, all = { NULL, 0, 0 };
	struct disk d = { { { NULL, 0, 0 }, { NULL, 0, 0 } } };
	size_t n, i, step = first.n / 3 + 1;
	bool good = true, done;

	for (n = step / 2; n < first.n && good; n += step)
		for (i = 1, done = false; good && !done; i++) {
			(void)after_kill(&base, &first, n, false, &d);
			syncs = 0;
			fail_at = i;
			(void)recover(&d, &t);
			done = syncs < i;
			fail_at = 0;
			all.n = 0;
			splice(&all, &first, n);
			splice(&all, &t, t.n);
			if (!done)
				good = next_session(&all, &d, samples,
				    "kill, then bad sync", n * 1000 + i);
			tape_free(&t);
		}
	free(all.v);
	free_disk(&d);
	return good;
}

/* ---- other programs ---------------------------------------------------- */

/* The text without its Status lines: what mail programs rewrite. */
static void
no_status(struct buf *to, const struct buf *from)
{
	const char *p = from->p, *end = from->p + from->n, *nl;

	to->n = 0;
	for (; p < end; p = nl) {
		nl = memchr(p, '\n', (size_t)(end - p));
		nl = nl == NULL ? end : nl + 1;
		if (!mbox_field((struct str){ p, (size_t)(nl - p) },
		    "Status:"))
			buf_add(to, p, (size_t)(nl - p));
	}
}

enum foreign { READ, MAILED, DELETED, REMOVED, EMPTIED, TORN, REPLACED,
	FOREIGNERS };

static const char *const foreigners[FOREIGNERS] = {
	"a program notes Status: O", "mail comes, a program notes Status: O",
	"a program deletes the first message",
	"the spool is removed", "the spool is emptied",
	"half a message is appended", "the spool is another file"
};

/* What another program makes of a spool. */
static void
meddle(enum foreign how, struct buf *b)
{
	struct buf to = { NULL, 0, 0 };
	const char *p = b->p, *end = b->p + b->n, *nl;
	bool blank = true, head = false, status = false, skip = false;
	size_t seen = 0;

	if (how == TORN) {
		buf_add(b, mail.p, mail.n / 2);
		return;
	}
	if (how == REMOVED || how == EMPTIED) {
		b->n = 0;
		return;
	}
	if (how == MAILED) {
		buf_add(b, mail.p, mail.n);
		p = b->p;
		end = b->p + b->n;
	}
	for (; p < end; p = nl) {
		nl = memchr(p, '\n', (size_t)(end - p));
		nl = nl == NULL ? end : nl + 1;
		if (blank && nl - p > 5 && memcmp(p, "From ", 5) == 0) {
			head = true;
			status = false;
			skip = how == DELETED && seen++ == 0;
		}
		blank = *p == '\n' || (*p == '\r' && nl - p == 2);
		status = status || (head && mbox_field((struct str){ p,
		    (size_t)(nl - p) }, "Status:"));
		if (head && blank) {
			head = false;
			if (how <= MAILED && !status)
				put_line(&to, "Status: O");
		}
		if (!skip)
			buf_add(&to, p, (size_t)(nl - p));
	}
	b->n = 0;
	buf_add(b, to.p, to.n);
	buf_free(&to);
}

/*
 * Between a kill and the next session another program changes the spool: what
 * it leaves, and what it could not see because the journal alone had it, is
 * in the spool afterwards.
 */
static bool
strangers(void)
{
	struct buf before = { NULL, 0, 0 }, left = { NULL, 0, 0 },
	    state = { NULL, 0, 0 }, want = { NULL, 0, 0 };
	bool good = true, must;
	size_t n, i;
	int how, r;

	for (n = 0; n <= 2 * first.n; n++)
		for (how = 0; how < FOREIGNERS; how++) {
			if (!after_kill(&base, &first, n / 2, n % 2 > 0, &now))
				continue;
			no_status(&before, &now.f[SPOOL]);
			no_status(&state, &now.f[WORK]);
			meddle((enum foreign)how, &now.f[SPOOL]);
			no_status(&left, &now.f[SPOOL]);
			if (how == REPLACED || how == REMOVED)
				rename_file("alice", "kept");
			is_there[SPOOL] = how != REMOVED;
			states++;
			r = recover(&now, NULL);
			is_there[SPOOL] = true;
			/* the journals of base name this inode */
			if (how == REPLACED || how == REMOVED)
				rename_file("kept", "alice");
			no_status(&then.f[SPOOL], &now.f[SPOOL]);
			if (how == MAILED && !find_line(&then.f[SPOOL],
			    &mail)) {
				good = false;
				note("%s: kill %s call %zu, %s: the mail that "
				    "came is none any more", sc->name, n % 2 ?
				    "amid" : "at", n / 2, foreigners[how]);
			}
			for (i = 0; i < nletters; i++) {
				if (letters[i].deleted)
					continue;
				no_status(&want, &letters[i].old);
				must = find(&left, &want) ||
				    (!find(&before, &want) &&
				    find(&state, &want));
				if (!must || find(&then.f[SPOOL], &want))
					continue;
				good = false;
				note("%s: kill %s call %zu, %s: letter %zu "
				    "was in %s, now it is not in the spool%s",
				    sc->name, n % 2 ? "amid" : "at", n / 2,
				    foreigners[how], i,
				    find(&left, &want) ? "the spool" :
				    "the journal", r != 0 ? ": refused" : "");
			}
		}
	buf_free(&before);
	buf_free(&left);
	buf_free(&state);
	buf_free(&want);
	return good;
}

/* ---- forged journals --------------------------------------------------- */

static void
repair(struct buf *w)
{
	struct head h;
	struct mark m;
	size_t at;

	memcpy(&h, w->p, sizeof(h));
	h.sum = jrn_sum(&h, offsetof(struct head, sum));
	memcpy(w->p, &h, sizeof(h));
	for (at = SECTOR; at <= 2 * SECTOR; at += SECTOR) {
		memcpy(&m, w->p + at, sizeof(m));
		m.sum = jrn_sum(&m, offsetof(struct mark, sum));
		memcpy(w->p + at, &m, sizeof(m));
	}
}

/* Recovery from what somebody has forged: it ends, and within the bounds. */
static bool
forged(const struct disk *d, size_t at, const char *what)
{
	struct head h;
	bool good;

	copy_disk(&then, d);
	memcpy(&h, d->f[WORK].p, sizeof(h));
	bound = h.old_size > h.new_size ? h.old_size : h.new_size;
	bound = bound > d->f[SPOOL].n ? bound : d->f[SPOOL].n;
	/* text that is put back comes on top */
	bound = bound > UINT32_MAX ? UINT64_MAX : bound + d->f[WORK].n;
	out_of_bounds = 0;
	states++;
	(void)recover(&then, NULL);
	bound = UINT64_MAX;
	good = out_of_bounds == 0 && then.f[SPOOL].n < 1 << 24;
	if (!good)
		note("%s: %s at %zu: written out of bounds", sc->name, what,
		    at);
	return good;
}

static bool
forgeries(size_t call)
{
	static const uint64_t values[] = { 0, 1, 511, 4096, INT64_MAX,
	    UINT64_MAX };
	struct disk d = { { { NULL, 0, 0 }, { NULL, 0, 0 } } };
	bool good = true;
	size_t at, i;

	(void)after_kill(&base, &first, call, false, &now);
	if (now.f[WORK].n < HEAD_ROOM ||
	    memcmp(now.f[WORK].p, HEAD_MAGIC, 16) != 0)
		return true;
	for (at = 0; at < now.f[WORK].n && at < HEAD_ROOM + 400; at++) {
		if (at % SECTOR > sizeof(struct head) + 8 && at < HEAD_ROOM)
			continue;	/* padding */
		copy_disk(&d, &now);
		d.f[WORK].p[at] ^= (char)(1 << at % 8);
		good = forged(&d, at, "a flipped bit") && good;
		if (at < HEAD_ROOM)
			repair(&d.f[WORK]);
		good = forged(&d, at, "a flipped bit, sums repaired") && good;
	}
	for (at = 32; at < HEAD_ROOM; at += 8)
		for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			if (at % SECTOR > sizeof(struct head) ||
			    at % SECTOR < 32)
				continue;
			copy_disk(&d, &now);
			memcpy(d.f[WORK].p + at, &values[i], 8);
			repair(&d.f[WORK]);
			good = forged(&d, at, "a forged field") && good;
		}
	for (at = 0; at < now.f[WORK].n && at < 6000; at += at < 1600 ? 37 :
	    512) {
		copy_disk(&d, &now);
		d.f[WORK].n = at;
		if (at < sizeof(struct head))
			set_size(&d.f[WORK], sizeof(struct head));
		good = forged(&d, at, "cut off") && good;
	}
	free_disk(&d);
	return good;
}

/* ---- */

static void
play(const struct scene *scene, bool forge)
{
	unsigned samples = TAP_MANY(scene->large ? 8 : 40);
	size_t i, nsyncs = 0, needed = 0;
	bool good;
	char list[256] = "";
	int r;

	sc = scene;
	make_scene();
	make_disk(&base);
	copy_disk(&start, &base);
	copy_disk(&then, &base);
	if (left_over())
		r = recover(&then, &first);
	else {
		r = update(&base, &first);
		get_disk(&then);
	}
	good = r == 0 && is_text(&then.f[SPOOL], &new_text,
	    sc->arrives ? &mail : NULL);
	if (!ok(good, "%s: the new text", sc->name)) {
		note("errno %d, %zu bytes, not %zu", r, then.f[SPOOL].n,
		    new_text.n);
		return;
	}
	states = 0;
	good = kills(!scene->large);
	ok(good, "%s: kills at %zu calls, %u recoveries", sc->name,
	    first.n, states);
	states = 0;
	good = cuts(samples, !scene->large);
	ok(good, "%s: power cuts, %u recoveries", sc->name, states);
	states = 0;
	good = bad_syncs(samples / 20 + 1);
	ok(good, "%s: syncs fail, then power cuts, %u recoveries", sc->name,
	    states);
	states = 0;
	good = scene->large || bad_recoveries(samples / 40);
	if (states > 0)
		ok(good, "%s: syncs of recoveries fail, %u recoveries",
		    sc->name, states);
	states = 0;
	good = strangers();
	ok(good, "%s: other programs between, %u recoveries", sc->name,
	    states);
	states = 0;
	good = true;
	for (i = 1; i < 4 && forge && !scene->large; i++)
		good = forgeries(first.n * i / 4) && good;
	if (states > 0)
		ok(good, "%s: %u forged journals", sc->name, states);

	/* without a sync that is needed, something must go wrong */
	for (i = 0; i < first.n; i++) {
		if (first.v[i].what != SYNC)
			continue;
		nsyncs++;
		if (!missed(i, 60))
			continue;
		needed++;
		(void)snprintf(list + strlen(list), sizeof(list) -
		    strlen(list), " %zu", nsyncs);
	}
	ok(needed > 0, "%s: %zu syncs; not without number%s", sc->name, nsyncs,
	    list);
	tape_free(&first);
	free_disk(&base);
	free_disk(&start);
}

/* Whether a scene is to be played: all are, or those with a word in their name. */
static bool
asked_for(const char *name, char *const *word)
{
	if (*word == NULL)
		return true;
	for (; *word != NULL; word++)
		if (strstr(name, *word) != NULL)
			return true;
	return false;
}

/* usage: journal [WORD ...] */
int
main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	size_t i;

	if (tmp == NULL || strlen(tmp) > 40)	/* memory is faster */
		tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(dir, sizeof(dir), "%s/popper-unit-XXXXXX", tmp);
	if (mkdtemp(dir) == NULL || (pop.drop.box.dir = open(dir, O_RDONLY)) ==
	    -1)
		abort();
	bound = UINT64_MAX;
	pop.ids.uid = geteuid();
	pop.ids.gid = pop.ids.spoolgid = getegid();
	pop.drop.box.env = &pop.env;
	pop.drop.box.ids = &pop.ids;
	pop.drop.box.wait = 5;
	pop.env.trace = -1;
	(void)snprintf(pop.drop.box.name, sizeof(pop.drop.box.name), "alice");
	(void)snprintf(pop.env.who, sizeof(pop.env.who), "alice");
	(void)snprintf(pop.user, sizeof(pop.user), "alice");
	for (i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		if (asked_for(scenes[i].name, argv + (argc > 0)))
			play(&scenes[i], i % 4 == 0);
	if (tap_tests == 0)
		ok(false, "a scene of that name");
	(void)unlinkat(pop.drop.box.dir, "alice", 0);
	(void)unlinkat(pop.drop.box.dir, ".alice.pop", 0);
	(void)rmdir(dir);
	return tap_end();
}
