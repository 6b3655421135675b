/*
 * login: accounts, passwords, and all code that sets a uid or a gid.  Most of it
 * runs as root; pop_auth.c lists what.
 */
#ifndef LOGIN_H
#define LOGIN_H

#include "lib/lib.h"

enum {
	PASSWORD_LEN = 769,	/* of an AUTH PLAIN response: RFC 4616, 2 */
	SPOOL_NAME = 256
};

/* Who may log in, and where that is known: paths, or NULL. */
struct accounts {
	const char *passwd;	/* -p; NULL: the system's */
	const char *allow, *deny, *secrets, *checker;	/* -A -N -a -c */
	uint64_t minuid;	/* -u */
};

/* What is known of an account. */
struct account {
	const char *reason;	/* why it may not log in, or NULL */
	char hash[256];
	char home[256];
	char maildrop[256];	/* a path, or "": DIR/name */
	uid_t uid;
	gid_t gid;
	bool system;		/* of the system's own passwd */
	const char *asked;	/* the file or program that was asked last */
	int status;		/* of that program, as wait(2) has it, if it
				   neither took nor refused the password */
};

/* What a client offers: a password, or (NULL) the digest of APOP. */
struct login {
	const char *name, *password;
	struct str digest;
	const char *stamp;	/* of the greeting, which the digest is of */
	bool tls;		/* nobody can overhear the password */
	struct timespec until;
};

/* ---- account.c ----------------------------------------------------------- */

/*
 * The first part of that, without a password: looks the account up, and judges
 * whether anybody with that name may log in.  0, or -1 with errno.
 */
int account_find(const struct accounts *ac, const char *name, struct account
    *a);
int account_judge(const struct accounts *ac, const char *name,
    struct account *a);

/*
 * One line of a passwd(5) file: name:hash:uid:gid:gecos:home:shell, which it
 * takes apart in place.  A home of "mbox=/some/file" is no home but the place
 * of the maildrop.  Whether it is a line with that name.
 */
bool account_parse(char *line, const char *name, struct account *a);

/*
 * Looks for a line "name", or "name:value", whose value goes to *value (NULL:
 * nobody wants it).  1 found, 0 not, -1 with errno.
 */
int account_line(const char *path, bool secret, const char *name, char *value,
    size_t room);

/* Whether it is the name of a lock file, and so of no account or maildrop. */
bool account_is_lock_name(const char *name);

/* ---- password.c ---------------------------------------------------------- */

/*
 * Finds the account and checks what is offered: a->reason is NULL if it may
 * log in.  0, or -1 with errno when the system is in trouble.
 */
int password_check(struct env *e, const struct accounts *ac,
    const struct login *l, struct account *a);

/* After such trouble: whether it lasts until the administrator acts. */
bool password_trouble_lasts(const struct account *a);

/* ---- dir.c --------------------------------------------------------------- */

/*
 * Opens the directory of a user's spool: spooldir, or that of the account's own
 * maildrop; name gets the spool's name in it.  As root: only where nobody but
 * root could have put it, see walk(); elsewhere the caller becomes the user and
 * asks again.  -1 with errno: EINVAL where the maildrop of mbox= is no path.
 */
int dir_open(const struct ids *ids, const char *spooldir,
    const char *user, const struct account *a, char name[SPOOL_NAME]);

/*
 * .user.pop, where it is missing: only root may make files in most spool
 * directories.  One that a crash left before it was given away is taken up.
 * Over NFS root may be nobody, who makes it and cannot give it away: then the
 * user is to try.  What is wrong with it in the end, drop_open() will say.
 */
void dir_make_state(int dir, const char *name, const struct account *a);

/* Whether that would leave a file that the user can open. */
bool dir_would_make_state(int dir, const char *name);

/* ---- user.c -------------------------------------------------------------- */

/*
 * Becomes the user of an account for good, and notes who that is.  The group of
 * a spool directory that only its group may write to stays as the saved gid, for
 * name.lock alone; root's group never does.  The user's other groups are found
 * only where they can matter, for the boards and where not everybody can enter
 * the spool directory: it costs more than half of a session's system calls.
 * 0, or -1 with errno: nothing may follow.
 */
int user_become(struct ids *ids, const struct account *a, const char *name,
    int dir, bool boards);

#endif
