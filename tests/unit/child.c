/*
 * lib/child.c: a program that does not end is ended, and all that it started;
 * what one that ends has to say is kept.  A copy of ourselves answers, or dies,
 * or is late.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"
#include "tap.h"

static struct env session;

/*
 * Runs words of sh with a pipe as descriptor 3, which has a line, and of which
 * *in is the other end.
 */
static int
run(const char *words, unsigned seconds, int *status, int *in)
{
	char name[] = "sh", dash_c[] = "-c", text[256];
	char *argv[] = { name, dash_c, text, NULL }, *env[] = { NULL };
	struct program sh = { "/bin/sh", argv, env, -1, 3 };
	int fd[2], r, error;

	(void)snprintf(text, sizeof(text), "%s", words);
	if (pipe(fd) == -1 || write(fd[1], "y\n", 2) != 2)
		abort();
	sh.in = fd[0];
	errno = 0;
	r = child_run(&session, &sh, wait_deadline(seconds), status);
	error = errno;
	(void)close(fd[0]);
	*in = fd[1];
	errno = error;
	return r;
}

/* Whether everybody who holds the pipe's other end is gone. */
static bool
is_gone(int in)
{
	ssize_t n;
	int i;

	for (i = 0; i < 100; i++) {
		if ((n = write(in, "", 1)) == -1 && errno == EPIPE)
			return true;
		(void)usleep(10000);
	}
	return false;
}

static void
ends(const char *words, int want)
{
	int in, status = -1;

	ok(run(words, 20, &status, &in) == 0 && WIFEXITED(status) &&
	    WEXITSTATUS(status) == want, "\"%s\": exit %d", words, want);
	(void)close(in);
}

static void
hangs(const char *words, unsigned seconds)
{
	int in, status;
	time_t began = time(NULL);

	ok(run(words, seconds, &status, &in) == -1 && errno == ETIMEDOUT &&
	    time(NULL) - began < 30, "\"%s\": its time is up", words);
	ok(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD,
	    "nothing is left to wait for");
	ok(is_gone(in), "nor to run");
	(void)close(in);
}

enum what { ANSWER, DIE, SLEEP };

/* What a copy of ourselves is to do, and what it says. */
struct task {
	enum what what;
	pid_t pid;
	char text[3000];
};

static void
carry_out(void *arg)
{
	struct task *t = arg;

	if (t->what == DIE)
		_exit(0);
	if (t->what == SLEEP)
		(void)sleep(60);
	t->pid = getpid();
	memset(t->text, 'x', sizeof(t->text));
}

static int
ask(struct task *t, enum what what, unsigned seconds)
{
	memset(t, 0, sizeof(*t));
	t->what = what;
	errno = 0;
	return child_ask(&session, carry_out, t, sizeof(*t),
	    wait_deadline(seconds));
}

static void
copies(void)
{
	struct task t;
	int status;

	ok(ask(&t, ANSWER, 20) == 0 && t.pid > 0 && t.pid != getpid() &&
	    t.text[0] == 'x' && t.text[sizeof(t.text) - 1] == 'x',
	    "a copy: its answer, whole");
	ok(ask(&t, DIE, 20) == -1 && errno == EPIPE, "one that dies");
	ok(ask(&t, SLEEP, 1) == -1 && errno == ETIMEDOUT, "one that is late");
	ok(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD,
	    "none is left");
}

/* What cannot be run: why, and no child is left. */
static void
cannot_run(const char *path, int want)
{
	char name[] = "program", *argv[] = { name, NULL }, *env[] = { NULL };
	struct program program = { path, argv, env, 0, 0 };
	int status;

	errno = 0;
	ok(child_run(&session, &program, wait_deadline(20), &status) == 1 &&
	    errno == want,
	    "%s cannot be run: %s", path, strerror(want));
	ok(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD,
	    "nothing is left to wait for");
}

int
main(void)
{
	int in, status = -1;

	(void)signal(SIGPIPE, SIG_IGN);
	ends("exit 0", 0);
	ends("exit 111", 111);
	ends("read x <&3; test $x = y && exit 5", 5);
	ok(run("kill -SEGV $$", 20, &status, &in) == 0 && WIFSIGNALED(status),
	    "a crash is not an exit");
	(void)close(in);
	hangs("exec sleep 60", 0);	/* it is no group of its own yet */
	hangs("exec sleep 60", 1);
	hangs("trap '' TERM; sleep 60 & sleep 60", 1);
	copies();
	ends("exit 127", 127);		/* the program's own */
	cannot_run("/nonexistent/program", ENOENT);
	cannot_run("/etc/passwd", EACCES);
	cannot_run("/", EACCES);
	return tap_end();
}
