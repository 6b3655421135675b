/*
 * A model of UPDATE and recovery, for Spin: "check" beside it runs it.
 *
 * The spool is a few cells of text; its messages are A, which is deleted, B of
 * two cells, and C.  There are four plans: see choose_plan().  A session can die
 * before any step: killed, when all that was written stays, or by a power cut,
 * when of everything that was not synced any part may have reached the disk.
 * Then mail may arrive; and if the power was not cut, another program may
 * rewrite the spool without a message of its choice.  The next session recovers, and may die as well.  In
 * the end one recovers in peace.
 *
 * What must hold: at each moment before a power cut, B and C stand as messages
 * of their own in the spool or in the journal; in the end they and the mail are
 * in the spool, the new one or the old one, but for what the other program has
 * removed.
 *
 * Not here: the choice of windows, which tests/unit/engine.c has; locks; syncs
 * that fail; and duplicates.  A sector is written whole.  Without line ends in
 * a hole a message would be missed only when a third text takes the place of
 * its own; no plan here has three.
 *
 * Each step has the name of the function that it stands for.  Defining one of
 * the names that "check" lists takes a precaution away: then it must fail.
 */

#ifndef CRASHES
#define CRASHES	2
#endif

#define CELLS	10
#define HOLE	0		/* line ends */
#define A	1
#define B1	2		/* B's halves */
#define B2	3
#define C	4
#define S	5		/* a Status line by which a message grows */
#define MAIL	6
#define TORN	7

#define BEGINS(c)	((c) == A || (c) == B1 || (c) == C || (c) == MAIL)
#define NONE	99
#define CUT	9		/* the first pass is done, and the end cut off */

/* The spool: as programs see it, and as it is on the disk. */
byte now[CELLS], disk[CELLS];
byte size, disk_size;

/* The plan: old and new text, where the cells of the new one come from. */
byte old[CELLS], goal[CELLS], from[CELLS];
byte old_size, new_size;	/* mail that is absorbed makes both larger */

typedef window { byte first, end, hole; bool text, right };
window win[3];
byte windows;
byte src[2], dst[2], mover[2];	/* of B and C; the window that moves it */
bool grows[2];

/* The state file: two sectors, two texts, two sets of entries. */
mtype = { VOID, GROW, MOVE, BACKGROW, BACK };
typedef record {
	mtype at;
	byte seq, since;
	byte next;		/* the window that is due, or CUT */
	byte texts, text0, text1; /* the windows of the texts, plus one */
	bool absorbed;
	byte start, mask	/* of mail that is put back: where, and what */
};
record r, sector[2], sector_disk[2];
byte area[2], area_disk[2];	/* the window of the text there, plus one */
bool entries, entries_disk;
byte back, back_disk;		/* entries of mail that is put back */

byte crashes = CRASHES;
bool lost_power;		/* since the last recovery */
bool delivered, rewritten, answered, stale;
bool other_size;		/* a message was left out: in cells, mail may
				   make up for it, in bytes that is taken for
				   impossible */
byte gone;			/* what the other program removed: 1 B, 2 C, 4 */

/* Whether a message may end before a cell. */
#define ENDS(i)	((i) >= size || now[i] == HOLE || BEGINS(now[i]) || \
		    (now[i] == S && ((i) + 1 >= size || now[(i) + 1] == S || \
		    now[(i) + 1] == HOLE || BEGINS(now[(i) + 1]))))

/* found: what stands in the spool as a message of its own. */
inline look()
{
	found = 0;
	i = 0;
	do
	:: i < size ->
		if
		:: now[i] == B1 && i + 1 < size && now[i + 1] == B2 &&
		    ENDS(i + 2) -> found = found | 1
		:: now[i] == C && ENDS(i + 1) -> found = found | 2
		:: now[i] == MAIL -> found = found | 4
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* kept: what stands in the valid texts of the record q. */
#define HAS(w)	((mover[0] == (w) - 1 -> 1 : 0) | (mover[1] == (w) - 1 -> 2 : 0))
#define TEXTS(q) ((q.text0 != 0 && area[0] == q.text0 -> HAS(q.text0) : 0) | \
		  (q.text1 != 0 && area[1] == q.text1 -> HAS(q.text1) : 0))

inline copy_record(to, q)
{
	to.at = q.at; to.seq = q.seq; to.since = q.since; to.next = q.next;
	to.texts = q.texts; to.text0 = q.text0; to.text1 = q.text1;
	to.absorbed = q.absorbed; to.start = q.start; to.mask = q.mask
}

