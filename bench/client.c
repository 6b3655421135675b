/*
 * A POP3 client that measures, and believes no answer.
 *
 *	client poll PORT USER COUNT OCTETS WORKERS SESSIONS
 *		USER0, USER1, ...: each worker logs in, asks STAT and quits,
 *		that many times, for an account of its own; prints the
 *		microseconds from the first connection to the last reply
 *	client idle PORT USER SESSIONS
 *		logs in USER0, USER1, ..., says "ready" and stays until its
 *		standard input ends
 *	client session PORT USER WIRE STEP ...
 *		one session; prints each timed step with its microseconds:
 *		login  stat:COUNT:OCTETS  list  uidl  retr:FIRST:LAST:WINDOW
 *		top:FIRST:LAST:WINDOW  xlst  dele:FIRST:LAST:STEP  quit
 *		and keep:FIRST:STEP (of the messages in WIRE only these are
 *		there), size:COUNT (prints the octets of STAT, whatever they
 *		are).  WINDOW is how many commands are under way at a time.
 *
 * Accounts have the password "s3cret".  Anything that is not as WIRE has it
 * ends it with a message.  A server may count or send one empty line more for
 * each message than we do, where mbox files have one between two messages.
 *
 * rabid of postal makes POP load, but counts sessions of random accounts and
 * looks at no text; curl fetches, but no two messages at a time, and starts
 * anew for each command; imaptest speaks no POP3; jmeter's sampler needs a
 * Java machine that costs more than the servers.  None can tell how long
 * QUIT took.
 */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "bench.h"

enum { BUFFER = 256 * 1024, LINE = 600 };

struct conn {
	int		fd;
	size_t		have, used;	/* in buf */
	char		buf[BUFFER];
};

/* What is in the maildrop: of the messages of a wire file, one in step. */
struct mail {
	const char	*wire;
	const struct entry *entry;
	size_t		first, step, total;
};

static struct conn con;
static struct mail mail = { NULL, NULL, 1, 1, 0 };

static void
wrong(const char *what, const char *got)
{
	fprintf(stderr, "wrong: %s: %s\n", what, got);
	exit(1);
}

static const struct entry *
entry(size_t n)
{
	size_t at = mail.first - 1 + (n - 1) * mail.step;

	if (at >= mail.total)
		fail("no such message");
	return &mail.entry[at];
}

static size_t
count(void)
{
	return mail.total < mail.first ? 0 :
	    (mail.total - mail.first) / mail.step + 1;
}

