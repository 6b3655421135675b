/*
 * An index of the owner's making: any bytes with right sums.  What it gives
 * lies within the spool that it speaks of, whether it is read whole or by
 * single pages, and cutting it short leaves one that can be read as well.
 */
#include <sys/mman.h>

#include "../../spool/index.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
within(const struct msg *m, uint64_t size)
{
	if (m->offset > size || m->length > size - m->offset ||
	    m->head > m->length || m->from > m->head)
		abort();
}

enum { FORGED_AT = 2 * SECTOR };	/* the pages, 64 of them at most */

/* The sums of a careful forger; as many entries as there are bytes for. */
static void
forge(int fd, struct index_head *h, size_t rest)
{
	uint64_t sum[(FORGED_AT - SECTOR) / sizeof(uint64_t)];
	struct page one;
	size_t k, bytes;

	memcpy(h->magic, magic, sizeof(magic));
	h->entry_size = sizeof(struct msg);
	h->pages_at = FORGED_AT;
	h->entries = rest / PAGE * ENTRIES;
	if (rest % PAGE > page_bytes(0))
		h->entries += (rest % PAGE - page_bytes(0)) /
		    sizeof(struct msg);
	h->sum.hidden &= 1;
	if (h->sum.hidden > h->entries)
		h->sum.hidden = 0;
	h->sum.count = h->entries - h->sum.hidden;
	h->sum.last %= h->sum.count + 1;
	for (k = 0; k < pages_of(h->entries); k++) {
		bytes = page_bytes(in_page(k, (size_t)h->entries));
		if (file_read(fd, &one, bytes, FORGED_AT + k * PAGE) == -1)
			abort();
		sum[k] = file_sum(&one, bytes, 2);
	}
	if (file_write(fd, sum, k * sizeof(*sum), SECTOR) == -1)
		abort();
	h->sums_sum = file_sum(sum, k * sizeof(*sum), 2);
	h->head_sum = head_sum(h);
}

/* Its last message alone, then without it. */
static void
by_pages(int fd, const struct index_head *h)
{
	struct summary all;
	struct pages pg;
	struct msgs t;
	size_t last;

	if (index_open(fd, &h->sum, &t, &pg) == -1)
		return;
	if (t.n > 0 && index_entry(fd, &t, &pg, last = t.n - 1) == 0) {
		within(&t.v[last], h->stamp.size);
		if (index_part(fd, &t, &pg, last, &all) == 0)
			(void)index_cut(fd, &h->stamp, &t, &pg, last);
	}
	msgs_free(&t);
	pages_free(&pg);
}

/* The lists of duplicates where the second half of the first sector says. */
static void
numbers(int fd, const uint8_t *data)
{
	struct numbers l;
	struct msgs t;

	memset(&l, 0, sizeof(l));
	memcpy(l.magic, "popper numbers 1\n", 17);
	memcpy(l.list, data, sizeof(l.list));
	l.sum = file_sum(&l, offsetof(struct numbers, sum), 4);
	if (file_write(fd, &l, sizeof(l), SECTOR / 2) == -1)
		abort();
	if (numbers_read(fd, &t) == 0 && t.n > 0)
		t.v[t.n - 1].number++;
	msgs_free(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int fd = -1;
	struct index_head h;
	struct msgs t;
	struct summary sum;
	size_t i, rest = n > sizeof(h) ? n - sizeof(h) : 0;

	if (fd == -1)
		fd = memfd_create("index", 0);
	if (n < sizeof(h) || rest >= 64 * PAGE || fd == -1 ||
	    ftruncate(fd, 0) == -1)
		return 0;
	memcpy(&h, data, sizeof(h));
	if (file_write(fd, data + sizeof(h), rest, FORGED_AT) == -1)
		abort();
	if (h.stamp.dev & 1)
		forge(fd, &h, rest);
	if (file_write(fd, &h, sizeof(h), 0) == -1)
		abort();
	(void)index_head(fd, &h.stamp, &sum);
	if (index_read(fd, &t) == 0) {
		for (i = 0; i < t.n; i++)
			within(&t.v[i], h.stamp.size);
		index_sum(&t, &sum);
		msgs_free(&t);
	}
	numbers(fd, data);
	by_pages(fd, &h);
	return 0;
}
