/*
 * The reader of XTND XMIT's messages: in portions of any size it ends at the
 * same octet and keeps the same text as a reader that has all of it.
 */
#include <sys/mman.h>

#include <stdlib.h>

#include "../../pop_xmit.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* How many octets belong to the message, and its text; SIZE_MAX: no end. */
static size_t
by_lines(const char *s, size_t n, char *text, size_t *len)
{
	size_t at = 0, end, stop;

	for (*len = 0; at < n; at = end) {
		const char *nl = memchr(s + at, '\n', n - at);

		if (nl == NULL)
			return SIZE_MAX;
		end = (size_t)(nl + 1 - s);
		stop = end - 1 - (end - 1 > at && s[end - 2] == '\r');
		if (s[at] == '.' && stop == at + 1)
			return end;
		if (s[at] == '.' && s[at + 1] == '.')
			at++;
		memcpy(text + *len, s + at, stop - at);
		*len += stop - at;
		text[(*len)++] = '\n';
	}
	return SIZE_MAX;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct outgoing x;
	static int fd = -1;
	char *text, *got;
	size_t want, len, at = 0, there = 0, some, used;
	struct str in;

	if (n < 1)
		return 0;
	if (fd == -1)
		fd = memfd_create("message", 0);
	if (fd == -1 || ftruncate(fd, 0) == -1)
		abort();
	memset(&x, 0, sizeof(x));
	x.fd = fd;
	x.limit = x.room = 1 << 20;
	some = 1 + data[0];
	data++;
	n--;
	text = malloc(n + 1);
	got = malloc(n + 1);
	if (text == NULL || got == NULL)
		abort();
	want = by_lines((const char *)data, n, text, &len);
	while (!x.whole) {
		/* as outgoing_receive() does it, in a buffer of this size */
		in.p = (const char *)data + at;
		in.n = there - at < IN_SIZE ? there - at : IN_SIZE;
		if ((used = outgoing_take(&x, in)) == 0) {
			if (there == n)
				break;
			if (in.n == IN_SIZE)
				abort();	/* it would wait for ever */
			there += some < n - there ? some : n - there;
		}
		at += used;
	}
	if (x.whole != (want != SIZE_MAX))
		abort();
	if (x.whole && (at != want || x.size != len ||
	    file_read(fd, got, len, 0) == -1 || memcmp(got, text, len) != 0))
		abort();
	free(text);
	free(got);
	return 0;
}
