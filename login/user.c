/*
 * Becoming the user: each call that sets a uid or a gid.
 */
#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <unistd.h>

#include "login/login.h"

/*
 * Runs fn(arg) in the spool directory's group, the one right that a session
 * keeps besides the user's own: for name.lock and nothing else.
 */
static int
as_spool(const struct ids *ids, int (*fn)(void *), void *arg)
{
	int r, saved;

	if (setegid(ids->spoolgid) == -1)
		return -1;
	r = fn(arg);
	saved = errno;
	if (setegid(ids->gid) == -1)
		abort();		/* never go on in that group */
	errno = saved;
	return r;
}

int
user_become(struct ids *ids, const struct account *a, const char *name,
    int dir, bool boards)
{
	struct stat sb = { 0 };

	ids->uid = a->uid;
	ids->gid = ids->spoolgid = a->gid;
	if (geteuid() != 0) {
		ids->gid = ids->spoolgid = getegid();
		errno = EPERM;
		return geteuid() == a->uid ? 0 : -1;
	}
	if (dir != -1 && fstat(dir, &sb) == -1)
		return -1;
	if (sb.st_mode & S_IWGRP && !(sb.st_mode & S_IWOTH) && sb.st_gid != 0)
		ids->spoolgid = sb.st_gid;
	if (ids->spoolgid != ids->gid)
		ids->as_spool = as_spool;
	if ((a->system && (boards || !(sb.st_mode & S_IXOTH)) ?
	    initgroups(name, a->gid) : setgroups(1, &a->gid)) == -1 ||
	    setregid(a->gid, ids->spoolgid) == -1 ||
	    setegid(a->gid) == -1 || setuid(a->uid) == -1)
		return -1;
	if (getuid() != a->uid || geteuid() != a->uid ||
	    getgid() != a->gid || getegid() != a->gid ||
	    setuid(0) == 0 || seteuid(0) == 0 ||
	    (a->gid != 0 && setegid(0) == 0)) {
		errno = EPERM;
		return -1;
	}
	return 0;
}
