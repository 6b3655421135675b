/*
 * The wire: the connection to the server, and POP3 with its XTND extensions.
 * Every octet from the server is input: lines are bounded, waits limited.
 */
#include "popcard.h"

#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <netdb.h>
#include <signal.h>

/* Logins if the maildrop is in use: the session before may just be ending. */
enum { TRIES = 3 };

/* Close the connection, and keep the last words of the helper. */
static void
hang_up(struct pop *p)
{
	char line[sizeof(p->why)];

	p->why[0] = '\0';
	p->beg = p->end = 0;
	if (p->fd != -1)
		close(p->fd);
	p->fd = -1;
	if (p->pid <= 0)
		return;
	/* openssl s_client goes on after the end of its input. */
	term_end_child(0);
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, NULL, 0) == -1 && errno == EINTR)
		;
	p->pid = 0;
	rewind(p->log);
	while (fgets(line, sizeof(line), p->log) != NULL)
		if (line[strspn(line, "-\n")] != '\0')
			snprintf(p->why, sizeof(p->why), "; the helper: %.*s",
			    (int)strcspn(line, "\n"), line);
	fclose(p->log);
}

static bool
lost(struct pop *p, int code, const char *why)
{
	hang_up(p);
	snprintf(p->text, sizeof(p->text), "%s: %s%s%s", p->host, why, p->why,
	    p->sent ? "; it may have been sent all the same" : "");
	p->code = p->sent && code == EX_TEMPFAIL ? EX_IOERR : code;
	if (!p->cancelled && !p->quiet)
		p->gone(p->owner);
	return false;
}

static bool
set_flags(int fd)
{
	errno = fd < FD_SETSIZE ? errno : EMFILE;	/* see term_wait() */
	return fd < FD_SETSIZE && fcntl(fd, F_SETFD, FD_CLOEXEC) != -1 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) != -1;
}

static bool
dial(struct pop *p)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	int err;

	if ((err = getaddrinfo(p->host, p->port, &hints, &list)) != 0)
		return lost(p, err == EAI_AGAIN || err == EAI_SYSTEM ?
		    EX_TEMPFAIL : EX_NOHOST, gai_strerror(err));
	for (ai = list; ai != NULL && p->fd == -1; ai = ai->ai_next) {
		p->fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);
		if (p->fd != -1 && connect(p->fd, ai->ai_addr, ai->ai_addrlen)
		    == 0 && set_flags(p->fd))
			break;
		err = errno;
		hang_up(p);
	}
	freeaddrinfo(list);
	return p->fd != -1 || lost(p, EX_TEMPFAIL, strerror(err));
}

static _Noreturn void
exec_helper(const struct pop *p, int fd)
{
	struct text cmd = { 0 };
	const char *s;

	text_str(&cmd, "exec ");
	for (s = p->helper; *s != '\0'; s++)
		if (*s == '%' && (s[1] == 'h' || s[1] == 'p'))
			text_str(&cmd, *++s == 'h' ? p->host : p->port);
		else
			text_add(&cmd, s, 1);
	/* Keys such as ^C are for popcard or the editor; and without the
	 * terminal it cannot ask there. */
	setsid();
	term_in_child();
	if (dup2(fd, STDIN_FILENO) != -1 && dup2(fd, STDOUT_FILENO) != -1 &&
	    dup2(fileno(p->log), STDERR_FILENO) != -1)
		execl("/bin/sh", "sh", "-c", text_string(&cmd), (char *)NULL);
	_exit(127);
}

static bool
start_helper(struct pop *p)
{
	int end[2];

	/* a shell sees them; nor may they be taken for options */
	if (*p->host == '-' || !text_is_word(p->host) || *p->port == '-' ||
	    !text_is_word(p->port) || *text_blanks(p->helper) == '\0')
		return lost(p, EX_USAGE, "host, port or helper are not valid");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, end) == -1)
		return lost(p, EX_OSERR, strerror(errno));
	p->fd = end[0];
	if ((p->log = tmpfile()) == NULL || !set_flags(end[0]) ||
	    fcntl(fileno(p->log), F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(end[1], F_SETFD, FD_CLOEXEC) == -1 ||
	    (p->pid = fork()) == -1)
		error(EX_OSERR, "the helper: ", strerror(errno));
	if (p->pid == 0)
		exec_helper(p, end[1]);
	close(end[1]);
	term_end_child(p->pid);
	return true;
}

