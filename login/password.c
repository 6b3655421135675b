/*
 * Passwords: is this one right?
 */
#include <sys/wait.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "login/login.h"

enum {
	/* a name, a password and a time, each with its NUL */
	QUESTION_LEN = NAME_LEN + PASSWORD_LEN + 32,
	CHECK_LIMIT = 30	/* seconds that a checkpassword program has */
};

/* Takes the same time for all strings of one length. */
static bool
equal_constant_time(struct str a, struct str b)
{
	size_t i;
	unsigned diff = 0;

	if (a.n != b.n)
		return false;
	for (i = 0; i < a.n; i++)
		diff |= (unsigned)(a.p[i] ^ b.p[i]);
	return diff == 0;
}

/* crypt(3), or NULL if it knows no such hash. */
static const char *
hash_password(const char *password, const char *salt)
{
	const char *hash = crypt(password, salt);

	return hash == NULL || hash[0] == '*' ? NULL : hash;
}

/* Does the work of a check if there is no hash: the first that libcrypt has. */
static void
hash_decoy(const char *password)
{
	if (hash_password(password, "$y$j9T$Y0nQ8L.x2kzVtDFOMV4Lk1$") == NULL &&
	    hash_password(password, "$6$Y0nQ8L.x2kzV$") == NULL)
		(void)hash_password(password, "$1$Y0nQ8Lx2$");
}

static void
check_hash(struct account *a, const char *password)
{
	const char *got = NULL, *wrong = NULL;

	if (a->hash[0] == '\0')
		wrong = "empty";
	else if (strchr("*!", a->hash[0]) != NULL)
		wrong = "locked";
	else if ((got = hash_password(password, a->hash)) == NULL)
		wrong = "hash";
	else if (!equal_constant_time(text_of(got), text_of(a->hash)))
		wrong = "password";
	if (got == NULL)
		hash_decoy(password);
	if (a->reason == NULL)
		a->reason = wrong;
}

/*
 * The interface of checkpassword: a name, a password and a third string on
 * descriptor 3, and as an argument a program to run, which has nothing to do
 * here.  0 with the status of its end, or -1 with errno.
 */
static int
run_checker(struct env *e, const char *checker, const struct login *l,
    int *status)
{
	char path[] = CHILD_PATH, doing_nothing[] = "/bin/true";
	char *env[] = { path, NULL }, text[QUESTION_LEN];
	char *argv[] = { strdup(checker), doing_nothing, NULL };
	struct program program = { checker, argv, env, -1, 3 };
	int64_t until = wait_deadline(CHECK_LIMIT);
	int fd[2], n, r = -1;
	bool sent;

	n = snprintf(text, sizeof(text), "%s%c%s%cY%lld%c", l->name, 0,
	    l->password, 0, (long long)time(NULL), 0);
	if (argv[0] != NULL && pipe(fd) == 0) {
		program.in = fd[0];
		/* no wait: a pipe has room for it */
		sent = write(fd[1], text, (size_t)n) == n;
		file_close(fd[1]);
		if (sent)
			r = child_run(e, &program, l->until < until ?
			    l->until : until, status);
		file_close(fd[0]);
	}
	text_wipe(text, sizeof(text));
	file_free(argv[0]);
	return r == 0 ? 0 : -1;
}

/* Exit 0: the password is right, 1: it is wrong; the rest is an error. */
static int
ask_checker(struct env *e, const struct accounts *ac, const struct login *l,
    struct account *a)
{
	a->asked = ac->checker;
	if (run_checker(e, ac->checker, l, &a->status) == -1) {
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
 * The exit statuses of a checkpassword program that a retry does not change.
 * Its interface has 2 for misuse and 111 for temporary errors, other programs
 * have 100 for permanent ones; 64 and up are those of sysexits(3), 126 and 127
 * those of a shell that may not or cannot run a program.  A signal may pass.
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
	unsigned char digest[MD5_LEN];
	char want[2 * MD5_LEN + 1];
	struct md5 m;

	md5_begin(&m);
	md5_add(&m, l->stamp, strlen(l->stamp));
	md5_add(&m, secret, strlen(secret));
	md5_end(&m, digest);
	text_hex(want, digest, sizeof(digest));
	return equal_constant_time(l->digest, text_of(want));
}

/*
 * Checks the digest of APOP, and refuses at PASS the users who have a secret
 * for it: that must not cross in the clear.  0, or -1 with errno.
 */
static int
check_secret(const struct accounts *ac, const struct login *l,
    struct account *a)
{
	char secret[PASSWORD_LEN];
	bool apop = l->password == NULL;
	const char *wrong = NULL;
	int r = 0;

	if (!apop && l->tls)
		return 0;
	if (ac->secrets != NULL) {
		a->asked = ac->secrets;
		r = account_line(ac->secrets, false, l->name, secret,
		    sizeof(secret));
	}
	if (r == -1)
		return -1;
	if (!apop)
		wrong = r == 1 ? "apop" : NULL;
	else if (r == 0)
		wrong = "nosecret";
	else if (!digest_right(l, secret))
		wrong = "digest";
	if (a->reason == NULL)
		a->reason = wrong;
	return 0;
}

/* A login, and what the process that checks it says of it. */
struct question {
	const struct accounts *accounts;
	const struct login *login;
	struct account account;	/* its reason and asked point to constants */
	int error;		/* errno, or 0 */
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

	if (account_find(ac, l->name, a) == -1 || check_secret(ac, l, a) == -1)
		q->error = errno;
	else if (l->password != NULL && ac->checker == NULL)
		check_hash(a, l->password);
	text_wipe(a->hash, sizeof(a->hash));
}

int
password_check(struct env *e, const struct accounts *ac, const struct login *l,
    struct account *a)
{
	struct question q = { ac, l, { 0 }, 0 };
	int r;

	q.account.asked = account_source(ac);
	r = child_ask(e, find_account, &q, sizeof(q), l->until);
	*a = q.account;
	if (r == -1 || (errno = q.error) != 0)
		return -1;
	if (l->password == NULL || ac->checker == NULL)
		return 0;
	/* unknown names as well: they must take the same time */
	return ask_checker(e, ac, l, a);
}
