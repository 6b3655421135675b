/*
 * An index of the owner's making: any bytes with right sums.  What it gives
 * lies within the spool that it speaks of, whether it is read whole or by
 * single entries, and cutting it short leaves one that can be read as well.
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

/* The sums of a careful forger; as many entries as there are bytes for. */
static void
forge(int fd, struct index_head *h, size_t rest)
{
	const struct index ix = { .at = INDEX_AT };
	struct index_entry e;
	size_t i, n = rest / sizeof(e);

	h->at = INDEX_AT;
	h->sum.hidden &= n > 0;
	h->sum.count = n - h->sum.hidden;
	h->sum.last %= h->sum.count + 1;
	for (i = 0; i < n; i++) {
		if (file_read(fd, &e, sizeof(e), entry_place(&ix, i)) == -1)
			abort();
		e.sum = entry_sum(&e, h->serial, i);
		if (file_write(fd, &e, sizeof(e), entry_place(&ix, i)) == -1)
			abort();
	}
	sign_head(h);
}

/* Its last message alone, then without it. */
static void
by_entries(int fd, const struct index_head *h)
{
	struct summary all = h->sum;
	struct index ix;
	struct msgs t;
	size_t last;

	if (index_open(fd, &h->sum, &t, &ix) == -1)
		return;
	if (t.n > 0 && index_entry(fd, &t, &ix, last = t.n - 1) == 0) {
		within(&t.v[last], h->stamp.size);
		if (index_can_cut(fd, &t, &ix, last, &all))
			(void)index_restamp(fd, h->serial, &h->stamp, &all);
	}
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
	if (n < sizeof(h) || rest >= 4 * PAGE || fd == -1 ||
	    ftruncate(fd, 0) == -1)
		return 0;
	memcpy(&h, data, sizeof(h));
	if (file_write(fd, data + sizeof(h), rest, INDEX_AT) == -1)
		abort();
	if (h.stamp.ino & 1)
		forge(fd, &h, rest);
	if (file_write(fd, &h, sizeof(h), 0) == -1)
		abort();
	(void)index_head(fd, &h.stamp, &sum);
	if (index_read(fd, &t) == 0) {
		for (i = 0; i < t.n; i++)
			within(&t.v[i], h.stamp.size);
		summary_of(&t, &sum);
		msgs_free(&t);
	}
	by_entries(fd, &h);
	return 0;
}
