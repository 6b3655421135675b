/*
 * popper -n: the maildrops.  Whose are they, and could a session open each of
 * them and its working file?
 */
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

enum { ODD_MOST = 5 };	/* maildrops that are named one by one */

static void PRINTF(2, 3)
odd(struct check *c, const char *fmt, ...)
{
	char text[LOG_LEN];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (c->odd++ < ODD_MOST)
		say(c, TO_MEND, "%s", text);
}

/*
 * Whether a session of uid can remove a file there: see become() in pop_auth.c
 * for the group.
 */
static bool
can_remove(const struct stat *dir, const struct stat *file, uid_t uid)
{
	if (dir->st_mode & S_ISVTX && dir->st_uid != uid &&
	    file->st_uid != uid)
		return false;
	return dir->st_mode & S_IWOTH ||
	    (dir->st_mode & S_IWGRP && dir->st_gid != 0) ||
	    (dir->st_mode & S_IWUSR && dir->st_uid == uid);
}

/*
 * The lock file of a spool, which is a name in the spool directory or a path.
 * One that was left behind keeps the user out if no session can remove it.
 */
static void
check_lock(struct check *c, const char *spool)
{
	char name[264], dir[264], clean[4 * sizeof(name)];
	const char *slash = strrchr(spool, '/');
	struct stat sb, of_dir, of_spool;
	double age;
	uid_t uid;

	(void)snprintf(name, sizeof(name), "%s.lock", spool);
	(void)snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 :
	    (int)(slash - spool + 1), slash == NULL ? "." : spool);
	if (fstatat(c->p->drop.dir, name, &sb, AT_SYMLINK_NOFOLLOW) == -1 ||
	    fstatat(c->p->drop.dir, dir, &of_dir, 0) == -1)
		return;
	uid = fstatat(c->p->drop.dir, spool, &of_spool, AT_SYMLINK_NOFOLLOW) ==
	    0 ? of_spool.st_uid : ANY_OWNER;
	(void)log_clean(clean, sizeof(clean), name, strlen(name));
	age = difftime(time(NULL), sb.st_mtim.tv_sec) / 60;
	if (!S_ISREG(sb.st_mode))
		odd(c, "lock file %s: not a plain file, of uid %lu: it keeps "
		    "its user out until it is removed", clean,
		    (unsigned long)sb.st_uid);
	else if (lock_is_old(&sb) && !can_remove(&of_dir, &sb, uid))
		odd(c, "lock file %s: left behind, %.0f minutes %s, of uid %lu:"
		    " it keeps its user out until it is removed%s", clean,
		    age < 0 ? -age : age, age < 0 ? "in the future" : "old",
		    (unsigned long)sb.st_uid, of_dir.st_mode & S_ISVTX ?
		    "; in mode 1777 any user can make one: chgrp mail, chmod "
		    "2775" : "");
}

/* One file of the directory: a maildrop, or what belongs to one. */
static void
check_spool(struct check *c, const char *name)
{
	char clean[4 * 256];
	const struct passwd *pw;
	struct stat sb;

	if (fstatat(c->p->drop.dir, name, &sb, AT_SYMLINK_NOFOLLOW) == -1)
		return;			/* just gone */
	(void)log_clean(clean, sizeof(clean), name, strlen(name));
	c->spools++;
	if (!S_ISREG(sb.st_mode) || sb.st_nlink > 1)
		odd(c, "maildrop %s: not a plain file with one name; popper "
		    "will not serve it", clean);
	else if (c->p->opt.passwd == NULL && (pw = getpwnam(name)) != NULL &&
	    pw->pw_uid != sb.st_uid)
		odd(c, "maildrop %s: belongs to uid %lu: chown %s", clean,
		    (unsigned long)sb.st_uid, clean);
}

/*
 * A working file that its user cannot open.  An empty one of root's is given to
 * him at his next login.
 */
