/*
 * check: popper -n.
 */
#ifndef CHECK_H
#define CHECK_H

#include "xtnd/xtnd.h"

/* As it should be; worth knowing; keeps users from their mail or exposes it. */
enum finding { CHECK_OK, CHECK_WARN, CHECK_FAIL };

/* What has been found so far. */
struct check {
	struct pop *p;		/* its drop.box.dir is a spool directory */
	unsigned failures;	/* lines with CHECK_FAIL */
	bool quiet;		/* lines with CHECK_OK are left out */
	unsigned long boards;	/* of the file of -b */
	unsigned long spools;		/* maildrops that are there */
	unsigned long refused;		/* that a login is refused */
	unsigned long barred;		/* of users who may not log in */
	unsigned long left;		/* with something for recovery */
	char stranger[4 * NAME_LEN + 1];	/* no account of the system */
	bool blind;			/* accounts cannot be looked up */
	unsigned starters;	/* ways in which popper is started here */
	unsigned guarded;	/* of them take no password in the clear */
	char tls[512];		/* the file that sets up TLS, or "" */
};

/* A number with its word: "1 line", "2 lines". */
#define COUNTED(n, word)	(n), (n) == 1 ? word : word "s"

/* ---- check.c ------------------------------------------------------------- */

/*
 * Says on descriptor 1 what is fit to serve and what is not, without changing
 * anything.  0, or -1 if something has failed or cannot be written.
 */
int check_installation(struct pop *p);

/* Prints a line with that word before it, and counts failures. */
void check_say(struct check *c, enum finding word, const char *fmt, ...)
    PRINTF(3, 4);

/* The same with the path of a file, as a failure, and the text of errno. */
void check_say_errno(struct check *c, const char *what, const char *path);

/* ---- directories.c ------------------------------------------------------- */

/*
 * Opens the spool directory of a user; trusted: whether root would in a login.
 * -1 with errno.
 */
int check_open_dir(struct check *c, const char *user, bool *trusted);

/*
 * Calls fn for each spool directory, with its path.  It is c->p->drop.box.dir
 * meanwhile; -1 with errno, if it cannot be opened.  How many there are: one
 * unless -m has a "%".
 */
typedef void dir_fn(struct check *c, const char *path, bool trusted, void *arg);
unsigned long check_each_dir(struct check *c, dir_fn *fn, void *arg);

/*
 * Says whether the spool directories are as they should be.  True if at least one
 * can be opened.
 */
bool check_directories(struct check *c);

/* ---- maildrops.c --------------------------------------------------------- */

/*
 * Takes apart a line of the file of -p, as account_parse() does, which changes
 * it.  Whether it is one.
 */
bool check_account_line(char *line, char name[NAME_LEN + 1],
    struct account *a);

/* Tries each maildrop of the spool directories and of -p. */
void check_maildrops(struct check *c);

/* ---- hosts.c ------------------------------------------------------------- */

/*
 * Compares with another host that does the same at this moment, whether each
 * sees at once what the other changes in the spool directory.
 */
void check_hosts(struct check *c);

/* ---- starters.c ---------------------------------------------------------- */

/*
 * Says what starts popper on this machine, with which options, and fills in the
 * last three members.  Only for root and the system's spool directory: another
 * one is a trial.
 */
void check_starters(struct check *c);

#endif
