/*
 * spool: the two files of a maildrop.  The spool is shared with other programs
 * and is changed only in UPDATE, under its locks, in place.  The state file,
 * .user.pop, is popper's own: its kernel lock is the session lock; it holds the
 * index between sessions and a journal during UPDATE.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include "mbox/mbox.h"

/* The two files of a maildrop, and what locking them has shown. */
struct maildrop {
	struct env *env;
	const struct ids *ids;
	int dir;		/* the spool directory */
	char name[256];		/* DIR/name is the spool */
	int state;		/* .name.pop: session lock, index, journal */
	unsigned wait;		/* seconds for the locks of others */
	bool board;		/* of all users, and only read */
	bool hosts;		/* it may be on a network file system */
	bool nodotlock;		/* the directory forbids it: logged once */
	bool stalelock;		/* a stale one cannot be removed: logged once */
};

/*
 * The spool as file_now() saw it: equal stamps mean an unchanged file, on every
 * host that has it.  So the device is not in it, whose number each host gives.
 */
struct stamp {
	uint64_t ino, size;
	int64_t mtime, ctime;	/* nanoseconds since the epoch */
};

/* The totals of a maildrop: what STAT and LAST need to know of it. */
struct summary {
	uint64_t count;		/* messages, without a hidden one */
	uint64_t octets;
	uint64_t last;		/* highest one that Status: shows as read */
	uint64_t hidden;	/* 1 if entry 0 is c-client's folder data */
	uint64_t unread;	/* messages without MSG_READ */
	uint64_t abutting;	/* entries with MSG_ABUTS */
};

/* The index of a table. */
struct index {
	uint64_t serial;	/* no other index has it; 0: there is none */
	uint64_t at;		/* offset of its entries in the state file */
	bool partial;		/* not all entries have been read */
};

enum { UIDL_MOST = 70 };	/* RFC 1939, 7: a unique-id has no more */

/* The unique-id that another server gave a message: see spool/xuidl.c. */
struct name {
	uint32_t msg;		/* its place in the table */
	bool doubtful;		/* it may stand for another message too */
	char text[UIDL_MOST + 1];
};

/* The names of a maildrop, in the order of its table. */
struct names {
	struct name *v;
	size_t n;
	size_t room;
	bool full;		/* no memory for all of them */
};

/* ---- aside.c ------------------------------------------------------------- */

/*
 * A new name, .NAME.lk. and random digits, for a file next to NAME.lock.  0, or
 * -1 if there is no random number or no room.
 */
int aside_name(const char *name, char *to, size_t room);

/*
 * Gives the file aside the name instead, in one step, if no other file has it.
 * 0, or -1 with errno, EEXIST for one, and aside is gone.
 */
int aside_link(int dir, const char *aside, const char *name);

/* Removes all such files of that NAME.  They are small: errors are ignored. */
void aside_sweep(int dir, const char *name);

/* ---- lock.c -------------------------------------------------------------- */

enum { STALE_LOCK = 300 };	/* seconds until a lock file is stale, as
				   liblockfile has it */

/* The locked spool: from lock_spool() or lock_read() to unlock_spool(). */
struct spool {
	unsigned tries;		/* calls of lock_read() so far */
	int64_t wait;		/* what is left of -w, milliseconds */
	int fd;			/* -1 if there is no file: an empty spool */
	int lockfd;		/* the name.lock that we made, or -1 */
	struct stat st;		/* of fd, under the lock */
};

/*
 * Locks the state file for the session, without waiting; the lock ends with the
 * process or when the file is closed.  0, or -1 with errno: EAGAIN if another
 * session has it.
 */
int lock_session(int state);

/*
 * Under what: a read lock once there is no name.lock; a read lock with our own
 * name.lock; a write lock with our own name.lock.
 */
enum lock { SPOOL_READ, SPOOL_READ_ALONE, SPOOL_WRITE };

/*
 * Locks the spool against delivery and other mail programs, waiting up to
 * box->wait seconds.  create: a missing spool is made; otherwise it is an empty
 * one.  0, or -1 with errno: EAGAIN if it stays locked, EINTR on a signal,
 * EPERM for a file that is not a plain file of this user.  Readers call
 * lock_read().
 */
int lock_spool(struct maildrop *box, enum lock how, bool create, struct spool
    *sp);

