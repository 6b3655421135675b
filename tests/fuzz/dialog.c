/*
 * A whole session, for AFL++: the input is what the client sends.  Each run
 * begins with the same spool, in a maildrop that "afl" beside this file has
 * made.  The daemon ends in good order, and each letter stands in the spool
 * whole, once and in its order, or not at all; after the last, line ends may
 * follow.
 *
 * Beside that the sanitizers watch.  The log goes nowhere; hashes and syncs
 * cost nothing.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

int popper_main(int argc, char **argv);

static const char *const letters[] = {
	"From a@example.org Sat Jan  3 01:05:34 1996\n"
	"Subject: one\nX-UIDL: 1\n\nfirst\n.\n\n",
	"From b@example.org Sat Jan  3 01:06:34 1996\n"
	"Subject: two\nStatus: O\n\nsecond\n..dots\nlast\n\n",
	"From c@example.org Sat Jan  3 01:07:34 1996\r\n"
	"Subject: three\r\n\r\nthird\r\n\r\n",
	"From d@example.org Sat Jan  3 01:08:34 1996\n"
	"Subject: four\n\nno line end"
};

enum { LETTERS = sizeof(letters) / sizeof(letters[0]), ROOM = 4096 };

static const char *dir;

void
openlog(const char *ident, int option, int facility)
{
	(void)ident;
	(void)option;
	(void)facility;
}

/* Any hash would cost more than the rest of the session. */
char *
crypt(const char *key, const char *setting)
{
	static char right[] = "hash", wrong[] = "wrong";

	(void)setting;
	return strcmp(key, "s3cret") == 0 ? right : wrong;
}

/* The machine does not fail here. */
int
fsync(int fd)
{
	(void)fd;
	return 0;
}

int
fdatasync(int fd)
{
	return fsync(fd);
}

/* Nor does its clock matter: see spool/index.c. */
int
nanosleep(const struct timespec *want, struct timespec *left)
{
	(void)want;
	(void)left;
	return 0;
}

/* The line is made, so that the sanitizers see what it is made of. */
void
syslog(int priority, const char *format, ...)
{
	char line[ROOM];
	va_list ap;

	(void)priority;
	va_start(ap, format);
	if (vsnprintf(line, sizeof(line), format, ap) < 0)
		abort();
	va_end(ap);
}

static void
path(char *to, const char *name)
{
	int n = snprintf(to, ROOM, "%s/mail/%s", dir, name);

	if (n < 0 || n >= ROOM)
		abort();
}

static void
restore(void)
{
	static const char *const leftover[] = { ".alice.pop", "alice.lock" };
	char name[ROOM];
	size_t i;
	int fd;

	for (i = 0; i < sizeof(leftover) / sizeof(leftover[0]); i++) {
		path(name, leftover[i]);
		(void)unlink(name);
	}
	path(name, "alice");
	if ((fd = open(name, O_WRONLY | O_TRUNC)) == -1)
		_exit(2);	/* not a finding: it was not set up */
	for (i = 0; i < LETTERS; i++)
		if (write(fd, letters[i], strlen(letters[i])) == -1)
			_exit(2);
	(void)close(fd);
}

/* Takes out each line that begins so, and CRs, for the comparison. */
static void
plain(char *s)
{
	char *to = s, *next;

	for (; *s != '\0'; s = next) {
		next = s + strcspn(s, "\n");
		next += *next == '\n';
		if (strncmp(s, "Status: ", 8) == 0)
			continue;
		for (; s < next; s++)
			if (*s != '\r')
				*to++ = *s;
	}
	*to = '\0';
}

static void
check_spool(void)
{
	char name[ROOM], text[ROOM], want[ROOM];
	const char *p = text;
	ssize_t n;
	size_t i;
	int fd;

	path(name, "alice");
	if ((fd = open(name, O_RDONLY)) == -1 ||
	    (n = read(fd, text, sizeof(text) - 1)) == -1)
		abort();
	(void)close(fd);
	text[n] = '\0';
	plain(text);
	for (i = 0; i < LETTERS; i++) {
		(void)snprintf(want, sizeof(want), "%s", letters[i]);
		plain(want);
		if (strncmp(p, want, strlen(want)) == 0)
			p += strlen(want);
	}
	/* an update ends the spool in an empty line */
	if (strcmp(p + strspn(p, "\n"), "") != 0)
		abort();
}

int
main(int argc, char **argv)
{
	if ((dir = getenv("DIALOG")) == NULL)
		return 2;
	restore();
	if (popper_main(argc, argv) != 0)
		abort();
	check_spool();
	return 0;
}
