/*
 * The journal, for the files of spool/ that know it: record.c reads and writes
 * it, journal.c carries it out, recover.c decides whether to go on.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "spool/spool.h"

#define RECORD_MAGIC	"popper journal 2\n"

enum {
	ENDS_MOST = 3,		/* line ends that a message can lack */
	GROWTH_MOST = 16	/* bytes: no message grows by more */
};

/* ---- plan.c -------------------------------------------------------------- */

/* What an update is at. */
enum pass {
	PASS_GROW,		/* the spool gets its larger size */
	PASS_LEFT,		/* from the front: what ends no later */
	PASS_RIGHT,		/* from the back: what ends later */
	PASS_NONE		/* of a message that stands where it shall */
};

/* The text from..to of the new spool, which is moved at once. */
struct window {
	size_t first, last;	/* entries; around them there are line ends */
	uint64_t from, to;
	uint64_t next;		/* the progress after it */
	bool text;		/* it goes by way of the journal */
};

/* n bytes of new text: at p, or, if that is NULL, at src in the source. */
struct piece {
	const char *p;
	uint64_t src, n;
};

/*
 * Adds up entries that were read from a file, whose sources end by limit.  True
 * if they are what plan_add() could have made.
 */
bool plan_sound(struct plan *pl, uint64_t limit);

/* The first entry that ends after pos in the new spool, or n. */
size_t plan_at(const struct plan *pl, uint64_t pos);

/* The pass that moves an entry. */
enum pass plan_pass(const struct plan *pl, size_t k);

/*
 * Sets pl->room to the bytes of text that the journal has room for.  0 and the
 * bytes of the largest window that needs it; or -1 with ENOSPC.
 */
int plan_fit(struct plan *pl, uint64_t room, uint64_t *most);

/* The progress at which a pass begins. */
uint64_t plan_start(enum pass pass);

/*
 * The next window of a pass after that progress.  1, 0 if there is none, or -1
 * with ENOSPC.
 */
int plan_window(const struct plan *pl, enum pass pass, uint64_t off,
    struct window *w);

/* What a window has at pos, as far as that is one piece. */
struct piece plan_piece(const struct plan *pl, const struct window *w,
    uint64_t pos);

/* ---- record.c ------------------------------------------------------------ */

/*
 * All that is known of an update but its entries and texts.  It is written to
 * the first two sectors in turn.  The one in the second sector counts if its
 * number is that of the first one's successor.
 */
struct record {
	char magic[32];
	uint64_t seq;
	uint64_t since;		/* the first seq: entries that do not add up
				   were not synced, and it never began */
	uint64_t ino;		/* of the spool; st_dev may change at a boot */
	uint64_t old_size, new_size, first;
	uint64_t from_state;	/* the entries' source is the state file */
	uint64_t pass, off;	/* the progress: see plan_window() */
	uint64_t entries_at, entries, entries_sum;
	uint64_t entry_size;
	uint64_t texts;		/* so many are done with; the next is in area
				   texts % 2 */
	uint64_t text_at[2], room;
	struct text {
		uint64_t from, len, sum;	/* len 0: there is none */
	} text[2];
	uint64_t witness;	/* sum of the old text that will be cut off */
	uint64_t sum;		/* of all the above; last */
};

struct journal {
	int state;
	struct record r;
	struct plan pl;
	struct heads heads;	/* of indexes */
	uint64_t end;		/* of what it takes of the state file */
	bool stale;		/* the record on disk is behind r */
	bool filled;		/* the spool has begun to grow */
	bool moved;		/* text of it has been changed */
	char *block, *out;	/* memory: of a source, and of new text */
	uint64_t block_at;	/* what of the source is there */
	size_t block_n;
};

/* A journal of a plan, which it takes over, for the spool. */
void jrn_begin(struct journal *j, int state, struct plan *pl,
    const struct spool *sp);

/* Frees it, and the plan. */
void jrn_end(struct journal *j);

/* Reads the heads that stand with the records, if there is a journal. */
int jrn_take_heads(struct journal *j);

/* Writes the entries at r.entries_at. */
int jrn_put_entries(struct journal *j);

/* Writes the record and makes it durable, with all that was written before. */
int jrn_put_record(struct journal *j);

/*
 * Where the state file has nothing more that mail depends on; rooms: nor the
 * entries or room for a text.
 */
uint64_t jrn_used(const struct journal *j, bool rooms);

/* Sums up the ends of the text that the update will cut off. */
int jrn_witness(int fd, const struct record *r, uint64_t *sum);

/* Sets the spool's size durably. */
int jrn_set_size(struct spool *sp, uint64_t size);

/*
 * Cuts off the line ends by which the spool has grown, if nothing else stands
 * there: 1; otherwise 0, and *end is where it does; or -1 with errno.
 */
int jrn_cut_growth(struct spool *sp, const struct record *r, uint64_t *end);

/*
 * Whether the text of an area is there as it was synced; and whether it is that
 * of the window.  1, 0, or -1 with errno.
 */
int jrn_text_there(const struct journal *j, uint64_t area);
int jrn_text_ready(const struct journal *j, const struct window *w);

/*
 * Makes the state file hold no journal or mail any more, durably; if that
 * fails, it stays as it was.  done: the index of what the UPDATE made is then in
 * force, if there is one; otherwise that of what was there before.
 */
int jrn_void(int state, bool done);

/*
 * Reads the journal of a state file, and verifies it.  0; -1: none that counts,
 * with errno ENOENT, or EILSEQ if one that was in force is damaged.
 */
int jrn_load(struct journal *j, int state);

/* ---- journal.c ----------------------------------------------------------- */

/* Carries out what is left to do, from the record on.  0, or -1 with errno. */
int jrn_run(struct maildrop *box, struct spool *sp, struct journal *j);

/*
 * Whether the spool ends in line ends and parts of the mail that is being put
 * back.  1, 0, or -1 with errno.
 */
int jrn_part_stands(const struct spool *sp, struct journal *j);

/* ---- recover.c ----------------------------------------------------------- */

/* recover_maildrop() under the locks. */
int recover_spool(struct maildrop *box, struct spool *sp);

/* ---- putback.c ----------------------------------------------------------- */

/*
 * Appends to the spool those messages of the state file that it lacks, by a
 * record of its own, which takes the place of what is in force.  kept: the bytes
 * of the state file that must stay meanwhile.  0, or -1 with errno.
 */
int put_back(struct maildrop *box, struct spool *sp, struct msgs *left,
    uint64_t kept);

/* The same with the mail of an older popper, which is the state file's text. */
int put_mail_back(struct maildrop *box, struct spool *sp);

/* Whether popper 2.0 has left a journal after such mail: 1, 0, or -1. */
int mail_has_journal(int state);

#endif
