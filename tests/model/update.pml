/*
 * A model of UPDATE and recovery, for Spin: "check" beside it runs it.
 *
 * A spool of three messages: A, which is deleted, B, of two cells, and C.
 * B moves by less than its length, so its step goes by way of the journal;
 * C, and mail that arrives, move directly.  Three sessions and two delivery
 * agents run at once, and a session can die before any step: killed, when
 * all that was written stays, or by a power cut, when of everything that was
 * not synced any part may have reached the disk, torn cells included.  Once the
 * disk may be full where a journal wants room.  In the end one more session
 * logs in and all is counted.
 *
 * Not here: Status lines, which make a spool grow, and programs that rewrite
 * the spool between a crash and the recovery.  Where step_done() leaves out a
 * mark because that of the next text says the same, or because the last step's
 * own text does, the model has it.  An update that only cuts the spool has no
 * journal and is one call; it is not here.
 *
 * Each step has the name of the function it stands for.  Defining one of
 * NO_JOURNAL_SYNC, NO_STEP_SYNC, NO_MARK_SYNC, NO_SIZE_SYNC, NO_WITNESS,
 * NO_GAP, NO_REDO_SYNC, NO_FINISHED_SYNC, NO_DOTLOCK, BLOCKING takes that
 * precaution away: then it must fail.
 */

#ifndef CRASHES
#define CRASHES	2
#endif
#ifndef FULL
#define FULL	true
#endif

#define CELLS	6
#define HOLE	0
#define A	1
#define B1	2		/* B's halves */
#define B2	3
#define C	4
#define NEW	5		/* 5 and 6: what the agents deliver */
#define TORN	7

#define FREE	0
#define POPPER	1
#define AGENT	2

/* The spool: as programs see it, and as it is on the disk. */
byte now[CELLS], disk[CELLS];
byte size, disk_size;

/*
 * The journal in force, and its mark: a text step if text is set, then direct
 * steps to the cells from first on, count of them, each from one cell further.
 */
typedef journal {
	bool there, text;
	byte first, count, witness, done
}
journal j, j_disk;
#define OLD_SIZE	(j.first + j.count + 1)
#define NEW_SIZE	(j.first + j.count)
#define STEPS		(j.text + j.count)

#ifdef NO_WITNESS		/* jrn_witness() */
#define UNCUT	(size >= OLD_SIZE)
#else
#define UNCUT	(size >= OLD_SIZE && now[NEW_SIZE] == j.witness)
#endif

bool session;			/* lock_session() */
byte dotlock, kernel;		/* name.lock; the lock of fcntl(2) */
byte crashes = CRASHES, delivered;
bool no_room = FULL;		/* a journal may find no room, once */
bool answered;			/* QUIT was answered with +OK */

/* Before a step a session may die. */
#define STEP	if :: crashes > 0 -> goto dead :: true fi

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

inline copy_journal(to, from)
{
	to.there = from.there;
	to.text = from.text;
	to.first = from.first;
	to.count = from.count;
	to.witness = from.witness;
	to.done = from.done
}

inline sync_work()
{
	d_step { copy_journal(j_disk, j) }
}

/* What is not synced: the old, the new, or something between. */
inline power_cut()
{
	if
	:: size != disk_size ->		/* was it cut? */
		if
		:: size = disk_size
		:: disk_size = size
		fi
	:: else
	fi;
	i = 0;
	do
	:: i < CELLS ->
		if
		:: i >= size -> now[i] = HOLE
		:: i < size && now[i] == HOLE -> now[i] = disk[i]
		:: i < size && now[i] != HOLE && now[i] != disk[i] ->
			if
			:: now[i] = disk[i]
			:: now[i] = TORN
			:: true
			fi
		:: else
		fi;
		disk[i] = now[i];
		i++
	:: else -> break
	od;
	if
	:: copy_journal(j, j_disk)
	:: copy_journal(j_disk, j)
	fi;
	i = 0
}

