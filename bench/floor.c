/*
 * What cannot be beaten: each of these does one thing that a server has to do
 * on this machine, and nothing else.
 *
 *	floor session		run by inetd: replies that are ready, no maildrop
 *	floor retr WIRE		the same, and for RETR sendfile(2) from WIRE
 *	floor scan FILE		reads a file and counts its lines; this and the
 *	floor copy FILE		next print microseconds: writes it to an unnamed
 *				file beside it, too, looking at it on the way
 *	floor purge FILE SIZE	cuts it to this size, and syncs it
 */
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { BLOCK = 256 * 1024 };

static _Alignas(4096) char block[BLOCK];

/* Counted in bytes for as long as a byte can hold it: the compiler makes that
 * into vectors. */
static size_t
lines(const char *p, size_t n)
{
	size_t total = 0, i, run;
	unsigned char lane[64];

	while (n >= 64) {
		memset(lane, 0, sizeof(lane));
		for (run = 0; run < 255 && n >= 64; run++, p += 64, n -= 64)
			for (i = 0; i < 64; i++)
				lane[i] = (unsigned char)(lane[i] +
				    (p[i] == '\n'));
		for (i = 0; i < 64; i++)
			total += lane[i];
	}
	for (i = 0; i < n; i++)
		total += p[i] == '\n';
	return total;
}

static int
open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd == -1)
		fail(path);
	return fd;
}

static void
pass(const char *path, int copy)
{
	double begin = usec();
	int in = open_file(path, O_RDONLY), out = -1;
	size_t total = 0;
	struct stat st;
	char *dir;
	ssize_t n;

	if (fstat(in, &st) == -1)
		fail(path);
	if (copy) {
		if ((dir = strdup(path)) == NULL)
			fail("memory");
		out = open_file(dirname(dir), O_TMPFILE | O_RDWR);
		if (posix_fallocate(out, 0, st.st_size) != 0)
			fail("fallocate");
		free(dir);
	}
	while ((n = read(in, block, sizeof(block))) > 0) {
		total += lines(block, (size_t)n);
		if (copy && write(out, block, (size_t)n) != n)
			fail("write");
	}
	if (n == -1 || total == 0)
		fail(path);
	printf("%.0f\n", usec() - begin);
}

static void
purge(const char *path, unsigned long size)
{
	double begin = usec();
	int fd = open_file(path, O_WRONLY);

	if (ftruncate(fd, (off_t)size) == -1 || fsync(fd) == -1)
		fail(path);
	printf("%.0f\n", usec() - begin);
}

static int
say(const char *s)
{
	size_t n = strlen(s);

	return write(1, s, n) == (ssize_t)n;
}

/* The replies to this many RETR, which lie behind one another. */
static int
send_wire(int wire, const struct entry *e, size_t count)
{
	off_t at = (off_t)e[0].at;
	off_t end = (off_t)(e[count - 1].at + e[count - 1].len);

	while (at < end)
		if (sendfile(1, wire, &at, (size_t)(end - at)) <= 0)
			return 0;
	return 1;
}

/* USER, PASS, STAT and RETR 1, 2, ... in this order; then QUIT. */
static void
serve(const char *path)
{
	int wire = -1, idx, ok;
	struct entry *e = NULL;
	size_t next = 0, want, i;
	char name[4096];
	struct stat st;
	ssize_t n;

	if (path != NULL) {
		wire = open_file(path, O_RDONLY);
		snprintf(name, sizeof(name), "%s.idx", path);
		idx = open_file(name, O_RDONLY);
		if (fstat(idx, &st) == -1 ||
		    (e = malloc((size_t)st.st_size)) == NULL ||
		    read(idx, e, (size_t)st.st_size) != st.st_size)
			fail(name);
	}
	ok = say("+OK ready\r\n");
	while (ok && (n = read(0, block, sizeof(block))) > 0) {
		if (block[0] == 'R' || (next > 0 && block[0] != 'Q')) {
			for (want = i = 0; i < (size_t)n; i++)
				want += block[i] == '\n';
			ok = want == 0 || send_wire(wire, e + next, want);
			next += want;
		} else if (block[0] == 'S') {
			ok = say("+OK 50 500000\r\n");
		} else {
			ok = say("+OK\r\n");
		}
		if (block[0] == 'Q')
			break;
	}
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "session") == 0 && argc == 2)
		serve(NULL);
	else if (strcmp(what, "retr") == 0 && argc == 3)
		serve(argv[2]);
	else if (strcmp(what, "scan") == 0 && argc == 3)
		pass(argv[2], 0);
	else if (strcmp(what, "copy") == 0 && argc == 3)
		pass(argv[2], 1);
	else if (strcmp(what, "purge") == 0 && argc == 4)
		purge(argv[2], number(argv[3]));
	else
		usage("floor session | retr WIRE | scan FILE | copy FILE | "
		    "purge FILE SIZE");
	return 0;
}
