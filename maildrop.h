/*
 * The mail without a session: messages, spools and the index as structures and
 * files.  What is declared here knows no client, no account and no lock; it is
 * tested and fuzzed alone.  popper.h has the rest.
 *
 * Two units of size appear everywhere.  "Bytes" are bytes in a file; "octets"
 * are what a message has on the wire: every line end counts two, stuffed dots
 * and the final dot count nothing (RFC 1081, Message Format; RFC 1939, 11).
 */
#ifndef MAILDROP_H
#define MAILDROP_H

#include <sys/types.h>
#include <sys/stat.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	BLOCK = 256 * 1024,	/* files are read and written so much a time */
	SECTOR = 512,		/* what a disk writes whole */
	PAGE = 4096,
	MEMORY_MOST = 4 << 20,	/* of mail text, where no disk has room: most
				   messages fit, and any local user can fill
				   TMPDIR, so that all sessions need it */
	MD5_LEN = 16,
	UID_LEN = MD5_LEN,
	UID_TEXT = 48,		/* 32 hex digits, a dot, a number and a NUL */
	UIDL_MOST = 70		/* RFC 1939, 7: a unique-id has no more */
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

/* Called with each header line of message i. */
typedef void note_fn(void *arg, size_t i, struct str line);

/* One message of a maildrop: 64 bytes, on disk in the index as well. */
struct msg {
	uint64_t offset;	/* of its From_ line in the spool, bytes */
	uint64_t length;	/* up to the next From_ line, bytes */
	uint64_t octets;	/* on the wire */
	uint64_t check;		/* of what its uid is made of; of its body where
				   it is MSG_DUPLICATE; 0: none */
	unsigned char uid[UID_LEN];
	uint32_t number;	/* 0, or n for the n-th message of this uid */
	uint32_t from;		/* its From_ line, bytes */
	uint32_t head;		/* From_ line, header, blank line, bytes */
	uint32_t flags;		/* MSG_... */
};

enum {
	MSG_TAIL = 3,		/* mask: bytes of the blank line behind it */
	MSG_NOEOL = 1 << 2,	/* last line without line end */
	MSG_NOBLANK = 1 << 3,	/* no blank line after the header */
	MSG_READ = 1 << 4,	/* Status: has R */
	MSG_RO = 1 << 5,	/* exactly one Status: line, "RO" */
	MSG_HIDDEN = 1 << 6,	/* c-client's folder data: not a message */
	MSG_ABUTS = 1 << 7,	/* begins only because the file once ended there:
				   without an empty line, or inside a claim */
	MSG_DUPLICATE = 1 << 11,	/* others had its uid: see pop_twin.c */
	/* below: this session's marks, never in the index */
	MSG_DELETED = 1 << 8,
	MSG_SEEN = 1 << 9,	/* sent whole by RETR */
	MSG_GONE = 1 << 10,	/* another program removed it meanwhile */
	MSG_MARKS = MSG_DELETED | MSG_SEEN | MSG_GONE
};

/* A table of messages in the order of the file. */
struct msgs {
	struct msg *v;
	size_t n;
	size_t room;
	uint64_t end;		/* where the file ended, bytes */
	struct key key;		/* of the checks in it */
};

/* The unique-id that another server gave a message: see pop_xuidl.c. */
struct name {
	uint32_t msg;		/* its place in the table */
	bool doubtful;
	char text[UIDL_MOST + 1];
};

/* Those of a maildrop, in the order of the table. */
struct names {
	struct name *v;
	size_t n;
	size_t room;
	bool full;		/* no memory for all of them */
};

/* The spool as fstat(2) saw it: equal stamps mean an unchanged file. */
struct stamp {
	uint64_t dev, ino, size;
	int64_t mtime, ctime;	/* nanoseconds since the epoch */
};

