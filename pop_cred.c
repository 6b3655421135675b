/*
 * Accounts and passwords: who is it, may he log in, is the password right?
 * All of this runs as root; see pop_auth.c.
 */
#include <sys/wait.h>

#include <errno.h>
#include <pwd.h>
#if defined(__linux__) && !defined(POPPER_PORTABLE)
#define HAS_SHADOW 1
#include <shadow.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

enum {
	LOGIN_LEN = NAME_LEN + PASSWORD_LEN + 32,	/* name, password, time */
	CHECK_LIMIT = 30	/* seconds that a checkpassword program has */
};

/* What marks a maildrop of one's own in the field of the home. */
#define MARK	"mbox="

void
text_wipe(void *p, size_t n)
{
	volatile unsigned char *s = p;

	while (n-- > 0)
		*s++ = 0;
}

/* A hash to spend the same work on where there is no account. */
static const char *const decoy_salts[] = {
	"$y$j9T$Y0nQ8L.x2kzVtDFOMV4Lk1$", "$6$Y0nQ8L.x2kzV$", "$1$Y0nQ8Lx2$"
};

bool
account_is_lock_name(const char *name)
{
	static const char lock[] = ".lock";
	size_t n = strlen(name), end = sizeof(lock) - 1;

	return n >= end && strcmp(name + n - end, lock) == 0;
}

/*
 * A name may become part of a path; what could not be one is unknown.  Those of
 * other files in the spool directory begin with a dot, or are of lock files.
 */