static void
progress(struct pop *p)
{
	char done[8], all[8];

	say(p->screen, "%s: %s of %s  (Escape: cancel)", p->doing,
	    human(p->octets, done), human(p->expected, all));
}

void
pop_transfer(struct pop *p, const char *doing, size_t expected)
{
	snprintf(p->doing, sizeof(p->doing), "%s", doing);
	p->expected = expected;
	p->octets = 0;
	progress(p);
}

/* Read or write once when the connection is ready, p->wait seconds from the
 * last key; the octets, 0 if it is lost or the user cancels. */
static size_t
transmit(struct pop *p, bool writing, char *s, size_t size)
{
	ssize_t n;
	int r;

	for (n = -1; n <= 0;) {
		if (p->fd == -1)	/* by a NOOP, quietly */
			return lost(p, EX_TEMPFAIL, "the connection was lost");
		r = term_wait(p->fd, writing, p->doing[0] != '\0',
		    p->wait * 1000);
		errno = r == 0 ? ETIMEDOUT : errno;
		if (r > 0 && (r & WAIT_KEYS) != 0 &&
		    term_escape(&p->screen->keys)) {
			p->cancelled = true;
			return lost(p, EX_TEMPFAIL, "cancelled");
		}
		if (r > 0 && (r & WAIT_FD) == 0)
			continue;
		if (r > 0)
			n = writing ? write(p->fd, s, size) :
			    read(p->fd, s, size);
		if (n == 0)
			return lost(p, EX_TEMPFAIL,
			    "the server has closed the connection");
		if (n == -1 && errno != EINTR && errno != EAGAIN)
			return lost(p, EX_TEMPFAIL, strerror(errno));
	}
	p->octets += (size_t)n;
	if (p->doing[0] != '\0')
		progress(p);
	return (size_t)n;
}

static bool
send_all(struct pop *p, const char *s, size_t len)
{
	size_t n;

	for (; len > 0; s += n, len -= n)
		if ((n = transmit(p, true, (char *)s, len < POP_BLOCK ? len :
		    POP_BLOCK)) == 0)
			return false;
	return true;
}

/* Read a line, without its end: at most so many octets, and it is wrong that it
 * has more, or the rest is left out. */
static bool
read_line(struct pop *p, size_t most, bool whole)
{
	const char *lf;
	size_t n;

	p->line.n = 0;
	do {
		if (p->beg == p->end) {
			p->beg = 0;
			p->end = transmit(p, false, p->in, sizeof(p->in));
			if (p->end == 0)
				return false;
		}
		n = p->end - p->beg;
		lf = memchr(p->in + p->beg, '\n', n);
		if (lf != NULL)
			n = (size_t)(lf - p->in) - p->beg;
		text_add(&p->line, p->in + p->beg, p->line.n >= most ? 0 :
		    n > most - p->line.n ? most - p->line.n : n);
		p->beg += n + (lf != NULL);
		if ((whole && p->line.n == most) || p->octets > POP_OCTETS)
			return lost(p, EX_PROTOCOL, "a reply has no end");
	} while (lf == NULL);
	if (p->line.n > 0 && p->line.s[p->line.n - 1] == '\r')
		p->line.n--;
	text_string(&p->line);
	return true;
}

/* Does the reply carry one of these codes of RFC 2449 8 or RFC 3206? */
static bool
has_code(const struct pop *p, const char *codes)
{
	return p->text[0] == '[' &&
	    text_among(p->text + 1, strcspn(p->text + 1, "]"), codes);
}

