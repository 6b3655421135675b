/*
 * Everything that runs as root.  That is: main() up to the greeting, reading
 * command lines (pop_io.c, bounded), and in this file
 *	- looking up an account and checking a password,
 *	- opening the spool directory and creating .user.pop for its owner,
 *	- becoming that user for good.
 * Nothing else that a client sends reaches root.
 *
 * A refusal is sent at a fixed time after the command, whatever was wrong, so
 * that neither its text nor its delay says who exists (RFC 1939, 13).
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#ifdef __linux__
#include <shadow.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

enum { HASH_LEN = 256, PAGE = 4096 };

/* What is known of the account that USER named. */
struct account {
	const char *reason;	/* why it may not log in, or NULL */
	char hash[HASH_LEN];
	uid_t uid;
	gid_t gid;
	bool system;		/* of the system's own passwd */
	char home[sizeof(((struct pop *)0)->home)];
};

/* A hash to spend the same work on where there is no account. */
static const char *const dummies[] = {
	"$y$j9T$Y0nQ8L.x2kzVtDFOMV4Lk1$", "$6$Y0nQ8L.x2kzV$", "$1$Y0nQ8Lx2$"
};

static void
forget(void *p, size_t n)
{
	volatile unsigned char *s = p;

	while (n-- > 0)
		*s++ = 0;
}

/* A name may become part of a path; what could not be one is unknown. */
static bool
name_ok(const char *s)
{
	if (s[0] == '\0' || s[0] == '.' || s[0] == '-')
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f || *s == '/' ||
		    *s == ':')
			return false;
	return true;
}

static void
set_hash(struct account *a, const char *hash)
{
	int n = snprintf(a->hash, sizeof(a->hash), "%s", hash);

	if (n < 0 || (size_t)n >= sizeof(a->hash))
		a->reason = "hash";
}

/* An account of the system: passwd, and shadow where there is one. */
static int
look_up_system(const char *name, struct account *a)
{
	struct passwd *pw;

	errno = 0;
	if ((pw = getpwnam(name)) == NULL) {
		a->reason = "unknown";
		return errno == 0 || errno == ENOENT || errno == ESRCH ? 0 :
		    -1;
	}
	a->uid = pw->pw_uid;
	a->gid = pw->pw_gid;
	a->system = true;
	(void)snprintf(a->home, sizeof(a->home), "%s", pw->pw_dir);
	set_hash(a, pw->pw_passwd);
#ifdef __linux__
	if (strcmp(a->hash, "x") == 0) {
		struct spwd *sp = getspnam(name);
		long today = (long)(time(NULL) / (24 * 60 * 60));

		if (sp == NULL) {
			a->reason = "locked";
			return 0;
		}
		set_hash(a, sp->sp_pwdp);
		if ((sp->sp_expire >= 0 && today >= sp->sp_expire) ||
		    sp->sp_lstchg == 0 ||
		    (sp->sp_lstchg > 0 && sp->sp_max >= 0 &&
		    today > sp->sp_lstchg + sp->sp_max))
			a->reason = "expired";
		endspent();
	}
#endif
	endpwent();
	return 0;
}

/* One line of a passwd(5) file: name:hash:uid:gid:gecos:home:shell. */
static bool
parse_account(char *line, const char *name, struct account *a)
{
	char *field[6] = { NULL }, *s = line, *colon;
	uint64_t uid, gid;
	int i;

	for (i = 0; i < 6; i++) {
		field[i] = s;
		if ((colon = strchr(s, ':')) == NULL)
			return false;
		*colon = '\0';
		s = colon + 1;
	}
	if (!arg_number((struct str){ field[2], strlen(field[2]) },
	    UINT32_MAX - 1, &uid) ||
	    !arg_number((struct str){ field[3], strlen(field[3]) },
	    UINT32_MAX - 1, &gid))
		return false;
	set_hash(a, field[1]);		/* also a stranger's: see check() */
	a->uid = (uid_t)uid;
	a->gid = (gid_t)gid;
	(void)snprintf(a->home, sizeof(a->home), "%s", field[5]);
	return strcmp(field[0], name) == 0;
}

