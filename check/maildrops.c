/*
 * popper -n: the maildrops.  Each is opened as a login opens it, up to the
 * first fault, by a child that becomes its user; the sentences are those of the
 * login.  Of the text only the beginning is read, which shows whether it is an
 * mbox: there may be thousands of large spools.
 */
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/check.h"

enum { CAUSE_LEN = 256, CLEAN_LEN = 4 * 256 };

/* What a child has found, as its exit status. */
enum { REFUSED = 1, LEFT = 2, THERE = 4, FOUND = REFUSED | LEFT | THERE };

static const char *
cleaned(const char *name, char *clean)
{
	return text_clean(clean, CLEAN_LEN, name, strlen(name));
}

static bool
is_there(const struct pop *p, const char *name)
{
	struct stat sb;

	return fstatat(p->drop.box.dir, name, &sb, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- in the child -------------------------------------------------------- */

/* What is wrong with a file that should be the user's, and how to fix it. */
static void
file_cause(const struct pop *p, const char *name, mode_t needed, char *to)
{
	struct stat sb;

	(void)snprintf(to, CAUSE_LEN, "%s", strerror(errno));
	if (fstatat(p->drop.box.dir, name, &sb, AT_SYMLINK_NOFOLLOW) == -1)
		return;
	if (!S_ISREG(sb.st_mode))
		(void)snprintf(to, CAUSE_LEN, "it is a %s",
		    S_ISLNK(sb.st_mode) ? "symbolic link" :
		    S_ISDIR(sb.st_mode) ? "directory" : "special file");
	else if (sb.st_nlink > 1)
		(void)snprintf(to, CAUSE_LEN, "it has %lu names",
		    (unsigned long)sb.st_nlink);
	else if (sb.st_uid != p->ids.uid)
		(void)snprintf(to, CAUSE_LEN, "it belongs to uid %lu: chown "
		    "%lu", (unsigned long)sb.st_uid, (unsigned long)p->ids.uid);
	else if ((sb.st_mode & needed) != needed)
		(void)snprintf(to, CAUSE_LEN, "mode %04o: chmod 600",
		    (unsigned)sb.st_mode & 07777);
}

static void
state_cause(const struct pop *p, char *to)
{
	char state[STATE_NAME];

	state_name(p->drop.box.name, state);
	if (!is_there(p, state))
		(void)snprintf(to, CAUSE_LEN, "neither root nor uid %lu can "
		    "make it: see popper-passwd(5)", (unsigned long)p->ids.uid);
	else
		file_cause(p, state, S_IRUSR | S_IWUSR, to);
}

/* What is known of the lock file that keeps the user out. */
static void
lock_cause(struct pop *p, char *to)
{
	char clean[CLEAN_LEN];
	struct stat sb, dir;
	enum fault f = lock_probe(&p->drop.box, &sb, &dir);
	double age;

	if (f != FAULT_STALE) {
		(void)snprintf(to, CAUSE_LEN, "%.200s.lock is no plain file, "
		    "of uid %lu", cleaned(p->drop.box.name, clean),
		    f == FAULT_NONE ? 0 : (unsigned long)sb.st_uid);
		return;
	}
	age = difftime(time(NULL), sb.st_mtim.tv_sec) / 60;
	(void)snprintf(to, CAUSE_LEN, "it is %.0f minutes %s, of uid %lu%s",
	    age < 0 ? -age : age, age < 0 ? "in the future" : "old",
	    (unsigned long)sb.st_uid, dir.st_mode & S_ISVTX ? "; in mode 1777"
	    " any user can make one: chgrp mail, chmod 2775" : "");
}

/* The cause of a fault, from errno and from what can be seen now. */
static void
fault_cause(struct pop *p, enum fault f, char *to)
{
	switch (f) {
	case FAULT_STATE_ALIEN:
	case FAULT_STATE_SHUT:
		state_cause(p, to);
		break;
	case FAULT_ALIEN:
	case FAULT_SHUT:
		file_cause(p, p->drop.box.name, S_IRUSR, to);
		break;
	case FAULT_STALE:
	case FAULT_LOCKED:
		lock_cause(p, to);
		break;
	case FAULT_NOT_MBOX:
		(void)snprintf(to, CAUSE_LEN, "it does not begin with a "
		    "\"From \" line");
		break;
	case FAULT_OLD:
		(void)snprintf(to, CAUSE_LEN, "log in once by popper 2.0");
		break;
	case FAULT_DAMAGED:
		(void)snprintf(to, CAUSE_LEN, "see CAVEATS in popper(8)");
		break;
	default:
		(void)snprintf(to, CAUSE_LEN, "%s", f == FAULT_DIR &&
		    errno == EINVAL ? "mbox= must be a full path to a name "
		    "without a dot before it or .lock after it" :
		    strerror(errno));
	}
}

/* Tries a maildrop, and says why a login would be refused. */
static int
try_maildrop(struct check *c, const char *name, const struct account *a)
{
	char cause[CAUSE_LEN], text[LINE_REPLY];
	char clean[CLEAN_LEN], state[STATE_CLEAN];
	struct probe pr = { false, false, false };
	enum fault f = auth_probe(c->p, name, a, &pr);

	if (f != FAULT_NONE) {
		fault_cause(c->p, f, cause);
		check_say(c, CHECK_FAIL, "maildrop %s: %s: %s",
		    cleaned(a->maildrop[0] != '\0' ? a->maildrop : name,
		    clean), fault_sentence(f, state_clean(&c->p->drop.box,
		    state), text, sizeof(text)), cause);
	}
	if (fflush(stdout) == EOF)
		return EXIT_FAILURE << 3;
	return (f != FAULT_NONE ? REFUSED : 0) | (pr.left ? LEFT : 0) |
	    (pr.there ? THERE : 0);
}

/* ---- one account --------------------------------------------------------- */

static void
check_maildrop(struct check *c, const char *name, const struct account *a)
{
	char clean[CLEAN_LEN];
	int status = -1;
	pid_t pid;

	(void)fflush(stdout);		/* or the child would print it again */
	if ((pid = fork()) == 0)
		_exit(try_maildrop(c, name, a));
	if (pid == -1 || waitpid(pid, &status, 0) != pid ||
	    !WIFEXITED(status) || WEXITSTATUS(status) > FOUND) {
		check_say(c, CHECK_FAIL, "maildrop %s: it could not be tried",
		    cleaned(name, clean));
		c->refused++;
		return;
	}
	status = WEXITSTATUS(status);
	if (status & REFUSED) {
		c->failures++;
		c->refused++;
	}
	c->left += (status & LEFT) != 0;
	c->spools += (status & THERE) != 0;
}

static void
check_account(struct check *c, const char *name, const struct account *a)
{
	char clean[CLEAN_LEN];
	struct stat sb;

	if (a->reason == NULL)
		check_maildrop(c, name, a);
	else if (strcmp(a->reason, "unknown") != 0)
		c->barred++;
	else if (fstatat(c->p->drop.box.dir, name, &sb, AT_SYMLINK_NOFOLLOW) ==
	    -1 || !S_ISDIR(sb.st_mode))	/* lost+found */
		check_say(c, CHECK_WARN, "maildrop %s: there is no such "
		    "account", cleaned(name, clean));
}

/* ---- which accounts ------------------------------------------------------ */

/*
 * The user of a file in the spool directory: of a spool or, if there is none,
 * of .user.pop.  False: it is another file.
 */
static bool
user_of(struct check *c, const char *file, char *user, size_t room)
{
	size_t n = strlen(file);

	if (file[0] != '.') {
		(void)snprintf(user, room, "%s", file);
		return !account_is_lock_name(file);
	}
	if (n < 6 || strcmp(file + n - 4, ".pop") != 0)
		return false;
	(void)snprintf(user, room, "%.*s", (int)n - 5, file + 1);
	return !is_there(c->p, user);
}

/* Whether user_of() finds this one, in the directory where it should be. */
static bool
has_files(struct check *c, const char *user)
{
	struct maildrop *box = &c->p->drop.box;
	char state[STATE_NAME];
	bool found, trusted;

	state_name(user, state);
	box->dir = check_open_dir(c, user, &trusted);
	found = is_there(c->p, user) || is_there(c->p, state);
	file_close(box->dir);
	box->dir = -1;
	return found;
}

typedef void user_fn(struct check *c, const char *user);

/* What each_user() is doing. */
struct users {
	user_fn *fn;
	unsigned long n;	/* so far */
};

/* Whether a login of that user would look into this directory. */
static bool
belongs_here(struct check *c, const char *path, const char *user)
{
	char dir[DIR_LEN], clean[CLEAN_LEN];

	if (dir_of(dir, c->p->opt.dir, user) == 0 && strcmp(dir, path) == 0)
		return true;
	check_say(c, CHECK_WARN, "maildrop %s: no login finds it in %s",
	    cleaned(user, clean), path);
	return false;
}

static void
each_user_in(struct check *c, const char *path, bool trusted, void *arg)
{
	struct users *u = arg;
	int fd = dup(c->p->drop.box.dir);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;
	char user[256];

	(void)trusted;
	if (c->p->drop.box.dir == -1)
		return;			/* check_directories() has said so */
	if (d == NULL) {
		check_say(c, CHECK_FAIL, "maildrops: %s", strerror(errno));
		c->refused++;
		return;
	}
	rewinddir(d);
	while ((e = readdir(d)) != NULL) {
		if (!user_of(c, e->d_name, user, sizeof(user)))
			continue;
		u->n++;
		if (u->fn != NULL && belongs_here(c, path, user))
			u->fn(c, user);
	}
	(void)closedir(d);
}

/* Counts the users who have a file in a spool directory; fn is for each. */
static unsigned long
each_user(struct check *c, user_fn *fn)
{
	struct users u = { fn, 0 };

	(void)check_each_dir(c, each_user_in, &u);
	return u.n;
}

/* Checks the account that a login finds under this name. */
static void
find_user(struct check *c, const char *user)
{
	struct account a;

	if (c->blind)
		return;
	if (account_find(&c->p->opt.accounts, user, &a) == -1) {
		check_say(c, CHECK_FAIL, "maildrops: accounts cannot be looked "
		    "up: %s: %s", a.asked, strerror(errno));
		c->blind = true;
	} else if (c->p->opt.accounts.passwd == NULL ||
	    (a.reason != NULL && strcmp(a.reason, "unknown") == 0))
		check_account(c, user, &a);	/* else it has been checked */
	text_wipe(&a, sizeof(a));
}

/* One such account is enough to say so: looking up each would take long. */
static void
note_stranger(struct check *c, const char *name, const struct account *a)
{
	if (a->reason == NULL && c->stranger[0] == '\0' &&
	    xmit_stranger(a->uid))
		(void)text_clean(c->stranger, sizeof(c->stranger), name,
		    strlen(name));
}

bool
check_account_line(char *line, char name[NAME_LEN + 1], struct account *a)
{
	int n = snprintf(name, NAME_LEN + 1, "%.*s", (int)strcspn(line, ":"),
	    line);

	memset(a, 0, sizeof(*a));
	return n > 0 && n <= NAME_LEN && account_parse(line, name, a);
}

/*
 * Checks the accounts of -p, whose maildrops may be anywhere.  unclaimed: users
 * with a file in the spool directory.  How many of them are not listed.
 */
static unsigned long
check_listed(struct check *c, struct lines *l, unsigned long unclaimed)
{
	char name[NAME_LEN + 1];
	struct account a;

	while (!c->blind && lines_next(l) != NULL) {
		if (!check_account_line(l->line, name, &a))
			continue;
		if (account_judge(&c->p->opt.accounts, name, &a) == -1)
			c->blind = true;
		else
			check_account(c, name, &a);
		note_stranger(c, name, &a);
		if (a.maildrop[0] == '\0' && has_files(c, name) &&
		    unclaimed > 0)
			unclaimed--;
	}
	text_wipe(&a, sizeof(a));
	return unclaimed;
}

/* Accounts of the system are looked up for each file that there is. */
static void
check_all(struct check *c)
{
	struct lines l;

	if (c->p->opt.accounts.passwd == NULL) {
		(void)each_user(c, find_user);
		return;
	}
	/* check_accounts() has said what is wrong with it */
	if (lines_open(&l, c->p->opt.accounts.passwd, false) == -1)
		return;
	if (check_listed(c, &l, each_user(c, NULL)) > 0)
		(void)each_user(c, find_user);
	(void)lines_close(&l);
}

void
check_maildrops(struct check *c)
{
	check_all(c);
	if (c->refused == 0 && !c->blind)
		check_say(c, CHECK_OK, "maildrops: %lu", c->spools);
	if (c->barred > 0)
		check_say(c, CHECK_WARN, "maildrops: %lu not tried, whose "
		    "users may not log in (root, -u, -A, -N, an alias, a "
		    "locked or expired account)", c->barred);
	if (c->left > 0)
		check_say(c, CHECK_WARN, "maildrops: %lu %s an update to be "
		    "finished at the next login", c->left,
		    c->left == 1 ? "has" : "have");
}
