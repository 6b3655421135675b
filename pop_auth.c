/*
 * Everything that runs as root.  That is: main() up to the greeting, reading
 * command lines (pop_io.c, bounded), STLS (pop_tls.c), and in this file
 *	- (with pop_cred.c) looking up an account and checking a password,
 *	- opening the spool directory and creating .user.pop for its owner,
 *	- becoming that user for good.
 * Nothing else that a client sends reaches root.
 *
 * A refusal is sent at a fixed time after the command, whatever was wrong, so
 * that neither its text nor its delay says who exists (RFC 1939, 13).
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

/* ---- the spool directory --------------------------------------------------- */

enum { LINKS_MOST = 8, TARGET_LEN = 1024 };

static int walk(int from, const char *path, int links);

/* Closes a directory; what went wrong before that stays in errno. */
static void
close_dir(int fd)
{
	int saved = errno;

	(void)close(fd);
	errno = saved;
}

/*
 * Opens one name in a directory as walk() does.  In a directory with the sticky
 * bit only root can replace what belongs to root.
 */
static int
walk_name(int dir, const char *name, int links)
{
	char target[TARGET_LEN];
	struct stat sb;
	ssize_t n;
	int fd;

	if (fstat(dir, &sb) == -1)
		return -1;
	if (sb.st_uid != 0 || (sb.st_mode & (S_IWGRP | S_IWOTH) &&
	    !(sb.st_mode & S_ISVTX))) {
		errno = EPERM;
		return -1;
	}
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (fd != -1 || fstatat(dir, name, &sb, AT_SYMLINK_NOFOLLOW) == -1)
		return fd;
	if (!S_ISLNK(sb.st_mode) || sb.st_uid != 0 || links == 0) {
		errno = EPERM;
		return -1;
	}
	errno = ENAMETOOLONG;
	n = readlinkat(dir, name, target, sizeof(target));
	if (n == -1 || (size_t)n == sizeof(target))
		return -1;
	target[n] = '\0';
	return walk(dir, target, links - 1);
}

/*
 * Opens a directory as root, name by name, where only root could have put it:
 * every directory that is passed on the way must belong to root and be closed
 * to other writers, and a symbolic link must belong to root as well.  The last
 * directory is not judged.  -1 with errno.
 */
static int
walk(int from, const char *path, int links)
{
	char name[256];
	int next, n, at = openat(from, *path == '/' ? "/" : ".", O_RDONLY |
	    O_DIRECTORY | O_CLOEXEC);

	while (at != -1 && *(path += strspn(path, "/")) != '\0') {
		n = snprintf(name, sizeof(name), "%.*s",
		    (int)strcspn(path, "/"), path);
		errno = ENAMETOOLONG;
		next = n < 0 || (size_t)n >= sizeof(name) ? -1 :
		    walk_name(at, name, links);
		close_dir(at);
		at = next;
		path += strcspn(path, "/");
	}
	return at;
}

/*
 * The directory of mbox= must be root's itself.  Its group may write there, as
 * in a spool directory: the group can replace nothing that leads to it.
 */
static int
open_listed(const char *dir)
{
	int fd = walk(AT_FDCWD, dir, LINKS_MOST);
	struct stat sb;

	if (fd == -1 || (fstat(fd, &sb) == 0 && sb.st_uid == 0 &&
	    (!(sb.st_mode & S_IWOTH) || sb.st_mode & S_ISVTX)))
		return fd;
	(void)close(fd);
	errno = EPERM;
	return -1;
}

int
dir_open(const struct ids *ids, const char *spooldir, const char *user,
    const struct account *a, char name[SPOOL_NAME])
{
	const char *path = a->maildrop, *slash = strrchr(path, '/');
	char dir[sizeof(a->maildrop)];
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	if (path[0] == '\0') {
		(void)snprintf(name, SPOOL_NAME, "%s", user);
		return ids->uid == 0 ? walk(AT_FDCWD, spooldir, LINKS_MOST) :
		    open(spooldir, flags);
	}
	if (path[0] != '/' || slash[1] == '\0' || slash[1] == '.' ||
	    account_is_lock_name(slash + 1) ||
	    strlen(path) == sizeof(a->maildrop) - 1) {
		errno = EINVAL;		/* no maildrop's path, or cut */
		return -1;
	}
	(void)snprintf(name, SPOOL_NAME, "%s", slash + 1);
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash + 1 - path),
	    path);
	return ids->uid == 0 ? open_listed(dir) : open(dir, flags);
}