/* What STAT and LAST need to know of a maildrop. */
struct summary {
	uint64_t count;		/* messages, without a hidden one */
	uint64_t octets;
	uint64_t last;		/* highest one that Status: shows as read */
	uint64_t hidden;	/* 1 if entry 0 is c-client's folder data */
	uint64_t unread;	/* messages without MSG_READ */
	uint64_t abutting;	/* entries with MSG_ABUTS */
};

/* Which entries of a table have been read from the index. */
struct pages {
	uint64_t *sum;		/* checksums of the pages */
	bool *there;
	size_t n, missing;	/* all pages, and those that are not there */
	uint64_t at;		/* where they are in the state file */
	uint64_t size;		/* of the spool, bytes */
};

/* ---- pop_plan.c: a change of the spool as a list of moves -------------- */

/* Where a piece of the new text comes from. */
enum src {
	SRC_SPOOL, SRC_STATE, SRC_STATUS, SRC_STATUS_CRLF, SRC_LF, SRC_KINDS
};

/* So many bytes of a source that will stand at dst in the new spool. */
struct piece {
	uint64_t src, dst, len;
	uint32_t kind;		/* SRC_... */
	uint32_t flags;		/* PIECE_... */
};

enum {
	PIECE_MSG = 1,		/* begins a message */
	PIECE_STEP = 2,		/* begins a step */
	PIECE_TEXT = 4,		/* that step goes by way of the journal */
	PIECE_FLAGS = 7
};

/* The new text from first on, piece by piece. */
struct plan {
	uint64_t old_size, new_size;	/* of the spool, bytes */
	struct piece *v;
	size_t n, room;
};

/* Begins a plan that leaves everything before first where it is. */
void plan_begin(struct plan *pl, uint64_t old_size, uint64_t first);

/* Adds a piece behind the others.  0, or -1 with ENOMEM. */
int plan_add(struct plan *pl, enum src kind, uint64_t src, uint64_t len,
    bool begins_message);

/* Adds n line ends: see mbox_lacks().  0, or -1 with ENOMEM. */
int plan_ends(struct plan *pl, unsigned n);
void plan_free(struct plan *pl);

/* The bytes of a source that is no file: "Status: RO" and the like. */
struct str plan_literal(enum src kind);

/*
 * Orders the pieces into steps that can each be undone by doing it again: a
 * step overwrites none of its own sources, or its new text is in the journal
 * first, room bytes at most; and none overwrites what a later one needs.
 * 0, or -1 with errno: ENOSPC when that room is too small.
 */
int plan_steps(const struct plan *pl, uint64_t room, struct plan *steps);

/* Whether steps read from a file keep within their files' bounds. */
bool plan_sound(const struct plan *steps, uint64_t state_size);

/* ---- pop_index.c: the table between sessions --------------------------- */

/* Whether the index describes exactly this spool; if so, what it adds up to. */
bool index_head(int state, const struct stamp *now, struct summary *sum);

/*
 * Makes a table with room for the entries of an index that adds up to *sum
 * (NULL: to anything), and none of them in it yet: *pg tells.  index_entry()
 * reads that of one message (and those around it), index_rest() all.  0, or -1
 * with errno: EILSEQ for what is no index, or not that of the table any more.
 */
int index_open(int state, const struct summary *sum, struct msgs *t,
    struct pages *pg);
int index_entry(int state, struct msgs *t, struct pages *pg, size_t i);
int index_rest(int state, struct msgs *t, struct pages *pg);
void pages_free(struct pages *pg);

/* Reads all entries, whatever spool they describe.  0, or -1. */
int index_read(int state, struct msgs *table);

/*
 * Writes head and pages: *pg tells of a table that is all there.  A failure
 * costs the next session a scan, no more.
 */
int index_write(int state, const struct stamp *st, const struct msgs *table,
    struct pages *pg);

/*
 * The same where the table has lost all messages from entry n on, and that
 * entry has been read: only what changes is read and written.  index_part()
 * adds up what is left of it.
 */
int index_cut(int state, const struct stamp *st, const struct msgs *t,
    struct pages *pg, size_t n);
int index_part(int state, const struct msgs *t, const struct pages *pg, size_t
    n, struct summary *all);

