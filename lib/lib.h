/*
 * lib: what any part of popper uses: text, files, the log, waiting, other
 * processes, checksums.  Nothing here knows of mail, of a client or of an
 * account.
 */
#ifndef LIB_H
#define LIB_H

#include <sys/types.h>
#include <sys/stat.h>

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* Spools above 2 GB and file times after 2038, on 32-bit machines too. */
_Static_assert(sizeof(off_t) == 8, "off_t needs 64 bits");
_Static_assert(sizeof(time_t) == 8, "time_t needs 64 bits");

/* -DPOPPER_PORTABLE builds the portable ways of everything, on Linux too. */
#if defined(__linux__) && !defined(POPPER_PORTABLE)
#define POPPER_LINUX	1
#define POPPER_CALLS	"Linux"
#else
#define POPPER_CALLS	"POSIX"
#endif

#if defined(__GNUC__)
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#else
#define PRINTF(f, a)
#endif

enum {
	BLOCK = 256 * 1024,	/* bytes of a file read or written at a time */
	SECTOR = 512,		/* bytes that a disk writes as a whole */
	PAGE = 4096,
	MEMORY_MOST = 4 << 20,	/* bytes of mail text in memory, if no disk has
				   room: most messages fit.  Any local user can
				   fill TMPDIR, so all sessions may need it */
	MD5_LEN = 16,
	NAME_LEN = 64,		/* an account's name; longer ones are unknown */
	LOG_LEN = 1024,		/* syslog(3) need not take more (RFC 3164) */
	LOG_MOST = 100,		/* lines of one kind in a session: more than it
				   can cause before login */
	LOG_DEBUG_MOST = 10000,	/* the same at priority debug: a megabyte */
	LOG_KINDS = 96		/* more than there are in the source */
};

/* Text in a buffer that belongs to another; not NUL-terminated. */
struct str {
	const char *p;
	size_t n;
};

/* A secret that makes checksums unpredictable; all 0: there is none. */
struct key {
	uint64_t k[2];
};

/* How waiting, reading a line or writing ended. */
enum io {
	IO_OK,
	IO_LONG,		/* a line above its limit */
	IO_CONTROL,		/* a line with a control character */
	IO_EOF,			/* the other end is closed or gone */
	IO_TIMEOUT,
	IO_SIGNAL,		/* a signal ends the session */
	IO_ERROR		/* errno */
};

/* What the session has logged, by kinds of lines: see log_line(). */
enum level { LV_NOTICE, LV_ERROR, LV_DEBUG, LEVELS };
struct log {
	size_t n;
	struct {
		const char *fmt;
		unsigned lines;
	} kinds[LOG_KINDS];
	unsigned long left_out[LEVELS];
};

/*
 * What every part of a session needs: where it logs, and the signals that may
 * end a wait.
 */
struct env {
	bool debug;		/* syslog(3) gets debug lines */
	int trace;		/* the file of -t, or -1 */
	char who[4 * NAME_LEN + 1];	/* the user, cleaned for the log */
	struct log log;
	sigset_t waiting;	/* the signal mask during a wait */
};

/*
 * Who the process is: root, then the user.  The group of the spool directory,
 * which makes and removes name.lock, is the saved gid.
 */
struct ids {
	uid_t uid;
	gid_t gid;
	gid_t spoolgid;		/* that group, or gid */
	/* runs fn(arg) in that group; NULL: there is none */
	int (*as_spool)(const struct ids *, int (*fn)(void *), void *arg);
};

/* ---- text.c -------------------------------------------------------------- */

/* A string as a struct str. */
struct str text_of(const char *s);

/* Compares without regard to case.  True if equal. */
bool text_is(struct str a, struct str b);

/* Removes and returns the text before the next space, maybe none. */
struct str text_word(struct str *line);

/* Removes the spaces at the start of the line. */
void text_blanks(struct str *line);

/*
 * Reads decimal digits, and nothing else, as a number up to max.
 * Returns false for anything else.
 */
bool text_number(struct str s, uint64_t max, uint64_t *value);

/* Writes n bytes as 2 n lower-case hexadecimal digits, and a NUL. */
void text_hex(char *to, const void *p, size_t n);

/*
 * Copies n bytes of foreign text for the log, as a string of at most room
 * bytes: spaces, quotes, "=", "\" and what is not ASCII become \xHH.
 * Returns to.
 */
const char *text_clean(char *to, size_t room, const char *s, size_t n);

/* Overwrites n bytes of a secret, which no compiler may leave out. */
void text_wipe(void *p, size_t n);

/* ---- array.c ------------------------------------------------------------- */

