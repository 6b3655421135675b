/*
 * popper -n: is this installation fit to serve?  One line for each thing that
 * a session would need, with what to do if it would fail.  No client, no login;
 * nothing is changed, and only check_hosts() makes files, and removes them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/check.h"

/* ---- files that options name --------------------------------------------- */

/* One line of a file: true if it is as it should be. */
typedef bool line_fn(char *line);

static bool
is_account_line(char *line)
{
	char name[NAME_LEN + 1];
	struct account a;

	return line[0] == '#' || check_account_line(line, name, &a);
}

static bool
is_secret_line(char *line)
{
	char *colon = strchr(line, ':');

	return line[0] == '#' || (colon != NULL && colon > line &&
	    strcspn(colon + 1, "\r\n") > 0);
}

static bool
is_name_line(char *line)
{
	size_t n = strcspn(line, "\r\n");

	return line[0] == '#' || (n > 0 && strcspn(line, " \t:") >= n);
}

/* What has been read of a file of lines. */
struct reading {
	unsigned long lines, bad, first;	/* all; wrong; the first of them */
	unsigned long unsorted;	/* the first out of order, or 0 */
	bool sorted;		/* the file says that it is */
	char key[NAME_LEN + 2];	/* of the last line; longer ones are no names */
};

/* Notes whether a line is as it should be, and where. */
static void
check_line(struct reading *r, char *line, line_fn *good)
{
	bool mark = ++r->lines == 1 && strcmp(line, LINES_SORTED) == 0;

	if (r->sorted && r->unsorted == 0 && lines_order(line, r->key) < 0)
		r->unsorted = r->lines;
	if (!mark)
		(void)snprintf(r->key, sizeof(r->key), "%.*s",
		    (int)strcspn(line, ":\r\n"), line);
	r->sorted = r->sorted || mark;
	if (!mark && !good(line) && r->bad++ == 0)
		r->first = r->lines;
}

/* A file of lines that an option names, or NULL. */
static void
check_lines(struct check *c, const char *what, const char *path, bool secret,
    line_fn *good)
{
	struct reading read = { 0 };
	struct lines l;
	int r;

	if (path == NULL)
		return;
	if ((r = lines_open(&l, path, secret)) == -1 && errno == EPERM)
		check_say(c, CHECK_FAIL, "%s %s: must be a regular file of "
		    "root or of the user who starts popper, and no one else's "
		    "to %s", what, path, secret ? "read: chmod 600" :
		    "write: chmod go-w");
	else if (r == -1)
		check_say_errno(c, what, path);
	if (r == -1)
		return;
	while (lines_next(&l) != NULL)
		check_line(&read, l.line, good);
	if (lines_close(&l) == -1)
		check_say_errno(c, what, path);
	else if (read.bad > 0)
		check_say(c, CHECK_FAIL, "%s %s: %lu of %lu %s cannot be "
		    "understood, the first is line %lu", what, path, read.bad,
		    COUNTED(read.lines, "line"), read.first);
	else if (read.unsorted > 0)
		check_say(c, CHECK_FAIL, "%s %s: line %lu is out of order, and "
		    "\"# sorted\" says that none is: see popper-passwd(5)",
		    what, path, read.unsorted);
	else
		check_say(c, CHECK_OK, "%s %s: %lu %s%s", what, path,
		    COUNTED(read.lines, "line"), read.sorted ? ", sorted" : "");
}

/* A program that popper runs; by_user: as the user whom it serves. */
static void
check_program(struct check *c, const char *what, const char *path,
    bool by_user)
{
	struct stat sb = { .st_mode = 0 };
	bool there = stat(path, &sb) == 0;
	unsigned mode = (unsigned)sb.st_mode & 07777;

	if (path[0] != '/')
		check_say(c, CHECK_FAIL, "%s %s: must begin with a slash",
		    what, path);
	else if (!there)
		check_say_errno(c, what, path);
	else if (!S_ISREG(sb.st_mode))
		check_say(c, CHECK_FAIL, "%s %s: it is not a file", what, path);
	else if (access(path, X_OK) == -1 ||
	    (by_user && !(mode & (S_IXGRP | S_IXOTH))))
		check_say(c, CHECK_FAIL, "%s %s: mode %04o, it cannot be run: "
		    "chmod a+x", what, path, mode);
	else if (by_user && !(mode & S_IXOTH))
		check_say(c, CHECK_WARN, "%s %s: mode %04o, only users of "
		    "group %lu can run it", what, path, mode,
		    (unsigned long)sb.st_gid);
	else
		check_say(c, CHECK_OK, "%s %s", what, path);
}

/* Why a file of a board cannot be read, or NULL. */
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
			check_say(c, CHECK_FAIL, "board %s: it has no "
			    "maildrop", name);
		else if (path[0] != '\0' &&
		    (trouble = board_trouble(path)) != NULL)
			check_say(c, CHECK_FAIL, "board %s: %s: %s", name,
			    path, trouble);
	}
	return true;
}