/*
 * Where more may stand that belongs to the index that is there, and a number
 * that no other index has.  0, or -1: there is none.
 */
int index_behind(int state, uint64_t *of, uint64_t *at);

/* Makes the state file say nothing but the numbers of duplicates. */
int index_void(int state);

/*
 * Whether a change after a scan of the spool would show in its stamp: the state
 * file was written later than the clock's grain after it.
 */
bool index_settled(int state, const struct stamp *st);

/*
 * Overwrites what the state file holds from an offset on: the mail there is not
 * needed any more, and its user may have deleted it.  Some room stays for the
 * next UPDATE, which may have to do with it, and so do the lists of duplicates.  0, or -1 with errno.
 */
int index_wipe(int state, uint64_t from);

/* Fills *st from a stat; adds up a table. */
void index_stamp(struct stamp *st, const struct stat *sb);
bool index_same(const struct stamp *a, const struct stamp *b);
void index_sum(const struct msgs *table, struct summary *sum);

/* ---- pop_number.c: duplicates while there is no index ------------------ */

/* Where the lists of duplicates are: the newer one, and the one before it. */
struct numbers {
	char magic[32];
	struct place {
		uint64_t at, n, sum;
	} list[2];
	uint64_t done;		/* the messages marked as deleted are gone */
	uint64_t sum;		/* of all the above; last */
};

/*
 * Writes the first sector of the state file: n bytes, half a sector at most, and
 * the locator, if it is of any list.  0, or -1 with errno.
 */
int numbers_write(int state, const void *head, size_t n, struct numbers *l);

/* Reads the locator; one of no list if there is none.  0, or -1 with errno. */
int numbers_locate(int state, struct numbers *l);

/*
 * Makes the first sector say nothing but what its locator does.  done: the
 * messages that were marked as deleted are gone.  0, or -1 with errno.
 */
int numbers_settle(int state, bool done);

/*
 * Writes a list of t's duplicates to an offset that nothing else needs until
 * the next index, or after the lists that are there, and notes it as the newer
 * one.  0, or -1 with errno and *l as it was.
 */
int numbers_add(int state, const struct msgs *t, uint64_t at, struct numbers
    *l);

/* Where the last of the lists ends, or 0. */
uint64_t numbers_end(const struct numbers *l);

/*
 * Reads the newest list that is there as a table that has nothing else in it.
 * 0, or -1.
 */
int numbers_read(int state, struct msgs *t);

/* ---- pop_mbox.c: bytes in, message table out; pure --------------------- */

struct md5 {
	uint32_t state[4];
	uint64_t bytes;
	unsigned char block[64];
};

enum {
	KEPT = 8192,
	CLAIMS = 4,		/* Content-Length fields of a message that count */
	FROM_MOST = 1024,	/* a From_ line is no longer, bytes */
	FIELD_NAME = 76,	/* bytes of a line in which a field name ends */
	LOOK_BACK = 3,		/* an empty line and the line end before it */
	LOOK = LOOK_BACK + 2 + FROM_MOST + FIELD_NAME
};

/* Reads up to n bytes of the scanned file at an offset, as file_some() does. */
typedef ssize_t look_fn(void *arg, void *p, size_t n, uint64_t at);

