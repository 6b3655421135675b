/*
 * A name service for tests, of the kind that has several names for one account:
 * ptfold is found in any case, and with a domain.  For ptslow it does not
 * answer.  The hash and the uid of the account are in the environment.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum nss_status _nss_poppertest_getpwnam_r(const char *name, struct passwd *pw,
    char *buf, size_t room, int *error);

enum nss_status
_nss_poppertest_getpwnam_r(const char *name, struct passwd *pw, char *buf,
    size_t room, int *error)
{
	static char own[] = "ptfold", none[] = "", home[] = "/nonexistent";
	const char *hash = getenv("PT_HASH"), *uid = getenv("PT_UID");
	int n;

	if (strcasecmp(name, "ptslow") == 0)
		(void)sleep(60);
	if (hash == NULL || uid == NULL || (strcasecmp(name, own) != 0 &&
	    strcasecmp(name, "ptfold@example.org") != 0)) {
		*error = ENOENT;
		return NSS_STATUS_NOTFOUND;
	}
	n = snprintf(buf, room, "%s", hash);
	if (n < 0 || (size_t)n >= room) {
		*error = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	}
	pw->pw_name = own;
	pw->pw_passwd = buf;
	pw->pw_uid = (uid_t)strtoul(uid, NULL, 10);
	pw->pw_gid = (gid_t)pw->pw_uid;
	pw->pw_gecos = none;
	pw->pw_dir = home;
	pw->pw_shell = none;
	return NSS_STATUS_SUCCESS;
}
