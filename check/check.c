/*
 * popper -n: is this installation fit to serve?  One line for each thing that
 * a session would need, with what to do where it would fail.  No client, no
 * login; nothing is changed.
 *
 * "ok" is as it should be, "note" is worth knowing, "mend" keeps users from
 * their mail, or lets others read it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/check.h"

void
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
		say(c, TO_MEND, "%s %s: must be a regular file of root or of "
		    "the user who starts popper, and no one else's to %s",
		    what, path, secret ? "read: chmod 600" :
		    "write: chmod go-w");
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

	return n > 0 && (size_t)n < sizeof(name) && account_parse(line, name,
	    &a);
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
	if ((f = file_trusted(path, secret)) == NULL) {
		say_file(c, what, path, secret);
		return;
	}
	while (getline(&line, &room, f) != -1) {
		lines++;
		if (!good(line) && bad++ == 0)
			first = lines;
	}
	if (line != NULL)
		text_wipe(line, room);
	free(line);
	(void)fclose(f);
	if (bad > 0)
		say(c, TO_MEND, "%s %s: %lu of %lu %s cannot be understood, "
		    "the first is line %lu", what, path, bad,
		    COUNTED(lines, "line"), first);
	else
		say(c, ALL_OK, "%s %s: %lu %s", what, path,
		    COUNTED(lines, "line"));
}

/* A program that popper runs: as the user whom it serves, or as it is. */
static void
check_program(struct check *c, const char *what, const char *path,
    bool as_user)
{
	struct stat sb;
	unsigned mode;

	if (path[0] != '/') {
		say(c, TO_MEND, "%s %s: must begin with a slash", what, path);
		return;
	}
	if (stat(path, &sb) == -1) {
		say(c, TO_MEND, "%s %s: %s", what, path, strerror(errno));
		return;
	}
	mode = (unsigned)sb.st_mode & 07777;
	as_user = as_user && geteuid() == 0;
	if (!S_ISREG(sb.st_mode))
		say(c, TO_MEND, "%s %s: it is not a file", what, path);
	else if (access(path, X_OK) == -1 ||
	    (as_user && !(mode & (S_IXGRP | S_IXOTH))))
		say(c, TO_MEND, "%s %s: mode %04o, it cannot be run: chmod "
		    "a+x", what, path, mode);
	else if (as_user && !(mode & S_IXOTH))
		say(c, TO_NOTE, "%s %s: mode %04o, only users of group %lu "
		    "can run it", what, path, mode, (unsigned long)sb.st_gid);
	else
		say(c, ALL_OK, "%s %s", what, path);
}

/* A file of a board: why nobody can read it, or NULL. */
static const char *
board_trouble(const char *path)
{
	struct stat sb;
	int r, fd = file_open(AT_FDCWD, path, O_RDONLY, ANY_OWNER, &sb);

	if (fd == -1)
		return errno == EPERM ? "not a plain file with one name" :
		    strerror(errno);
	r = scan_begins(fd);
	(void)close(fd);
	if (r == 0)
		return NULL;
	return errno == EILSEQ ? "not in mbox format" : strerror(errno);
}

static bool
check_board(void *arg, struct board *b)
{
	struct check *c = arg;
	const char *name = b->text[BOARD_NAME], *path, *trouble;
	int i;

	c->boards++;
	for (i = BOARD_MAILDROP; i <= BOARD_ARCHIVE; i++) {
		path = b->text[i];
		if (path[0] == '\0' && i == BOARD_MAILDROP)
			say(c, TO_MEND, "board %s: it has no maildrop", name);
		else if (path[0] != '\0' &&
		    (trouble = board_trouble(path)) != NULL)
			say(c, TO_MEND, "board %s: %s: %s", name, path,
			    trouble);
	}
	return true;
}

static void
check_boards(struct check *c)
{
	const char *path = c->p->opt.boards;
	unsigned line, before = c->mend;
	struct stat sb;

	if (path == NULL)
		return;
	if (stat(path, &sb) == -1)
		say(c, TO_MEND, "boards %s: %s", path, strerror(errno));
	else if (board_each(c->p, check_board, c, &line) == -1)
		say(c, TO_MEND, line > 0 ? "boards %s: line %u is not "
		    "understood: see popper-boards(5)" :
		    "boards %s: it cannot be read", path, line);
	else if (!(sb.st_mode & S_IROTH))
		say(c, TO_MEND, "boards %s: users must be able to read it: "
		    "chmod a+r", path);
	else if (c->mend == before)
		say(c, ALL_OK, "boards %s: %lu %s", path,
		    COUNTED(c->boards, "board"));
}

/* ---- the spool directory; check/maildrops.c has what is in it ---------------- */

/*
 * Who may make lock files there; see user_become() and dotlock_take().  And whether
 * root can make .user.pop: NFS may take root for the user nobody.
 */
