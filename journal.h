/*
 * The journal on disk, for the files that know it: pop_recover.c finds one,
 * pop_redo.c decides whether to go on, pop_journal.c writes it and carries it
 * out.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "popper.h"

#define HEAD_MAGIC	"popper journal 1\n"
#define MARK_MAGIC	"popper mark 1\n"

enum {
	HEAD_ROOM = 3 * SECTOR		/* head and two marks */
};

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

/* Reads and verifies the journal at base.  0; -1: none that counts, with
 * errno ENOENT, or EILSEQ where one that was in force is damaged. */
int jrn_load(int state, uint64_t base, struct journal *j);

/*
 * Moves the mail from src..size up to dst, by a journal that takes over from
 * the one that is in force, and makes the sector void_at void in the end.
 */
int jrn_close_gap(struct maildrop *box, struct spool *sp, const struct journal
    *j, uint64_t dst, uint64_t src, uint64_t size, uint64_t void_at);

/* Carries out what is left to do, from the mark on. */
int jrn_run(struct maildrop *box, struct spool *sp, struct journal *j);

#endif
