/*
 * What is hard to beat: each of these does one thing that a server has to do on
 * this machine, and nothing else.
 *
 *	floor session		run by inetd: replies that are ready, no maildrop
 *	floor sendfile DIR	the same, and for RETR sendfile(2) of prepared
 *				octets
 *	floor convert DIR	for RETR the text of the spool, read and written in
 *				large blocks, with CRLF and dots made by vectors
 *	floor model DIR		the cost model of RETR: the spool is copied to an
 *				unnamed file in one pass that counts its lines,
 *				and sent from there as by "convert"
 *	floor scan FILE		reads a file and counts its lines; this and the
 *	floor copy FILE		next print microseconds: makes the copy of "model"
 *	floor purge FILE SIZE	cuts a file to this size, and syncs it
 *
 * The second letter of the user's name tells the spool in DIR.
 */
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* An unnamed file next to another, with room for as much. */
static int
room_beside(const char *path, off_t size)
{
	char *dir = strdup(path);
	int out;

	if (dir == NULL)
		fail("memory");
	out = open_file(dirname(dir), O_TMPFILE | O_RDWR);
	if (posix_fallocate(out, 0, size) != 0)
		fail("fallocate");
	free(dir);
	return out;
}

/* Reads a file, counts its lines, and copies it if that is wanted.  The copy,
 * or -1. */
static int
pass(const char *path, bool copy)
{
	int in = open_file(path, O_RDONLY), out = -1;
	size_t total = 0;
	struct stat st;
	ssize_t n;

	if (fstat(in, &st) == -1)
		fail(path);
	if (copy)
		out = room_beside(path, st.st_size);
	while ((n = read(in, block, sizeof(block))) > 0) {
		total += lines(block, (size_t)n);
		if (copy && write(out, block, (size_t)n) != n)
			fail("write");
	}
	if (n == -1 || total == 0)
		fail(path);
	close(in);
	return out;
}

static void
timed_pass(const char *path, bool copy)
{
	double begin = usec();

	(void)pass(path, copy);
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

/* ---- sessions ------------------------------------------------------------- */

static enum { NO_TEXT, SENDFILE, CONVERT, MODEL } how;
static const char *dir;
static struct entry *list;
static int text = -1;			/* where RETR reads */

static char out[4 * BLOCK];
static size_t used;

static void
write_out(void)
{
	if (write(1, out, used) != (ssize_t)used)
		exit(1);
	used = 0;
}

static void
put(const char *s)
{
	memcpy(out + used, s, strlen(s));
	used += strlen(s);
}

/* The text s..end, where lines end in LF alone, with CRLF and dots. */
static void
put_text(const char *s, const char *end, bool *start)
{
	char *to = out + used;

	while (s < end) {
		if (*start && *s == '.')
			*to++ = '.';
		*start = false;
#ifdef __SSE2__
		for (int lf = 0; end - s >= 16; s += 16, to += 16) {
			__m128i v = _mm_loadu_si128((const void *)s);

			_mm_storeu_si128((void *)to, v);
			lf = _mm_movemask_epi8(_mm_cmpeq_epi8(v,
			    _mm_set1_epi8('\n')));
			if (lf != 0) {
				s += __builtin_ctz((unsigned)lf);
				to += __builtin_ctz((unsigned)lf);
				break;
			}
		}
#endif
		while (s < end && *s != '\n')
			*to++ = *s++;
		if (s == end)
			break;
		s++;
		*to++ = '\r';
		*to++ = '\n';
		*start = true;
	}
	used = (size_t)(to - out);
}

/* The reply to one RETR, converted. */
static void
put_message(const struct entry *e)
{
	uint64_t at = e->text, end = e->text + e->bytes, n;
	bool start = true;

	put("+OK\r\n");
	for (; at < end; at += n) {
		n = end - at < BLOCK ? end - at : BLOCK;
		if (pread(text, block, n, (off_t)at) != (ssize_t)n)
			exit(1);
		if (used + 2 * n + 16 > sizeof(out))
			write_out();
		put_text(block, block + n, &start);
	}
	put(".\r\n");
}

/* The replies to this many RETR, which lie behind one another. */
static void
retr(const struct entry *e, size_t count)
{
	off_t at, end;
	size_t i;

	if (how == SENDFILE) {
		at = (off_t)e[0].at;
		end = (off_t)(e[count - 1].at + e[count - 1].len);
		while (at < end)
			if (sendfile(1, text, &at, (size_t)(end - at)) <= 0)
				exit(1);
		return;
	}
	for (i = 0; i < count; i++)
		put_message(&e[i]);
	write_out();
}

/* What the first RETR needs; kind: the name of the spool. */
static void
begin_text(char kind)
{
	char name[4096];
	struct stat st;
	int idx;

	snprintf(name, sizeof(name), "%s/%c.wire.idx", dir, kind);
	idx = open_file(name, O_RDONLY);
	if (fstat(idx, &st) == -1 ||
	    (list = malloc((size_t)st.st_size)) == NULL ||
	    read(idx, list, (size_t)st.st_size) != st.st_size)
		fail(name);
	snprintf(name, sizeof(name), how == SENDFILE ? "%s/%c.wire" : "%s/%c",
	    dir, kind);
	text = how == MODEL ? pass(name, true) : open_file(name, O_RDONLY);
}

/* USER, PASS, STAT and RETR 1, 2, ... in this order; then QUIT. */
static void
serve(void)
{
	size_t next = 0, want, i;
	char in[64 * 1024], kind = '\0';
	ssize_t n;

	put("+OK ready\r\n");
	do {
		write_out();
		if ((n = read(0, in, sizeof(in))) <= 0)
			break;
		if (how != NO_TEXT && (in[0] == 'R' || (next > 0 &&
		    in[0] != 'Q'))) {
			if (list == NULL)
				begin_text(kind);
			for (want = i = 0; i < (size_t)n; i++)
				want += in[i] == '\n';
			if (want > 0)
				retr(list + next, want);
			next += want;
			continue;
		}
		if (in[0] == 'U' && n > 6)
			kind = in[6];
		put(in[0] == 'S' ? "+OK 50 500000\r\n" : "+OK\r\n");
	} while (in[0] != 'Q');
	write_out();
}

int
main(int argc, char **argv)
{
	static const char *const ways[] = { "session", "sendfile", "convert",
	    "model" };
	const char *what = argc > 1 ? argv[1] : "";

	for (how = NO_TEXT; how <= MODEL; how++)
		if (strcmp(what, ways[how]) == 0 &&
		    argc == (how == NO_TEXT ? 2 : 3)) {
			dir = argv[2];
			serve();
			return 0;
		}
	if (strcmp(what, "scan") == 0 && argc == 3)
		timed_pass(argv[2], false);
	else if (strcmp(what, "copy") == 0 && argc == 3)
		timed_pass(argv[2], true);
	else if (strcmp(what, "purge") == 0 && argc == 4)
		purge(argv[2], number(argv[3]));
	else
		usage("floor session | sendfile DIR | convert DIR | model DIR | "
		    "scan FILE | copy FILE | purge FILE SIZE");
	return 0;
}
