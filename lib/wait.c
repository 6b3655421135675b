/*
 * Waiting, always with a limit.  Signals are blocked except inside wait_for():
 * they never interrupt an UPDATE, and a wait never misses one.
 */
#include <sys/select.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "lib/lib.h"

enum { ENDS = 3 };			/* signals that end a session */

static volatile sig_atomic_t stop;	/* the one signal flag */

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

int
wait_begin(struct env *e)
{
	static const int ends[ENDS] = { SIGTERM, SIGHUP, SIGINT };
	struct sigaction sa;
	sigset_t block;
	size_t i;

	(void)sigemptyset(&block);
	for (i = 0; i < ENDS; i++)
		(void)sigaddset(&block, ends[i]);
	if (sigprocmask(SIG_BLOCK, &block, &e->waiting) == -1)
		return -1;
	memset(&sa, 0, sizeof(sa));
	(void)sigemptyset(&sa.sa_mask);
	sa.sa_handler = SIG_IGN;	/* the failing call tells as much */
	if (sigaction(SIGPIPE, &sa, NULL) == -1 ||
	    sigaction(SIGXFSZ, &sa, NULL) == -1)
		return -1;
	sa.sa_handler = on_signal;
	for (i = 0; i < ENDS; i++) {
		(void)sigdelset(&e->waiting, ends[i]);
		if (sigaction(ends[i], &sa, NULL) == -1)
			return -1;
	}
	sa.sa_handler = SIG_DFL;	/* or children leave no exit status */
	return sigaction(SIGCHLD, &sa, NULL);
}

int64_t
wait_now(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) == -1)
		return 0;
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
wait_deadline(unsigned seconds)
{
	return wait_now() + (int64_t)seconds * 1000;
}

enum io
wait_for(struct env *e, int fd, bool writing, int64_t until)
{
	struct timespec ts;
	fd_set set;
	int64_t ms;
	int r;

	if (fd >= (int)FD_SETSIZE) {		/* our parent left too many open */
		errno = EMFILE;
		return IO_ERROR;
	}
	while (!stop) {
		if ((ms = until - wait_now()) <= 0)
			return IO_TIMEOUT;
		ts.tv_sec = (time_t)(ms / 1000);
		ts.tv_nsec = (long)(ms % 1000) * 1000000;
		FD_ZERO(&set);
		if (fd >= 0)		/* C libraries differ in its sign */
			FD_SET((unsigned short)fd, &set);
		r = pselect(fd + 1, writing ? NULL : &set,
		    writing ? &set : NULL, NULL, &ts, &e->waiting);
		if (r > 0)
			return IO_OK;
		if (r == -1 && errno != EINTR)
			return IO_ERROR;
	}
	return IO_SIGNAL;
}

int
wait_sleep(struct env *e, int64_t until)
{
	return wait_for(e, -1, false, until) == IO_TIMEOUT ? 0 : -1;
}
