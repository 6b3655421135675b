/*
 * Passwords: is it right?
 */
#include <sys/wait.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "login/login.h"

enum {
	LOGIN_LEN = NAME_LEN + PASSWORD_LEN + 32,	/* name, password, time */
	CHECK_LIMIT = 30	/* seconds that a checkpassword program has */
};

/* A hash to spend the same work on where there is no account. */
static const char *const decoy_salts[] = {
	"$y$j9T$Y0nQ8L.x2kzVtDFOMV4Lk1$", "$6$Y0nQ8L.x2kzV$", "$1$Y0nQ8Lx2$"
};

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
