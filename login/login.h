/*
 * login: accounts, passwords, and all code that sets a uid or a gid.  Most of
 * it runs as root; pop_auth.c lists what.
 */
#ifndef LOGIN_H
#define LOGIN_H

#include "lib/lib.h"

enum {
	PASSWORD_LEN = 769,	/* of an AUTH PLAIN response: RFC 4616, 2 */
	SPOOL_NAME = 256,
	DIR_LEN = 1024		/* the path of a directory, with its NUL */
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
	const char *stamp;	/* of the greeting, part of the digest */
	bool tls;		/* the connection is encrypted */
	int64_t until;		/* the time by which it must be checked */
};

/* ---- account.c ----------------------------------------------------------- */

/*
 * Looks an account up and judges it.  a->reason tells why nobody may log in by
 * that name, NULL if they may.  0; or -1 with errno, and a->asked could not be
 * read.
 */
int account_find(const struct accounts *ac, const char *name,
    struct account *a);

/* Judges an account that has been looked up; as account_find(). */
int account_judge(const struct accounts *ac, const char *name,
    struct account *a);

/* What account_find() asks first: the file of -p, or "passwd". */
const char *account_source(const struct accounts *ac);

/*
 * Takes a line of a passwd(5) file apart, in place: name:hash:uid:gid:gecos:
 * home:shell.  A home of "mbox=/some/file" is the path of the maildrop.  True
 * if it is a valid line with that name; a comment, with "#" first, is not.
 */
bool account_parse(char *line, const char *name, struct account *a);

/*
 * Looks for a line "name"; or for "name:value", in a secret file, if value is not
 * NULL: the value goes there, as a string of at most room bytes.  An empty value
 * or one that is too long is none.  whole: without lines_find().  1 if found, 0
 * if not, -1 with errno.
 */
int account_line(const char *path, bool whole, const char *name, char *value,
    size_t room);

/* Whether a name is that of a lock file, so of no account or maildrop. */
bool account_is_lock_name(const char *name);

/* ---- password.c ---------------------------------------------------------- */

/*
 * Finds the account and checks what is offered: a->reason is NULL if it may
 * log in, and tells for the log why not (RFC 1939, 7; RFC 1081: USER, PASS).
 * 0; or -1 if a->asked cannot be asked, with errno or a->status.
 */
int password_check(struct env *e, const struct accounts *ac,
    const struct login *l, struct account *a);

/* After such an error: whether it lasts until the administrator acts. */
bool password_trouble_lasts(const struct account *a);

/* ---- dir.c --------------------------------------------------------------- */

/*
 * The spool directory of a user by the pattern of -m: each "%" stands for the
 * next byte of the name, or for "_" if that is a dot or the name has ended, so
 * each directory is as many levels deep.  0, or -1 with errno: the path is too
 * long.
 */
int dir_of(char dir[DIR_LEN], const char *pattern, const char *user);

/*
 * Opens the directory of a user's spool: dir_of(), or that of the account's own
 * maildrop.  name gets the spool's name in it.  As root, only a directory that
 * nobody else can have put there is opened, see walk(); with EPERM the caller
 * becomes the user and asks again.  -1 with errno: EINVAL if the path of mbox=
 * is none.
 */
int dir_open(const struct ids *ids, const char *pattern,
    const char *user, const struct account *a, char name[SPOOL_NAME]);

/*
 * Makes the state file name for the user if it is missing, since only root may
 * make files in most spool directories.  One of root's that a crash left is
 * given to the user.  Over NFS root may be nobody and cannot give it away: then
 * it is removed, and the user is to try.  Errors are for drop_open() to find.
 */
void dir_make_state(int dir, const char *name, const struct account *a);

/* Whether that would leave a file that the user can open. */
bool dir_would_make_state(int dir, const char *name);

/* ---- user.c -------------------------------------------------------------- */

/*
 * Becomes the user of an account for good, and notes in ids who that is.  If
 * the spool directory is writable for its group and not for others, the group
 * stays as the saved gid, for name.lock alone; root's group never does.  The
 * user's other groups are set only if they can matter, for boards and to enter
 * the spool directory: they cost more than half of a session's system calls.
 * dir may be -1.  0, or -1 with errno: nothing may follow.
 */
int user_become(struct ids *ids, const struct account *a, const char *name,
    int dir, bool boards);

#endif