static void
check_boards(struct check *c)
{
	const char *path = c->p->opt.boards;
	unsigned line, before = c->failures;
	struct stat sb;

	if (path == NULL)
		return;
	if (stat(path, &sb) == -1)
		check_say_errno(c, "boards", path);
	else if (board_each(c->p, check_board, c, &line) == -1)
		check_say(c, CHECK_FAIL, line > 0 ? "boards %s: line %u is not "
		    "understood: see popper-boards(5)" :
		    "boards %s: it cannot be read", path, line);
	else if (!(sb.st_mode & S_IROTH))
		check_say(c, CHECK_FAIL, "boards %s: users must be able to "
		    "read it: chmod a+r", path);
	else if (c->failures == before)
		check_say(c, CHECK_OK, "boards %s: %lu %s", path,
		    COUNTED(c->boards, "board"));
}

/* ---- who, passwords, the log --------------------------------------------- */

static void
check_accounts(struct check *c)
{
	const struct accounts *ac = &c->p->opt.accounts;
	bool root = geteuid() == 0;

	if (!root)
		check_say(c, CHECK_WARN, "started by uid %lu, not root: only "
		    "accounts with that number can be served",
		    (unsigned long)geteuid());
	if (ac->passwd == NULL)
		check_say(c, root ? CHECK_OK : CHECK_FAIL, root ?
		    "accounts: those of the system" :
		    "accounts: only root can check those of the system; use "
		    "-p");
	check_lines(c, "accounts", ac->passwd, false, is_account_line);
	check_lines(c, "secrets", ac->secrets, true, is_secret_line);
	check_lines(c, "allowed", ac->allow, false, is_name_line);
	check_lines(c, "denied", ac->deny, false, is_name_line);
	if (ac->checker != NULL)
		check_program(c, "checkpassword", ac->checker, false);
}

/* Whether passwords cross the network in the clear. */
static void
check_tls(struct check *c)
{
	struct pop *p = c->p;

	if (p->opt.tls)
		check_say(c, CHECK_OK, "TLS: active, as -T says");
	else if (p->conn.tlsfd[TLS_CTL] != -1)
		check_say(c, CHECK_OK, "TLS: STLS is offered");
	else if (getenv("SSLCTLFD") != NULL)
		check_say(c, CHECK_FAIL, "TLS: SSLCTLFD, SSLREADFD and "
		    "SSLWRITEFD must all name open descriptors");
	else if (p->opt.clear == CLEAR_NEVER || (p->opt.clear == CLEAR_TLS &&
	    p->opt.proxy != PROXY_TLS))
		check_say(c, p->opt.accounts.secrets == NULL ? CHECK_FAIL :
		    CHECK_WARN, "TLS: none, and -P accepts no password "
		    "without it");
	else if (p->opt.proxy != PROXY_OFF)
		check_say(c, CHECK_WARN, "TLS: left to the proxy of -H");
	else if (c->tls[0] != '\0')
		check_say(c, CHECK_OK, "TLS: set up in %s", c->tls);
	else if (p->opt.clear == CLEAR_LOCAL ||
	    (c->starters > 0 && c->guarded == c->starters))
		check_say(c, CHECK_WARN, "TLS: none; only clients on this "
		    "machine can log in");
	else
		check_say(c, CHECK_WARN, "TLS: none; passwords and mail cross "
		    "the network in the clear");
}

/* Sending mail: the program, and an account that it may not know. */
static void
check_xmit(struct check *c)
{
	if (c->p->opt.noxmit) {
		check_say(c, CHECK_OK, "XTND XMIT: turned off");
		return;
	}
	check_program(c, "sendmail", c->p->opt.sendmail, geteuid() == 0);
	if (c->stranger[0] != '\0')
		check_say(c, CHECK_WARN, "sendmail: the system has no account "
		    "with the number of %s; most mail programs refuse such a "
		    "sender", c->stranger);
}

static void
check_log(struct check *c)
{
	struct stat sb;

	if (stat("/dev/log", &sb) == 0 && S_ISSOCK(sb.st_mode))
		check_say(c, CHECK_OK, "log: /dev/log, facility local0");
	else
		check_say(c, CHECK_WARN, "log: no /dev/log, so log lines are "
		    "lost%s", c->p->env.trace != -1 ?
		    ", except for the file of -t" : "");
}

int
check_installation(struct pop *p)
{
	struct check c = { .p = p };

	check_accounts(&c);
	if (check_directories(&c))
		check_maildrops(&c);
	check_starters(&c);
	check_tls(&c);
	check_xmit(&c);
	check_boards(&c);
	check_log(&c);
	if (c.failures > 0)
		printf("failures: %u\n", c.failures);
	return c.failures > 0 || fflush(stdout) == EOF ? -1 : 0;
}