/*
 * Locks it for reading; sp->tries is 0 at the first call.  After reading, call
 * lock_undisturbed() with the result of that, which it returns, and errno, if
 * the spool was not changed meanwhile; otherwise -1 with EAGAIN.  Then unlock,
 * and try again until lock_read() itself returns -1 with EAGAIN.  The last try
 * makes name.lock; all of them together wait up to box->wait seconds.
 */
int lock_read(struct maildrop *box, struct spool *sp);
int lock_undisturbed(const struct spool *sp, int r);

/* Unlocks and closes it, and removes our name.lock.  errno stays. */
void unlock_spool(struct maildrop *box, struct spool *sp);

/* Why a maildrop is not open; errno has the cause. */
enum fault {
	FAULT_NONE,
	FAULT_DIR,		/* its directory */
	FAULT_NETWORK,		/* other hosts may have that, and see old mail */
	FAULT_ACCOUNT,		/* becoming the user */
	FAULT_STATE_ALIEN,	/* .user.pop: a link, or another owner's */
	FAULT_STATE_SHUT,	/* cannot be opened or made */
	FAULT_DAMAGED,		/* the state file, or its journal's spool */
	FAULT_OLD,		/* a journal of popper 2.0 */
	FAULT_SESSION,		/* another session has it open */
	FAULT_NO_LOCKS,		/* the file system has none */
	FAULT_LOCKED,		/* the spool, by another program */
	FAULT_STALE,		/* a lock file that cannot be removed */
	FAULT_FULL,		/* no room for what has to be written */
	FAULT_NOT_MBOX,
	FAULT_ALIEN,		/* the spool: a link, or another owner's */
	FAULT_SHUT,		/* may not be opened */
	FAULT_READ
};

/*
 * Whether there is a lock file that keeps the user out until a person removes
 * it: FAULT_STALE, or FAULT_LOCKED if it is no regular file.  Then *sb is its
 * stat, and *dir that of its directory.  FAULT_NONE if there is none.
 */
enum fault lock_probe(struct maildrop *box, struct stat *sb, struct stat *dir);

/* Touches our name.lock, so that it does not get stale in a long update. */
void lock_touch(struct maildrop *box, struct spool *sp);

/* ---- fault.c ------------------------------------------------------------- */

enum { FAULT_LEN = 480 };	/* bytes that a sentence or a reply needs */

/*
 * Writes to to[room] the sentence of a fault, without a full stop, or the reply
 * to a client: the sentence with a response code (RFC 2449, 8; RFC 3206) and
 * what to do.  state: the name of the state file.  Returns to.
 */
const char *fault_sentence(enum fault f, const char *state, char *to,
    size_t room);
const char *fault_reply(enum fault f, const char *state, char *to,
    size_t room);

/* The fault that an errno of locking, opening or scanning the spool means. */
enum fault fault_of(const struct maildrop *box, int error);

/* ---- maildrop.c ---------------------------------------------------------- */

/*
 * The name of the state file that a spool of that name has; and the same as the
 * log may have it, for the session's spool.
 */
enum { STATE_NAME = 256 + 8, STATE_CLEAN = 4 * STATE_NAME };
void state_name(const char *spool, char name[STATE_NAME]);
const char *state_clean(const struct maildrop *box, char clean[STATE_CLEAN]);

/*
 * Opens the state file, which may be made for that, and takes the session lock.
 * FAULT_NONE, or what is wrong, with errno.
 */
enum fault maildrop_open(struct maildrop *box);

/* What popper -n finds out about a maildrop. */
struct probe {
	bool made;		/* a login has root make .user.pop */
	bool left;		/* it would finish what a session left */
	bool there;		/* there is a spool */
};

/*
 * The fault that a login would meet, in the order in which it would, without
 * waiting, making or changing anything; only the beginning of the spool is read.
 * Sets pr's left and there.
 */
enum fault maildrop_probe(struct maildrop *box, struct probe *pr);

/* ---- table.c ------------------------------------------------------------- */

/*
 * Makes the table of a file of size bytes, or of its bytes from..end, in one
 * pass; what is appended meanwhile does not count.  old, an earlier table of
 * the file, or NULL, spares digests and tells where the file once ended;
 * note(), or NULL, is called with each header line.  A descriptor of -1 is an
 * empty file. 0, or -1 with errno and an empty table: EILSEQ for what is not an
 * mbox.
 */
int scan_file(int fd, uint64_t size, struct msgs *t, const struct msgs *old);
int scan_part(int fd, uint64_t from, uint64_t end, struct msgs *t,
    const struct msgs *old, note_fn *note, void *arg);