static void
dial(unsigned long port)
{
	struct sockaddr_in sin;
	int on = 1;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons((uint16_t)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	con.have = con.used = 0;
	if ((con.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1 ||
	    setsockopt(con.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ==
	    -1 || connect(con.fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		fail("connect");
}

static void
say(const char *s, size_t n)
{
	if (write(con.fd, s, n) != (ssize_t)n)
		fail("write");
}

/* More octets; false at the end. */
static int
fill(void)
{
	ssize_t n;

	if (con.used == con.have)
		con.used = con.have = 0;
	if (con.have == BUFFER) {
		memmove(con.buf, con.buf + con.used, con.have - con.used);
		con.have -= con.used;
		con.used = 0;
	}
	if ((n = read(con.fd, con.buf + con.have, BUFFER - con.have)) == -1)
		fail("read");
	con.have += (size_t)n;
	return n > 0;
}

/* The next line without its CRLF, in a buffer of its own. */
static const char *
line(void)
{
	static char s[LINE];
	size_t n, seen = 0;
	char *nl;

	while ((nl = memchr(con.buf + con.used + seen, '\n',
	    con.have - con.used - seen)) == NULL) {
		seen = con.have - con.used;
		if (!fill())
			wrong("a line was to come", "the end");
	}
	n = (size_t)(nl - (con.buf + con.used));
	if (n == 0 || nl[-1] != '\r' || n > LINE)
		wrong("a line", "no CRLF, or too long");
	memcpy(s, con.buf + con.used, n - 1);
	s[n - 1] = '\0';
	con.used += n + 1;
	return s;
}

static const char *
ok(const char *what)
{
	const char *s = line();

	if (strncmp(s, "+OK", 3) != 0)
		wrong(what, s);
	return s;
}

static const char *
command(const char *s)
{
	char b[LINE];
	int n = snprintf(b, sizeof(b), "%s\r\n", s);

	if (n < 0 || n >= (int)sizeof(b))
		fail("command");
	say(b, (size_t)n);
	return ok(s);
}

/* Exactly these octets, then at most blank empty lines, then the dot. */
static void
text(const char *what, const char *want, size_t n, int blank)
{
	size_t part;
	const char *s;

	while (n > 0) {
		if (con.used == con.have && !fill())
			wrong(what, "the end");
		part = con.have - con.used < n ? con.have - con.used : n;
		if (memcmp(con.buf + con.used, want, part) != 0)
			wrong(what, "other octets");
		con.used += part;
		want += part;
		n -= part;
	}
	while (*(s = line()) == '\0')
		if (blank-- == 0)
			wrong(what, "an empty line too many");
	if (strcmp(s, ".") != 0)
		wrong(what, s);
}

/* Octets may have one empty line a message more. */
static void
octets(const char *what, uint64_t got, uint64_t want, uint64_t messages)
{
	if (got != want && got != want + 2 * messages)
		wrong("octets", what);
}

/* STAT must say this many messages; the octets it has for them. */
static uint64_t
stat_octets(uint64_t messages)
{
	uint64_t n, size;
	const char *s = command("STAT");

	if (sscanf(s, "+OK %" SCNu64 " %" SCNu64, &n, &size) != 2 ||
	    n != messages)
		wrong("STAT", s);
	return size;
}

static void
stat_is(uint64_t messages, uint64_t want)
{
	octets("STAT", stat_octets(messages), want, messages);
}

static void
login(unsigned long port, const char *user)
{
	char b[LINE];

	dial(port);
	ok("greeting");
	snprintf(b, sizeof(b), "USER %s", user);
	command(b);
	command("PASS s3cret");
}

static void
quit(void)
{
	command("QUIT");
	while (fill())
		;
	if (close(con.fd) == -1)
		fail("close");
}

static void
list(void)
{
	uint64_t size;
	size_t i;
	const char *s;
	char *at;

	command("LIST");
	for (i = 1; strcmp(s = line(), ".") != 0; i++) {
		if (strtoul(s, &at, 10) != i || *at != ' ' || i > count())
			wrong("LIST", s);
		size = strtoull(at, &at, 10);
		if (*at != '\0' && *at != ' ')
			wrong("LIST", s);
		octets(s, size, entry(i)->octets, 1);
	}
	if (i != count() + 1)
		wrong("LIST", "too short");
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of UIDL; whether they differ is looked at outside the time. */
static char **
uidl(void)
{
	char **id = calloc(count() + 1, sizeof(*id)), *at;
	size_t i;
	const char *s;

	if (id == NULL)
		fail("memory");
	command("UIDL");
	for (i = 1; strcmp(s = line(), ".") != 0; i++)
		if (i > count() || strtoul(s, &at, 10) != i || *at++ != ' ' ||
		    *at == '\0' || (id[i - 1] = strdup(at)) == NULL)
			wrong("UIDL", s);
	if (i != count() + 1)
		wrong("UIDL", "too short");
	return id;
}

static void
all_differ(char **id)
{
	size_t i;

	qsort(id, count(), sizeof(*id), by_name);
	for (i = 1; i < count(); i++)
		if (strcmp(id[i - 1], id[i]) == 0)
			wrong("two messages of one UIDL", id[i]);
}

static void
xlst(void)
{
	const char *want, *end, *s;
	uint64_t n;
	size_t i;
	int at;

	command("XTND XLST Subject");
	for (i = 1; strcmp(s = line(), ".") != 0; i++) {
		want = mail.wire + entry(i)->at;
		while (strncmp(want, "Subject:", 8) != 0)
			want = (const char *)memchr(want, '\n', 1000) + 1;
		end = memchr(want, '\r', 1000);
		if (end == NULL || sscanf(s, "%" SCNu64 " %n", &n, &at) != 1 ||
		    n != i || strncmp(s + at, want, (size_t)(end - want)) != 0)
			wrong("XLST", s);
	}
	if (i != count() + 1)
		wrong("XLST", "too short");
}

/* Sends a command for n and up to many - 1 more; the number behind them. */
static size_t
ask(const char *verb, size_t n, size_t last, size_t apart, size_t many)
{
	const char *tail = strcmp(verb, "TOP") == 0 ? " 0" : "";
	static char b[BUFFER];
	size_t used = 0;

	for (; many > 0 && n <= last; many--, n += apart)
		used += (size_t)snprintf(b + used, sizeof(b) - used,
		    "%s %zu%s\r\n", verb, n, tail);
	if (used > 0)
		say(b, used);
	return n;
}

/* RETR or TOP of a range, so many commands ahead of the replies. */
static void
fetch(const char *verb, size_t first, size_t last, size_t window)
{
	size_t next = ask(verb, first, last, 1, window), n;
	int top = strcmp(verb, "TOP") == 0;
	const struct entry *e;

	for (n = first; n <= last; n++) {
		e = entry(n);
		ok(verb);
		text(verb, mail.wire + e->at + 5, top ? e->head - 2 :
		    e->len - 8, top ? 2 : 1);
		if (next - n - 1 <= window / 2)
			next = ask(verb, next, last, 1, window - (next - n - 1));
	}
}

static void
dele(size_t first, size_t last, size_t apart)
{
	size_t next = ask("DELE", first, last, apart, 32), n;

	for (n = first; n <= last; n += apart) {
		ok("DELE");
		next = ask("DELE", next, last, apart, 1);
	}
}

static const void *
map(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd == -1 || fstat(fd, &st) == -1)
		fail(path);
	*size = (size_t)st.st_size;
	p = mmap(NULL, *size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		fail(path);
	close(fd);
	return p;
}

static void
map_wire(const char *path)
{
	char name[4096];
	size_t size;

	if (strcmp(path, "-") == 0)
		return;
	mail.wire = map(path, &size);
	snprintf(name, sizeof(name), "%s.idx", path);
	mail.entry = map(name, &size);
	mail.total = size / sizeof(*mail.entry);
}

/* The text of these messages, there before time is taken, and no more of it: it
 * would drive the server's memory out of the processor's caches. */
static void
touch(size_t first, size_t last)
{
	const volatile char *p = mail.wire + entry(first)->at;
	const volatile char *end = mail.wire + entry(last)->at +
	    entry(last)->len;

	for (; p < end; p += 4096)
		(void)*p;
}

static void
step(unsigned long port, const char *user, const char *how)
{
	char name[16];
	size_t a = 0, b = 0, c = 0;
	char **id = NULL;
	double begin;

	if (sscanf(how, "%15[a-z]:%zu:%zu:%zu", name, &a, &b, &c) < 1)
		fail(how);
	if (strcmp(name, "retr") == 0 || strcmp(name, "top") == 0)
		touch(a, b);
	else if (strcmp(name, "xlst") == 0)
		touch(1, count());
	begin = usec();
	if (strcmp(name, "keep") == 0) {
		mail.first = a;
		mail.step = b;
		return;
	} else if (strcmp(name, "login") == 0)
		login(port, user);
	else if (strcmp(name, "stat") == 0)
		stat_is(a, b);
	else if (strcmp(name, "size") == 0) {
		printf("size %" PRIu64 "\n", stat_octets(a));
		return;
	}
	else if (strcmp(name, "list") == 0)
		list();
	else if (strcmp(name, "uidl") == 0)
		id = uidl();
	else if (strcmp(name, "retr") == 0)
		fetch("RETR", a, b, c);
	else if (strcmp(name, "top") == 0)
		fetch("TOP", a, b, c);
	else if (strcmp(name, "xlst") == 0)
		xlst();
	else if (strcmp(name, "dele") == 0)
		dele(a, b, c);
	else if (strcmp(name, "quit") == 0)
		quit();
	else
		fail(how);
	printf("%s %.0f\n", name, usec() - begin);
	if (id != NULL)
		all_differ(id);
}

static void
poll_all(char **argv)
{
	unsigned long port = number(argv[0]), workers = number(argv[4]), w;
	unsigned long messages = number(argv[2]), size = number(argv[3]), i;
	double begin = usec();
	char user[LINE];
	int status, failed = 0;

	for (w = 0; w < workers; w++) {
		switch (fork()) {
		case -1:
			fail("fork");
		case 0:
			snprintf(user, sizeof(user), "%s%lu", argv[1], w);
			for (i = number(argv[5]); i > 0; i--) {
				login(port, user);
				stat_is(messages, size);
				quit();
			}
			_exit(0);
		}
	}
	while (wait(&status) != -1)
		failed |= status != 0;
	if (failed)
		exit(1);
	printf("%.0f\n", usec() - begin);
}

static void
idle(char **argv)
{
	unsigned long i, n = number(argv[2]);
	char user[LINE], c;
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &most) == -1)
		fail("getrlimit");
	most.rlim_cur = most.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &most) == -1)
		fail("setrlimit");
	for (i = 0; i < n; i++) {
		snprintf(user, sizeof(user), "%s%lu", argv[1], i);
		login(number(argv[0]), user);
	}
	printf("ready\n");
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int i;

	if (strcmp(what, "poll") == 0 && argc == 8)
		poll_all(argv + 2);
	else if (strcmp(what, "idle") == 0 && argc == 5)
		idle(argv + 2);
	else if (strcmp(what, "session") == 0 && argc > 5) {
		map_wire(argv[4]);
		for (i = 5; i < argc; i++)
			step(number(argv[2]), argv[3], argv[i]);
	} else
		usage("client poll | idle | session ...: see its source");
	return fflush(stdout) == EOF;
}
