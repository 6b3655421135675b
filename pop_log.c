/*
 * The log: syslog(3), the trace file, cleaning of foreign text, and who the
 * client is.  Nothing here ever writes to descriptor 2: inetd ties it to the
 * connection.  Callers hand over no mail text and no password.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "popper.h"

/*
 * Opens the log.  The trace file is made for us alone, and an existing one
 * must be a plain file of ours: it is opened by root at a place that an
 * administrator may have put below /tmp.
 */
int
log_open(struct env *e, const char *trace)
{
	struct stat sb;

	openlog("popper", LOG_PID, LOG_LOCAL0);
	e->trace = -1;
	if (trace == NULL)
		return 0;
	e->trace = open(trace, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC, 0600);
	if (e->trace != -1 && fstat(e->trace, &sb) == 0 &&
	    S_ISREG(sb.st_mode) && sb.st_nlink == 1 &&
	    sb.st_uid == geteuid())
		return 0;
	if (e->trace != -1)
		(void)close(e->trace);
	e->trace = -1;			/* not even this goes into it */
	log_notice(e, "trace file=%s refused: not a plain file of mine",
	    trace);
	return -1;
}

/* One line into the trace file, whole in one write so that sessions mix. */
static void
write_trace(struct env *e, const char *text)
{
	char line[LOG_LEN + 64], date[32];
	struct tm tm;
	time_t now = time(NULL);
	int n;

	if (localtime_r(&now, &tm) == NULL ||
	    strftime(date, sizeof(date), "%b %e %H:%M:%S", &tm) == 0)
		date[0] = '\0';
	n = snprintf(line, sizeof(line), "%s popper[%ld]: %s\n", date,
	    (long)getpid(), text);
	if (n > 0 && write(e->trace, line, (size_t)n) == -1) {
		(void)close(e->trace);	/* a full disk: syslog has it */
		e->trace = -1;
	}
}

/*
 * Whether a session may write one more line of a kind.  A kind is a format: so
 * what a client causes again and again takes no room from another kind, and
 * what a session says once, such as its end, is always said.
 */
static bool
may_log(struct log *l, enum level lv, const char *fmt)
{
	size_t i;

	for (i = 0; i < l->n && l->kinds[i].fmt != fmt; i++)
		continue;
	if (i == LOG_KINDS)
		i--;			/* there are never so many */
	else if (i == l->n)
		l->kinds[l->n++].fmt = fmt;
	if (l->kinds[i].lines < (lv == LV_DEBUG ? LOG_DEBUG_MOST : LOG_MOST)) {
		l->kinds[i].lines++;
		return true;
	}
	l->left_out[lv]++;
	return false;
}

/* One line to where its level goes; with the user and cause (an errno) or 0. */
static void PRINTF(4, 0)
log_line(struct env *e, enum level lv, int cause, const char *fmt, va_list ap)
{
	char text[LOG_LEN];
	int n;

	if ((lv == LV_DEBUG && !e->debug && e->trace == -1) ||
	    !may_log(&e->log, lv, fmt))
		return;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (cause != 0 && n >= 0 && (size_t)n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - (size_t)n,
		    " user=%s: %s", e->who, strerror(cause));
	if (lv == LV_NOTICE || e->debug)
		syslog(lv == LV_NOTICE ? LOG_NOTICE : LOG_DEBUG, "%s", text);
	if (e->trace != -1)
		write_trace(e, text);
}