/* The account in the file of -p, which only its owner may have written. */
static int
look_up_file(struct pop *p, const char *name, struct account *a)
{
	struct stat sb;
	FILE *f;
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	if ((f = fopen(p->opt.passwd, "re")) == NULL)
		return -1;
	if (fstat(fileno(f), &sb) == -1 || !S_ISREG(sb.st_mode) ||
	    (sb.st_uid != 0 && sb.st_uid != geteuid()) ||
	    sb.st_mode & (S_IWGRP | S_IWOTH)) {
		(void)fclose(f);
		errno = EPERM;
		return -1;
	}
	while (!found && getline(&line, &room, f) != -1) {
		a->reason = NULL;
		found = parse_account(line, name, a);
	}
	if (!found)
		a->reason = "unknown";
	if (line != NULL)
		forget(line, room);
	free(line);
	return fclose(f) == EOF ? -1 : 0;
}

/* Constant in time for strings of one length. */
static bool
same(const char *a, const char *b)
{
	size_t i, n = strlen(a);
	unsigned diff = 0;

	if (n != strlen(b))
		return false;
	for (i = 0; i < n; i++)
		diff |= (unsigned)(a[i] ^ b[i]);
	return diff == 0;
}

/* Why this password does not open this account, or NULL. */
static const char *
check(struct account *a, const char *password)
{
	const char *got = NULL;
	size_t i;

	if (a->reason == NULL && a->hash[0] == '\0')
		a->reason = "empty";
	if (a->reason == NULL && strchr("*!", a->hash[0]) != NULL)
		a->reason = "locked";
	if (a->reason == NULL && a->uid == 0)
		a->reason = "root";
	if (a->hash[0] != '\0' && strchr("*!", a->hash[0]) == NULL)
		got = crypt(password, a->hash);
	if (got != NULL && got[0] != '*') {
		if (a->reason == NULL && !same(got, a->hash))
			a->reason = "password";
		return a->reason;
	}
	for (i = 0; i < sizeof(dummies) / sizeof(dummies[0]); i++)
		if ((got = crypt(password, dummies[i])) != NULL &&
		    got[0] != '*')
			break;
	return a->reason == NULL ? "hash" : a->reason;
}

/*
 * .user.pop, where it is missing: only root may make files in most spool
 * directories.  One that a crash left before it was given away is taken up.
 */
static int
make_work(struct pop *p, const struct account *a)
{
	char name[NAME_LEN + 8];
	struct stat sb;
	int fd, r, saved;

	(void)snprintf(name, sizeof(name), ".%s.pop", p->user);
	fd = openat(p->drop.dir, name, O_RDWR | O_CREAT | O_EXCL |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1 && errno == EEXIST) {
		if (fstatat(p->drop.dir, name, &sb, AT_SYMLINK_NOFOLLOW) ==
		    -1 || sb.st_uid != geteuid() || a->uid == geteuid())
			return 0;
		fd = file_open(p->drop.dir, name, O_RDWR, geteuid(), &sb);
		if (fd != -1 && sb.st_size > 0) {
			(void)close(fd);
			return 0;	/* file_open() will say no to it */
		}
	}
	if (fd == -1)
		return -1;
	r = fchown(fd, a->uid, a->gid);
	saved = errno;
	if (r == 0)		/* an UPDATE on a full disk begins in there */
		(void)file_reserve(fd, 0, PAGE);
	(void)close(fd);
	errno = saved;
	return r;
}

/*
 * Becomes the user for good.  The group of a spool directory that only its
 * group may write to stays as the saved gid, for name.lock alone; root's
 * group never does.
 */
