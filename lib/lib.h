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

#if defined(__GNUC__)
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#else
#define PRINTF(f, a)
#endif

enum {
	BLOCK = 256 * 1024,	/* files are read and written so much a time */
	SECTOR = 512,		/* what a disk writes whole */
	PAGE = 4096,
	MEMORY_MOST = 4 << 20,	/* of mail text, where no disk has room: most
				   messages fit, and any local user can fill
				   TMPDIR, so that all sessions need it */
	MD5_LEN = 16,
	NAME_LEN = 64,		/* an account's name; longer ones are unknown */
	LOG_LEN = 1024,		/* syslog(3) need not take more (RFC 3164) */
	LOG_MOST = 100,		/* lines of one kind in a session: more than it
				   can cause before login */
	LOG_DEBUG_MOST = 10000,	/* the same at priority debug: a megabyte */
	LOG_KINDS = 96		/* more than there are in the source */
};

/* A run of bytes that somebody else owns; never NUL-terminated. */
struct str {
	const char *p;
	size_t n;
};

/* A secret that makes checksums unpredictable; all 0: there is none. */
struct key {
	uint64_t k[2];
};

/* One line of the client, or why there is none. */
enum io {
	IO_OK, IO_LONG, IO_CONTROL, IO_EOF, IO_TIMEOUT, IO_SIGNAL, IO_ERROR
};

enum level { LV_NOTICE, LV_DEBUG, LEVELS };

/* What the session has logged, by kinds of line: see pop_log(). */
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
	sigset_t waiting;	/* the signal mask while we wait */
};

/*
 * Who the process is: root, then the user.  The group of the spool directory,
 * which makes and removes name.lock, is the saved one.
 */
struct ids {
	uid_t uid;
	gid_t gid;
	gid_t spoolgid;		/* that group, or gid */
	/* runs fn(arg) in that group; NULL: there is none */
	int (*as_spool)(const struct ids *, int (*fn)(void *), void *arg);
};

/* ---- text.c -------------------------------------------------------------- */

/* A string as a run of bytes. */
struct str text_of(const char *s);

/* Whether two words are the same but for the case of their letters. */
bool text_is(struct str a, struct str b);

/* Takes the next word off the line; and the blanks before it. */
struct str text_word(struct str *line);
void text_blanks(struct str *line);

/*
 * Reads decimal digits, and nothing else, as a number up to max.
 * Returns false for anything else.
 */
bool text_number(struct str s, uint64_t max, uint64_t *value);

/* Copies foreign text with everything but plain characters as \xHH. */
const char *text_clean(char *to, size_t room, const char *s, size_t n);

/* Overwrites a password. */
void text_wipe(void *p, size_t n);

/* ---- log.c --------------------------------------------------------------- */

/* Opens syslog(3), and the trace file if there is one.  0, or -1. */
int log_open(struct env *e, const char *trace);

/*
 * One line.  fmt is a literal, and the kind of the line: of each kind there are
 * LOG_MOST (LOG_DEBUG_MOST) at most, and the end of the session
 * says how many more there would have been.  log_error() adds the user and what errno says.  errno
 * stays.
 */
void log_notice(struct env *e, const char *fmt, ...) PRINTF(2, 3);
void log_debug(struct env *e, const char *fmt, ...) PRINTF(2, 3);
void log_error(struct env *e, const char *fmt, ...) PRINTF(2, 3);

/* ---- wait.c -------------------------------------------------------------- */

/* Blocks the signals that end a session, but for waits.  0, or -1. */
int wait_begin(struct env *e);

/* So many seconds from now. */
void wait_deadline(struct timespec *ts, unsigned seconds);

/* Waits until fd can be read, or written; fd -1: for a signal alone. */
enum io wait_for(struct env *e, int fd, bool writing,
    const struct timespec *until);

/* Sleeps until then, or until a signal: -1. */
int wait_sleep(struct env *e, const struct timespec *until);
int64_t wait_left(const struct timespec *until);	/* milliseconds */

/* ---- child.c ------------------------------------------------------------- */

/*
 * Calls fn(arg) in a copy of this process, and takes from there what it left
 * in the n bytes at arg: whatever else fn reads never is in our memory.  0, or
 * -1 with errno: ETIMEDOUT, EINTR for a signal, EPIPE if the copy died.
 */
typedef void child_fn(void *arg);
int child_ask(struct env *e, child_fn *fn, void *arg, size_t n,
    const struct timespec *until);