/* A whole spool: kept mail in its order, then what came, each once. */
inline check_spool()
{
	d_step {
		i = (now[0] == A -> 1 : 0);
		assert(now[i] == B1 && now[i + 1] == B2 && now[i + 2] == C);
		assert(size == i + 3 + delivered);
		i = i + 3;
		do
		:: i < size ->
			assert(now[i] == NEW || now[i] == NEW + 1);
			assert(i + 1 >= size || now[i] != now[i + 1]);
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* At every crash: kept mail stands whole in the spool or in the journal. */
inline check_kept()
{
	d_step {
		b = j.there && j.text;
		c = false;
		i = 0;
		do
		:: i < CELLS ->
			c = c || now[i] == C;
			b = b || (i > 0 && now[i] == B2 && now[i - 1] == B1);
			i++
		:: else -> break
		od;
		assert(b && c);
		i = 0
	}
}

/* lock_once(): both without waiting, or none; a dead popper's goes. */
inline lock_spool()
{
#if defined(BLOCKING)
	atomic { kernel == FREE -> kernel = POPPER };
	atomic { dotlock != AGENT -> dotlock = POPPER }
#elif defined(NO_DOTLOCK)
	atomic { kernel == FREE -> kernel = POPPER }
#else
	do
	:: atomic { dotlock != AGENT && (kernel == FREE || dotlock == POPPER) ->
	    dotlock = POPPER };
		if
		:: atomic { kernel == FREE -> kernel = POPPER; break }
		:: atomic { kernel != FREE -> dotlock = FREE }
		fi
	od
#endif
}

inline unlock_spool()
{
	kernel = FREE;
#ifndef NO_DOTLOCK
	STEP;
	dotlock = FREE
#endif
}

proctype Session(bool update)
{
	byte i, to;
	bool quitting = false, refused = false, b, c;

	if					/* drop_open() */
	:: atomic { !session -> session = true }
	:: session -> goto out			/* [IN-USE] */
	fi;
	STEP;
	if					/* updt_recover() */
	:: !j.there -> goto ready
	:: else
	fi;
	lock_spool();
	STEP;
#ifndef NO_REDO_SYNC
	/* what a killed session has written may still not be on the disk */
	sync_work();				/* journal_redo() */
	STEP;
#endif
	if					/* judge_shrinking() */
	:: UNCUT -> goto steps
	:: else ->
		assert(j.done == STEPS)		/* finished, or foreign */
	fi;
#ifndef NO_FINISHED_SYNC
	sync_spool();				/* recover_locked() */
	STEP;
#endif
	goto done;

ready:
	if
	:: update
	:: !update -> session = false; goto out
	fi;
	lock_spool();				/* updt_maildrop() */
	STEP;
	check_spool();
	quitting = true;
	if
	:: now[0] != A -> goto unlock		/* gone already */
	:: else
	fi;
	if					/* plan_for_room() */
	:: no_room -> atomic { no_room = false; refused = true; goto unlock }
	:: true
	fi;
	atomic {				/* begin(), all but its sync */
		j.there = true;
		j.text = true;
		j.first = 2;
		j.count = size - 3;
		j.witness = now[size - 1];
		j.done = 0
	};
	STEP;
#ifndef NO_JOURNAL_SYNC
	sync_work();				/* begin() */
	STEP;
#endif

steps:						/* jrn_run() */
	do
	:: j.done < STEPS ->
		if				/* one_step() */
		:: j.text && j.done == 0 ->
			now[0] = TORN;
			STEP;
			now[0] = B1;
			now[1] = TORN;
			STEP;
			now[1] = B2
		:: else ->
			to = j.first + j.done - j.text;
			i = now[to + 1];
			now[to] = TORN;
			STEP;
			now[to] = i;
			i = 0
		fi;
		STEP;
#ifndef NO_STEP_SYNC
		sync_spool();			/* one_step() */
		STEP;
#endif
		j.done++;			/* step_done() */
		STEP;
#ifndef NO_MARK_SYNC
		sync_work();			/* step_done() */
		STEP
#endif
	:: else -> break
	od;
#ifndef NO_GAP
	if
	:: size > OLD_SIZE ->			/* jrn_close_gap() */
		if				/* plan_for_room() */
		:: no_room -> atomic { no_room = false; refused = true; goto unlock }
		:: true
		fi;
		atomic {
			i = NEW_SIZE;
			j.count = size - OLD_SIZE;
			j.first = i;
			j.text = false;
			j.witness = now[size - 1];
			j.done = 0;
			i = 0
		};
		STEP;
		sync_work();			/* begin() */
		STEP;
		goto steps
	:: else
	fi;
#endif
	skip;
	d_step {				/* jrn_run(): ftruncate */
		size = NEW_SIZE;
		i = size;
		do
		:: i < CELLS -> now[i] = HOLE; i++
		:: else -> break
		od;
		i = 0
	};
	STEP;
#ifndef NO_SIZE_SYNC
	sync_spool();				/* jrn_run(): fsync */
	STEP;
#endif

done:
	skip;
	d_step {				/* jrn_void() */
		j.there = false;
		j.text = false;
		j.first = 0;
		j.count = 0;
		j.witness = 0;
		j.done = 0
	};
	STEP;
	sync_work();				/* jrn_void() */
	STEP;
	check_spool();

unlock:
	unlock_spool();
	STEP;
	if
	:: refused -> session = false; goto out	/* -ERR, to QUIT or PASS */
	:: !refused && !quitting -> goto ready
	:: else
	fi;
	atomic { answered = true; session = false };	/* pop_update() */
	goto out;

dead:
	atomic {
		crashes--;
		if
		:: true				/* killed */
		:: true -> power_cut()
		fi;
		check_kept();
		kernel = (kernel == POPPER -> FREE : kernel);
		session = false			/* dies with its process */
	};
out:
	skip
}

/* A dotlock is waited for; one whose popper is dead is broken in time. */
#define DOTLOCK	atomic { dotlock == FREE || (dotlock == POPPER && !session) -> \
		    dotlock = AGENT }
#define KERNEL	atomic { kernel == FREE -> kernel = AGENT }

/* habit 0: name.lock, then fcntl; 1: fcntl only; 2: fcntl, then name.lock */
proctype Deliver(byte id, habit)
{
	if
	:: habit == 0 -> DOTLOCK; KERNEL
	:: habit == 1 -> KERNEL
	:: habit == 2 -> KERNEL; DOTLOCK
	:: habit == 3 -> DOTLOCK
	fi;
	byte end = size;		/* where it will write */
	d_step {
		now[end] = id;
		disk[end] = id;
		size = end + 1;
		disk_size = size;
		delivered++
	};
	atomic {
		if
		:: habit != 3 -> kernel = FREE
		:: else
		fi;
		if
		:: habit == 1
		:: else -> dotlock = FREE
		fi
	}
}

init
{
	byte i;

	atomic {
		now[0] = A; now[1] = B1; now[2] = B2; now[3] = C;
		disk[0] = A; disk[1] = B1; disk[2] = B2; disk[3] = C;
		size = 4;
		disk_size = 4;
		run Session(true);
		run Session(true);
		run Session(false);
		/* agents that lock in opposite orders block each other, and
		   ones that have no lock in common tear each other's mail */
		if
		:: run Deliver(NEW, 0); run Deliver(NEW + 1, 0)
		:: run Deliver(NEW, 0); run Deliver(NEW + 1, 1)
		:: run Deliver(NEW, 1); run Deliver(NEW + 1, 1)
		:: run Deliver(NEW, 1); run Deliver(NEW + 1, 2)
		:: run Deliver(NEW, 2); run Deliver(NEW + 1, 2)
		:: run Deliver(NEW, 0); run Deliver(NEW + 1, 3)
		:: run Deliver(NEW, 3); run Deliver(NEW + 1, 3)
		fi
	};
	_nr_pr == 1;
	atomic { crashes = 0; no_room = false; run Session(false) };
	_nr_pr == 1;
	check_spool();
	assert(delivered == 2);
	assert(!answered || now[0] != A)
}
