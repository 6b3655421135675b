/*
 * What a poll needs to know of a maildrop: whether the spool is as it was, and
 * the totals of its table.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spool/spool.h"

#define SECOND	INT64_C(1000000000)

static int64_t
nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

void
stamp_of(const struct stat *sb, struct stamp *st)
{
	memset(st, 0, sizeof(*st));
	st->ino = (uint64_t)sb->st_ino;
	st->size = (uint64_t)sb->st_size;
	st->mtime = nanoseconds(sb->st_mtim);
	st->ctime = nanoseconds(sb->st_ctim);
}

bool
stamp_same(const struct stamp *a, const struct stamp *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool
stamp_fine(const struct stamp *st)
{
	return st->ctime % SECOND != 0;
}

/*
 * A change right after our scan could carry the very time that the scan saw.
 * So the state file, written under the spool's lock and by the same clock, must
 * be later than the spool, by two seconds if times are whole seconds.
 */
bool
stamp_settled(int state, const struct stamp *st)
{
	struct stat sb;

	return file_now(state, &sb) == 0 && nanoseconds(sb.st_mtim) > st->ctime &&
	    (stamp_fine(st) ||
	    nanoseconds(sb.st_mtim) > st->ctime + 2 * SECOND);
}

uint64_t
stamp_number(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME, &ts) == -1)
		return (uint64_t)getpid() << 32;
	return (uint64_t)nanoseconds(ts);
}

void
summary_of(const struct msgs *t, struct summary *sum)
{
	const struct msg *m;

	memset(sum, 0, sizeof(*sum));
	for (m = t->v; m < t->v + t->n; m++) {
		if (m->flags & MSG_ABUTS)
			sum->abutting++;
		if (m->flags & MSG_HIDDEN) {
			sum->hidden++;
			continue;
		}
		sum->count++;
		sum->octets += m->octets;
		if (m->flags & MSG_READ)
			sum->last = sum->count;
		else
			sum->unread++;
	}
}