/*
 * Makes room for one more element after the n of an array; size: bytes of each;
 * *room: elements that there is memory for.  Returns the array, which may have
 * moved, or NULL with ENOMEM, and the array stays.
 */
void *array_room(void *v, size_t n, size_t *room, size_t size);

/* ---- lines.c ------------------------------------------------------------- */

/* The first line of a file that is sorted by the keys of the other lines. */
#define LINES_SORTED	"# sorted\n"

/* A text file that is read line by line. */
struct lines {
	FILE *f;
	struct stat sb;		/* when it was opened */
	char *line;
	size_t room;
	const char *key;	/* of which lines are wanted in a sorted file */
	bool after;		/* a line after those has been read */
	int error;		/* errno of reading, or 0 */
};

/*
 * Compares the key of a line, which ends at the first ":" or with the line, to
 * another one, byte by byte as LC_ALL=C sort -t: -k1,1 does: below, above or 0.
 */
int lines_order(const char *line, const char *key);

/*
 * Opens a text file of root or of the user of the process that others may not
 * write to, nor read if it is secret.  0, or -1 with errno: EPERM.
 */
int lines_open(struct lines *l, const char *path, bool secret);

/*
 * After lines_open(): only the lines with a key of up to NAME_LEN bytes are
 * wanted.  In a file that begins with LINES_SORTED they are found by bisection;
 * lines_next() then returns these, and as far as there are any, a few lines before
 * and one after them.  Any other file is read as a whole, and so is one in which
 * a line of 4,000 bytes or more is in the way.
 */
void lines_find(struct lines *l, const char *key);

/*
 * The next line, with its line end, in memory that the caller may change until
 * the next call.  NULL: there is no more, or it cannot be read.
 */
char *lines_next(struct lines *l);

/*
 * Closes the file.  0; or -1 with errno: not all of it could be read, or (EAGAIN)
 * it was changed while lines_find() and lines_next() searched it.
 */
int lines_close(struct lines *l);

/* ---- log.c --------------------------------------------------------------- */

/*
 * Opens syslog(3), and the file trace if it is not NULL: it is made with mode
 * 0600, or must be a regular file of the process's uid with one link.  0; or
 * -1, and syslog has the refusal.
 */
int log_open(struct env *e, const char *trace);

/*
 * Logs a line; errno stays.  fmt is a literal and names the kind of the line:
 * of each kind LOG_MOST lines (LOG_DEBUG_MOST of debug) are logged, and the
 * others are counted.  log_error() adds the user and the text of errno.
 */
void log_line(struct env *e, enum level lv, const char *fmt, ...)
    PRINTF(3, 4);
#define log_notice(e, ...)	log_line((e), LV_NOTICE, __VA_ARGS__)
#define log_error(e, ...)	log_line((e), LV_ERROR, __VA_ARGS__)
#define log_debug(e, ...)	log_line((e), LV_DEBUG, __VA_ARGS__)

/* ---- wait.c -------------------------------------------------------------- */

/*
 * Blocks the signals that end a session, except in waits, and ignores those of
 * failing writes.  0, or -1 with errno.
 */
int wait_begin(struct env *e);

/*
 * The time, and that in so many seconds: milliseconds of the monotonic clock,
 * as each deadline.
 */
int64_t wait_now(void);
int64_t wait_deadline(unsigned seconds);

/*
 * Waits until fd can be read, or written.  fd -1 waits for a signal alone.
 * IO_OK, IO_TIMEOUT, IO_SIGNAL or IO_ERROR.
 */
enum io wait_for(struct env *e, int fd, bool writing, int64_t until);

/* Sleeps until a deadline: 0; or until a signal: -1. */
int wait_sleep(struct env *e, int64_t until);

/* ---- child.c ------------------------------------------------------------- */

/* The environment variable of every program that popper runs. */
#define CHILD_PATH	"PATH=/usr/bin:/bin:/usr/sbin:/sbin"

/*
 * Calls fn(arg) in a copy of this process, and takes the n bytes at arg from
 * there: nothing else that fn reads gets into our memory.  0, or -1 with errno:
 * ETIMEDOUT, EINTR for a signal, EPIPE if the copy died.
 */
typedef void child_fn(void *arg);
int child_ask(struct env *e, child_fn *fn, void *arg, size_t n, int64_t until);

/* A program to run. */
struct program {
	const char *path;
	char *const *argv, *const *env;
	int in, as;		/* a descriptor, and its number there: 0 or 3 */
};

/*
 * Runs a program in a session of its own, without the spool's group, and waits
 * for its end.  It has no descriptors but that one and /dev/null as 1, 2, and 0
 * if that is free.  0 with the status of wait(2); 1 with errno: it could not be
 * run; -1 with errno: ETIMEDOUT, and it has been killed; EINTR for a signal,
 * and it goes on.
 */
