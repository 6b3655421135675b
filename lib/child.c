/*
 * Other processes: programs, with three or four descriptors, an environment of
 * our making and a time limit; and copies of this process that do one thing and
 * pass on the result.
 *
 * A child that cannot run its program reports the errno through a pipe, which
 * execve(2) closes: an exit status alone could be the program's own.
 */
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/lib.h"

#ifdef POPPER_LINUX
#include <sys/syscall.h>
#endif

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
 * In the child: descriptors, signals, capabilities, then the program.  The
 * spool directory's group, which is the saved gid, ends with execve(2).
 * Returns only on failure, with errno.
 */
static void
run_program(struct env *e, const struct program *x, int report)
{
	int null, fd;

	if ((null = open("/dev/null", O_RDWR)) == -1 || setsid() == -1 ||
	    dup2(x->in, x->as) == -1 || (x->as != 0 && dup2(null, 0) == -1) ||
	    dup2(null, 1) == -1 || dup2(null, 2) == -1 ||
	    signal(SIGPIPE, SIG_DFL) == SIG_ERR ||
	    signal(SIGXFSZ, SIG_DFL) == SIG_ERR ||
	    sigprocmask(SIG_SETMASK, &e->waiting, NULL) == -1 ||
	    drop_inheritable() == -1)
		return;
	for (fd = 3; fd < OTHERS_MOST; fd++)
		if (fd != x->as && fd != report)
			(void)close(fd);	/* our parent left it open */
	(void)execve(x->path, x->argv, x->env);
}

/* Waits for a child that ends on its own or was killed; errno stays. */
static void
reap(pid_t pid, int *status)
{
	int saved = errno;

	while (waitpid(pid, status, 0) == -1 && errno == EINTR)
		continue;
	errno = saved;
}

/* Reads the n bytes of an answer from a pipe.  0, or -1 with errno. */
static int
take_answer(struct env *e, int fd, void *answer, size_t n, int64_t until)
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
			errno = EPIPE;	/* the copy died */
		if (got <= 0)
			return -1;
		to += got;
		n -= (size_t)got;
	}
	return 0;
}

int
child_ask(struct env *e, child_fn *fn, void *arg, size_t n, int64_t until)
{
	int fd[2], r = -1;
	pid_t pid;

	if (pipe(fd) == -1)
		return -1;
	if ((pid = fork()) == 0) {
		fn(arg);
		_exit(write(fd[1], arg, n) == (ssize_t)n ? 0 : 1);
	}
	file_close(fd[1]);
	if (pid != -1) {
		r = take_answer(e, fd[0], arg, n, until);
		if (r == -1)
			(void)kill(pid, SIGKILL);
		reap(pid, NULL);
	}
	file_close(fd[0]);
	return r;
}

/* Waits for the end of a child.  0, or -1 with errno as child_run(). */
static int
wait_end(struct env *e, pid_t pid, int64_t until, int *status)
{
	int64_t ms = 1;
	pid_t r;

	while ((r = waitpid(pid, status, WNOHANG)) == 0 ||
	    (r == -1 && errno == EINTR)) {
		if (wait_now() >= until) {
			if (kill(-pid, SIGKILL) == -1)	/* before setsid() */
				(void)kill(pid, SIGKILL);
			reap(pid, status);
			errno = ETIMEDOUT;
			return -1;
		}
		if (wait_sleep(e, wait_now() + ms) == -1) {
			errno = EINTR;	/* this session ends, it does not */
			return -1;
		}
		ms = ms < 50 ? ms * 2 : 50;
	}
	return r == pid ? 0 : -1;
}

int
child_run(struct env *e, const struct program *x, int64_t until, int *status)
{
	int fd[2], report, error, r;
	pid_t pid;

	if (pipe(fd) == -1)
		return 1;
	if ((pid = fork()) == 0) {
		/* out of the way of the program's own descriptors */
		report = fcntl(fd[1], F_DUPFD_CLOEXEC, 4);
		if (report != -1)
			run_program(e, x, report);
		error = errno;
		_exit(write(report != -1 ? report : fd[1], &error,
		    sizeof(error)) == -1 ? 126 : 127);
	}
	file_close(fd[1]);
	r = pid == -1 ? 1 : wait_end(e, pid, until, status);
	error = errno;
	if (r == 0 && read(fd[0], &error, sizeof(error)) == sizeof(error))
		r = 1;			/* no program was run */
	(void)close(fd[0]);
	errno = error;
	return r;
}
