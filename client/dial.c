/*
 * The connection to the server, by TCP or through a helper program.
 */
#include "popcard.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <netdb.h>
#include <poll.h>
#include <signal.h>

enum {
	HELPER_END = 100	/* times 10 ms for a helper to end by itself */
};

static bool
set_flags(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC) != -1 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) != -1;
}

/* Connect to one address; 0 or an errno. */
static int
dial_address(struct dial *d, const struct addrinfo *ai, int wait)
{
	struct pollfd pfd;
	socklen_t len;
	int err, r;

	d->fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
	if (d->fd == -1 || !set_flags(d->fd))
		return errno;
	err = connect(d->fd, ai->ai_addr, ai->ai_addrlen) == 0 ? 0 : errno;
	if (err == EINPROGRESS) {
		pfd.fd = d->fd;
		pfd.events = POLLOUT;
		while ((r = poll(&pfd, 1, wait * 1000)) == -1 && errno == EINTR)
			;
		len = sizeof(err);
		if (r == 0)
			return ETIMEDOUT;
		if (r == -1 || getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &err,
		    &len) == -1)
			return errno;
	}
	return err;
}

static int
dial_tcp(struct dial *d, const char *host, const char *port, int wait,
    char *why, size_t size)
{
	struct addrinfo hints, *list, *ai;
	int err;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	if ((err = getaddrinfo(host, port, &hints, &list)) != 0) {
		snprintf(why, size, "%s", gai_strerror(err));
		return err == EAI_AGAIN || err == EAI_MEMORY ||
		    err == EAI_SYSTEM ? EX_TEMPFAIL : EX_NOHOST;
	}
	err = EADDRNOTAVAIL;
	for (ai = list; ai != NULL && err != 0; ai = ai->ai_next)
		if ((err = dial_address(d, ai, wait)) != 0)
			dial_close(d);
	freeaddrinfo(list);
	if (err != 0)
		snprintf(why, size, "%s", strerror(err));
	return err == 0 ? EX_OK : EX_TEMPFAIL;
}

/* Can it be a word, or a part of one, on a command line? No option either. */
static bool
plain_word(const char *s)
{
	return *s != '-' && *s != '\0' && s[strspn(s, "0123456789.:_-"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

/* The words of a command; the memory is never freed: exec takes it. */
static char **
command_words(const char *cmd, const char *host, const char *port)
{
	struct text word;
	char **argv;
	size_t argc;

	argv = must(calloc(strlen(cmd) / 2 + 2, sizeof(*argv)));
	for (argc = 0; *(cmd = text_blanks(cmd)) != '\0'; argc++) {
		memset(&word, 0, sizeof(word));
		for (; *cmd != '\0' && *cmd != ' ' && *cmd != '\t'; cmd++)
			if (*cmd != '%')
				text_add(&word, cmd, 1);
			else if (*++cmd == 'h' || *cmd == 'p')
				text_str(&word, *cmd == 'h' ? host : port);
			else {
				text_add(&word, "%", 1);
				cmd -= *cmd != '%';
			}
		text_add(&word, "", 1);
		argv[argc] = word.s;
	}
	return argv;
}

/* In the child: become the helper. */
static _Noreturn void
exec_helper(int fd, int log, const char *cmd, const char *host,
    const char *port)
{
	char **argv;

	/* Keys such as ^C are for popcard or the editor; and without the
	 * terminal it cannot ask there. */
	setsid();
	term_in_child();
	if (dup2(fd, STDIN_FILENO) != -1 && dup2(fd, STDOUT_FILENO) != -1 &&
	    dup2(log, STDERR_FILENO) != -1) {
		argv = command_words(cmd, host, port);
		execvp(argv[0], argv);
		dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	}
	_exit(127);
}

static int
dial_helper(struct dial *d, const char *cmd, const char *host,
    const char *port, char *why, size_t size)
{
	int end[2];

	if (!plain_word(host) || !plain_word(port) ||
	    *text_blanks(cmd) == '\0') {
		snprintf(why, size, "host, port or helper are not valid");
		return EX_USAGE;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, end) == -1) {
		snprintf(why, size, "%s", strerror(errno));
		return EX_OSERR;
	}
	d->fd = end[0];
	if ((d->log = tmpfile()) == NULL || !set_flags(end[0]) ||
	    fcntl(fileno(d->log), F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(end[1], F_SETFD, FD_CLOEXEC) == -1 ||
	    (d->pid = fork()) == -1) {
		snprintf(why, size, "the helper: %s", strerror(errno));
		d->pid = 0;
		close(end[1]);
		dial_close(d);
		return EX_OSERR;
	}
	if (d->pid == 0)
		exec_helper(end[1], fileno(d->log), cmd, host, port);
	close(end[1]);
	term_end_child(d->pid);
	return EX_OK;
}

int
dial_open(struct dial *d, const char *helper, const char *host,
    const char *port, int wait, char *why, size_t size)
{
	dial_close(d);
	if (d->log != NULL)
		fclose(d->log);
	d->log = NULL;
	return helper != NULL ? dial_helper(d, helper, host, port, why, size) :
	    dial_tcp(d, host, port, wait, why, size);
}

void
dial_close(struct dial *d)
{
	static const struct timespec pause = { 0, 10000000 };
	int i;

	if (d->fd != -1)
		close(d->fd);
	d->fd = -1;
	if (d->pid == 0)
		return;
	/* openssl s_client goes on after the end of its input. */
	term_end_child(0);
	kill(d->pid, SIGTERM);
	for (i = 0; waitpid(d->pid, NULL, WNOHANG) == 0; i++) {
		if (i == HELPER_END)
			kill(d->pid, SIGKILL);
		nanosleep(&pause, NULL);
	}
	d->pid = 0;
}

void
dial_reason(struct dial *d, char *why, size_t size)
{
	char line[512];

	if (d->log == NULL)
		return;
	rewind(d->log);
	while (fgets(line, sizeof(line), d->log) != NULL)
		if (line[strspn(line, "-\n")] != '\0')
			snprintf(why, size, "%.*s", (int)strcspn(line, "\n"),
			    line);
}