#define SECOND	(sector[1].at != VOID && sector[1].seq == sector[0].seq + 1)

/* For every program, at every moment. */
inline check_kept()
{
	d_step {
		look();
		if
		:: sector[0].at == VOID
		:: sector[0].at != VOID && SECOND ->
			found = found | TEXTS(sector[1])
		:: else -> found = found | TEXTS(sector[0])
		fi;
		assert(lost_power || ((found | gone) & 3) == 3);
		found = 0
	}
}

/* Before a step a session may die. */
#define STEP	check_kept(); if :: crashes > 0 -> goto dead :: true fi

inline sync_spool()		/* file_sync(), fsync(2) */
{
	d_step {
		disk_size = size;
		i = 0;
		do
		:: i < CELLS -> disk[i] = now[i]; i++
		:: else -> break
		od;
		i = 0
	}
}

inline sync_state()
{
	d_step {
		copy_record(sector_disk[0], sector[0]);
		copy_record(sector_disk[1], sector[1]);
		area_disk[0] = area[0];
		area_disk[1] = area[1];
		entries_disk = entries;
		back_disk = back
	}
}

/* What is not synced: the old, the new, or something between. */
inline power_cut()
{
	w = size;
	if
	:: size = disk_size
	:: size != disk_size -> disk_size = size
	fi;
	i = 0;
	do
	:: i < CELLS ->
		if
		:: i >= size -> now[i] = HOLE
		:: i < size && i >= w -> now[i] = disk[i] /* was not cut */
		:: i < size && i < w && now[i] == disk[i]
		:: i < size && i < w && now[i] != disk[i] ->
			if
			:: now[i] = disk[i]
			:: now[i] = TORN
			:: true
			fi
		fi;
		disk[i] = now[i];
		i++
	:: else -> break
	od;
	i = 0;
	do
	:: i < 2 ->
		if
		:: copy_record(sector[i], sector_disk[i])
		:: sector[i].seq != sector_disk[i].seq ||
		    sector[i].at != sector_disk[i].at
		fi;
		if
		:: area[i] = area_disk[i]
		:: area[i] != area_disk[i]
		:: area[i] != area_disk[i] -> area[i] = 0
		fi;
		i++
	:: else -> break
	od;
	if
	:: entries = entries_disk
	:: entries != entries_disk
	fi;
	if
	:: back = back_disk
	:: back != back_disk
	fi;
	i = 0;
	w = 0;
	sync_state()
}

/* With text that moves directly (D), by way of the journal (T), holes (-). */
inline choose_plan()
{
	byte n;

	mover[0] = 0; mover[1] = 1;
	if
	:: n = 0	/* A B B C	T T		B B
					    D		B B C */
	:: n = 1	/* A A B B C	D D		B B
					    D		B B C */
	:: n = 2	/* A B B C	T T -		B B - C
					    T T T	B B C S S */
	:: n = 3	/* B B C	    T T T	B B - C S
				T T T			B B S C S */
	fi;
	d_step {
	old[0] = A;
	if
	:: n == 1 -> old[1] = A; old[2] = B1; old[3] = B2; old[4] = C;
		old_size = 5; src[0] = 2; src[1] = 4
	:: n == 3 -> old[0] = B1; old[1] = B2; old[2] = C;
		old_size = 3; src[0] = 0; src[1] = 2
	:: else -> old[1] = B1; old[2] = B2; old[3] = C;
		old_size = 4; src[0] = 1; src[1] = 3
	fi;
	goal[0] = B1; goal[1] = B2; goal[2] = C;
	from[0] = src[0]; from[1] = src[0] + 1; from[2] = src[1];
	dst[0] = 0; dst[1] = 2; new_size = 3; windows = 2;
	win[0].end = 2; win[1].first = 2; win[1].end = 3;
	win[0].hole = NONE; win[1].hole = NONE;
	if
	:: n == 0 -> win[0].text = true
	:: n == 2 ->
		goal[3] = S; goal[4] = S; from[3] = NONE; from[4] = NONE;
		new_size = 5; grows[1] = true;
		win[0].text = true; win[0].end = 3; win[0].hole = 2;
		win[1].text = true; win[1].right = true; win[1].end = 5
	:: n == 3 ->
		goal[2] = S; from[2] = NONE; goal[3] = C; from[3] = src[1];
		goal[4] = S; from[4] = NONE; dst[1] = 3;
		new_size = 5; grows[0] = true; grows[1] = true;
		mover[0] = 1; mover[1] = 0;
		win[0].first = 2; win[0].end = 5; win[0].hole = 2;
		win[0].text = true; win[0].right = true;
		win[1].first = 0; win[1].end = 3;
		win[1].text = true; win[1].right = true
	:: else
	fi;
	i = 0;
	do
	:: i < old_size -> now[i] = old[i]; disk[i] = old[i]; i++
	:: else -> break
	od;
	size = old_size;
	disk_size = size;
	sector[0].at = VOID; sector[1].at = VOID;
	sector_disk[0].at = VOID; sector_disk[1].at = VOID;
	i = 0;
	n = 0
	}
}