/* The scanner between two blocks of a file. */
struct scan {
	struct msgs *table;
	const struct msgs *old;	/* what the file was before, or NULL */
	size_t at_old;
	note_fn *note;		/* or NULL */
	void *note_arg;
	look_fn *look;		/* or NULL: only at what is in memory */
	void *look_arg;
	struct msg cur;
	uint64_t begin, pos;	/* where it began; bytes consumed */
	uint64_t size;		/* where the file ends */
	uint64_t octets;	/* of the message, where its header is all that
				   is shown; or 0 */
	uint64_t bound;		/* a From_ line here begins a message */
	uint64_t until;		/* and none before here: see mbox_claimed() */
	uint64_t claim[CLAIMS];	/* Content-Length; then where it leads to */
	unsigned nclaims;
	uint64_t looks;		/* calls of look() */
	uint64_t lone;		/* line ends of cur's text that are LF alone */
	uint64_t head_octets;	/* of cur's header and its blank line */
	struct md5 md5;		/* of the header, where it is not kept whole */
	size_t nkept;
	enum { SCAN_START, SCAN_FROM, SCAN_HEAD, SCAN_BODY } where;
	int error;
	unsigned status;	/* Status: lines of this header */
	unsigned folder;	/* signs of c-client's folder data */
	uint32_t empty;		/* bytes of the body's last line, if empty */
	bool crlf;		/* cur's line ends are CRLF */
	bool field;		/* it has a header line: as its first, so all */
	bool blank;		/* the line before was empty */
	bool midline;		/* the last piece was not the whole line */
	bool hashed;		/* this header field counts for the uid */
	bool spilled;		/* kept was too small: md5 has the first of it */
	bool asked, wide;	/* which way to look at bodies: mbox_wide() */
	char kept[KEPT + 24];	/* what the uid is made of, so far; last */
};

/*
 * Begins a file, or a part of one, of the bytes begin..size.  old, which may be
 * NULL, spares the digest of messages that it knows.
 */
void mbox_begin(struct scan *s, struct msgs *table, const struct msgs *old,
    uint64_t begin, uint64_t size);

/*
 * Takes the next n bytes of the file.  Returns how many it used: the rest, less
 * than MBOX_LINE bytes, is to be given again with more after it.  In a body it
 * may be several lines, or begin within one: they go faster by windows.
 */
size_t mbox_feed(struct scan *s, const char *p, size_t n, bool last);
enum { MBOX_LINE = 8192, MBOX_WINDOW = 2048 };

/*
 * The file once ended here: if a From_ line follows, a message begins, without
 * an empty line as well.  All bytes before must have been used (last).
 */
void mbox_bound(struct scan *s);

/*
 * pop_body.c: takes a run of a body at once, a window or what of it is before a
 * line that may begin a message.  Where it stopped: p if it is not its turn.
 */
const char *mbox_body(struct scan *s, const char *p, const char *end);

/* Goes on by wide vectors if the processor has them: whether it has. */
bool mbox_wide(struct scan *s);

/* Ends the file.  0, or -1 with errno: EILSEQ not an mbox, ENOMEM. */
int mbox_end(struct scan *s);

/* Whether the header line s is the field name (":" included). */
bool mbox_field(struct str s, const char *name);

/* ---- pop_from.c: From_ lines ------------------------------------------- */

enum from { FROM_NO, FROM_YES, FROM_MORE };

/*
 * Whether a line that begins at p, after an empty line, begins a message: it
 * starts with "From " and ends in a date of one of the usual forms, or has a
 * time and a year in it and a header field follows.  FROM_MORE: that depends on
 * what comes after end, and end is not the file's (last).
 */
enum from mbox_from(const char *p, const char *end, bool last);

/* Notes the value of a Content-Length field. */
void mbox_claim(struct scan *s, struct str value);

/*
 * Whether the From_ line at p, the scanner's place, is text because a claim that
 * proves itself reaches beyond it.  p..end is what is in memory.
 */
bool mbox_claimed(struct scan *s, const char *p, const char *end);

/* ---- pop_twin.c: tables of messages ------------------------------------ */

/* Appends a message: 0, or -1 with ENOMEM. */
int msgs_add(struct msgs *t, const struct msg *m);
void msgs_free(struct msgs *t);

/*
 * Makes MSG_DUPLICATE those messages of t that share their uid with others, of
 * t or of another table (which may be NULL).  *n: how many there are.  Where
 * their check is 0 the digest of their body has to be found: scan_bodies().
 * 0, or -1 with ENOMEM.
 */
int mbox_ambiguous(struct msgs *t, const struct msgs *other, size_t *n);