static void
check_mode(struct check *c, const char *path, const struct stat *sb)
{
	unsigned mode = (unsigned)sb->st_mode & 07777;

	if (mode & S_IWOTH && !(mode & S_ISVTX))
		say(c, TO_MEND, "spool directory %s: mode %04o lets any user "
		    "remove the mail of others: chmod 2775 or 1777", path,
		    mode);
	else if (sb->st_uid != 0 && sb->st_uid != geteuid())
		say(c, TO_MEND, "spool directory %s: belongs to uid %lu, who "
		    "can remove the mail of others: chown root", path,
		    (unsigned long)sb->st_uid);
	else if (mode & S_IWOTH || (mode & S_IWGRP && sb->st_gid != 0))
		say(c, ALL_OK, "spool directory %s: mode %04o, lock files can"
		    " be made", path, mode);
	else if (geteuid() != 0 && sb->st_uid == geteuid())
		say(c, ALL_OK, "spool directory %s: mode %04o, it is yours",
		    path, mode);
	else
		say(c, TO_NOTE, "spool directory %s: mode %04o, no lock files "
		    "can be made; if delivery agents do not use fcntl(2): "
		    "chgrp mail, chmod 2775", path, mode);
	if (geteuid() == 0 && !(mode & S_IWOTH) && faccessat(c->p->drop.box.dir,
	    ".", W_OK, 0) == -1)
		say(c, TO_MEND, "spool directory %s: root cannot make files "
		    "there: %s", path, strerror(errno));
}

/* The session lock needs a file system that has such locks. */
static void
check_locks(struct check *c, const char *path)
{
	int fd = file_unnamed(c->p->drop.box.dir, 0, 0);

	if (fd == -1)
		say(c, TO_MEND, "temporary copy: it cannot be made: %s",
		    strerror(errno));
	else if (lock_session(fd) == 0)
		say(c, ALL_OK, "kernel locks work");
	else
		say(c, TO_MEND, "kernel locks: fcntl(2) fails in %s: %s; two "
		    "sessions could have one maildrop open", path,
		    strerror(errno));
	if (fd != -1)
		(void)close(fd);
}

static void
check_directory(struct check *c)
{
	static const struct account none;
	const char *path = c->p->opt.dir;
	struct stat sb;

	if ((c->p->drop.box.dir = dir_open(&c->p->ids,
	    path, "", &none, c->p->drop.box.name)) == -1 &&
	    (c->p->drop.box.dir = open(path, O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC)) != -1)
		say(c, TO_MEND, "spool directory %s: others can put another in"
		    " its place: chown root and chmod go-w each directory and"
		    " link on the way to it", path);
	if (c->p->drop.box.dir == -1 || fstat(c->p->drop.box.dir, &sb) == -1) {
		say(c, TO_MEND, "spool directory %s: %s", path,
		    strerror(errno));
		return;
	}
	check_mode(c, path, &sb);
	check_locks(c, path);
	check_maildrops(c);
	(void)close(c->p->drop.box.dir);
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
	if (p->opt.accounts.passwd == NULL)
		say(c, geteuid() == 0 ? ALL_OK : TO_MEND, geteuid() == 0 ?
		    "accounts: those of the system" :
		    "accounts: only root can check those of the system; use "
		    "-p");
	check_lines(c, "accounts", p->opt.accounts.passwd, false, is_account);
	check_lines(c, "secrets", p->opt.accounts.secrets, true, is_secret);
	check_lines(c, "allowed", p->opt.accounts.allow, false, is_name);
	check_lines(c, "denied", p->opt.accounts.deny, false, is_name);
	if (p->opt.accounts.checker != NULL)
		check_program(c, "checkpassword", p->opt.accounts.checker,
		    false);
}

static void
check_clear(struct check *c)
{
	struct pop *p = c->p;

	if (p->opt.tls)
		say(c, ALL_OK, "TLS: active, as -T says");
	else if (p->conn.tlsfd[TLS_CTL] != -1)
		say(c, ALL_OK, "TLS: STLS is offered");
	else if (getenv("SSLCTLFD") != NULL)
		say(c, TO_MEND, "TLS: SSLCTLFD, SSLREADFD and SSLWRITEFD must "
		    "all name open descriptors");
	else if (p->opt.clear == CLEAR_NEVER || p->opt.clear == CLEAR_TLS)
		say(c, p->opt.accounts.secrets == NULL ? TO_MEND : TO_NOTE,
		    "TLS: none, and -P accepts no password without it");
	else if (p->opt.proxy == PROXY_OFF)
		say(c, TO_NOTE, "TLS: none; passwords and mail cross the "
		    "network in the clear");
	else
		say(c, TO_NOTE, "TLS: left to the proxy of -H");
}

/* Sending mail: the program, and an account that it may not know. */
static void
check_xmit(struct check *c)
{
	check_program(c, "sendmail", c->p->opt.sendmail, true);
	if (c->stranger[0] != '\0')
		say(c, TO_NOTE, "sendmail: the system has no account with the "
		    "number of %s; most mail programs refuse such a sender",
		    c->stranger);
}

static void
check_log(struct check *c)
{
	struct stat sb;

	if (stat("/dev/log", &sb) == 0 && S_ISSOCK(sb.st_mode))
		say(c, ALL_OK, "log: /dev/log, facility local0");
	else
		say(c, TO_NOTE, "log: no /dev/log, so log lines are lost%s",
		    c->p->env.trace != -1 ? ", except for the file of -t" : "");
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
		check_xmit(&c);
	check_boards(&c);
	check_log(&c);
	if (c.mend > 0)
		printf("%u to mend\n", c.mend);
	return c.mend > 0 || fflush(stdout) == EOF ? -1 : 0;
}
