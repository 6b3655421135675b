/*
 * A maildrop's two files are opened: for a session, or to see whether one could.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "spool/spool.h"

/* Opens the state file; create: O_CREAT, or 0. */
static enum fault
open_state(struct maildrop *box, int create)
{
	char name[STATE_NAME];
	struct stat sb;

	state_name(box->name, name);
	box->state = file_open(box->dir, name, O_RDWR | create, box->ids->uid,
	    &sb);
	if (box->state != -1)
		return FAULT_NONE;
	if (errno == EPERM)
		return FAULT_STATE_ALIEN;
	return file_permanent(errno) ? FAULT_STATE_SHUT : fault_of(box, errno);
}

/*
 * Another host may have written the state file since it was opened: asking for
 * its size now has this host forget what it has read of it.
 */
enum fault
maildrop_open(struct maildrop *box)
{
	enum fault f = !box->hosts && file_network(box->dir) != NULL ?
	    FAULT_NETWORK : open_state(box, O_CREAT);
	struct stat sb;

	if (f != FAULT_NONE)
		return f;
	if (lock_session(box->state) == -1)
		return errno == EAGAIN ? FAULT_SESSION : FAULT_NO_LOCKS;
	return box->hosts && file_now(box->state, &sb) == -1 ?
	    FAULT_STATE_SHUT : FAULT_NONE;
}

/* What a login would find in the state file, if it found or made one. */
static enum fault
probe_state(struct maildrop *box, struct probe *pr)
{
	enum fault f = open_state(box, 0);
	int r;

	if (f != FAULT_NONE)
		return errno == ENOENT && faccessat(box->dir, ".",
		    W_OK | X_OK, 0) == 0 ? FAULT_NONE : f;
	if ((r = recover_probe(box->state)) == -1)
		return errno == EILSEQ ? FAULT_DAMAGED :
		    fault_of(box, errno);
	pr->left = r == 1;
	return FAULT_NONE;
}

/* Whether the spool can be opened, and begins as an mbox does. */
static enum fault
probe_spool(struct maildrop *box, struct probe *pr)
{
	struct stat sb;
	int fd, r;

	fd = file_open(box->dir, box->name, pr->left ? O_RDWR : O_RDONLY,
	    box->ids->uid, &sb);
	pr->there = fd != -1 || errno != ENOENT;
	if (fd == -1)
		return pr->there ? fault_of(box, errno) : FAULT_NONE;
	r = scan_begins(fd);
	file_close(fd);
	if (r == 0)
		return FAULT_NONE;
	return pr->left && errno == EILSEQ ? FAULT_DAMAGED :
	    fault_of(box, errno);
}

enum fault
maildrop_probe(struct maildrop *box, struct probe *pr)
{
	struct stat sb, dir;
	enum fault f;

	f = pr->made ? FAULT_NONE : probe_state(box, pr);
	if (f == FAULT_NONE)
		f = lock_probe(box, &sb, &dir);
	if (f == FAULT_NONE)
		f = probe_spool(box, pr);
	return f;
}