static void
check_owner(struct check *c, const char *work, uid_t uid)
{
	char clean[4 * 256];
	struct stat sb;

	if (fstatat(c->p->drop.dir, work, &sb, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(sb.st_mode) ||
	    (sb.st_uid == 0 && sb.st_size == 0 && geteuid() == 0))
		return;
	(void)log_clean(clean, sizeof(clean), work, strlen(work));
	if (sb.st_uid != uid)
		odd(c, "%s: belongs to uid %lu, not %lu: chown it", clean,
		    (unsigned long)sb.st_uid, (unsigned long)uid);
	else if ((sb.st_mode & (S_IRUSR | S_IWUSR)) != (S_IRUSR | S_IWUSR))
		odd(c, "%s: mode %04o: chmod 600", clean,
		    (unsigned)sb.st_mode & 07777);
}

/* No errors of the system's: .name.pop is missing, or there and of no use. */
enum { CANNOT_OPEN = 254, CANNOT_MAKE = 255 };

/*
 * What a login to this maildrop of mbox= would meet in its directory: 0, an
 * error or CANNOT_MAKE.  This is a process of its own, and becomes the user.
 */
static int
try_place(struct pop *p, const struct account *a)
{
	bool root = geteuid() == 0, roots;
	char work[sizeof(p->drop.name) + 8];
	struct stat sb;
	int dir = auth_open_dir(p, a);

	roots = dir != -1;
	if (root && (setgroups(1, &a->gid) == -1 || setgid(a->gid) == -1 ||
	    setuid(a->uid) == -1))
		return errno;
	p->uid = geteuid();
	if (!roots && (dir = auth_open_dir(p, a)) == -1)
		return errno;
	if (faccessat(dir, ".", X_OK, 0) == -1)
		return errno;
	(void)snprintf(work, sizeof(work), ".%s.pop", p->drop.name);
	if (file_open(dir, work, O_RDWR, a->uid, &sb) != -1)
		return 0;
	if (errno != ENOENT && !(root && roots && fstatat(dir, work, &sb,
	    AT_SYMLINK_NOFOLLOW) == 0 && sb.st_uid == 0 && sb.st_size == 0))
		return CANNOT_OPEN;
	return (root && roots) || faccessat(dir, ".", W_OK, 0) == 0 ? 0 :
	    CANNOT_MAKE;
}

/* Whether the directory of a maildrop of mbox= will do. */
static bool
check_place(struct check *c, const struct account *a, const char *clean)
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0 && geteuid() != a->uid)
		return true;		/* such a one is not served at all */
	if ((pid = fork()) == 0)
		_exit(try_place(c->p, a));
	if (pid == -1 || waitpid(pid, &status, 0) != pid || status == 0)
		return true;
	if (WEXITSTATUS(status) == CANNOT_MAKE)
		odd(c, "maildrop %s: neither root nor uid %lu can make its "
		    "working file: see popper-passwd(5)", clean,
		    (unsigned long)a->uid);
	else if (WEXITSTATUS(status) == CANNOT_OPEN)
		odd(c, "maildrop %s: its working file is none that uid %lu "
		    "can open", clean, (unsigned long)a->uid);
	else if (WEXITSTATUS(status) == EINVAL)
		odd(c, "maildrop %s: must be a full path, to a name without a "
		    "dot before it or .lock after it", clean);
	else
		odd(c, "maildrop %s: its directory cannot be used by uid %lu: "
		    "%s", clean, (unsigned long)a->uid,
		    strerror(WEXITSTATUS(status)));
	return false;
}

