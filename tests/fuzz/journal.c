/*
 * A journal of the owner's making, with right sums, and any spool: recovery
 * ends, and does not make the spool larger than the journal says.  The input
 * is a head, a mark, the number of pieces, the pieces, and the spool.
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int state = -1, spool = -1;
	static struct env e;
	static struct maildrop box;
	struct spool sp;
	struct head h;
	struct mark m;
	struct piece v[16];
	uint8_t pieces;
	struct msgs left = { .n = 0 };
	uint64_t area = 0;
	size_t i;

	if (state == -1) {
		state = file("state");
		spool = file("spool");
	}
	if (ftruncate(state, 0) == -1 || ftruncate(spool, 0) == -1)
		abort();
	get(&h, sizeof(h), &data, &n);
	get(&m, sizeof(m), &data, &n);
	get(&pieces, 1, &data, &n);
	pieces %= 16;
	get(v, pieces * sizeof(*v), &data, &n);
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

	memset(h.magic, 0, sizeof(h.magic));
	memcpy(h.magic, HEAD_MAGIC, sizeof(HEAD_MAGIC) - 1);
	memset(m.magic, 0, sizeof(m.magic));
	memcpy(m.magic, MARK_MAGIC, sizeof(MARK_MAGIC) - 1);
	h.ino = (uint64_t)sp.st.st_ino;
	h.piece_size = sizeof(struct piece);
	h.pieces = pieces;
	h.steps_at = HEAD_ROOM;
	/* small numbers are what gets far */
	if (h.serial & 1) {
		h.old_size %= n + 2;
		h.new_size %= n + 64;
		h.text_at[0] %= MOST;
		h.text_at[1] %= MOST;
		m.done %= pieces + 1u;
		m.text[0].len %= 4096;
		m.text[1].len %= 4096;
		h.void_at %= MOST;
		for (i = 0; i < pieces; i++) {
			v[i].src %= n + 1;
			v[i].dst %= n + 1;
			v[i].len = 1 + v[i].len % (n + 1);
			v[i].kind %= SRC_KINDS;
			v[i].flags %= PIECE_FLAGS + 1;
		}
	}
	m.serial = h.serial;
	h.steps_sum = jrn_sum(v, pieces * sizeof(*v));
	if (h.serial & 2)
		(void)jrn_witness(spool, &h, &h.witness);
	h.sum = jrn_sum(&h, offsetof(struct head, sum));
	m.sum = jrn_sum(&m, offsetof(struct mark, sum));
	if (file_write(state, &h, sizeof(h), 0) == -1 ||
	    file_write(state, &m, sizeof(m), SECTOR) == -1 ||
	    file_write(state, v, pieces * sizeof(*v), HEAD_ROOM) == -1)
		abort();

	(void)journal_redo(&box, &sp, 0, &left, &area);
	msgs_free(&left);
	if (fstat(spool, &sp.st) == -1 || sp.st.st_size > MOST)
		abort();
	return 0;
}