static bool
account_name_ok(const char *s)
{
	if (s[0] == '\0' || s[0] == '.' || s[0] == '-' ||
	    account_is_lock_name(s))
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

/*
 * An account of the system: passwd, and shadow where there is one.  A name
 * service may find one account by several names, in any case or with a domain;
 * only its own name is served: lists of names and spools know no other.
 */
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
	if (strcmp(pw->pw_name, name) != 0)
		a->reason = "alias";
	(void)snprintf(a->home, sizeof(a->home), "%s", pw->pw_dir);
	set_hash(a, pw->pw_passwd);
#ifdef HAS_SHADOW
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

bool
account_parse(char *line, const char *name, struct account *a)
{
	char *field[6] = { NULL }, *s = line, *colon, root[] = "/";
	uint64_t uid, gid;
	int i;

	line[strcspn(line, "\r\n")] = '\0';
	for (i = 0; i < 6; i++) {
		field[i] = s;
		if ((colon = strchr(s, ':')) == NULL)
			s += strlen(s);	/* the last ones may be missing */
		else {
			*colon = '\0';
			s = colon + 1;
		}
	}
	if (!text_number(text_of(field[2]), UINT32_MAX - 1, &uid) ||
	    !text_number(text_of(field[3]), UINT32_MAX - 1, &gid))
		return false;
	set_hash(a, field[1]);		/* also a stranger's: see check() */
	a->uid = (uid_t)uid;
	a->gid = (gid_t)gid;
	a->maildrop[0] = '\0';
	if (strncmp(field[5], MARK, sizeof(MARK) - 1) == 0) {
		(void)snprintf(a->maildrop, sizeof(a->maildrop), "%s",
		    field[5] + sizeof(MARK) - 1);
		field[5] = root;
	}
	(void)snprintf(a->home, sizeof(a->home), "%s", field[5]);
	return strcmp(field[0], name) == 0;
}

FILE *
file_trusted(const char *path, bool secret)
{
	mode_t others = secret ? S_IRWXG | S_IRWXO : S_IWGRP | S_IWOTH;
	struct stat sb;
	FILE *f;

	if ((f = file_text(path, &sb)) == NULL)
		return NULL;
	if ((sb.st_uid == 0 || sb.st_uid == geteuid()) &&
	    !(sb.st_mode & others))
		return f;
	(void)fclose(f);
	errno = EPERM;
	return NULL;
}

/* The account in the file of -p. */
static int
look_up_file(const struct accounts *ac, const char *name, struct account *a)
{
	FILE *f;
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	if ((f = file_trusted(ac->passwd, false)) == NULL)
		return -1;
	while (!found && getline(&line, &room, f) != -1) {
		a->reason = NULL;
		found = account_parse(line, name, a);
	}
	if (!found)
		a->reason = "unknown";
	free(line);
	return fclose(f) == EOF ? -1 : 0;
}

/* Constant in time for strings of one length. */
static bool
equal_constant_time(const char *a, const char *b)
{
	size_t i, n = strlen(a);
	unsigned diff = 0;

	if (n != strlen(b))
		return false;
	for (i = 0; i < n; i++)
		diff |= (unsigned)(a[i] ^ b[i]);
	return diff == 0;
}

int
account_line(const char *path, bool secret, const char *name, char *value,
    size_t room)
{
	FILE *f;
	char *line = NULL, *v;
	size_t size = 0;
	int r = 0, n;

	if ((f = file_trusted(path, secret)) == NULL)
		return -1;
	while (r == 0 && getline(&line, &size, f) != -1) {
		line[strcspn(line, "\r\n")] = '\0';
		v = line + strcspn(line, ":");
		if (*v != '\0')
			*v++ = '\0';
		if (line[0] == '#' || strcmp(line, name) != 0)
			continue;
		r = 1;
		if (value == NULL)
			break;
		n = snprintf(value, room, "%s", v);
		if (n <= 0 || (size_t)n >= room)
			r = 0;		/* no secret is no door */
	}
	if (ferror(f))
		r = -1;
	free(line);
	(void)fclose(f);
	return r;
}

/* Whether a list of names has this one: 1, 0, or -1 with errno. */
static int
name_is_listed(const char *path, const char *name, struct account *a)
{
	a->asked = path;
	return account_line(path, false, name, NULL, 0);
}

/*
 * The lists are read for unknown names too: trouble with them looks the same
 * for every name.
 */
int
account_judge(const struct accounts *ac, const char *name, struct account *a)
{
	int allowed = 1, denied = 0;

	if (!account_name_ok(name))
		a->reason = "unknown";
	if ((ac->allow != NULL &&
	    (allowed = name_is_listed(ac->allow, name, a)) == -1) ||
	    (ac->deny != NULL &&
	    (denied = name_is_listed(ac->deny, name, a)) == -1))
		return -1;
	if (a->reason != NULL)
		return 0;
	if (denied)
		a->reason = "denied";
	else if (!allowed)
		a->reason = "notallowed";
	else if (a->uid == 0)
		a->reason = "root";
	else if (a->uid < ac->minuid)
		a->reason = "uid";
	return 0;
}

/* Spends the time of a check where there is nothing to check against. */
static void
hash_decoy(const char *password)
{
	const char *got;
	size_t i;

	for (i = 0; i < sizeof(decoy_salts) / sizeof(decoy_salts[0]); i++)
		if ((got = crypt(password, decoy_salts[i])) != NULL &&
		    got[0] != '*')
			break;
}

/* The password against the account's own hash. */
static void
check_hash(struct account *a, const char *password)
{
	const char *got = NULL, *wrong = NULL;

	if (a->hash[0] == '\0')
		wrong = "empty";
	else if (strchr("*!", a->hash[0]) != NULL)
		wrong = "locked";
	else if ((got = crypt(password, a->hash)) == NULL || got[0] == '*')
		wrong = "hash";
	else if (!equal_constant_time(got, a->hash))
		wrong = "password";
	if (got == NULL || got[0] == '*')
		hash_decoy(password);
	if (a->reason == NULL)
		a->reason = wrong;
}

/* What a checkpassword program may take of the time to log in. */
static unsigned
check_time(const struct login *l)
{
	int64_t left = wait_left(&l->until) / 1000;

	return left <= 0 ? 0 : left < CHECK_LIMIT ? (unsigned)left :
	    CHECK_LIMIT;
}

/*
 * The interface of checkpassword: name, password and a third string on
 * descriptor 3, and a program to run that here has nothing to do.  Exit 0:
 * right, 1: wrong; anything else is trouble that is not the user's.
 */
static int ask_program(struct env *e, const struct accounts *ac, const struct
    login *l, struct account *a) {
	char path[] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin";
	char doing_nothing[] = "/bin/true", *env[] = { path, NULL };
	char *argv[] = { NULL, doing_nothing, NULL }, text[LOGIN_LEN];
	struct child c;
	int fd[2], n, r = -1;
	bool written;

	a->asked = ac->checker;
	if ((argv[0] = strdup(ac->checker)) == NULL)
		return -1;
	n = snprintf(text, sizeof(text), "%s%c%s%cY%lld%c", l->name, 0,
	    l->password, 0, (long long)time(NULL), 0);
	if (n > 0 && pipe(fd) == 0) {
		r = child_start(e, &c, fd[0], 3, ac->checker, argv,
		    env);
		(void)close(fd[0]);	/* fits a pipe: no wait here */
		written = r == 0 && (write(fd[1], text, (size_t)n) == n ||
		    errno == EPIPE);	/* it may know without reading */
		(void)close(fd[1]);
		if (r == 0)
			r = child_wait(e, &c, check_time(l), &a->status);
		if (r == 0 && !written) {
			errno = EIO;
			r = -1;
		}
	}
	text_wipe(text, sizeof(text));
	file_free(argv[0]);
	if (r != 0) {
		a->status = 0;		/* errno has the cause */
		return -1;
	}
	if (WIFEXITED(a->status) && WEXITSTATUS(a->status) == 1) {
		if (a->reason == NULL)
			a->reason = "password";
		a->status = 0;
	}
	return a->status == 0 ? 0 : -1;
}

/*
 * The exit statuses of a checkpassword program that last: its interface has 2
 * for misuse and 111 for trouble that may pass, others have 100 for trouble
 * that does not; 64 and up are those of sysexits(3), and a shell ends with 126
 * or 127 where it may not or cannot run a program.  A signal may pass.
 */
bool
password_trouble_lasts(const struct account *a)
{
	static const int lasting[] = { 2, 64, 66, 70, 72, 73, 76, 77, 78, 100,
	    126, 127 };
	size_t i;

	if (a->status == 0)
		return file_permanent(errno);
	for (i = 0; i < sizeof(lasting) / sizeof(lasting[0]); i++)
		if (WIFEXITED(a->status) &&
		    WEXITSTATUS(a->status) == lasting[i])
			return true;
	return false;
}

/* RFC 1939, 7: the digest of the timestamp and the shared secret. */
static bool
digest_right(const struct login *l, const char *secret)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char got[MD5_LEN];
	unsigned diff = l->digest.n != 2 * MD5_LEN;
	struct md5 m;
	size_t i;

	md5_begin(&m);
	md5_add(&m, l->stamp, strlen(l->stamp));
	md5_add(&m, secret, strlen(secret));
	md5_end(&m, got);
	for (i = 0; i < 2 * MD5_LEN && i < l->digest.n; i++)
		diff |= (unsigned)(l->digest.p[i] ^ hex[got[i / 2] >>
		    (i % 2 == 0 ? 4 : 0) & 15]);
	return diff == 0;
}