void
dir_make_state(int dir, const char *name, const struct account *a)
{
	struct stat sb = { 0 };
	int fd;

	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	/* another first session may just be giving it away */
	if (fd == -1 && errno == EEXIST && fstatat(dir, name, &sb,
	    AT_SYMLINK_NOFOLLOW) == 0 && sb.st_uid == 0)
		fd = file_open(dir, name, O_RDWR, 0, &sb);
	if (fd == -1)
		return;
	if (sb.st_size == 0) {
		if (fchown(fd, a->uid, a->gid) == -1)
			(void)unlinkat(dir, name, 0);
		else		/* an UPDATE on a full disk begins in there */
			(void)file_reserve(fd, 0, PAGE);
	}
	(void)close(fd);
}

bool
dir_would_make_state(int dir, const char *name)
{
	struct stat sb;

	if (geteuid() != 0 || faccessat(dir, ".", W_OK | X_OK, 0) == -1)
		return false;
	if (fstatat(dir, name, &sb, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT;
	return S_ISREG(sb.st_mode) && sb.st_nlink == 1 && sb.st_uid == 0 &&
	    sb.st_size == 0;
}

/*
 * Runs fn(arg) with the spool directory's group in force, the one group right
 * that a session keeps besides the user's own: for name.lock and nothing else.
 */
static int
as_spool(const struct ids *ids, int (*fn)(void *), void *arg)
{
	int r, saved;

	if (setegid(ids->spoolgid) == -1)
		return -1;
	r = fn(arg);
	saved = errno;
	if (setegid(ids->gid) == -1)
		abort();		/* never go on with it */
	errno = saved;
	return r;
}

int
user_become(struct ids *ids, const struct account *a, const char *name,
    int dir, bool boards)
{
	struct stat sb = { 0 };

	ids->uid = a->uid;
	ids->gid = ids->spoolgid = a->gid;
	if (geteuid() != 0) {
		ids->gid = ids->spoolgid = getegid();
		errno = EPERM;
		return geteuid() == a->uid ? 0 : -1;
	}
	if (dir != -1 && fstat(dir, &sb) == -1)
		return -1;
	if (sb.st_mode & S_IWGRP && !(sb.st_mode & S_IWOTH) && sb.st_gid != 0)
		ids->spoolgid = sb.st_gid;
	if (ids->spoolgid != ids->gid)
		ids->as_spool = as_spool;
	if ((a->system && (boards || !(sb.st_mode & S_IXOTH)) ?
	    initgroups(name, a->gid) : setgroups(1, &a->gid)) == -1 ||
	    setregid(a->gid, ids->spoolgid) == -1 ||
	    setegid(a->gid) == -1 || setuid(a->uid) == -1)
		return -1;
	if (getuid() != a->uid || geteuid() != a->uid ||
	    getgid() != a->gid || getegid() != a->gid ||
	    setuid(0) == 0 || seteuid(0) == 0 || setegid(0) == 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

/* ---- the commands ---------------------------------------------------------- */

/* Where passwords may cross in the clear: -P, or what is on offer. */
bool
auth_clear_ok(struct pop *p)
{
	enum clear c = p->opt.clear;

	if (c == CLEAR_DEFAULT)
		c = p->conn.tlsfd[TLS_CTL] != -1 || p->conn.tls ? CLEAR_LOCAL :
		    CLEAR_ALWAYS;
	switch (c) {
	case CLEAR_NEVER:
		return false;
	case CLEAR_TLS:
		return p->conn.tls;
	case CLEAR_LOCAL:
		return p->conn.tls || p->conn.loopback;
	default:
		return true;
	}
}

/* The same for every name, before anything is looked up (RFC 8314, 4.1). */
static enum result
refuse_clear(struct pop *p)
{
	return reply_err(&p->conn, "[AUTH] Passwords are not taken on this "
	    "connection%s.", p->conn.tlsfd[TLS_CTL] != -1 ? "; use STLS first" :
	    "");
}

/* Notes the name for the log and for what follows; a long one is nobody's. */
static void
set_user(struct pop *p, const char *name, size_t n)
{
	if (n >= sizeof(p->user))
		n = 0;
	memcpy(p->user, name, n);
	p->user[n] = '\0';
	(void)text_clean(p->env.who, sizeof(p->env.who), name, n);
	if (n == 0)
		(void)text_clean(p->env.who, sizeof(p->env.who), "?", 1);
}

enum result
pop_user(struct pop *p)
{
	if (!auth_clear_ok(p))
		return refuse_clear(p);
	set_user(p, p->argv[0].p, p->argv[0].n);
	return reply_ok(&p->conn, "Password required for %.*s.",
	    (int)p->argv[0].n, p->argv[0].p);
}

enum result
pop_rpop(struct pop *p)
{
	return reply_err(&p->conn, "[AUTH] Trust by host name is not given "
	    "here.");
}

static enum result
refuse(struct pop *p, const struct account *a, const struct timespec *when)
{
	p->reason = END_AUTH;
	log_refused_login(p, a->reason);
	(void)wait_sleep(&p->env, when);
	reply_line(&p->conn, "-ERR [AUTH] Password supplied for \"%s\" is "
	    "incorrect.", p->user);
	return CLOSE;
}

static int
open_dir(struct pop *p, const struct account *a)
{
	return dir_open(&p->ids, p->opt.dir, p->user, a,
	    p->drop.box.name);
}

/*
 * The way to a maildrop.  Where only root could have put its directory, root
 * opens it and makes .user.pop; anywhere else the user does both.  Then the
 * privileges go.  Nothing is made if pr is not NULL: it then tells whether root
 * would do that.
 */
static enum fault
reach(struct pop *p, const struct account *a, struct probe *pr)
{
	struct maildrop *box = &p->drop.box;
	char state[STATE_NAME];

	if ((box->dir = open_dir(p, a)) != -1) {
		state_name(box->name, state);
		if (pr != NULL)
			pr->made = dir_would_make_state(box->dir, state);
		else if (p->ids.uid == 0)
			dir_make_state(box->dir, state, a);
	}
	(void)snprintf(p->home, sizeof(p->home), "%s", a->home);
	if (user_become(&p->ids, a, p->user, box->dir, p->opt.boards != NULL)
	    == -1)
		return FAULT_ACCOUNT;
	if (box->dir == -1 && (box->dir = open_dir(p, a)) == -1)
		return FAULT_DIR;
	return FAULT_NONE;
}

enum fault
auth_probe(struct pop *p, const char *name, const struct account *a,
    struct probe *pr)
{
	enum fault f;

	set_user(p, name, strlen(name));
	f = reach(p, a, pr);
	return f != FAULT_NONE ? f : drop_probe(p, pr);
}

/*
 * Where only root could have put the spool directory, root opens it and makes
 * .user.pop; anywhere else the user does both.  The maildrop is opened as the
 * user.  How long all of it took since asked is for the administrator.
 */
static enum result
enter(struct pop *p, const struct account *a, const struct timespec *asked)
{
	enum fault f = reach(p, a, NULL);

	if (f == FAULT_DIR)
		log_error(&p->env, "login: dir=%s", a->maildrop[0] != '\0' ?
		    a->maildrop : p->opt.dir);
	else if (f != FAULT_NONE)
		log_error(&p->env, "login: cannot become uid=%lu",
		    (unsigned long)a->uid);
	if (f != FAULT_NONE) {
		(void)drop_refuse(p, f);
		return CLOSE;
	}
	if (drop_open(p) != OK)
		return CLOSE;
	p->conn.logged_in = true;
	p->left = (unsigned long)p->drop.sum.count;
	log_login(p, -wait_left(asked));
	return reply_ok(&p->conn, "%s has %llu messages (%llu octets).",
	    p->user, (unsigned long long)p->drop.sum.count, (unsigned long
	    long)p->drop.sum.octets);
}

/* The accounts cannot be asked: the log names the file or the program. */
static enum result
say_no_check(struct pop *p, const struct account *a)
{
	bool permanent = password_trouble_lasts(a);

	if (a->status == 0)
		log_error(&p->env, "login: cannot check accounts: %s",
		    a->asked);
	else
		log_notice(&p->env, "login: cannot check accounts: %s "
		    "user=%s: %s %d", a->asked, p->env.who,
		    WIFSIGNALED(a->status) ? "signal" : "exit status",
		    WIFSIGNALED(a->status) ? WTERMSIG(a->status) :
		    WEXITSTATUS(a->status));
	if (permanent)
		(void)reply_err(&p->conn, "[SYS/PERM] Accounts cannot be "
		    "looked up; tell the administrator.");
	else
		(void)reply_err(&p->conn, "[SYS/TEMP] Accounts cannot be "
		    "looked up now.");
	return CLOSE;
}

/* What PASS, APOP and AUTH come to. */
static enum result
log_in(struct pop *p, struct login *l)
{
	struct account a;
	struct timespec asked, when;
	int r;

	wait_deadline(&asked, 0);
	wait_deadline(&when, p->opt.fail);
	l->name = p->user;
	l->stamp = p->stamp;
	l->tls = p->conn.tls;
	l->until = p->conn.login;
	r = password_check(&p->env, &p->opt.accounts, l, &a);
	text_wipe(p->conn.in.buf, p->conn.in.start);
	text_wipe(p->conn.in.buf + p->conn.in.end, sizeof(p->conn.in.buf) -
	    p->conn.in.end);
	if (r == -1 && a.status == 0 && errno == EINTR) {
		p->conn.out.state = IO_SIGNAL;	/* the loop says why we end */
		return ABORT;
	}
	if (r == -1)
		return say_no_check(p, &a);
	return a.reason != NULL ? refuse(p, &a, &when) :
	    enter(p, &a, &asked);
}

enum result
pop_pass(struct pop *p)
{
	char password[LINE_COMMAND + 1];
	struct login l = { .password = password };
	enum result r;

	memcpy(password, p->argv[0].p, p->argv[0].n);
	password[p->argv[0].n] = '\0';
	r = log_in(p, &l);
	text_wipe(password, sizeof(password));
	return r;
}

enum result
pop_apop(struct pop *p)
{
	struct login l = { .digest = p->argv[1] };

	if (p->opt.accounts.secrets == NULL)
		return reply_err(&p->conn, "APOP is not offered here.");
	set_user(p, p->argv[0].p, p->argv[0].n);
	return log_in(p, &l);
}

/* ---- AUTH (RFC 5034, RFC 4616) --------------------------------------------- */

static enum result
malformed(struct pop *p)
{
	return reply_err(&p->conn, "That is not a response of this mechanism.");
}

/* PLAIN's response: [who to be] NUL who NUL password, each up to 255. */
static enum result
plain(struct pop *p, struct str response)
{
	char text[PASSWORD_LEN], *who, *password;
	struct login l = { 0 };
	struct account proxy = { .reason = "proxy" };
	struct timespec when;
	size_t n, i, nuls = 0;
	enum result r = ERR;

	if (!base64_decode(response, text, sizeof(text) - 1, &n))
		return malformed(p);
	text[n] = '\0';
	for (i = 0; i < n; i++) {
		nuls += text[i] == '\0';
		if (text[i] != '\0' && ((unsigned char)text[i] < 0x20 ||
		    text[i] == 0x7f))
			nuls = 3;
		if (nuls > 2)
			break;
	}
	who = text + strlen(text) + 1;
	password = nuls == 2 ? who + strlen(who) + 1 : text + n;
	if (nuls != 2 || *who == '\0' || *password == '\0')
		r = malformed(p);
	else {
		set_user(p, who, strlen(who));
		l.password = password;
		wait_deadline(&when, p->opt.fail);
		r = text[0] != '\0' && strcmp(text, who) != 0 ?
		    refuse(p, &proxy, &when) : log_in(p, &l);
	}
	text_wipe(text, sizeof(text));
	return r;
}

/* AUTH [mechanism [initial response]]; "=" is an empty response. */
enum result
pop_auth(struct pop *p)
{
	struct str mech = p->argv[0], response = { "", 0 };
	enum io what;

	if (p->argc == 0) {
		(void)reply_ok(&p->conn, "Mechanisms follow");
		if (auth_clear_ok(p))
			reply_puts(&p->conn, "PLAIN\r\n");
		(void)reply_dot(&p->conn);
		return ERR;		/* nobody has logged in */
	}
	if (!text_is(mech, text_of("PLAIN")))
		return reply_err(&p->conn, "That mechanism is not known here.");
	if (!auth_clear_ok(p))
		return refuse_clear(p);
	if (p->argc == 2) {
		response = p->argv[1];
		if (response.n == 1 && *response.p == '=')
			response.n = 0;
		return plain(p, response);
	}
	reply_puts(&p->conn, "+ \r\n");
	what = line_read(&p->conn, LINE_SASL, &response);
	if (what == IO_LONG || what == IO_CONTROL)
		return malformed(p);
	if (what != IO_OK) {
		p->conn.out.state = what;	/* the loop says why we end */
		return ABORT;
	}
	if (response.n == 1 && *response.p == '*')
		return reply_err(&p->conn, "Authentication is cancelled.");
	return plain(p, response);
}
