/*
 * popper -n: the spool directory, or each directory of its levels.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "check/check.h"

/* ---- which directories --------------------------------------------------- */

int
check_open_dir(struct check *c, const char *user, bool *trusted)
{
	static const struct account none;
	struct pop *p = c->p;
	char path[DIR_LEN];
	int fd = dir_open(&p->ids, p->opt.dir, user, &none, p->drop.box.name);

	*trusted = fd != -1;
	if (fd == -1 && dir_of(path, p->opt.dir, user) == 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

/* A name whose directory is this one. */
static void
name_for(const char *pattern, const char *path, char name[NAME_LEN + 1])
{
	size_t i, n = 0;

	for (i = 0; pattern[i] != '\0' && n < NAME_LEN; i++)
		if (pattern[i] == '%')
			name[n++] = path[i];
	name[n] = '\0';
}

/* Calls fn for one directory, which is open meanwhile. */
static void
with_dir(struct check *c, const char *path, dir_fn *fn, void *arg)
{
	struct maildrop *box = &c->p->drop.box;
	char name[NAME_LEN + 1];
	bool trusted;

	name_for(c->p->opt.dir, path, name);
	box->dir = check_open_dir(c, name, &trusted);
	fn(c, path, trusted, arg);
	file_close(box->dir);
	box->dir = -1;
}

unsigned long
check_each_dir(struct check *c, dir_fn *fn, void *arg)
{
	char wild[DIR_LEN], *s;
	size_t n = strlen(c->p->opt.dir), i;
	unsigned long dirs = 0;
	glob_t g = { 0 };

	if (strchr(c->p->opt.dir, '%') == NULL) {
		with_dir(c, c->p->opt.dir, fn, arg);
		return 1;
	}
	/* with a slash at the end, glob(3) finds directories only */
	(void)snprintf(wild, sizeof(wild), "%s/", c->p->opt.dir);
	for (s = wild; (s = strchr(s, '%')) != NULL; )
		*s = '?';
	if (glob(wild, 0, NULL, &g) == 0)
		for (i = 0; i < g.gl_pathc; i++)
			if (strlen(s = g.gl_pathv[i]) == n + 1) {
				s[n] = '\0';
				with_dir(c, s, fn, arg);
				dirs++;
			}
	globfree(&g);
	return dirs;
}

/* ---- what must hold for each --------------------------------------------- */

/*
 * Who may make lock files there: see user_become() and dotlock_take().  And
 * whether root can make .user.pop, since over NFS root may be another user.
 */
static void
check_mode(struct check *c, const char *path, const struct stat *sb)
{
	unsigned mode = (unsigned)sb->st_mode & 07777;

	if (mode & S_IWOTH && !(mode & S_ISVTX))
		check_say(c, CHECK_FAIL, "spool directory %s: mode %04o lets "
		    "any user remove the mail of others: chmod 2775 or 1777",
		    path, mode);
	else if (sb->st_uid != 0 && sb->st_uid != geteuid())
		check_say(c, CHECK_FAIL, "spool directory %s: belongs to uid "
		    "%lu, who can remove the mail of others: chown root", path,
		    (unsigned long)sb->st_uid);
	else if (mode & S_IWOTH || (mode & S_IWGRP && sb->st_gid != 0))
		check_say(c, CHECK_OK, "spool directory %s: mode %04o, lock "
		    "files can be made", path, mode);
	else if (geteuid() != 0 && sb->st_uid == geteuid())
		check_say(c, CHECK_OK, "spool directory %s: mode %04o, it is "
		    "yours", path, mode);
	else
		check_say(c, CHECK_WARN, "spool directory %s: mode %04o, no "
		    "lock files can be made; if delivery agents do not use "
		    "fcntl(2): chgrp mail, chmod 2775", path, mode);
	if (geteuid() == 0 && !(mode & S_IWOTH) && faccessat(c->p->drop.box.dir,
	    ".", W_OK, 0) == -1)
		check_say(c, CHECK_FAIL, "spool directory %s: root cannot make "
		    "files there: %s", path, strerror(errno));
}

/* The session lock needs a file system that has such locks. */
static void
check_locks(struct check *c, const char *path)
{
	int fd = file_unnamed(c->p->drop.box.dir, 0, 0);

	if (fd == -1)
		check_say(c, CHECK_FAIL, "temporary copy: it cannot be made: "
		    "%s", strerror(errno));
	else if (lock_session(fd) == 0)
		check_say(c, CHECK_OK, "kernel locks work");
	else
		check_say(c, CHECK_FAIL, "kernel locks: fcntl(2) fails in %s: "
		    "%s; two sessions could have one maildrop open", path,
		    strerror(errno));
	if (fd != -1)
		(void)close(fd);
}

/*
 * Whether mail is safe there if several hosts have the directory.  Two hosts
 * compare the first one.
 */
static void
check_network(struct check *c, const char *path)
{
	const char *name = file_network(c->p->drop.box.dir);

	if (c->p->opt.hosts && !c->quiet)
		check_hosts(c);
	else if (!c->p->opt.hosts && name != NULL)
		check_say(c, CHECK_FAIL, "spool directory %s: it is on %s, "
		    "where a host may see old mail; run popper -n -S on two "
		    "hosts at once, then serve with -S", path, name);
}

static void
check_directory(struct check *c, const char *path, bool trusted, void *arg)
{
	bool *usable = arg;
	struct stat sb;

	if (c->p->drop.box.dir == -1 ||
	    fstat(c->p->drop.box.dir, &sb) == -1) {
		check_say_errno(c, "spool directory", path);
		return;
	}
	*usable = true;
	if (!trusted)
		check_say(c, CHECK_FAIL, "spool directory %s: others can put "
		    "another in its place: chown root and chmod go-w each "
		    "directory and link on the way to it", path);
	check_mode(c, path, &sb);
	check_locks(c, path);
	check_network(c, path);
	c->quiet = true;		/* the others are like the first */
}

bool
check_directories(struct check *c)
{
	const char *pattern = c->p->opt.dir;
	bool usable = false;
	unsigned long n = check_each_dir(c, check_directory, &usable);

	c->quiet = false;
	if (n == 0)
		check_say(c, CHECK_FAIL, "spool directory %s: there is no "
		    "directory of that form: see popper(8)", pattern);
	else if (strchr(pattern, '%') != NULL)
		check_say(c, CHECK_OK, "spool directory %s: %lu %s", pattern, n,
		    n == 1 ? "directory" : "directories");
	return usable;
}
