/*
 * The reader of XTND XMIT's letters: in portions of any size it ends at the
 * same octet and keeps the same text as a reader that goes line by line.
 */
#include <sys/mman.h>

#include "../../pop_xmit.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* How many octets belong to the parcel, and its text; SIZE_MAX: no end. */
static size_t
naive(const char *s, size_t n, char *text, size_t *len)
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
	static int fd = -1;
	static struct parcel x;
	char *text, *got;
	size_t want, len, at, some;
	struct str in;

	if (n < 1)
		return 0;
	if (fd == -1)
		fd = memfd_create("parcel", 0);
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
	want = naive((const char *)data, n, text, &len);
	for (at = 0; at < n && x.where != END;) {
		in.p = (const char *)data + at;
		in.n = some < n - at ? some : n - at;
		at += parcel_take(&x, in);
	}
	parcel_flush(&x);
	if ((x.where == END) != (want != SIZE_MAX))
		abort();
	if (x.where == END && (at != want || x.size != len ||
	    file_read(fd, got, len, 0) == -1 || memcmp(got, text, len) != 0))
		abort();
	free(text);
	free(got);
	return 0;
}
