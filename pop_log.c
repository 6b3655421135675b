/*
 * What the log says of a session, and the client's name.
 */
#include <sys/socket.h>

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"

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

/* How many lines the bound on the log has left out. */
static void
log_left_out(struct pop *p)
{
	unsigned long *left_out = p->env.log.left_out;
	unsigned long lines = left_out[LV_NOTICE] + left_out[LV_ERROR];

	if (lines > 0)
		log_notice(&p->env, "log user=%s addr=%s: %lu lines left out",
		    p->env.who, p->conn.addr, lines);
	if (left_out[LV_DEBUG] > 0)
		log_debug(&p->env, "log user=%s addr=%s: %lu debug lines left "
		    "out", p->env.who, p->conn.addr, left_out[LV_DEBUG]);
}

void
log_network(struct pop *p)
{
	log_notice(&p->env, "login user=%s: the spool is on %s: run popper -n "
	    "-S on two hosts at once, then serve with -S", p->env.who,
	    file_network(p->drop.box.dir));
}

void
log_end(struct pop *p)
{
	static const char *const reasons[] = { "error", "quit", "lost",
	    "timeout", "signal", "auth" };

	log_left_out(p);
	log_notice(&p->env, "end user=%s addr=%s reason=%s retrieved=%lu "
	    "sent=%llu deleted=%lu left=%lu seconds=%lld", p->env.who,
	    p->conn.addr, reasons[p->reason], p->retrieved,
	    (unsigned long long)p->sent, p->removed, p->left,
	    (long long)((wait_now() - p->start) / 1000));
}

/* ---- the client's name --------------------------------------------------- */

enum { NAME_WAIT = 2 };		/* seconds for all questions about it */

/* The client's address, and what a name server says of it. */
struct name_question {
	const struct addrinfo *self;
	const char *addr;
	int err;		/* of getnameinfo(): there is no name */
	int back;		/* of getaddrinfo(): it leads nowhere */
	bool good;		/* it leads back to the address */
	char name[NI_MAXHOST];
};

/* Whether a name has this address; *err is getaddrinfo()'s. */
static bool
name_has_address(const char *name, const char *addr, int *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
	char text[NI_MAXHOST];
	bool found = false;

	if ((*err = getaddrinfo(name, NULL, &hints, &list)) != 0)
		return false;
	for (a = list; a != NULL && !found; a = a->ai_next)
		found = getnameinfo(a->ai_addr, a->ai_addrlen, text,
		    sizeof(text), NULL, 0, NI_NUMERICHOST) == 0 &&
		    strcmp(text, addr) == 0;
	freeaddrinfo(list);
	return found;
}

/*
 * Asks for the canonical name, and whether it leads back to the address; in a
 * child process, since the resolver has no time limit of ours.  Its alarm ends
 * it if its parent dies first.
 */
static void
look_up_name(void *arg)
{
	struct name_question *q = arg;

	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(NAME_WAIT);
	q->err = getnameinfo(q->self->ai_addr, q->self->ai_addrlen, q->name,
	    sizeof(q->name), NULL, 0, NI_NAMEREQD);
	if (q->err == 0)
		q->good = name_has_address(q->name, q->addr, &q->back);
}

static void
log_name(struct pop *p, const struct name_question *q)
{
	char clean[NI_MAXHOST];

	(void)text_clean(clean, sizeof(clean), q->name, strlen(q->name));
	if (q->err != 0)
		log_notice(&p->env, "name addr=%s warning=none: unable to "
		    "get canonical name of client: %s", p->conn.addr,
		    gai_strerror(q->err));
	else if (q->good)
		log_debug(&p->env, "name addr=%s name=%s", p->conn.addr, clean);
	else if (q->back != 0)
		log_notice(&p->env, "name addr=%s name=%s warning=unknown: "
		    "client resolves to an unknown host name", p->conn.addr,
		    clean);
	else
		log_notice(&p->env, "name addr=%s name=%s warning=unlisted: "
		    "client address not listed for its host name", p->conn.addr,
		    clean);
}

/*
 * The name is only for the log, so it is asked for when the client is gone and
 * does not have to wait.  Root never talks to a name server.
 */
void
log_check_name(struct pop *p)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST,
	    .ai_socktype = SOCK_STREAM }, *self;
	struct name_question q = { .addr = p->conn.addr };

	if (p->opt.noresolve || geteuid() == 0 || p->conn.loopback ||
	    getaddrinfo(p->conn.addr, NULL, &hints, &self) != 0)
		return;			/* also if the address is "local" */
	q.self = self;
	if (child_ask(&p->env, look_up_name, &q, sizeof(q),
	    wait_deadline(NAME_WAIT)) == 0)
		log_name(p, &q);
	else if (errno == ETIMEDOUT || errno == EPIPE)	/* or its alarm */
		log_notice(&p->env, "name addr=%s warning=timeout: no answer "
		    "about the client's name in %d seconds", p->conn.addr,
		    NAME_WAIT);
	else if (errno != EINTR)
		log_error(&p->env, "name addr=%s", p->conn.addr);
	freeaddrinfo(self);
}