/*
 * Whether the file has, where the table has message i, one with that header.
 * 1, 0, or -1 with errno.
 */
int scan_same(int fd, const struct msgs *of, size_t i);

/*
 * Marks the messages of t that share their uid with others, of t or of other
 * (which may be NULL), and reads their bodies to tell them apart, if these are
 * within the bytes from..to of the file.  *n: how many there are.  0, or -1
 * with errno.
 */
int scan_bodies(int fd, uint64_t from, uint64_t to, struct msgs *t,
    const struct msgs *other, size_t *n);

/*
 * Whether two messages of one uid, of two files, have the same body, as far as
 * their sizes are the same.  1, 0, or -1 with errno.
 */
int scan_same_body(int fd, const struct msg *a, int other, const struct msg *b);

/*
 * Whether the text before an offset ends with an empty line.  1, 0, or -1 with
 * errno.
 */
int scan_ends_blank(int fd, uint64_t at);

/*
 * Numbers the messages of equal uid, as mbox_number() does, after reading the
 * bodies that this takes.  0, or -1 with errno.
 */
int scan_numbers(int fd, struct msgs *t, const struct msgs *old);

/*
 * Whether a file begins as an mbox does, of which no more is read than that
 * takes.  0, or -1 with errno: EILSEQ if not.
 */
int scan_begins(int fd);

/* ---- stamp.c ------------------------------------------------------------- */

/* Fills *st from a stat; compares two. */
void stamp_of(const struct stat *sb, struct stamp *st);
bool stamp_same(const struct stamp *a, const struct stamp *b);

/* Whether the file system seems to have finer times than whole seconds. */
bool stamp_fine(const struct stamp *st);

/*
 * Whether any change of the spool after the scan that st is from would show in
 * its stamp: the state file was written more than the clock's grain later.
 */
bool stamp_settled(int state, const struct stamp *st);

/* A number that no earlier index or journal has. */
uint64_t stamp_number(void);

/* Adds up a complete table. */
void summary_of(const struct msgs *t, struct summary *sum);

/* ---- index.c ------------------------------------------------------------- */

/*
 * Whether the state file has the index of the spool that now describes, and it
 * was written late enough: see stamp_settled().  Then *sum is set.
 */
bool index_head(int state, const struct stamp *now, struct summary *sum);

/*
 * Makes *t the table of the index that adds up to *sum (NULL: of any index),
 * without its entries.  index_entry() reads entry i if the table does not have
 * it, index_rest() all that it does not have.  0, or -1 with errno: EILSEQ if
 * there is no such index, or it is damaged.  After -1 from index_open() the
 * table is empty.
 */
int index_open(int state, const struct summary *sum, struct msgs *t,
    struct index *ix);
int index_entry(int state, struct msgs *t, const struct index *ix, size_t i);
int index_rest(int state, struct msgs *t, struct index *ix);

/*
 * Makes *t the table of whatever index there is, of any spool.  0, or -1 with
 * errno and an empty table.
 */
int index_read(int state, struct msgs *t);

/*
 * Writes the index of a complete table, and wipes the rest of the state file.
 * 0 with *ix, or -1 with errno: then no index describes a spool, and the next
 * session scans it.
 */
int index_write(int state, const struct stamp *st, const struct msgs *t,
    struct index *ix);

/*
 * Whether the index is still the table's, so that it can be cut off after its
 * first n entries.  The table must have all others.  Then *sum, the totals of
 * the table, becomes those of the first n.
 */
bool index_can_cut(int state, struct msgs *t, struct index *ix, size_t n,
    struct summary *sum);

/*
 * Makes the index of that serial describe another spool, and cuts it off so
 * that it adds up to *sum.  0, or -1 with errno: EILSEQ if it is not there.
 */
int index_restamp(int state, uint64_t serial, const struct stamp *st,
    const struct summary *sum);

/* Has the state file hold no index.  0, or -1 with errno. */
int index_drop(int state);

/*
 * Sets *at to the offset after the index, where more can be stored that is
 * valid as long as the index is, and *of to a number that tells it from any
 * other.  0, or -1 with errno: EILSEQ if there is none.
 */
int index_end(int state, uint64_t *of, uint64_t *at);

/*
 * Overwrites the state file after the index: the mail there is not needed any
 * more, and its user may have deleted it.  The file is cut off there, never
 * within a page, since an UPDATE on a full disk needs some room to begin; room:
 * it keeps more than that.  0, or -1 with errno.
 */
