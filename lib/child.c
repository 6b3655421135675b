/*
 * Other processes: programs, started with three or four descriptors, an
 * environment of our making and a time limit; and copies of ourselves that do
 * one thing and pass on what came of it.
 *
 * A child that cannot run its program says why through a pipe, which running
 * one closes: its exit status alone could be the program's own.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__linux__) && !defined(POPPER_PORTABLE)
#define POPPER_LINUX	1
#include <sys/syscall.h>
#endif

#include "lib/lib.h"

enum { OTHERS_MOST = 1024 };	/* the usual limit of descriptors */

/*
 * Clears the capabilities that a program would inherit from us, which a
 * container may have given: the ambient ones go with the inheritable ones
 * (capabilities(7)).  The structures are those of version 3 of capget(2), for
 * which there is no header everywhere.
 */
static int
drop_inheritable(void)
{
#ifdef POPPER_LINUX
	struct {
		uint32_t version;
		int32_t pid;
	} head = { 0x20080522, 0 };
	struct {
		uint32_t effective, permitted, inheritable;
	} data[2];

	if (syscall(SYS_capget, &head, data) == -1)
		return -1;
	if (data[0].inheritable == 0 && data[1].inheritable == 0)
		return 0;
	data[0].inheritable = data[1].inheritable = 0;
	return (int)syscall(SYS_capset, &head, data);
#else
	return 0;
#endif
}

/*
 * In the child: descriptors, signals, capabilities; then the program.  The group
 * of the spool directory, a saved one, ends with execve(2).
 * Returns only where that failed, with errno; report stays open until the
 * program runs.
 */
static int
run_program(struct env *e, int in, int as, int report, const char *path,
    char *const argv[], char *const env[])
{
	int null, fd;

	if ((null = open("/dev/null", O_RDWR)) == -1 || setsid() == -1 ||
	    dup2(in, as) == -1 || (as != 0 && dup2(null, 0) == -1) ||
	    dup2(null, 1) == -1 || dup2(null, 2) == -1 ||
	    signal(SIGPIPE, SIG_DFL) == SIG_ERR ||
	    signal(SIGXFSZ, SIG_DFL) == SIG_ERR ||
	    sigprocmask(SIG_SETMASK, &e->waiting, NULL) == -1 ||
	    drop_inheritable() == -1)
		return -1;
	for (fd = 3; fd < OTHERS_MOST; fd++)
		if (fd != as && fd != report)
			(void)close(fd);	/* our parent left it open */
	return execve(path, argv, env);
}

/* A pipe whose ends close when a program is run, and are none of 0 to 3. */
static int
report_pipe(int report[2])
{
	int fd[2], i;

	if (pipe(fd) == -1)
		return -1;
	for (i = 0; i < 2; i++) {
		report[i] = fcntl(fd[i], F_DUPFD_CLOEXEC, 4);
		(void)close(fd[i]);
	}
	if (report[0] != -1 && report[1] != -1)
		return 0;
	for (i = 0; i < 2; i++)
		if (report[i] != -1)
			(void)close(report[i]);
	errno = EMFILE;
	return -1;
}

/* Takes n bytes from a pipe.  0, or -1 with errno. */
static int
take_answer(struct env *e, int fd, void *answer, size_t n,
    const struct timespec *until)
{
	char *to = answer;
	enum io what;
	ssize_t got;

	while (n > 0) {
		if ((what = wait_for(e, fd, false, until)) != IO_OK) {
			if (what != IO_ERROR)
				errno = what == IO_TIMEOUT ? ETIMEDOUT : EINTR;
			return -1;
		}
		if ((got = read(fd, to, n)) == 0)
			errno = EPIPE;	/* it died */
		if (got <= 0)
			return -1;
		to += got;
		n -= (size_t)got;
	}
	return 0;
}

int
child_ask(struct env *e, child_fn *fn, void *arg, size_t n,
    const struct timespec *until)
{
	int fd[2], r, saved;
	pid_t pid;

	if (pipe(fd) == -1)
		return -1;
	if ((pid = fork()) == 0) {
		fn(arg);
		_exit(write(fd[1], arg, n) == (ssize_t)n ? 0 : 1);
	}
	saved = errno;
	(void)close(fd[1]);
	errno = saved;
	r = pid == -1 ? -1 : take_answer(e, fd[0], arg, n, until);
	saved = errno;
	(void)close(fd[0]);
	if (r == -1 && pid != -1)
		(void)kill(pid, SIGKILL);
	while (pid != -1 && waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		continue;
	errno = saved;
	return r;
}

int
child_start(struct env *e, struct child *c, int in, int as, const char *path,
    char *const argv[], char *const env[])
{
	int report[2], saved;

	if (report_pipe(report) == -1)
		return -1;
	if ((c->pid = fork()) == 0) {
		(void)run_program(e, in, as, report[1], path, argv, env);
		saved = errno;
		_exit(write(report[1], &saved, sizeof(saved)) == -1 ? 126 :
		    127);
	}
	saved = errno;
	(void)close(report[1]);
	c->report = report[0];
	if (c->pid == -1)
		(void)close(c->report);
	errno = saved;
	return c->pid == -1 ? -1 : 0;
}

/* Waits for the end of a child.  0, or -1 with errno: see child_wait(). */
static int
wait_end(struct env *e, pid_t pid, unsigned seconds, int *status)
{
	struct timespec until, soon;
	long ms = 1;
	pid_t r;

	wait_deadline(&until, seconds);
	while ((r = waitpid(pid, status, WNOHANG)) == 0 ||
	    (r == -1 && errno == EINTR)) {
		if (wait_left(&until) <= 0) {
			if (kill(-pid, SIGKILL) == -1)	/* before setsid() */
				(void)kill(pid, SIGKILL);
			(void)waitpid(pid, status, 0);
			errno = ETIMEDOUT;
			return -1;
		}
		wait_deadline(&soon, 0);
		soon.tv_nsec += ms * 1000000;
		if (wait_sleep(e, &soon) == -1) {
			errno = EINTR;	/* we are to end; it goes on */
			return -1;
		}
		ms = ms < 50 ? ms * 2 : 50;
	}
	return r == pid ? 0 : -1;
}

/* The pipe has something to read only where no program was run. */
int
child_wait(struct env *e, struct child *c, unsigned seconds, int *status)
{
	int r = wait_end(e, c->pid, seconds, status), error = errno;

	if (r == 0 && read(c->report, &error, sizeof(error)) ==
	    sizeof(error))
		r = 1;
	(void)close(c->report);
	errno = error;
	return r;
}