/* Mail after the old text is one entry more, and a direct window. */
inline absorb()
{
	old[old_size] = MAIL;
	goal[new_size] = MAIL;
	from[new_size] = old_size;
	win[2].first = new_size;
	win[2].end = new_size + 1;
	win[2].hole = NONE;
	windows = 3;
	old_size++;
	new_size++
}

/* Whether the spool is a text, line ends and the mail. */
inline check_text(cell, n, good)
{
	good = 1;
	i = 0;
	do
	:: i < n -> good = good && i < size && now[i] == cell; i++
	:: i >= n && i < size && now[i] == HOLE -> i++
	:: else -> break
	od;
	good = good && size == i + delivered && (!delivered || now[i] == MAIL);
	i = 0
}

#define TEXT_NOW	(r.texts % 2 == 0 -> r.text0 : r.text1)
#define READY		(win[r.next].text && TEXT_NOW == r.next + 1 && \
			    area[AREA] == r.next + 1)
#ifdef NO_TURNS
#define AREA	0
#else
#define AREA	(r.texts % 2)
#endif

proctype Main()
{
	byte i, found, w, p;
	bool stands;

	choose_plan();
	/* ---- UPDATE ---- */
	r.at = (new_size > old_size -> GROW : MOVE);
	r.seq = 2;
	r.since = 2;
	entries = true;				/* jrn_put_entries() */
	STEP;
	copy_record(sector[0], r);		/* jrn_put_record() */
	STEP;
#ifndef NO_JOURNAL_SYNC
	sync_state();
	STEP;
#endif
	if
	:: r.at == GROW -> goto grow
	:: else -> goto windows_due
	fi;

grow:						/* grow() */
	do
	:: size < new_size ->
#ifdef NO_LINE_ENDS
		now[size] = TORN;		/* any other text */
#endif
		size++;
		STEP
	:: else -> break
	od;
	r.at = MOVE;
	stale = true;
#ifndef NO_GROW_SYNC
	sync_spool();
	STEP;
#endif

windows_due:					/* jrn_run() */
	do
	:: r.next < windows ->
		w = r.next;
		if				/* prepare_text() */
		:: win[w].text && !READY ->
			p = win[w].first;
			do			/* of whole sources */
			:: p < win[w].end ->
				assert(p == win[w].hole || from[p] == NONE ||
				    now[from[p]] == goal[p]);
				p++
			:: else -> break
			od;
			area[AREA] = 0;
			STEP;
			area[AREA] = w + 1;
			STEP;
			if
			:: r.texts % 2 == 0 -> r.text0 = w + 1
			:: else -> r.text1 = w + 1
			fi;
			r.seq++;
			copy_record(sector[r.seq % 2], r);
			stale = false;
			STEP;
#ifndef NO_JOURNAL_SYNC
			sync_state();
			STEP
#endif
		:: !win[w].text && stale ->	/* move_window() */
#ifndef NO_PROGRESS
			r.seq++;
			copy_record(sector[r.seq % 2], r);
			STEP;
			sync_state();
			STEP;
#endif
			stale = false
		:: else
		fi;
		p = win[w].first;
		do				/* put_window() */
		:: p < win[w].end ->
			if
			:: p == win[w].hole -> now[p] = HOLE
			:: p != win[w].hole && (win[w].text ||
			    from[p] == NONE) -> now[p] = goal[p]
			:: else -> now[p] = now[from[p]]
			fi;
			p++;
			STEP
		:: else -> break
		od;
		p = 0;
#ifndef NO_WINDOW_SYNC
		sync_spool();
		STEP;
#endif
		r.texts = r.texts + win[w].text;
		r.next++;
		stale = true
	:: else -> break
	od;
	w = 0;
	if					/* end_left_pass() */
	:: r.next == CUT || new_size > old_size
	:: r.next != CUT && new_size < old_size && size == old_size ->
		d_step {
			size = new_size;
			i = size;
			do
			:: i < CELLS -> now[i] = HOLE; i++
			:: else -> break
			od;
			i = 0
		};
		STEP;
#ifndef NO_SIZE_SYNC
		sync_spool();
		STEP
#endif
#ifndef NO_ABSORB
	:: r.next != CUT && new_size < old_size && size > old_size ->
		d_step {
			absorb();
			r.absorbed = true;
			r.seq++;
			copy_record(sector[r.seq % 2], r);
			stale = false
		};
		STEP;
		sync_state();
		STEP;
		goto windows_due
#else
	:: r.next != CUT && new_size < old_size && size > old_size ->
		d_step {
			size = new_size;
			i = size;
			do
			:: i < CELLS -> now[i] = HOLE; i++
			:: else -> break
			od;
			i = 0
		};
		sync_spool();
		STEP
#endif
	fi;

finished:
#ifndef NO_FINISHED_SYNC
	if					/* recover_spool() */
	:: crashes < CRASHES -> sync_spool(); STEP
	:: else
	fi;
#endif
	skip;
	sector[0].at = VOID;			/* jrn_void() */
	STEP;
	sync_state();
	lost_power = false;
	answered = (crashes == CRASHES);	/* no crash so far */
	STEP;
	goto out;

	/* ---- recovery ---- */
dead:
	atomic {
		crashes--;
		i = 0; found = 0; w = 0; p = 0;
		stale = true;
		if
		:: true				/* killed */
		:: true -> power_cut(); lost_power = true
		fi
	};
	if					/* mail comes */
	:: !delivered && size < CELLS - 4 ->
		atomic {
			now[size] = MAIL; disk[size] = MAIL;
			size++;
			disk_size = size;
			delivered = true
		}
	:: true
	fi;
	if
	:: !rewritten && !lost_power -> goto rewriter
	:: true -> goto login
	fi;

rewriter:	/* another program: it leaves out p, or nothing */
	do
	:: p < CELLS -> p++
	:: break
	od;
	skip;
	d_step {
		rewritten = true;
		if
		:: p < size && BEGINS(now[p]) ->
			other_size = true;
			gone = gone | (now[p] == B1 -> 1 : 0) |
			    (now[p] == C -> 2 : 0) | (now[p] == MAIL -> 4 : 0)
		:: else -> p = NONE
		fi;
		i = 0;
		w = 0;
		do
		:: i < size ->
			if
			:: i == p
			:: i != p && p < i && p != NONE && !BEGINS(now[i])
			:: else ->
				if
				:: p < i && BEGINS(now[i]) -> p = NONE
				:: else
				fi;
				now[w] = now[i];
				w++
			fi;
			i++
		:: else -> break
		od;
		size = w;
		do
		:: w < CELLS -> now[w] = HOLE; w++
		:: else -> break
		od;
		i = 0;
		do
		:: i < CELLS -> disk[i] = now[i]; i++
		:: else -> break
		od;
		disk_size = size;
		i = 0; w = 0; p = 0
	};

login:
	if					/* jrn_load() */
	:: sector[0].at == VOID -> goto out
	:: sector[0].at != VOID && SECOND -> copy_record(r, sector[1])
	:: else -> copy_record(r, sector[0])
	fi;
	if
	:: windows == 3 && !r.absorbed ->	/* its record is lost */
		d_step { windows = 2; old_size--; new_size-- }
	:: else
	fi;
	if
	:: r.at != BACK && r.at != BACKGROW && !entries ->	/* A */
		assert(r.seq == r.since);
		goto finished
	:: else
	fi;
	assert(!(r.at == BACK || r.at == BACKGROW) || back == r.mask);
#ifndef NO_WRITE_AGAIN
	sync_state();				/* write_again() */
	STEP;
#endif
	if
	:: r.at == GROW ->			/* C: has_grown() */
		d_step {
			i = old_size;
			do
			:: i < size && i < new_size && now[i] == HOLE -> i++
			:: else -> break
			od;
			stands = (i >= size);	/* they are cut off */
			p = i;
			i = 0
		};
		if
		:: size < old_size -> goto finished
		:: size >= old_size && stands ->
			size = old_size;
			STEP;
			sync_spool();
			STEP;
			goto finished
		:: size >= old_size && !stands && p == new_size &&
		    BEGINS(now[p]) -> p = 0; goto grow
		:: else -> p = 0; goto finished
		fi
	:: r.at == BACKGROW || r.at == BACK -> goto row_h
	:: else
	fi;
	d_step {
		p = 0;
		if				/* witness_stands() */
		:: new_size < old_size ->
			i = new_size;
			do
			:: i < old_size && i < size && now[i] == old[i] -> i++
			:: else -> break
			od;
			if
			:: i < old_size ||
			    (size > old_size && !BEGINS(now[old_size])) ->
				r.next = CUT;	/* E */
				stands = (size == new_size || (size > new_size
				    && BEGINS(now[new_size])))
			:: else -> stands = true
			fi
		:: else ->			/* ends_at() */
			stands = (size == new_size || (size > new_size &&
			    BEGINS(now[new_size])))
		fi;
		i = 0;
		do				/* messages_stand() */
		:: i < 2 ->
			if
			:: r.next < windows && READY && mover[i] == r.next
			:: else ->
				p = (mover[i] < r.next -> dst[i] : src[i]);
				stands = stands && p < size &&
				    now[p] == (i == 0 -> B1 : C) &&
				    (mover[i] < r.next || !grows[i] ||
				    now[p + 2 - i] != S)
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		p = 0
	};
#ifndef NO_VERDICT
	if
	:: !stands || (other_size && delivered) -> goto put_back		/* G */
	:: else
	fi;
#endif
	goto windows_due;			/* D, E, F */

row_h:
	skip;
	d_step {
		look();
		p = r.start;
		stands = true;
		do				/* jrn_part_stands() */
		:: p < CELLS ->
			stands = stands && (p >= size || p >= r.start +
			    ((r.mask & 1) == 1 -> 2 : 0) + (r.mask >> 1) ||
			    now[p] == HOLE || now[p] == TORN ||
			    now[p] == ((r.mask & 1) == 1 ->
			    (p == r.start -> B1 : (p == r.start + 1 -> B2 :
			    C)) : C));
			p++
		:: else -> break
		od;
		p = 0;
		found = 0;
		stands = stands && size >= r.start && (r.at == BACKGROW ->
		    size == r.start : size >= r.start +
		    ((r.mask & 1) == 1 -> 2 : 0) + (r.mask >> 1))
	};
	if
	:: stands && r.at == BACK -> goto append
	:: stands && r.at == BACKGROW -> goto append_grow
	:: else
	fi;

put_back:					/* put_texts_back() */
#ifdef NO_PUT_BACK
	goto finished;
#endif
	skip;
	d_step {
		look();
		r.mask = TEXTS(r) & (3 - (found & 3));
		found = 0
	};
	if
	:: r.mask == 0 -> goto finished
	:: else
	fi;
	back = r.mask;				/* carry_back() */
	STEP;
#ifndef NO_ENTRIES_SYNC
	sync_state();
	STEP;
#endif
	r.at = BACKGROW;
	r.start = size;
	r.seq = r.seq + 4 + r.seq % 2;		/* even */
	copy_record(sector[0], r);
	STEP;
	sync_state();
	STEP;

append_grow:
	size = r.start + ((r.mask & 1) == 1 -> 2 : 0) + (r.mask >> 1);
	STEP;
	sync_spool();
	STEP;
	r.at = BACK;
	r.seq++;
	copy_record(sector[r.seq % 2], r);
	STEP;
	sync_state();
	STEP;

append:
	p = r.start;
	if
	:: (r.mask & 1) == 1 ->
		now[p] = B1;
		STEP;
		now[p + 1] = B2;
		p = p + 2;
		STEP
	:: else
	fi;
	if
	:: (r.mask & 2) == 2 -> now[p] = C; STEP
	:: else
	fi;
	p = 0;
	sync_spool();
	STEP;
	goto finished;

	/* ---- in the end ---- */
out:
	if
	:: sector[0].at != VOID -> crashes = 0; goto login
	:: else
	fi;
	crashes = 0;
	d_step {
		look();
		assert((found | gone | (delivered -> 0 : 4)) == 7);
		found = 0;
		if				/* no other program's work */
		:: !rewritten ->
			check_text(goal[i], new_size - (windows - 2), w);
			check_text(old[i], old_size - (windows - 2), p);
			assert(w || p);
			assert(w || !answered)
		:: else
		fi
	}
}

init { run Main() }
