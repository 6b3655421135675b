/*
 * popper -n: is this installation fit to serve?  One line for each thing that
 * a session would need, with what to do where it would fail.  No client, no
 * login; nothing is changed.
 *
 * "ok" is as it should be, "note" is worth knowing, "mend" keeps somebody from
 * his mail, or lets others to it.
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

#include "popper.h"

enum { ODD_MOST = 5 };	/* maildrops that are named one by one */

enum word { ALL_OK, TO_NOTE, TO_MEND };

/* What has been found so far. */
struct check {
	struct pop *p;
	unsigned mend;
	unsigned long spools, odd, left;
};

static void PRINTF(3, 4)
say(struct check *c, enum word word, const char *fmt, ...)
{
	static const char *const words[] = { "ok  ", "note", "mend" };
	va_list ap;

	c->mend += word == TO_MEND;
	printf("%s  ", words[word]);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

/* ---- files that options name ------------------------------------------- */

/* Says what is wrong with a file that cannot be opened. */
static void
say_file(struct check *c, const char *what, const char *path, bool secret)
{
	if (errno == EPERM)
		say(c, TO_MEND, "%s %s: must be a plain file of root's, or of "
		    "whoever starts popper, and nobody else's to %s", what,
		    path, secret ? "read: chmod 600" : "write: chmod go-w");
	else
		say(c, TO_MEND, "%s %s: %s", what, path, strerror(errno));
}

/* One line of a file: true if it is as it should be. */
typedef bool line_fn(char *line);

static bool
is_account(char *line)
{
	char name[NAME_LEN + 1];
	struct account a = { 0 };
	int n = snprintf(name, sizeof(name), "%.*s",
	    (int)strcspn(line, ":"), line);

	return n > 0 && (size_t)n < sizeof(name) && cred_parse(line, name, &a);
}

static bool
is_secret(char *line)
{
	char *colon = strchr(line, ':');

	return line[0] == '#' || (colon != NULL && colon > line &&
	    strcspn(colon + 1, "\r\n") > 0);
}

static bool
is_name(char *line)
{
	size_t n = strcspn(line, "\r\n");

	return line[0] == '#' || (n > 0 && strcspn(line, " \t:") >= n);
}

static void
check_lines(struct check *c, const char *what, const char *path, bool secret,
    line_fn *good)
{
	unsigned long lines = 0, bad = 0, first = 0;
	char *line = NULL;
	size_t room = 0;
	FILE *f;

	if (path == NULL)
		return;
	if ((f = cred_open(path, secret)) == NULL) {
		say_file(c, what, path, secret);
		return;
	}
	while (getline(&line, &room, f) != -1) {
		lines++;
		if (!good(line) && bad++ == 0)
			first = lines;
	}
	if (line != NULL)
		cred_forget(line, room);
	free(line);
	(void)fclose(f);
	if (bad > 0)
		say(c, TO_MEND, "%s %s: %lu of %lu lines say nothing to "
		    "popper, the first is line %lu", what, path, bad, lines,
		    first);
	else
		say(c, ALL_OK, "%s %s: %lu lines", what, path, lines);
}

static void
check_program(struct check *c, const char *what, const char *path)
{
	struct stat sb;

	if (path[0] != '/')
		say(c, TO_MEND, "%s %s: must begin with a slash", what, path);
	else if (stat(path, &sb) == -1)
		say(c, TO_MEND, "%s %s: %s", what, path, strerror(errno));
	else if (!S_ISREG(sb.st_mode) || access(path, X_OK) == -1)
		say(c, TO_MEND, "%s %s: cannot be run", what, path);
	else
		say(c, ALL_OK, "%s %s", what, path);
}

static void
check_boards(struct check *c)
{
	struct pop *p = c->p;
	unsigned boards, unreadable, line;
	struct stat sb;

	if (p->opt.boards == NULL)
		return;
	if (board_survey(p, &boards, &unreadable, &line) == -1)
		say(c, TO_MEND, line > 0 ? "boards %s: line %u is not "
		    "understood: see popper-boards(5)" :
		    "boards %s: it cannot be read", p->opt.boards, line);
	else if (stat(p->opt.boards, &sb) == 0 && !(sb.st_mode & S_IROTH))
		say(c, TO_MEND, "boards %s: users must be able to read it: "
		    "chmod a+r", p->opt.boards);
	else if (unreadable > 0)
		say(c, TO_MEND, "boards %s: %u of %u have no maildrop that "
		    "can be read", p->opt.boards, unreadable, boards);
	else
		say(c, ALL_OK, "boards %s: %u boards", p->opt.boards, boards);
}

/* ---- the spool directory ----------------------------------------------- */

/*
 * Who may make lock files there; see become() and dotlock_take().  And whether
 * root can make .user.pop: over NFS he may be nobody.
 */
static void
check_mode(struct check *c, const char *path, const struct stat *sb)
{
	unsigned mode = (unsigned)sb->st_mode & 07777;

	if (mode & S_IWOTH && !(mode & S_ISVTX))
		say(c, TO_MEND, "spool directory %s: mode %04o lets anybody "
		    "take away anybody's mail: chmod 2775, or 1777", path,
		    mode);
	else if (sb->st_uid != 0 && sb->st_uid != geteuid())
		say(c, TO_MEND, "spool directory %s: belongs to uid %lu, who "
		    "can take away anybody's mail: chown root", path,
		    (unsigned long)sb->st_uid);
	else if (mode & S_IWOTH || (mode & S_IWGRP && sb->st_gid != 0))
		say(c, ALL_OK, "spool directory %s: mode %04o, lock files can"
		    " be made", path, mode);
	else if (geteuid() != 0 && sb->st_uid == geteuid())
		say(c, ALL_OK, "spool directory %s: mode %04o, yours", path,
		    mode);
	else
		say(c, TO_NOTE, "spool directory %s: mode %04o, no lock files "
		    "can be made: delivery agents must use fcntl(2), or: chgrp"
		    " mail, chmod 2775", path, mode);
	if (geteuid() == 0 && !(mode & S_IWOTH) && faccessat(c->p->drop.dir,
	    ".", W_OK, 0) == -1)
		say(c, TO_MEND, "spool directory %s: root can make no files "
		    "there: %s", path, strerror(errno));
}

/* The session lock needs a file system that has such locks. */
static void
check_locks(struct check *c, const char *path)
{
	int fd = file_unnamed(c->p->drop.dir, 0, 0);

	if (fd == -1)
		say(c, TO_MEND, "temporary copy: cannot be made: %s",
		    strerror(errno));
	else if (lock_session(fd) == 0)
		say(c, ALL_OK, "kernel locks work");
	else
		say(c, TO_MEND, "kernel locks: fcntl(2) says %s; sessions in "
		    "%s cannot be kept apart", strerror(errno), path);
	if (fd != -1)
		(void)close(fd);
}

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

/* No error of the system's: .name.pop is missing and nobody can make it. */
enum { CANNOT_MAKE = 255 };

/*
 * What a login to this maildrop of mbox= would meet in its directory: 0, an
 * error or CANNOT_MAKE.  This is a process of its own, and becomes the user.
 */
static int
try_place(struct pop *p, const struct account *a)
{
	bool roots = auth_put_by_root(a->maildrop), root = geteuid() == 0;
	char work[sizeof(p->drop.name) + 8];
	int dir = roots ? auth_open_dir(p, a) : -1;

	if (roots && dir == -1)
		return errno;
	if (root && (setgroups(1, &a->gid) == -1 || setgid(a->gid) == -1 ||
	    setuid(a->uid) == -1))
		return errno;
	if (!roots && (dir = auth_open_dir(p, a)) == -1)
		return errno;
	if (faccessat(dir, ".", X_OK, 0) == -1)
		return errno;
	(void)snprintf(work, sizeof(work), ".%s.pop", p->drop.name);
	return faccessat(dir, work, F_OK, 0) == 0 || (root && roots) ||
	    faccessat(dir, ".", W_OK, 0) == 0 ? 0 : CANNOT_MAKE;
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
	else if (WEXITSTATUS(status) == EINVAL)
		odd(c, "maildrop %s: must be a full path, to a name without a "
		    "dot before it", clean);
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
	char clean[4 * 256];
	struct stat sb;

	(void)log_clean(clean, sizeof(clean), path, strlen(path));
	if (path != name && !check_place(c, a, clean))
		return;
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

/* A work file: does it hold more than an index? */
static void
check_work(struct check *c, const char *name)
{
	char clean[4 * 256];
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
}

static void
check_maildrops(struct check *c)
{
	int fd = dup(c->p->drop.dir);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;
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
		else if (e->d_name[0] != '.' && (n < 6 ||
		    strcmp(e->d_name + n - 5, ".lock") != 0))
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

static void
check_directory(struct check *c)
{
	const char *path = c->p->opt.dir;
	struct stat sb;

	c->p->drop.dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->p->drop.dir == -1 || fstat(c->p->drop.dir, &sb) == -1) {
		say(c, TO_MEND, "spool directory %s: %s", path,
		    strerror(errno));
		return;
	}
	check_mode(c, path, &sb);
	check_locks(c, path);
	check_maildrops(c);
	(void)close(c->p->drop.dir);
}

/* ---- who, passwords, the log ------------------------------------------- */

static void
check_accounts(struct check *c)
{
	struct pop *p = c->p;

	if (geteuid() != 0)
		say(c, TO_NOTE, "started by uid %lu, not root: only accounts "
		    "with that number can be served",
		    (unsigned long)geteuid());
	if (p->opt.passwd == NULL)
		say(c, geteuid() == 0 ? ALL_OK : TO_MEND, geteuid() == 0 ?
		    "accounts: those of the system" :
		    "accounts: only root can check those of the system: -p");
	check_lines(c, "accounts", p->opt.passwd, false, is_account);
	check_lines(c, "secrets", p->opt.secrets, true, is_secret);
	check_lines(c, "allowed", p->opt.allow, false, is_name);
	check_lines(c, "denied", p->opt.deny, false, is_name);
	if (p->opt.checker != NULL)
		check_program(c, "checkpassword", p->opt.checker);
}

static void
check_clear(struct check *c)
{
	struct pop *p = c->p;

	if (p->opt.tls)
		say(c, ALL_OK, "TLS: taken for granted by -T");
	else if (p->tlsfd[TLS_CTL] != -1)
		say(c, ALL_OK, "TLS: STLS is offered");
	else if (getenv("SSLCTLFD") != NULL)
		say(c, TO_MEND, "TLS: SSLCTLFD, SSLREADFD and SSLWRITEFD must "
		    "all name open descriptors");
	else if (p->opt.clear == CLEAR_NEVER || p->opt.clear == CLEAR_TLS)
		say(c, p->opt.secrets == NULL ? TO_MEND : TO_NOTE, "TLS: none,"
		    " and -P takes no password without it");
	else if (p->opt.proxy == PROXY_OFF)
		say(c, TO_NOTE, "TLS: none; passwords and mail cross the "
		    "network in the clear");
	else
		say(c, TO_NOTE, "TLS: if any, it is the proxy's");
}

static void
check_log(struct check *c)
{
	struct stat sb;

	if (stat("/dev/log", &sb) == 0 && S_ISSOCK(sb.st_mode))
		say(c, ALL_OK, "log: /dev/log, facility local0");
	else
		say(c, TO_NOTE, "log: no /dev/log: nobody hears what popper "
		    "has to say%s", c->p->trace != -1 ? " but for -t" : "");
}

int
check_installation(struct pop *p)
{
	struct check c = { .p = p };

	check_accounts(&c);
	check_directory(&c);
	check_clear(&c);
	if (p->opt.noxmit)
		say(&c, ALL_OK, "XTND XMIT: turned off");
	else
		check_program(&c, "sendmail", p->opt.sendmail);
	check_boards(&c);
	check_log(&c);
	if (c.mend > 0)
		printf("%u to mend\n", c.mend);
	return c.mend > 0 || fflush(stdout) == EOF ? -1 : 0;
}