/* Read one reply line: its text, and what a refusal means. */
static bool
reply(struct pop *p)
{
	const char *s;
	bool ok;

	p->octets = 0;
	if (!read_line(p, POP_LINE, true))
		return false;
	p->wait = POP_WAIT;
	s = p->line.s;
	ok = strncmp(s, "+OK", 3) == 0;
	s += ok ? 3 : strncmp(s, "-ERR", 4) == 0 ? 4 : 0;
	if (s == p->line.s || (*s != '\0' && text_blanks(s) == s))
		return lost(p, EX_PROTOCOL, "this is no POP3 server");
	snprintf(p->text, sizeof(p->text), "%s", text_blanks(s));
	p->code = has_code(p, "auth") ? EX_NOPERM : has_code(p,
	    "in-use sys/temp login-delay") ? EX_TEMPFAIL : EX_UNAVAILABLE;
	return ok;
}

bool
pop_command(struct pop *p, const char *fmt, ...)
{
	char cmd[POP_ARG + 8];
	va_list ap;
	int n;
	bool ok;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd) - 2, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(cmd) - 2)
		return lost(p, EX_SOFTWARE, "a command is too long");
	memcpy(cmd + n, "\r\n", 2);
	ok = send_all(p, cmd, (size_t)n + 2);
	memset(cmd, 0, sizeof(cmd));
	return ok && reply(p);
}

bool
pop_connect(struct pop *p)
{
	bool ok;

	hang_up(p);
	p->wait = POP_WAIT;
	p->cancelled = false;
	if (!(p->helper != NULL ? start_helper(p) : dial(p)))
		return false;
	if (p->helper == NULL || strstr(p->helper, "-starttls") == NULL) {
		ok = reply(p);
		p->code = EX_TEMPFAIL;
		return ok;
	}
	/* The helper has read the greeting: any reply will do. */
	if (pop_command(p, "CAPA"))
		while (pop_next(p, POP_LINE))
			;
	return true;
}

void
pop_login(struct pop *p)
{
	int try;

	for (try = 1; !pop_connect(p) || !pop_command(p, "USER %s", p->user) ||
	    !pop_command(p, "PASS %s", p->pass); try++) {
		if (p->code == EX_UNAVAILABLE && !has_code(p, "sys/perm"))
			p->code = EX_NOPERM;	/* a plain -ERR */
		if (!has_code(p, "in-use") || try == TRIES)
			p->gone(p->owner);
		sleep(1);
	}
}

bool
pop_next(struct pop *p, size_t most)
{
	if (!read_line(p, most, false) ||
	    (p->line.n == 1 && p->line.s[0] == '.'))
		return false;
	if (p->line.s[0] == '.') {
		p->line.n--;
		memmove(p->line.s, p->line.s + 1, p->line.n + 1);
	}
	return true;
}

bool
pop_text(struct pop *p, struct text *t)
{
	while (pop_next(p, TEXT_MAX)) {
		text_add(t, p->line.s, p->line.n);
		text_str(t, "\n");
	}
	return p->fd != -1;
}

bool
pop_xmit(struct pop *p, const struct text *mail)
{
	struct text wire = { 0 };
	size_t i, k, len;
	bool ok;

	for (i = 0; i < mail->n; i += k) {
		k = text_line(mail->s + i, mail->n - i, &len);
		text_str(&wire, mail->s[i] == '.' ? "." : "");
		text_add(&wire, mail->s + i, len);
		text_str(&wire, "\r\n");
	}
	ok = !mail->cut && !wire.cut;
	if (!ok)
		snprintf(p->text, sizeof(p->text), "The message is too large.");
	ok = ok && pop_command(p, "XTND XMIT") && send_all(p, wire.s, wire.n);
	text_free(&wire);
	p->doing[0] = '\0';
	/* After the last line only the server knows whether it is sent; another
	 * try could send it twice: let the user decide. */
	p->sent = ok;
	p->wait = ok ? POP_WORK : POP_WAIT;
	ok = ok && send_all(p, ".\r\n", 3) && reply(p);
	p->sent = false;
	return ok;
}

void
pop_idle(void *pop)
{
	struct pop *p = pop;

	p->quiet = true;
	if (p->fd != -1)
		pop_command(p, "NOOP");
	p->quiet = false;
}

bool
pop_quit(struct pop *p)
{
	bool ok;

	p->quiet = true;
	p->wait = POP_WORK;
	ok = pop_command(p, "QUIT");
	p->quiet = false;
	hang_up(p);
	return ok;
}