/* The maildrop of an account of -p, which may be anywhere: is it his? */
static void
check_listed(struct check *c, const char *name, const struct account *a)
{
	const char *path = a->maildrop[0] != '\0' ? a->maildrop : name;
	char clean[4 * 256], work[NAME_LEN + 8];
	struct stat sb;

	(void)log_clean(clean, sizeof(clean), path, strlen(path));
	(void)snprintf(work, sizeof(work), ".%s.pop", name);
	if (path == name)
		check_owner(c, work, a->uid);
	else if (!check_place(c, a, clean))
		return;
	else
		check_lock(c, path);
	if (fstatat(c->p->drop.dir, path, &sb, AT_SYMLINK_NOFOLLOW) == -1) {
		if (errno != ENOENT)
			odd(c, "maildrop %s: %s", clean, strerror(errno));
		return;
	}
	c->spools += path != name;
	if (path != name && (!S_ISREG(sb.st_mode) || sb.st_nlink > 1))
		odd(c, "maildrop %s: not a plain file with one name; popper "
		    "will not serve it", clean);
	else if (S_ISREG(sb.st_mode) && sb.st_uid != a->uid)
		odd(c, "maildrop %s: belongs to uid %lu, not %lu: chown it",
		    clean, (unsigned long)sb.st_uid, (unsigned long)a->uid);
}

static void
check_all_listed(struct check *c)
{
	char *line = NULL, name[NAME_LEN + 1];
	struct account a;
	size_t room = 0;
	FILE *f;

	if (c->p->opt.passwd == NULL ||
	    (f = cred_open(c->p->opt.passwd, false)) == NULL)
		return;			/* check_accounts() has said so */
	while (getline(&line, &room, f) != -1) {
		(void)snprintf(name, sizeof(name), "%.*s",
		    (int)strcspn(line, ":"), line);
		memset(&a, 0, sizeof(a));
		if (cred_parse(line, name, &a))
			check_listed(c, name, &a);
	}
	if (line != NULL)
		cred_forget(line, room);
	free(line);
	(void)fclose(f);
}

/* A work file: whose is it, and does it hold more than an index? */
static void
check_work(struct check *c, const char *name)
{
	char clean[4 * 256], user[256];
	const struct passwd *pw;
	enum work kind;
	uint64_t base, end;
	struct stat sb;
	int fd = file_open(c->p->drop.dir, name, O_RDONLY, ANY_OWNER, &sb);

	(void)log_clean(clean, sizeof(clean), name, strlen(name));
	if (fd == -1)
		odd(c, "%s: not a plain file with one name", clean);
	else if (journal_kind(fd, &kind, &base, &end) == 0) {
		c->left += kind == WORK_JOURNAL || kind == WORK_MBOX;
		if (kind == WORK_ALIEN)
			odd(c, "%s: holds something that is not popper's: move"
			    " it away", clean);
	}
	if (fd != -1)
		(void)close(fd);
	(void)snprintf(user, sizeof(user), "%.*s", (int)strlen(name) - 5,
	    name + 1);
	if (c->p->opt.passwd == NULL && (pw = getpwnam(user)) != NULL)
		check_owner(c, name, pw->pw_uid);
}

void
check_maildrops(struct check *c)
{
	int fd = dup(c->p->drop.dir);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;
	size_t n;

	if (d == NULL) {
		say(c, TO_MEND, "maildrops: %s", strerror(errno));
		return;
	}
	while ((e = readdir(d)) != NULL) {
		n = strlen(e->d_name);
		if (n > 4 && e->d_name[0] == '.' &&
		    strcmp(e->d_name + n - 4, ".pop") == 0)
			check_work(c, e->d_name);
		else if (e->d_name[0] != '.' && cred_is_lock_name(e->d_name)) {
			e->d_name[n - 5] = '\0';
			check_lock(c, e->d_name);
		} else if (e->d_name[0] != '.')
			check_spool(c, e->d_name);
	}
	(void)closedir(d);
	check_all_listed(c);
	if (c->odd > ODD_MOST)
		say(c, TO_MEND, "and %lu more like these", c->odd - ODD_MOST);
	if (c->odd == 0)
		say(c, ALL_OK, "maildrops: %lu", c->spools);
	if (c->left > 0)
		say(c, TO_NOTE, "maildrops: %lu have mail to be put in order "
		    "at the next login", c->left);
}
