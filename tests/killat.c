/*
 * killat N FILE COMMAND ...: runs a command and kills it in front of its N-th
 * system call after its first read of descriptor 0, or, with +N, after its
 * first fdatasync(2); 0: never.  FILE gets the number of calls that were made
 * from there on, then the numbers of those that may change something outside.
 * It ends as the command does.
 *
 * By ptrace(2), so a test of a thousand kills takes seconds.
 */
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void
fail(const char *what)
{
	fprintf(stderr, "killat: %s: %s\n", what, strerror(errno));
	exit(111);
}

/* Whether a kill in front of that call is no other than one behind it. */
static int
is_idle(unsigned long long nr)
{
	static const unsigned long idle[] = {
		SYS_read, SYS_pread64, SYS_lseek, SYS_fstat, SYS_mmap,
		SYS_mprotect, SYS_munmap, SYS_brk, SYS_ppoll, SYS_pselect6,
		SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_getpid, SYS_getuid,
		SYS_geteuid, SYS_getgid, SYS_getegid, SYS_nanosleep,
		SYS_clock_nanosleep, SYS_clock_gettime, SYS_fcntl, SYS_close,
#ifdef SYS_newfstatat
		SYS_newfstatat,
#endif
#ifdef SYS_getrandom
		SYS_getrandom,
#endif
		SYS_futex
	};
	size_t i;

	for (i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
		if (nr == idle[i])
			return 1;
	return 0;
}

/* Whether calls are counted from this one on. */
static int
begins(const struct ptrace_syscall_info *info, int sync)
{
	return sync ? info->entry.nr == SYS_fdatasync :
	    info->entry.nr == SYS_read && info->entry.args[0] == 0;
}

/* Counts the calls of the stopped child, and kills it; its wait status. */
static int
run(pid_t pid, int sync, unsigned long at, unsigned long *calls, char *busy,
    size_t size)
{
	struct ptrace_syscall_info info;
	int status, deliver = 0;
	int begun = 0;

	if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD |
	    PTRACE_O_EXITKILL) == -1)
		fail("ptrace");
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, pid, 0, deliver) == -1)
			fail("ptrace");
		if (waitpid(pid, &status, 0) == -1)
			fail("waitpid");
		if (!WIFSTOPPED(status))
			return status;
		deliver = 0;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			if (WSTOPSIG(status) != SIGTRAP)
				deliver = WSTOPSIG(status);
			continue;
		}
		memset(&info, 0, sizeof(info));
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info),
		    &info) == -1)
			fail("ptrace");
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		begun = begun || begins(&info, sync);
		if (begun && ++*calls < size)
			busy[*calls] = !is_idle(info.entry.nr);
		if (begun && *calls == at) {
			if (kill(pid, SIGKILL) == -1 ||
			    waitpid(pid, &status, 0) == -1)
				fail("kill");
			return status;
		}
	}
}

int
main(int argc, char **argv)
{
	static char busy[10000];
	unsigned long at, calls = 0, i;
	int status;
	pid_t pid;
	FILE *f;

	if (argc < 4)
		return 64;
	at = strtoul(argv[1], NULL, 10);
	if ((pid = fork()) == -1)
		fail("fork");
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) == -1)
			_exit(111);
		execv(argv[3], argv + 3);
		_exit(127);
	}
	close(0);
	close(1);
	if (waitpid(pid, &status, 0) == -1)
		fail("waitpid");
	if (WIFSTOPPED(status))
		status = run(pid, argv[1][0] == '+', at, &calls, busy,
		    sizeof(busy));
	if ((f = fopen(argv[2], "w")) == NULL)
		fail(argv[2]);
	fprintf(f, "%lu", calls);
	for (i = 1; i <= calls && i < sizeof(busy); i++)
		if (busy[i])
			fprintf(f, " %lu", i);
	fprintf(f, "\n");
	fclose(f);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
	    WEXITSTATUS(status);
}
