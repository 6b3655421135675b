/*
 * An index of the owner's making: any bytes with right sums.  What it gives
 * lies within the spool that it speaks of.
 */
#include <sys/mman.h>

#include "../../pop_index.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int fd = -1;
	struct head h;
	struct msgs t;
	struct summary sum;
	size_t i, rest = n > sizeof(h) ? n - sizeof(h) : 0;

	if (fd == -1)
		fd = memfd_create("index", 0);
	if (n < sizeof(h) || fd == -1 || ftruncate(fd, 0) == -1)
		return 0;
	memcpy(&h, data, sizeof(h));
	if (h.stamp.dev & 1) {		/* the sums of a careful forger */
		memcpy(h.magic, magic, sizeof(magic));
		h.entry_size = sizeof(struct msg);
		h.entries = rest / sizeof(struct msg);
		h.sum.hidden &= 1;
		h.sum.count = h.entries - h.sum.hidden;
		h.entries_sum = file_sum(data + sizeof(h),
		    (size_t)h.entries * sizeof(struct msg), 2);
		h.head_sum = head_sum(&h);
	}
	if (file_write(fd, &h, sizeof(h), 0) == -1 ||
	    file_write(fd, data + sizeof(h), rest, SECTOR) == -1)
		abort();
	(void)index_head(fd, &h.stamp, &sum);
	if (index_read(fd, &t) == 0) {
		for (i = 0; i < t.n; i++)
			if (t.v[i].offset > h.stamp.size || t.v[i].length >
			    h.stamp.size - t.v[i].offset ||
			    t.v[i].head > t.v[i].length ||
			    t.v[i].from > t.v[i].head)
				abort();
		index_sum(&t, &sum);
		msgs_free(&t);
	}
	return 0;
}
