/*
 * The wire: POP3 and its XTND extensions, seen from the client. Every octet
 * from the server is input: lines are bounded, numbers checked, waits limited.
 */
#include "popcard.h"

#include <poll.h>

enum {
	TRIES = 3		/* logins while the maildrop is in use: the
				   session before may just be ending */
};

static void
pop_close(struct pop *p)
{
	dial_close(&p->dial);
	p->beg = p->end = 0;
}

/* The connection is of no more use: keep the reason, close. */
static int
lost(struct pop *p, int code, const char *why)
{
	pop_close(p);
	snprintf(p->text, sizeof(p->text), "%s: %s%s%s", p->host, why,
	    p->dial.why[0] != '\0' ? "; " : "", p->dial.why);
	p->code = code;
	return POP_LOST;
}

/* Wait until the connection is ready, p->wait seconds from the last key; false
 * with errno if it is not, or if the user cancels what is under way. */
static bool
ready(struct pop *p, short events)
{
	struct pollfd pfd[2] = { { p->dial.fd, events, 0 },
	    { p->cancel != NULL ? STDIN_FILENO : -1, POLLIN, 0 } };
	int r;

	do {
		r = poll(pfd, 2, p->wait * 1000);
		if (r > 0 && pfd[1].revents != 0 && p->cancel()) {
			p->cancelled = true;
			errno = ECANCELED;
			return false;
		}
	} while ((r == -1 && errno == EINTR) || (r > 0 && pfd[0].revents == 0));
	if (r == 0)
		errno = ETIMEDOUT;
	return r > 0;
}

/* Count what has been moved, and show it from time to time. */
static void
moved(struct pop *p, size_t n)
{
	p->octets += n;
	if (p->progress != NULL && p->octets / POP_BLOCK !=
	    (p->octets - n) / POP_BLOCK)
		p->progress(p->owner);
}

/* Read more; all that was read before has been used. */
static int
fill(struct pop *p)
{
	ssize_t n;

	if (p->dial.fd == -1)
		return POP_LOST;
	do {
		if (!ready(p, POLLIN))
			return lost(p, EX_TEMPFAIL, strerror(errno));
		n = read(p->dial.fd, p->in, sizeof(p->in));
	} while (n == -1 && (errno == EINTR || errno == EAGAIN));
	if (n <= 0)
		return lost(p, EX_TEMPFAIL, n == -1 ? strerror(errno) :
		    "the server has closed the connection");
	p->beg = 0;
	p->end = (size_t)n;
	moved(p, (size_t)n);
	return p->octets <= POP_OCTETS ? POP_OK :
	    lost(p, EX_PROTOCOL, "a reply has no end");
}

static int
send_all(struct pop *p, const char *s, size_t len)
{
	ssize_t n;

	if (p->dial.fd == -1)
		return POP_LOST;
	while (len > 0) {
		if (!ready(p, POLLOUT))
			return lost(p, EX_TEMPFAIL, strerror(errno));
		n = write(p->dial.fd, s, len < POP_BLOCK ? len : POP_BLOCK);
		if (n == -1 && errno != EINTR && errno != EAGAIN)
			return lost(p, EX_TEMPFAIL, strerror(errno));
		if (n > 0) {
			s += n;
			len -= (size_t)n;
			moved(p, (size_t)n);
		}
	}
	return POP_OK;
}

/* Read a line, without its end: at most so many octets, and it is wrong that it
 * has more, or the rest is left out. */
static int
read_line(struct pop *p, size_t most, bool whole)
{
	const char *lf;
	size_t n;

	p->line.n = 0;
	do {
		if (p->beg == p->end && fill(p) != POP_OK)
			return POP_LOST;
		n = p->end - p->beg;
		lf = memchr(p->in + p->beg, '\n', n);
		if (lf != NULL)
			n = (size_t)(lf - p->in) - p->beg;
		text_add(&p->line, p->in + p->beg, p->line.n >= most ? 0 :
		    n > most - p->line.n ? most - p->line.n : n);
		p->beg += n + (lf != NULL);
		if (whole && p->line.n == most)
			return lost(p, EX_PROTOCOL, "a reply has no end");
	} while (lf == NULL);
	if (p->line.n > 0 && p->line.s[p->line.n - 1] == '\r')
		p->line.n--;
	text_string(&p->line);
	return POP_OK;
}

/* Does the reply carry this code of RFC 2449 8 or RFC 3206, or one below it? */
static bool
has_code(const struct pop *p, const char *code)
{
	size_t n;

	n = strlen(code);
	return p->text[0] == '[' && strncasecmp(p->text + 1, code, n) == 0 &&
	    (p->text[n + 1] == ']' || p->text[n + 1] == '/');
}

