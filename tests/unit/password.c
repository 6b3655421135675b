/*
 * The password check without a connection: what nothing proves is refused, also
 * where a caller forgot to ask whether a way of logging in is on offer.
 */
#include <unistd.h>

#include "login/login.h"
#include "tap.h"

static struct env session;

/* Why a login is refused, "" if it is not, by a passwd file of one line. */
static const char *
refusal(const char *hash, const struct login *offered)
{
	char path[] = "/tmp/popper-unit-XXXXXX", line[128];
	struct accounts ac = { .passwd = path };
	struct login l = *offered;
	static struct account a;
	int n, r, fd = mkstemp(path);

	n = snprintf(line, sizeof(line), "alice:%s:54321:54321:::\n", hash);
	if (fd == -1 || write(fd, line, (size_t)n) != n)
		abort();
	(void)close(fd);
	l.until = wait_deadline(60);
	r = password_check(&session, &ac, &l, &a);
	(void)unlink(path);
	return r == -1 ? "error" : a.reason == NULL ? "" : a.reason;
}

static void
refused(const char *what, const char *reason, const char *hash,
    const struct login *l)
{
	const char *got = refusal(hash, l);

	ok(strcmp(got, reason) == 0, "%s: \"%s\"", what, got);
}

int
main(void)
{
	static const char hash[] = "$1$xxxxxxxx$hjLYnRZtHhpAzCH6I7JQk1";
	struct login wrong = { .name = "alice", .password = "wrong" };
	struct login nobody = { .name = "bob", .password = "wrong" };
	struct login digest = { .name = "alice", .stamp = "<1.2.3@host>",
	    .digest = { "0123456789abcdef0123456789abcdef", 32 } };

	session.trace = -1;
	refused("a wrong password", "password", hash, &wrong);
	refused("an unknown name", "unknown", hash, &nobody);
	refused("a locked account", "locked", "!", &wrong);
	refused("an empty hash", "empty", "", &wrong);
	refused("a digest without a file of secrets", "nosecret", hash, &digest);
	return tap_end();
}