/* One that has been started, until child_wait() is done with it. */
struct child {
	pid_t pid;
	int report;		/* why its program could not be run */
};

/*
 * Starts a program with descriptor in as its descriptor as (3 at most),
 * /dev/null as 1, 2 (and 0), and none else, without the spool's group.  0, or
 * -1 with errno: there is no child.
 */
int child_start(struct env *e, struct child *c, int in, int as,
    const char *path, char *const argv[], char *const env[]);

/*
 * Waits for its end.  0 with the status of wait(2); 1 with errno: the program
 * could not be run; -1 with errno: ETIMEDOUT after so many seconds, when it was
 * killed, or EINTR, when it goes on without us.
 */
int child_wait(struct env *e, struct child *c, unsigned seconds, int *status);

/* ---- md5.c, base64.c ----------------------------------------------------- */

struct md5 {
	uint32_t state[4];
	uint64_t bytes;
	unsigned char block[64];
};

void md5_begin(struct md5 *m);
void md5_add(struct md5 *m, const void *p, size_t n);
void md5_end(struct md5 *m, unsigned char digest[MD5_LEN]);

/*
 * A checksum that nobody can predict, or make two texts agree in, without the
 * key (SipHash-1-3).
 */
uint64_t key_sum(const struct key *key, const void *p, size_t n);

/* Decodes strictly (RFC 5034, 4); false for anything else, or no room. */
bool base64_decode(struct str in, char *out, size_t room, size_t *n);

/* ---- file.c -------------------------------------------------------------- */

/*
 * Opens dir/name without following or waiting for anything, and verifies that
 * it is a regular file with one link that belongs to owner.  -1 with errno:
 * EPERM if it is not.
 */
#define ANY_OWNER	((uid_t)-1)
int file_open(int dir, const char *name, int flags, uid_t owner,
    struct stat *sb);

/*
 * Opens a file that the administrator has written, to be read line by line.
 * NULL with errno: EPERM for what is no regular file, which is not waited for.
 */
FILE *file_text(const char *path, struct stat *sb);

/*
 * Opens a file of the administrator's that only its owner may have written,
 * and where secret only he may read: root, or whoever started us.  NULL with
 * errno: EPERM.
 */
FILE *file_trusted(const char *path, bool secret);

/*
 * Whether an error of opening or running a file lasts until the administrator
 * acts.
 */
bool file_permanent(int error);

/* Reads or writes all n bytes at an offset; a short read is EIO. */
int file_read(int fd, void *p, size_t n, uint64_t at);
int file_write(int fd, const void *p, size_t n, uint64_t at);

/* Reads up to n bytes, fewer only at the end of the file; -1 with errno. */
ssize_t file_some(int fd, void *p, size_t n, uint64_t at);

/*
 * Memory for BLOCK or n bytes of a file, whichever is less.  It begins with a
 * page: some processors read twice as fast to there.
 */
void *file_block(uint64_t n);

/* free(3), and errno stays: not every libc's sees to that. */
void file_free(void *p);

/* Copies n bytes between places that do not overlap. */
int file_copy(int from, uint64_t at, int to, uint64_t there, uint64_t n);

/* Reserves n bytes from an offset on; the file may get longer. */
int file_reserve(int fd, uint64_t at, uint64_t n);

/* Makes what was written to fd durable. */
int file_sync(int fd);

/*
 * An unnamed file with room for n bytes from an offset on: in dir, else in
 * TMPDIR.  file_memory() has it in memory, and only up to MEMORY_MOST bytes;
 * the caller sees to it that the file does not get larger.  -1 with errno.
 */
int file_unnamed(int dir, uint64_t at, uint64_t n);
int file_memory(uint64_t at, uint64_t n);

/* Whether an errno says that there is no room. */
bool file_no_room(int e);

/* Copies a whole file if that costs no writing (a reflink).  0 or -1. */
int file_clone(int from, int to);

/* Has n bytes of memory there at once; they are about to be written all. */
void file_populate(void *p, size_t n);

/* Fills p with n octets that nobody can guess.  0, or -1 with errno. */
int file_random(void *p, size_t n);

/* Which calls these functions were built with: "Linux" or "POSIX". */
const char *file_calls(void);

/* A checksum against torn writes, not against malice. */
uint64_t file_sum(const void *p, size_t n, uint64_t seed);

/* The same of n bytes of a file.  0, or -1 with errno. */
int file_sum_part(int fd, uint64_t at, uint64_t n, uint64_t *sum);

#endif