/* Read one reply line: its text, and what a refusal means to a caller. */
static int
reply(struct pop *p)
{
	const char *s;
	bool ok;

	p->octets = 0;
	if (read_line(p, POP_LINE, true) != POP_OK)
		return POP_LOST;
	p->wait = POP_WAIT;
	s = p->line.s;
	ok = strncmp(s, "+OK", 3) == 0;
	s += ok ? 3 : strncmp(s, "-ERR", 4) == 0 ? 4 : 0;
	if (s == p->line.s || (*s != '\0' && text_blanks(s) == s))
		return lost(p, EX_PROTOCOL, "this is no POP3 server");
	snprintf(p->text, sizeof(p->text), "%s", text_blanks(s));
	if (ok)
		return POP_OK;
	p->code = has_code(p, "AUTH") ? EX_NOPERM :
	    has_code(p, "IN-USE") || has_code(p, "SYS/TEMP") ||
	    has_code(p, "LOGIN-DELAY") ? EX_TEMPFAIL : EX_UNAVAILABLE;
	return POP_NO;
}

int
pop_command(struct pop *p, const char *fmt, ...)
{
	char cmd[POP_ARG + 8];
	va_list ap;
	int n, r;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd) - 2, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(cmd) - 2)
		return lost(p, EX_SOFTWARE, "a command is too long");
	memcpy(cmd + n, "\r\n", 2);
	r = send_all(p, cmd, (size_t)n + 2);
	memset(cmd, 0, sizeof(cmd));
	return r != POP_OK ? r : reply(p);
}

/* Connect to the first address that answers, and read the greeting, or, if a
 * helper has read that, the reply to CAPA. */
int
pop_connect(struct pop *p)
{
	int code, r;

	p->beg = p->end = 0;
	p->wait = POP_WAIT;
	p->cancelled = false;
	code = dial_open(&p->dial, p->helper, p->host, p->port);
	if (code != EX_OK)
		return lost(p, code, "cannot connect");
	if (p->helper != NULL && strstr(p->helper, "-starttls") != NULL) {
		if ((r = pop_command(p, "CAPA")) == POP_OK)
			while ((r = pop_next(p, POP_LINE)) == POP_OK)
				;
		return r == POP_LOST ? POP_LOST : POP_OK;
	}
	if ((r = reply(p)) == POP_NO) {
		p->code = EX_TEMPFAIL;
		pop_close(p);
	}
	return r;
}

int
pop_login(struct pop *p)
{
	bool fresh;
	int r, try;

	for (try = 1;; try++) {
		fresh = p->dial.fd == -1;
		r = fresh ? pop_connect(p) : POP_OK;
		if (r == POP_OK)
			r = pop_command(p, "USER %s", p->user);
		if (r == POP_OK)
			r = pop_command(p, "PASS %s", p->pass);
		if (r == POP_OK || (r == POP_LOST && (fresh || try == TRIES)))
			return r;
		if (r == POP_LOST)
			continue;	/* the old connection had ended */
		if (p->code == EX_UNAVAILABLE && !has_code(p, "SYS/PERM"))
			p->code = EX_NOPERM;	/* a plain -ERR */
		pop_close(p);
		if (!has_code(p, "IN-USE") || try == TRIES)
			return r;
		sleep(1);
	}
}

int
pop_next(struct pop *p, size_t most)
{
	if (read_line(p, most, false) != POP_OK)
		return POP_LOST;
	if (p->line.n == 1 && p->line.s[0] == '.')
		return POP_NO;
	if (p->line.s[0] == '.') {
		p->line.n--;
		memmove(p->line.s, p->line.s + 1, p->line.n + 1);
	}
	return POP_OK;
}

int
pop_text(struct pop *p, struct text *t)
{
	int r;

	while ((r = pop_next(p, TEXT_MAX)) == POP_OK) {
		text_add(t, p->line.s, p->line.n);
		text_str(t, "\n");
	}
	return r == POP_NO ? POP_OK : r;
}

int
pop_xmit(struct pop *p, const struct text *mail)
{
	struct text wire = { 0 };
	size_t i, k, len;
	int r;

	for (i = 0; i < mail->n; i += k) {
		k = text_line(mail->s + i, mail->n - i, &len);
		text_str(&wire, mail->s[i] == '.' ? "." : "");
		text_add(&wire, mail->s + i, len);
		text_str(&wire, "\r\n");
	}
	r = POP_NO;
	if (mail->cut || wire.cut)
		snprintf(p->text, sizeof(p->text), "The message is too large.");
	else if ((r = pop_command(p, "XTND XMIT")) == POP_OK)
		r = send_all(p, wire.s, wire.n);
	text_free(&wire);
	/* After the last line only the server knows whether it is sent. */
	if (r == POP_OK)
		p->cancel = NULL;
	if (r != POP_OK || (r = send_all(p, ".\r\n", 3)) != POP_OK)
		return r;
	p->wait = POP_WORK;
	if ((r = reply(p)) == POP_LOST && p->code == EX_TEMPFAIL) {
		/* Another try could send it twice: let the user decide. */
		p->code = EX_IOERR;
		len = strlen(p->text);
		snprintf(p->text + len, sizeof(p->text) - len,
		    "; it may have been sent all the same");
	}
	return r;
}

int
pop_quit(struct pop *p)
{
	int r;

	p->wait = POP_WORK;
	r = pop_command(p, "QUIT");
	pop_close(p);
	return r;
}
