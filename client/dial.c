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
	DIAL_WAIT = 60,		/* seconds for an address to answer */
	HELPER_END = 100	/* times 10 ms for a helper to end by itself */
};

static bool
set_flags(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC) != -1 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) != -1;
}

/* Keep what went wrong; the exit status for it. */
static int
dial_failed(struct dial *d, int code, const char *why)
{
	snprintf(d->why, sizeof(d->why), "%s", why);
	dial_close(d);
	return code;
}

/* Connect to one address; 0 or an errno. */
static int
dial_address(struct dial *d, const struct addrinfo *ai)
{
	struct pollfd pfd = { .events = POLLOUT };
	socklen_t len;
	int err, r;

	d->fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
	if (d->fd == -1 || !set_flags(d->fd))
		return errno;
	if (connect(d->fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	pfd.fd = d->fd;
	while ((r = poll(&pfd, 1, DIAL_WAIT * 1000)) == -1 && errno == EINTR)
		;
	if (r == 0)
		return ETIMEDOUT;
	len = sizeof(err);
	return getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1 ?
	    errno : err;
}

static int
dial_tcp(struct dial *d, const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	int err;

	if ((err = getaddrinfo(host, port, &hints, &list)) != 0)
		return dial_failed(d, err == EAI_AGAIN || err == EAI_MEMORY ||
		    err == EAI_SYSTEM ? EX_TEMPFAIL : EX_NOHOST,
		    gai_strerror(err));
	err = EADDRNOTAVAIL;
	for (ai = list; ai != NULL && err != 0; ai = ai->ai_next)
		if ((err = dial_address(d, ai)) != 0)
			dial_close(d);
	freeaddrinfo(list);
	return err == 0 ? EX_OK : dial_failed(d, EX_TEMPFAIL, strerror(err));
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
		argv[argc] = text_string(&word);
	}
	return argv;
}

/* In the child: become the helper. */
static _Noreturn void
exec_helper(int fd, int log, char **argv)
{
	/* Keys such as ^C are for popcard or the editor; and without the
	 * terminal it cannot ask there. */
	setsid();
	term_in_child();
	if (dup2(fd, STDIN_FILENO) != -1 && dup2(fd, STDOUT_FILENO) != -1 &&
	    dup2(log, STDERR_FILENO) != -1) {
		execvp(argv[0], argv);
		dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	}
	_exit(127);
}

static int
dial_helper(struct dial *d, const char *cmd, const char *host,
    const char *port)
{
	int end[2], err;

	/* nor may they be taken for options */
	if (*host == '-' || !text_is_word(host) || *port == '-' ||
	    !text_is_word(port) || *text_blanks(cmd) == '\0')
		return dial_failed(d, EX_USAGE,
		    "host, port or helper are not valid");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, end) == -1)
		return dial_failed(d, EX_OSERR, strerror(errno));
	d->fd = end[0];
	d->pid = -1;
	if ((d->log = tmpfile()) != NULL && set_flags(end[0]) &&
	    fcntl(fileno(d->log), F_SETFD, FD_CLOEXEC) != -1 &&
	    fcntl(end[1], F_SETFD, FD_CLOEXEC) != -1)
		d->pid = fork();
	if (d->pid == 0)
		exec_helper(end[1], fileno(d->log),
		    command_words(cmd, host, port));
	err = errno;
	close(end[1]);
	if (d->pid == -1) {
		d->pid = 0;
		return dial_failed(d, EX_OSERR, strerror(err));
	}
	term_end_child(d->pid);
	return EX_OK;
}

int
dial_open(struct dial *d, const char *helper, const char *host,
    const char *port)
{
	dial_close(d);
	if (d->log != NULL)
		fclose(d->log);
	d->log = NULL;
	d->why[0] = '\0';
	return helper != NULL ? dial_helper(d, helper, host, port) :
	    dial_tcp(d, host, port);
}

/* The helper has ended: keep its last words. */
static void
read_log(struct dial *d)
{
	char line[512];

	rewind(d->log);
	while (fgets(line, sizeof(line), d->log) != NULL)
		if (line[strspn(line, "-\n")] != '\0')
			snprintf(d->why, sizeof(d->why), "the helper: %.*s",
			    (int)strcspn(line, "\n"), line);
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
	read_log(d);
}
