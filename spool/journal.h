/*
 * The journal, for the files of spool/ that know it: record.c reads and writes
 * it, journal.c carries it out, redo.c decides whether to go on.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "spool/spool.h"

#define HEAD_MAGIC	"popper journal 1\n"
#define MARK_MAGIC	"popper mark 1\n"

enum { HEAD_ROOM = 3 * SECTOR };	/* head and two marks */

struct head {
	char magic[32];
	uint64_t serial;	/* marks of another serial are not ours */
	uint64_t ino;		/* of the spool; st_dev may change at a boot */
	uint64_t old_size, new_size;
	uint64_t steps_at, pieces, steps_sum;
	uint64_t text_at[2];
	uint64_t witness;	/* sum of the old text that will be cut off */
	uint64_t void_at;	/* the sector that says no more at the end */
	uint64_t piece_size;
	uint64_t sum;		/* of all the above; last */
};

struct mark {
	char magic[32];
	uint64_t serial, seq;
	uint64_t grown;		/* the spool has its new, larger size */
	uint64_t done;		/* steps */
	struct {
		uint64_t step;	/* whose text is there, from 1 on; 0: none */
		uint64_t len, sum;
	} text[2];
	uint64_t sum;
};

struct journal {
	uint64_t base;
	struct head h;
	struct mark m;
	struct plan st;
	struct numbers numbers;	/* of duplicates, where base is 0 */
	bool filled;		/* grow() has begun */
	uint64_t end;		/* of the room that it has */
};

/* Rounds up. */
uint64_t jrn_aligned(uint64_t n, uint64_t to);

/* The checksum of a structure of the journal. */
uint64_t jrn_sum(const void *p, size_t n);

/* Sums up the ends of the text that the plan will cut off. */
int jrn_witness(int fd, const struct head *h, uint64_t *sum);

/*
 * Whether a text that the mark knows of is there as it was synced, and whether
 * it is that of the step after the mark.  1, 0, or -1 with errno.
 */
int jrn_text_there(int state, const struct journal *j, int which);
int jrn_text_ready(int state, const struct journal *j);

/*
 * Makes the sector say nothing, or the first one nothing but the numbers of
 * duplicates, durably; if that fails, it stays as it was.  done: what was to be
 * deleted is gone.
 */
int jrn_void(int state, uint64_t at, bool done);

/* Where the step that begins at piece i ends, and the bytes it writes. */
size_t jrn_step_end(const struct plan *st, size_t i, uint64_t *len);

/* Writes the mark that is next in turn; and the head.  0, or -1 with errno. */
int jrn_write_mark(int state, struct journal *j);
int jrn_write_head(int state, struct journal *j);

/*
 * After a sync that failed, or of a session that was killed before it, what is
 * read here may be in the system's memory alone, and no sync writes what the
 * system takes for written.  So everything that recovery relies on is written
 * again first: head, marks, steps, texts, and mail that is to be put back.
 */
int jrn_write_again(int state, const struct journal *j);

/* As large steps as there is room for; a full disk has room for direct ones. */
int jrn_plan_for_room(int state, struct journal *j, const struct plan *pl,
    uint64_t area, uint64_t limit, bool turn);

/*
 * Reads and verifies the journal at base.  0; -1: none that counts, with errno
 * ENOENT, or EILSEQ if its head is damaged or of the other byte order, or the
 * rest of one that was in force.
 */
int jrn_load(int state, uint64_t base, struct journal *j);

/*
 * Moves the mail from src..size up to dst, by a journal that takes over from
 * the one that is in force, and makes the sector void_at void in the end.
 */
int jrn_close_gap(struct maildrop *box, struct spool *sp, const struct journal
    *j, uint64_t dst, uint64_t src, uint64_t size, uint64_t void_at);

/* Carries out what is left to do, from the mark on. */
int jrn_run(struct maildrop *box, struct spool *sp, struct journal *j);

/* ---- redo.c -------------------------------------------------------------- */

/*
 * Finishes what a session that died had begun.  0: done, or nothing was to
 * do; 1: that cannot be, and the spool may lack these messages, which are in
 * the state file, up to *area, and may not be overwritten; -1 with errno.
 */
int journal_redo(struct maildrop *box, struct spool *sp, uint64_t base,
    struct msgs *left, uint64_t *area);

/* ---- recover.c ----------------------------------------------------------- */

/* What the state file holds. */
enum holding { HOLDS_NOTHING, HOLDS_INDEX, HOLDS_JOURNAL, HOLDS_MBOX,
    HOLDS_ALIEN };

/*
 * Looks at the state file.  For HOLDS_MBOX *end is where its mbox text ends and
 * *base where a journal stands behind it, or 0.  0, or -1 with errno.
 */
int journal_kind(int state, enum holding *kind, uint64_t *base, uint64_t *end);

#endif