/*
 * Numbers the messages of equal uid.  old, the table of an earlier session, may
 * be NULL; a message it knows keeps its number, and no other gets one that is
 * in it.  0, or -1 with ENOMEM.
 */
int mbox_number(struct msgs *t, const struct msgs *old);

/*
 * For each message of a the place in b of the one with the same identity, or
 * SIZE_MAX: to[0..a->n-1].  Where several are the same to the last byte, and b
 * has fewer than a, there is none if one must be sure which are gone.
 * 0, or -1 with ENOMEM.
 */
int mbox_match(const struct msgs *a, const struct msgs *b, bool sure,
    size_t *to);

/* Adds the messages that have no such partner in t.  0, or -1 with ENOMEM. */
int mbox_join(struct msgs *t, const struct msgs *more);

/*
 * How many line ends a message lacks to be followed by another: its own, and
 * the empty line.
 */
unsigned mbox_lacks(const struct msg *m);

/* The unique-id as text (RFC 1939, 7). */
void mbox_uid(const struct msg *m, char text[UID_TEXT]);

/* ---- pop_xuidl.c: unique-ids of another server (-U) --------------------- */

/* Takes a header line of message i; a note_fn for struct names. */
void xuidl_note(void *arg, size_t i, struct str line);

/* Leaves those names that stand for one message.  0, or -1 with ENOMEM. */
int xuidl_settle(struct names *x, const struct msgs *table);

/* The name of entry i of the table, or NULL. */
const char *xuidl_find(const struct names *x, size_t i);
void xuidl_free(struct names *x);

/*
 * The names that go with the index that is there.  0, or -1: also where that
 * index was written without them.
 */
int xuidl_write(int state, const struct names *x);
int xuidl_read(int state, struct names *x);

/* ---- pop_scan.c: the scanner over a file ------------------------------- */

/*
 * Makes the table of a file of that size, or of its bytes from..end, in one
 * pass, whatever is written behind them meanwhile.  old, an earlier table of
 * the file, or NULL, makes that faster and knows where the file once ended;
 * note() (or NULL) is shown each header line.  A descriptor of -1 is an empty
 * file.  0, or -1 with errno: EILSEQ for what is not an mbox.
 */
int scan_file(int fd, uint64_t size, struct msgs *table,
    const struct msgs *old);
int scan_part(int fd, uint64_t from, uint64_t end, struct msgs *table,
    const struct msgs *old, note_fn *note, void *arg);

/*
 * Whether the file has at m's place a message with m's header.  1, 0, or -1
 * with errno.
 */
int scan_same(int fd, const struct msg *m);

/*
 * Reads the bodies that tell duplicates apart, as far as the file has them, which
 * is from..to: those of t whose uid is that of others, in t or in another table,
 * which may be NULL.  *n: how many there are.  0, or -1 with errno.
 */
int scan_bodies(int fd, uint64_t from, uint64_t to, struct msgs *t,
    const struct msgs *other, size_t *n);

/* Whether two messages of one uid have the same body.  1, 0, or -1 with errno. */
int scan_same_body(int fd, const struct msg *a, int other, const struct msg *b);

/* Whether the text before that place ends with an empty line. */
bool scan_ends_blank(int fd, uint64_t at);

/* Gives t's messages their numbers, as mbox_number() does. */
int scan_numbers(int fd, struct msgs *t, const struct msgs *old);

/*
 * Whether a file begins as an mbox does: only so much of it is read as that
 * takes.  0, or -1 with errno: EILSEQ.
 */
int scan_begins(int fd);

/* ---- pop_md5.c --------------------------------------------------------- */

void md5_begin(struct md5 *m);
void md5_add(struct md5 *m, const void *p, size_t n);
void md5_end(struct md5 *m, unsigned char digest[MD5_LEN]);

/*
 * A checksum that nobody can predict, or make two texts agree in, without the
 * key (SipHash-1-3).
 */
uint64_t key_sum(const struct key *key, const void *p, size_t n);

/* ---- pop_file.c: whole reads and writes, unnamed files, sums ----------- */

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
