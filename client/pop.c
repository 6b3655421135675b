/*
 * The wire: POP3 and its XTND extensions, seen from the client. Every octet
 * from the server is input: lines are bounded, numbers checked, waits limited.
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "popcard.h"

enum {
	TRIES = 3		/* logins while the maildrop is in use: the
				   session before may just be ending */
};

static long long
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
set_wait(struct pop *p, int seconds)
{
	p->deadline = now() + seconds * 1000LL;
}

void
pop_close(struct pop *p)
{
	dial_close(&p->dial);
	p->beg = p->end = p->outn = 0;
}

/* The connection is of no more use: keep the reason, close. */
static int
lost(struct pop *p, int code, const char *why)
{
	char helper[POP_LINE / 2];

	pop_close(p);
	helper[0] = '\0';
	dial_reason(&p->dial, helper, sizeof(helper));
	snprintf(p->text, sizeof(p->text), "%s: %s%s%s", p->host, why,
	    *helper != '\0' ? "; the helper: " : "", helper);
	p->code = code;
	return POP_LOST;
}

/*
 * Wait until the descriptor is ready; false with errno at the deadline, or if
 * the user cancels what is under way.
 */
static bool
ready(struct pop *p, short events)
{
	struct pollfd pfd[2];
	long long left;
	int r;

	pfd[0].fd = p->dial.fd;
	pfd[0].events = events;
	pfd[1].fd = p->cancel != NULL ? STDIN_FILENO : -1;
	pfd[1].events = POLLIN;
	do {
		left = p->deadline - now();
		r = left <= 0 ? 0 : poll(pfd, 2, (int)left);
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

/* Read more after what is there. */
static int
fill(struct pop *p)
{
	ssize_t n;

	if (p->dial.fd == -1)
		return POP_LOST;
	if (p->beg > 0) {
		memmove(p->in, p->in + p->beg, p->end - p->beg);
		p->end -= p->beg;
		p->beg = 0;
	}
	do {
		if (!ready(p, POLLIN))
			return lost(p, EX_TEMPFAIL, strerror(errno));
		n = read(p->dial.fd, p->in + p->end, sizeof(p->in) - p->end);
	} while (n == -1 && (errno == EINTR || errno == EAGAIN));
	if (n <= 0)
		return lost(p, EX_TEMPFAIL, n == -1 ? strerror(errno) :
		    "the server has closed the connection");
	p->end += (size_t)n;
	return POP_OK;
}

static int
send_all(struct pop *p, const char *s, size_t len)
{
	ssize_t n;

	if (p->dial.fd == -1)
		return POP_LOST;
	while (len > 0) {
		set_wait(p, POP_WAIT);
		if (!ready(p, POLLOUT))
			return lost(p, EX_TEMPFAIL, strerror(errno));
		n = write(p->dial.fd, s, len);
		if (n == -1 && errno != EINTR && errno != EAGAIN)
			return lost(p, EX_TEMPFAIL, strerror(errno));
		if (n > 0) {
			s += n;
			len -= (size_t)n;
		}
	}
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
reply(struct pop *p, int wait)
{
	const char *s, *lf;
	size_t skip, n;

	set_wait(p, wait);
	while ((lf = memchr(p->in + p->beg, '\n', p->end - p->beg)) == NULL) {
		if (p->end - p->beg >= POP_LINE)
			return lost(p, EX_PROTOCOL, "a reply has no end");
		if (fill(p) != POP_OK)
			return POP_LOST;
	}
	s = p->in + p->beg;
	n = (size_t)(lf - s);
	p->beg += n + 1;
	if (n > 0 && s[n - 1] == '\r')
		n--;
	skip = n >= 3 && memcmp(s, "+OK", 3) == 0 ? 3 :
	    n >= 4 && memcmp(s, "-ERR", 4) == 0 ? 4 : 0;
	if (skip == 0 || n >= POP_LINE ||
	    (n > skip && s[skip] != ' ' && s[skip] != '\t'))
		return lost(p, EX_PROTOCOL, "this is no POP3 server");
	s += skip;
	for (n -= skip; n > 0 && (*s == ' ' || *s == '\t'); n--)
		s++;
	memcpy(p->text, s, n);
	p->text[n] = '\0';
	p->lines = 0;
	p->octets = 0;
	p->done = 0;
	p->bol = true;
	if (skip == 3)
		return POP_OK;
	p->code = has_code(p, "AUTH") ? EX_NOPERM :
	    has_code(p, "IN-USE") || has_code(p, "SYS/TEMP") ||
	    has_code(p, "LOGIN-DELAY") ? EX_TEMPFAIL : EX_UNAVAILABLE;
	return POP_NO;
}

int
pop_command(struct pop *p, int wait, const char *fmt, ...)
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
	return r != POP_OK ? r : reply(p, wait);
}

/* Connect to the first address that answers, and read the greeting. */
int
pop_connect(struct pop *p)
{
	char why[POP_LINE / 2];
	int code, r;

	p->beg = p->end = p->outn = 0;
	p->cancelled = false;
	code = dial_open(&p->dial, p->helper, p->host, p->port, POP_WAIT, why,
	    sizeof(why));
	if (code != EX_OK)
		return lost(p, code, why);
	if ((r = reply(p, POP_WAIT)) == POP_NO) {
		p->code = EX_TEMPFAIL;
		pop_close(p);
	}
	return r;
}

/* USER and PASS on a connection that may be old; *fresh says whether not. */
static int
authenticate(struct pop *p, bool *fresh)
{
	int r;

	*fresh = p->dial.fd == -1;
	if (*fresh && (r = pop_connect(p)) != POP_OK)
		return r;
	if ((r = pop_command(p, POP_WAIT, "USER %s", p->user)) == POP_OK)
		r = pop_command(p, POP_WAIT, "PASS %s", p->pass);
	if (r != POP_NO)
		return r;
	if (p->code == EX_UNAVAILABLE && !has_code(p, "SYS/PERM"))
		p->code = EX_NOPERM;	/* a plain -ERR */
	pop_close(p);
	return r;
}

int
pop_login(struct pop *p)
{
	bool fresh;
	int r, try;

	for (try = 1;; try++) {
		r = authenticate(p, &fresh);
		if (r == POP_OK || (r == POP_LOST && fresh) ||
		    try == TRIES)
			return r;
		if (r == POP_NO && !has_code(p, "IN-USE"))
			return r;
		if (r == POP_NO)
			sleep(1);
	}
}

/*
 * The next piece of the lines of a multi-line reply: no dots, no CRLF; *eol
 * where it ends a line. POP_NO at the terminator. A line may be longer than
 * any buffer, so it comes in pieces.
 */
static int
piece(struct pop *p, const char **s, size_t *n, bool *eol)
{
	const char *lf;

	for (;;) {
		*s = p->in + p->beg;
		*n = p->end - p->beg;
		lf = *n > 0 ? memchr(*s, '\n', *n) : NULL;
		/* Three octets tell a dot from the terminator, and a CR at the
		 * very end may be half of a line end. */
		if (lf != NULL || *n > 3)
			break;
		set_wait(p, POP_WAIT);
		if (fill(p) != POP_OK)
			return POP_LOST;
	}
	*eol = lf != NULL;
	if (lf != NULL)
		*n = (size_t)(lf - *s);
	if (*n > POP_OCTETS - p->octets)
		return lost(p, EX_PROTOCOL, "a reply has no end");
	p->octets += *n;
	p->beg += *n + (*eol ? 1 : 0);
	if ((*s)[*n > 0 ? *n - 1 : 0] == '\r' && *n > 0) {
		--*n;
		if (!*eol)
			p->beg--;
	}
	if (p->bol && *n > 0 && **s == '.') {
		if (*n == 1 && *eol)
			return POP_NO;
		++*s;
		--*n;
	}
	p->bol = *eol;
	return POP_OK;
}

int
pop_next(struct pop *p)
{
	const char *s;
	size_t n, len;
	bool eol;
	int r;

	if (p->lines++ >= POP_LINES)
		return lost(p, EX_PROTOCOL, "a listing has no end");
	len = 0;
	do {
		if ((r = piece(p, &s, &n, &eol)) != POP_OK)
			return r;
		if (n > sizeof(p->line) - 1 - len)
			n = sizeof(p->line) - 1 - len;
		memcpy(p->line + len, s, n);
		len += n;
	} while (!eol);
	p->line[len] = '\0';
	return POP_OK;
}

int
pop_text(struct pop *p, struct text *t)
{
	const char *s;
	size_t n, told;
	bool eol;
	int r;

	told = 0;
	while ((r = piece(p, &s, &n, &eol)) == POP_OK) {
		text_add(t, s, n);
		p->done += n;
		if (eol) {
			text_add(t, "\n", 1);
			p->done += 2;
		}
		if (p->done - told >= POP_BLOCK && p->progress != NULL) {
			told = p->done;
			p->progress(p->owner);
		}
	}
	return r == POP_NO ? POP_OK : r;
}

int
pop_xmit(struct pop *p)
{
	p->outn = 0;
	p->last = '\n';
	return pop_command(p, POP_WAIT, "XTND XMIT");
}

static int
xmit_flush(struct pop *p)
{
	size_t n;

	n = p->outn;
	p->outn = 0;
	p->done += n;
	if (send_all(p, p->out, n) != POP_OK)
		return POP_LOST;
	if (p->progress != NULL && p->done > POP_BLOCK)
		p->progress(p->owner);
	return POP_OK;
}

int
pop_xmit_add(struct pop *p, const char *s, size_t n)
{
	for (; n > 0; s++, n--) {
		if (p->outn + 2 > sizeof(p->out) && xmit_flush(p) != POP_OK)
			return POP_LOST;
		if (*s == '.' && p->last == '\n')
			p->out[p->outn++] = '.';
		if (*s == '\n' && p->last != '\r')
			p->out[p->outn++] = '\r';
		p->out[p->outn++] = *s;
		p->last = *s;
	}
	return POP_OK;
}

int
pop_xmit_end(struct pop *p)
{
	size_t len;
	int r;

	if (p->last != '\n' && pop_xmit_add(p, "\n", 1) != POP_OK)
		return POP_LOST;
	if (xmit_flush(p) != POP_OK || send_all(p, ".\r\n", 3) != POP_OK)
		return POP_LOST;
	if ((r = reply(p, POP_WORK)) == POP_LOST && p->code == EX_TEMPFAIL) {
		/* Another try could send it twice: that is for the user
		 * to decide. */
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

	r = pop_command(p, POP_WORK, "QUIT");
	pop_close(p);
	return r;
}