int index_wipe(int state, bool room);

enum {
	INDEX_AT = 2 * SECTOR,	/* before that are heads and records */
	HEAD_ROOM = SECTOR / 2	/* bytes of a head */
};

/*
 * The heads of two indexes, which stand in the second halves of the first two
 * sectors while a journal is in force: of what was there before the UPDATE, and
 * of what it makes.  Zeros are none.
 */
struct heads {
	char of[2][HEAD_ROOM];
};

/*
 * Writes the index of the table that an UPDATE makes next to the one in force.
 * Neither describes a spool then.  0 with their heads and *ix, or -1 with errno.
 */
int index_prepare(int state, const struct msgs *t, struct heads *heads,
    struct index *ix);

/* Whether that is a head of this version, and whole. */
bool index_is_head(const char head[HEAD_ROOM]);

/* The offset after both. */
uint64_t index_after(const struct heads *heads);

/* ---- xuidl.c ------------------------------------------------------------- */

/* Notes the name that a header line gives to message i: a note_fn. */
void xuidl_note(void *x, size_t i, struct str line);

/*
 * Drops the names that do not stand for exactly one message of the complete
 * table.  0, or -1 with ENOMEM.
 */
int xuidl_settle(struct names *x, const struct msgs *t);

/* The name of entry i of the table, or NULL. */
const char *xuidl_find(const struct names *x, size_t i);
void xuidl_free(struct names *x);

/*
 * Stores the names with the index that is there; reads them.  0, or -1: the
 * index has none, or, with errno, they cannot be stored.
 */
int xuidl_write(int state, const struct names *x);
int xuidl_read(int state, struct names *x);

/* ---- plan.c -------------------------------------------------------------- */

/* The field that popper writes into a header. */
enum splice { SPLICE_NONE, SPLICE_STATUS, SPLICE_STATUS_CRLF, SPLICES };

/*
 * A message that stays: len bytes of the source from src on, where drop bytes
 * at offset at are replaced by a splice, and line ends are added.
 */
struct entry {
	uint64_t src, len;
	uint64_t dst;		/* in the new spool; it is a sum of lengths */
	uint32_t at, drop;
	uint32_t add;		/* SPLICE_... */
	uint32_t ends;
};

/* The new text of the spool from the first change on. */
struct plan {
	uint64_t old_size, first, new_size;	/* of the spool, bytes */
	uint64_t room;		/* for a text in the journal, bytes */
	bool from_state;	/* the source is the state file */
	bool extra;		/* it adds text, which can be left out */
	struct entry *v;
	size_t n, slots;
};

/* Begins a plan that leaves everything before first where it is. */
void plan_begin(struct plan *pl, uint64_t old_size, uint64_t first);

/* Adds an entry after the others, and sets its dst.  0, or -1 with ENOMEM. */
int plan_add(struct plan *pl, const struct entry *e);

/* Whether it leaves the spool as it is. */
bool plan_idle(const struct plan *pl);
void plan_free(struct plan *pl);

/* The text of a splice; and the bytes that an entry has in the new spool. */
struct str plan_splice(uint32_t add);
uint64_t plan_length(const struct entry *e);

/* ---- journal.c ----------------------------------------------------------- */

/*
 * Cuts the spool durably.  0, or -1 with errno: EAGAIN if it has not that size
 * any more.  *begun: it has been cut.
 */
int journal_cut(struct spool *sp, uint64_t old_size, uint64_t size,
    bool *begun);

/*
 * Makes the spool what the plan says, by way of a journal in the state file,
 * and frees the plan.  then: the table of what it will be, whose index *next is
 * in force afterwards, if there was room for it; no spool has its stamp.  0, or
 * -1 with errno; *begun is set once the spool is not as it was: then the next
 * session goes on.
 */
int journal_apply(struct maildrop *box, struct spool *sp, struct plan *pl,
    const struct msgs *then, struct index *next, bool *begun);

/* ---- recover.c ----------------------------------------------------------- */

/*
 * Finishes what an earlier session left in the state file: its journal, or
 * the mail of an older popper.  0, or -1 with errno: EILSEQ if a file is damaged
 * and a person must look at it, ENOTSUP if popper 2.0 has left its journal.
 */
int recover_maildrop(struct maildrop *box);

/*
 * Whether there is anything for recover_maildrop() to finish: 0 or 1, or -1
 * with the errno that it would have.  Only reads.
 */
int recover_probe(int state);

#endif
