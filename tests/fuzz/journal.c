/*
 * A journal of the owner's making, with right sums, and any spool: recovery
 * ends, and does not make the spool larger than the journal says.  The input
 * is a record, the number of entries, the entries, and the spool.
 */
#include <sys/mman.h>
#include <sys/resource.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "popper.h"
#include "spool/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MOST = 1 << 16 };	/* no file gets larger */

static int
file(const char *name)
{
	static const struct rlimit most = { MOST, MOST };
	int fd = memfd_create(name, 0);

	(void)signal(SIGXFSZ, SIG_IGN);
	if (fd == -1 || setrlimit(RLIMIT_FSIZE, &most) == -1)
		abort();
	return fd;
}

/* Takes n bytes of the input; what is missing is 0. */
static void
get(void *p, size_t n, const uint8_t **data, size_t *left)
{
	size_t some = n < *left ? n : *left;

	memset(p, 0, n);
	memcpy(p, *data, some);
	*data += some;
	*left -= some;
}

/* Small numbers are what gets far: entries in the order of the spool. */
static void
make_sound(struct record *r, struct entry *v, size_t n, size_t size)
{
	uint64_t at = r->first %= size + 1;
	size_t i;

	r->new_size = r->first;
	for (i = 0; i < n; i++) {
		v[i].src = at + v[i].src % (size / 4 + 1);
		v[i].len = 1 + v[i].len % (size / 4 + 1);
		v[i].at %= (uint32_t)v[i].len + 1;
		v[i].drop %= 16;
		v[i].add %= SPLICES;
		v[i].ends %= ENDS_MOST + 1;
		at = v[i].src + v[i].len;
		r->new_size += plan_length(&v[i]);
	}
	r->old_size = at + r->old_size % 2 * (r->old_size % 256);
	r->pass %= PASS_RIGHT + 1;
	r->from_state %= 2;
	r->room %= 4096;
	r->text_at[0] %= MOST / 2;
	r->text_at[1] %= MOST / 2;
	r->text[0].len %= r->room + 1;
	r->text[1].len %= r->room + 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int state = -1, spool = -1;
	static struct env e;
	static struct maildrop box;
	struct journal j;
	struct spool sp;
	struct entry v[16];
	struct record *r = &j.r;
	uint8_t entries;

	if (state == -1) {
		state = file("state");
		spool = file("spool");
	}
	if (ftruncate(state, 0) == -1 || ftruncate(spool, 0) == -1)
		abort();
	memset(&j, 0, sizeof(j));
	get(r, sizeof(*r), &data, &n);
	get(&entries, 1, &data, &n);
	entries %= 16;
	get(v, entries * sizeof(*v), &data, &n);
	if (n > MOST / 2)
		return 0;
	if (file_write(spool, data, n, 0) == -1)
		abort();

	memset(&sp, 0, sizeof(sp));
	sp.fd = spool;
	sp.lockfd = -1;
	if (fstat(spool, &sp.st) == -1)
		abort();
	memset(&e, 0, sizeof(e));
	memset(&box, 0, sizeof(box));
	e.trace = -1;
	box.env = &e;
	box.state = state;

	memset(r->magic, 0, sizeof(r->magic));
	memcpy(r->magic, RECORD_MAGIC, sizeof(RECORD_MAGIC) - 1);
	r->ino = (uint64_t)sp.st.st_ino;
	r->entry_size = sizeof(*v);
	r->entries = entries;
	r->entries_at = INDEX_AT;
	if (r->seq & 2)
		make_sound(r, v, entries, n);
	if (r->seq & 4)
		(void)jrn_witness(spool, r, &r->witness);
	r->seq |= 1;			/* the next is the first sector's */
	j.state = state;
	j.pl.v = v;
	if (jrn_put_entries(&j) == -1 || jrn_put_record(&j) == -1)
		abort();

	(void)recover_spool(&box, &sp);
	if (fstat(spool, &sp.st) == -1 || sp.st.st_size > MOST)
		abort();
	return 0;
}