/* APOP, and the users of APOP at PASS. */
static int check_secret(const struct accounts *ac, const struct login *l, struct
    account *a, bool *done) {
	char secret[PASSWORD_LEN];
	int r;

	*done = l->password == NULL;
	if (ac->secrets == NULL || (!*done && l->tls))
		return 0;
	a->asked = ac->secrets;
	r = account_line(ac->secrets, true, l->name, secret, sizeof(secret));
	if (r == -1)
		return -1;
	if (r == 1 && !*done && a->reason == NULL)
		a->reason = "apop";	/* his secret is not for the clear */
	if (*done && a->reason == NULL && (r == 0 ||
	    !digest_right(l, secret)))
		a->reason = r == 0 ? "nosecret" : "digest";
	return 0;
}

int
account_find(const struct accounts *ac, const char *name, struct account *a)
{
	int r = 0;

	memset(a, 0, sizeof(*a));
	a->asked = ac->passwd != NULL ? ac->passwd : "passwd";
	if (account_name_ok(name))
		r = ac->passwd != NULL ? look_up_file(ac, name, a) :
		    look_up_system(name, a);
	return r == 0 ? account_judge(ac, name, a) : r;
}

/* What is asked, and what the process that looks it up says of it. */
struct question {
	const struct accounts *accounts;
	const struct login *login;
	struct account account;	/* reason and asked are this program's */
	int error;		/* errno, or 0 */
	bool done;		/* no program of -c is to be asked */
};

/*
 * Finds and checks the account, in a process of its own: what the C library,
 * the name services and crypt(3) keep of other accounts' hashes ends with it.
 */
static void
find_account(void *arg)
{
	struct question *q = arg;
	const struct accounts *ac = q->accounts;
	const struct login *l = q->login;
	struct account *a = &q->account;
	int r = account_find(ac, l->name, a);

	if (r == 0)
		r = check_secret(ac, l, a, &q->done);
	if (r == -1)
		q->error = errno;
	else if (!q->done && ac->checker == NULL)
		check_hash(a, l->password);
	text_wipe(a->hash, sizeof(a->hash));
}

int password_check(struct env *e, const struct accounts *ac, const struct login
    *l, struct account *a) {
	struct question q;

	memset(&q, 0, sizeof(q));
	q.accounts = ac;
	q.login = l;
	q.account.asked = ac->passwd != NULL ? ac->passwd : "passwd";
	*a = q.account;
	if (child_ask(e, find_account, &q, sizeof(q), &l->until) ==
	    -1)
		return -1;
	*a = q.account;
	if (q.error != 0) {
		errno = q.error;
		return -1;
	}
	if (q.done || ac->checker == NULL)
		return 0;
	return ask_program(e, ac, l, a);	/* for anybody: see its time */
}