int child_run(struct env *e, const struct program *x, int64_t until,
    int *status);

/* ---- md5.c, base64.c ----------------------------------------------------- */

struct md5 {
	uint32_t state[4];
	uint64_t bytes;
	unsigned char block[64];
};

/* The MD5 digest of all that is added between begin and end (RFC 1321). */
void md5_begin(struct md5 *m);
void md5_add(struct md5 *m, const void *p, size_t n);
void md5_end(struct md5 *m, unsigned char digest[MD5_LEN]);

/*
 * A checksum (SipHash-1-3) of n bytes.  Without the key it cannot be predicted,
 * and no two texts can be made that share it.  0 if there is no key.
 */
uint64_t key_sum(const struct key *key, const void *p, size_t n);

/*
 * Decodes base64 (RFC 4648, 4, as strict as RFC 5034, 4): *n octets.  False for
 * anything else, and for more than room octets.
 */
bool base64_decode(struct str in, char *out, size_t room, size_t *n);

/* ---- file.c -------------------------------------------------------------- */

/* close(2), except of -1; errno stays. */
void file_close(int fd);

/*
 * Opens dir/name without following a link or waiting, and verifies that it is a
 * regular file of owner with one link.  What O_CREAT makes has mode 0600.  -1
 * with errno: EPERM if it is something else or another user's.
 */
#define ANY_OWNER	((uid_t)-1)
int file_open(int dir, const char *name, int flags, uid_t owner,
    struct stat *sb);

/*
 * What the file is now, also if another host has changed it: its type, owner,
 * links, identity, size and times.  Under a lock that is the truth as long as
 * the lock is held.  0, or -1 with errno.
 */
int file_now(int fd, struct stat *sb);

/*
 * The name of the file system of an open file, if it is of a kind that several
 * hosts can have mounted; NULL: it is local, or the kernel cannot tell.
 */
const char *file_network(int fd);

/*
 * Opens a text file by its path, through links as well.  NULL with errno: EPERM
 * if it is no regular file, which is not waited for.
 */
FILE *file_text(const char *path, struct stat *sb);

/*
 * Whether an errno of opening or running a file lasts until the administrator
 * acts.
 */
bool file_permanent(int error);

/* Reads up to n bytes, fewer only at the end of the file; -1 with errno. */
ssize_t file_some(int fd, void *p, size_t n, uint64_t at);

/* Reads or writes all n bytes at an offset: 0, or -1; a short read is EIO. */
int file_read(int fd, void *p, size_t n, uint64_t at);
int file_write(int fd, const void *p, size_t n, uint64_t at);

/*
 * Memory for BLOCK or n bytes of a file, whichever is less, at the start of a
 * page: some processors read twice as fast to there.  NULL with errno.
 */
void *file_block(uint64_t n);

/* n, or the next larger multiple of to. */
uint64_t file_aligned(uint64_t n, uint64_t to);

/* free(3); errno stays, which not every libc sees to. */
void file_free(void *p);

/* Copies n bytes between places that do not overlap.  0, or -1 with errno. */
int file_copy(int from, uint64_t at, int to, uint64_t there, uint64_t n);

/*
 * Reserves n bytes of disk from an offset on; the file may get longer.  0, also
 * if the file system cannot promise that; or -1 with errno.
 */
int file_reserve(int fd, uint64_t at, uint64_t n);

/* Makes what was written to fd durable.  0, or -1 with errno. */
int file_sync(int fd);

/*
 * Makes an unnamed file, in the directory dir or else in TMPDIR, and reserves n
 * bytes from an offset on.  The descriptor, or -1 with errno.
 */
int file_unnamed(int dir, uint64_t at, uint64_t n);

/*
 * The same in memory, of at most MEMORY_MOST bytes; the caller must not let it
 * grow larger.
 */
int file_memory(uint64_t at, uint64_t n);

/* Whether an errno says that there is no room. */
bool file_no_room(int e);

/* Copies a whole file as a reflink, without writing.  0, or -1 with errno. */
int file_clone(int from, int to);

/* Has the kernel provide n bytes of memory that are about to be written. */
void file_populate(void *p, size_t n);

/* Fills p with n random bytes.  0; or -1 with errno, and all are 0. */
int file_random(void *p, size_t n);

/* A checksum that finds torn writes; no defence against malice. */
uint64_t file_sum(const void *p, size_t n, uint64_t seed);

/* The same of n bytes of a file from an offset on.  0, or -1 with errno. */
int file_sum_part(int fd, uint64_t at, uint64_t n, uint64_t *sum);

#endif