void
log_notice(struct env *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(e, LV_NOTICE, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_debug(struct env *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(e, LV_DEBUG, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_error(struct env *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(e, LV_NOTICE, saved, fmt, ap);
	va_end(ap);
	errno = saved;
}

const char *
text_clean(char *to, size_t room, const char *s, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c;
	size_t i, at = 0;

	for (i = 0; i < n && at + 5 <= room; i++) {
		c = (unsigned char)s[i];
		if (c > 0x20 && c < 0x7f && strchr("\"=\\", c) == NULL)
			to[at++] = (char)c;
		else {
			to[at++] = '\\';
			to[at++] = 'x';
			to[at++] = hex[c >> 4];
			to[at++] = hex[c & 15];
		}
	}
	to[at] = '\0';
	return to;
}

/*
 * Notes the client's address: an IPv4 one that is mapped to IPv6 (RFC 4291,
 * 2.5.5.2) as what it is, wherever it comes from.
 */
static void
set_address(struct conn *c, int family, const unsigned char *ip)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const unsigned char one[16] = { [15] = 1 };

	if (family == AF_INET6 && memcmp(ip, mapped, sizeof(mapped)) == 0) {
		family = AF_INET;
		ip += sizeof(mapped);
	}
	if (inet_ntop(family, ip, c->addr, sizeof(c->addr)) == NULL)
		c->addr[0] = '\0';
	c->loopback = family == AF_INET ? ip[0] == 127 :
	    memcmp(ip, one, sizeof(one)) == 0;
}

void
peer_set(struct conn *c, const char *addr)
{
	unsigned char ip[16];

	if (inet_pton(AF_INET, addr, ip) == 1)
		set_address(c, AF_INET, ip);
	else if (inet_pton(AF_INET6, addr, ip) == 1)
		set_address(c, AF_INET6, ip);
	else {			/* a name: it proves nothing */
		(void)text_clean(c->addr, sizeof(c->addr), addr, strlen(addr));
		c->loopback = strcmp(addr, "local") == 0;
	}
}

/*
 * The client's address: of the socket, or what a parent says that keeps the
 * socket for itself (UCSPI, stunnel), or "local" for a terminal or a pipe.
 */
void
peer_find(struct conn *c, bool tls)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	const char *env = getenv("REMOTE_HOST");

	memset(&ss, 0, sizeof(ss));
	if (getpeername(0, (struct sockaddr *)&ss, &n) == -1)
		ss.ss_family = AF_UNSPEC;
	if (ss.ss_family == AF_INET)
		set_address(c, AF_INET, (const unsigned char *)
		    &((const struct sockaddr_in *)&ss)->sin_addr);
	else if (ss.ss_family == AF_INET6)
		set_address(c, AF_INET6,
		    ((const struct sockaddr_in6 *)&ss)->sin6_addr.s6_addr);
	else if (getenv("TCPREMOTEIP") != NULL)
		env = getenv("TCPREMOTEIP");
	if (c->addr[0] != '\0' &&
	    (!tls || !c->loopback || env == NULL))
		return;			/* not stunnel's end of a pair */
	peer_set(c, env != NULL ? env : "local");
}

/* ---- what a session logs ------------------------------------------------- */

void
log_start(struct pop *p)
{
	log_notice(&p->env, "start addr=%s version=" POPPER_VERSION,
	    p->conn.addr);
}

void
log_login(struct pop *p, int64_t ms)
{
	log_notice(&p->env, "login user=%s addr=%s messages=%llu octets=%llu "
	    "ms=%lld", p->env.who, p->conn.addr,
	    (unsigned long long)p->drop.sum.count,
	    (unsigned long long)p->drop.sum.octets, (long long)ms);
}

void
log_refused_login(struct pop *p, const char *reason)
{
	log_notice(&p->env, "failed login user=%s addr=%s reason=%s",
	    p->env.who, p->conn.addr, reason);
}

/* The last lines but one: a bound on the log is nothing to be hidden. */
static void
log_left_out(struct pop *p)
{
	unsigned long *n = p->env.log.left_out;

	if (n[LV_NOTICE] > 0)
		log_notice(&p->env, "log user=%s addr=%s: %lu lines left out",
		    p->env.who, p->conn.addr, n[LV_NOTICE]);
	if (n[LV_DEBUG] > 0)
		log_debug(&p->env, "log user=%s addr=%s: %lu debug lines left "
		    "out", p->env.who, p->conn.addr, n[LV_DEBUG]);
}

void
log_end(struct pop *p)
{
	static const char *const reasons[] = { "error", "quit", "lost",
	    "timeout", "signal", "auth" };
	struct timespec now;

	log_left_out(p);
	wait_deadline(&now, 0);
	log_notice(&p->env, "end user=%s addr=%s reason=%s retrieved=%lu "
	    "sent=%llu deleted=%lu left=%lu seconds=%lld", p->env.who,
	    p->conn.addr, reasons[p->reason], p->retrieved,
	    (unsigned long long)p->sent, p->removed, p->left,
	    (long long)(now.tv_sec - p->start.tv_sec));
}

/* ---- the client's name --------------------------------------------------- */

enum { NAME_WAIT = 2 };		/* seconds for all questions about it */

/* What a name server says of the client's address. */
struct answer {
	enum { NAME_NONE, NAME_UNKNOWN, NAME_UNLISTED, NAME_GOOD } what;
	int err;		/* of getnameinfo(), for NAME_NONE */
	char name[NI_MAXHOST];
};

/* Whether the addresses of a name include this one. */
static bool
name_has_address(const char *name, const char *addr, int *err)
{
	struct addrinfo hints, *list, *a;
	char text[NI_MAXHOST];
	bool found = false;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	if ((*err = getaddrinfo(name, NULL, &hints, &list)) != 0)
		return false;
	for (a = list; a != NULL && !found; a = a->ai_next)
		found = getnameinfo(a->ai_addr, a->ai_addrlen, text,
		    sizeof(text), NULL, 0, NI_NUMERICHOST) == 0 &&
		    strcmp(text, addr) == 0;
	freeaddrinfo(list);
	return found;
}

/* What is asked about, and what comes of it. */
struct name_question {
	const struct addrinfo *self;
	const char *addr;
	struct answer answer;
};

/*
 * The canonical name, and whether it leads back to the address; in a child
 * process, since the resolver cannot be told when to stop.  Its alarm ends it
 * if we die first.
 */
static void
look_up_name(void *arg)
{
	struct name_question *q = arg;
	struct answer *a = &q->answer;
	int err;

	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(NAME_WAIT);
	a->err = getnameinfo(q->self->ai_addr, q->self->ai_addrlen, a->name,
	    sizeof(a->name), NULL, 0, NI_NAMEREQD);
	if (a->err != 0)
		a->what = NAME_NONE;
	else if (name_has_address(a->name, q->addr, &err))
		a->what = NAME_GOOD;
	else
		a->what = err != 0 ? NAME_UNKNOWN : NAME_UNLISTED;
}

static void
say_name(struct pop *p, const struct answer *a)
{
	char clean[NI_MAXHOST];

	(void)text_clean(clean, sizeof(clean), a->name, strlen(a->name));
	switch (a->what) {
	case NAME_NONE:
		log_notice(&p->env, "name addr=%s warning=none: unable to "
		    "get canonical name of client: %s", p->conn.addr,
		    gai_strerror(a->err));
		break;
	case NAME_UNKNOWN:
		log_notice(&p->env, "name addr=%s name=%s warning=unknown: "
		    "client resolves to an unknown host name", p->conn.addr,
		    clean);
		break;
	case NAME_UNLISTED:
		log_notice(&p->env, "name addr=%s name=%s warning=unlisted: "
		    "client address not listed for its host name", p->conn.addr,
		    clean);
		break;
	case NAME_GOOD:
		log_debug(&p->env, "name addr=%s name=%s", p->conn.addr, clean);
		break;
	}
}

/*
 * The name is only for the log, so it is asked for when the client has gone:
 * nobody waits for a name server but the super-server, for a moment, and root
 * never talks to one.
 */
void
log_check_name(struct pop *p)
{
	struct addrinfo hints, *self;
	struct name_question q;
	struct timespec until;

	if (p->opt.noresolve || geteuid() == 0 || p->conn.loopback)
		return;
	memset(&hints, 0, sizeof(hints));
	hints.ai_flags = AI_NUMERICHOST;
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(p->conn.addr, NULL, &hints, &self) != 0)
		return;				/* "local" */
	memset(&q, 0, sizeof(q));
	q.self = self;
	q.addr = p->conn.addr;
	wait_deadline(&until, NAME_WAIT);
	if (child_ask(&p->env, look_up_name, &q, sizeof(q), &until) == 0)
		say_name(p, &q.answer);
	else if (errno == ETIMEDOUT || errno == EPIPE)	/* its alarm was first */
		log_notice(&p->env, "name addr=%s warning=timeout: no answer "
		    "about the client's name in %d seconds", p->conn.addr,
		    NAME_WAIT);
	else if (errno != EINTR)
		log_error(&p->env, "name addr=%s", p->conn.addr);
	freeaddrinfo(self);
}