static int
become(struct pop *p, const struct account *a)
{
	struct stat sb;

	(void)snprintf(p->home, sizeof(p->home), "%s", a->home);
	p->uid = a->uid;
	p->gid = p->spoolgid = a->gid;
	if (geteuid() != 0) {
		p->gid = p->spoolgid = getegid();
		errno = EPERM;
		return geteuid() == a->uid ? 0 : -1;
	}
	if (fstat(p->drop.dir, &sb) == -1)
		return -1;
	if (sb.st_mode & S_IWGRP && !(sb.st_mode & S_IWOTH) && sb.st_gid != 0)
		p->spoolgid = sb.st_gid;
	if ((a->system ? initgroups(p->user, a->gid) :
	    setgroups(1, &a->gid)) == -1 ||
	    setregid(a->gid, p->spoolgid) == -1 ||
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

int
auth_as_spool(struct pop *p, int (*fn)(void *), void *arg)
{
	int r, saved;

	if (p->spoolgid == p->gid)
		return fn(arg);
	if (setegid(p->spoolgid) == -1)
		return -1;
	r = fn(arg);
	saved = errno;
	if (setegid(p->gid) == -1)
		abort();		/* never go on with it */
	errno = saved;
	return r;
}

enum result
pop_user(struct pop *p)
{
	struct str name = p->argv[0];

	if (name.n >= sizeof(p->user)) {	/* then nobody's */
		name.p = "";
		name.n = 0;
	}
	memcpy(p->user, name.p, name.n);
	p->user[name.n] = '\0';
	(void)log_clean(p->who, sizeof(p->who), name.p, name.n);
	return pop_ok(p, "Password required for %.*s.", (int)p->argv[0].n,
	    p->argv[0].p);
}

enum result
pop_rpop(struct pop *p)
{
	return pop_err(p, "[AUTH] Trust by host name is not given here.");
}

/* Looks up and checks; 0, or -1 with errno when the system is in trouble. */
static int
authenticate(struct pop *p, struct account *a)
{
	char password[LINE_COMMAND + 1];
	int r;

	memset(a, 0, sizeof(*a));
	memcpy(password, p->argv[0].p, p->argv[0].n);
	password[p->argv[0].n] = '\0';
	if (!name_ok(p->user)) {
		a->reason = "unknown";
		r = 0;
	} else if (p->opt.passwd != NULL)
		r = look_up_file(p, p->user, a);
	else
		r = look_up_system(p->user, a);
	if (r == 0)
		a->reason = check(a, password);
	forget(password, sizeof(password));
	forget(p->in.buf, p->in.start);
	forget(a->hash, sizeof(a->hash));
	return r;
}

static enum result
refuse(struct pop *p, const struct account *a, const struct timespec *when)
{
	p->reason = END_AUTH;
	pop_log(p, LV_NOTICE, "failed login user=%s addr=%s reason=%s",
	    p->who, p->addr, a->reason);
	(void)io_sleep(p, when);
	pop_printf(p, "-ERR [AUTH] Password supplied for \"%s\" is "
	    "incorrect.", p->user);
	return BYE;
}

/* The privileges go first, then the maildrop is opened: as the user. */
static enum result
enter(struct pop *p, const struct account *a)
{
	p->reason = END_ERROR;
	p->drop.dir = open(p->opt.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->drop.dir == -1 || (geteuid() == 0 && make_work(p, a) == -1)) {
		pop_warn(p, "login: dir=%s", p->opt.dir);
		(void)pop_err(p, "[SYS/PERM] The spool directory cannot be "
		    "used; tell the administrator.");
		return BYE;
	}
	if (become(p, a) == -1) {
		pop_warn(p, "login: cannot become uid=%lu",
		    (unsigned long)a->uid);
		(void)pop_err(p, "[SYS/PERM] The server may not serve this "
		    "account; tell the administrator.");
		return BYE;
	}
	if (drop_open(p) != OK)
		return BYE;
	p->known = true;
	p->left = (unsigned long)p->drop.sum.count;
	pop_log(p, LV_NOTICE, "login user=%s addr=%s messages=%llu "
	    "octets=%llu", p->who, p->addr,
	    (unsigned long long)p->drop.sum.count,
	    (unsigned long long)p->drop.sum.octets);
	return pop_ok(p, "%s has %llu messages (%llu octets).", p->user,
	    (unsigned long long)p->drop.sum.count,
	    (unsigned long long)p->drop.sum.octets);
}

enum result
pop_pass(struct pop *p)
{
	struct account a;
	struct timespec when;

	io_deadline(&when, p->opt.fail);
	if (authenticate(p, &a) == -1) {
		p->reason = END_ERROR;
		pop_warn(p, "login: cannot look up accounts");
		(void)pop_err(p, "[SYS/TEMP] Accounts cannot be looked up "
		    "now.");
		return BYE;
	}
	if (a.reason != NULL)
		return refuse(p, &a, &when);
	return enter(p, &a);
}
