/*
 * Accounts: who is it, and may they log in?
 */
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "login/login.h"

#ifdef POPPER_LINUX
#include <shadow.h>
#endif

/* In the field of the home: the path of the maildrop follows. */
#define MAILDROP_PREFIX	"mbox="

bool
account_is_lock_name(const char *name)
{
	size_t n = strlen(name);

	return n >= 5 && strcmp(name + n - 5, ".lock") == 0;
}

/*
 * A name becomes part of a path.  In the spool directory, names that begin with
 * a dot or end in .lock are those of other files.
 */
static bool
account_name_ok(const char *s)
{
	if (strchr(".-", s[0]) != NULL || account_is_lock_name(s))
		return false;		/* also if it is empty */
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= 0x20 || strchr("/:\177", *s) != NULL)
			return false;
	return true;
}

static void
set_hash(struct account *a, const char *hash)
{
	int n = snprintf(a->hash, sizeof(a->hash), "%s", hash);

	if (n < 0 || (size_t)n >= sizeof(a->hash))
		a->reason = "hash";
}

/* Whether an errno of looking up an account says that there is none. */
static bool
says_none(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH;
}

/*
 * The hash of an account, and whether it is expired, from shadow(5).  0, or -1
 * with errno.
 */
static int
look_up_shadow(const char *name, struct account *a)
{
#ifdef POPPER_LINUX
	long today = (long)(time(NULL) / (24 * 60 * 60));
	struct spwd *sp;

	errno = 0;
	if ((sp = getspnam(name)) == NULL) {
		a->reason = "locked";
		return says_none(errno) ? 0 : -1;
	}
	set_hash(a, sp->sp_pwdp);
	if ((sp->sp_expire >= 0 && today >= sp->sp_expire) ||
	    sp->sp_lstchg == 0 || (sp->sp_lstchg > 0 && sp->sp_max >= 0 &&
	    today > sp->sp_lstchg + sp->sp_max))
		a->reason = "expired";
	endspent();
#else
	(void)name;
	(void)a;
#endif
	return 0;
}

/*
 * An account of the system.  A name service may find it by several names, in
 * any case or with a domain, but the lists of names and the spools know only
 * its own.
 */
static int
look_up_system(const char *name, struct account *a)
{
	struct passwd *pw;
	int r = 0;

	errno = 0;
	if ((pw = getpwnam(name)) == NULL) {
		/* an error of shadow(5) looks the same for every name */
		r = says_none(errno) ? look_up_shadow(name, a) : -1;
		a->reason = "unknown";
		return r;
	}
	a->uid = pw->pw_uid;
	a->gid = pw->pw_gid;
	a->system = true;
	if (strcmp(pw->pw_name, name) != 0)
		a->reason = "alias";
	(void)snprintf(a->home, sizeof(a->home), "%s", pw->pw_dir);
	set_hash(a, pw->pw_passwd);
	if (strcmp(a->hash, "x") == 0)
		r = look_up_shadow(name, a);
	endpwent();
	return r;
}

bool
account_parse(char *line, const char *name, struct account *a)
{
	char *field[6], *s = line, root[] = "/";
	uint64_t uid, gid;
	int i;

	if (line[0] == '#')		/* or a name could begin with it */
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	for (i = 0; i < 6; i++) {	/* the last ones may be missing */
		field[i] = s;
		s += strcspn(s, ":");
		if (*s != '\0')
			*s++ = '\0';
	}
	if (!text_number(text_of(field[2]), UINT32_MAX - 1, &uid) ||
	    !text_number(text_of(field[3]), UINT32_MAX - 1, &gid))
		return false;
	/* another's hash as well: an unknown name costs the same work */
	set_hash(a, field[1]);
	a->uid = (uid_t)uid;
	a->gid = (gid_t)gid;
	a->maildrop[0] = '\0';
	if (strncmp(field[5], MAILDROP_PREFIX, strlen(MAILDROP_PREFIX)) == 0) {
		(void)snprintf(a->maildrop, sizeof(a->maildrop), "%s",
		    field[5] + strlen(MAILDROP_PREFIX));
		field[5] = root;
	}
	(void)snprintf(a->home, sizeof(a->home), "%s", field[5]);
	return strcmp(field[0], name) == 0;
}

/* The account in the file of -p. */
static int
look_up_file(const struct accounts *ac, const char *name, struct account *a)
{
	struct lines l;
	bool found = false;

	if (lines_open(&l, ac->passwd, false) == -1)
		return -1;
	lines_find(&l, name);
	while (!found && lines_next(&l) != NULL) {
		a->reason = NULL;
		found = account_parse(l.line, name, a);
	}
	if (!found)
		a->reason = "unknown";
	return lines_close(&l);
}

int
account_line(const char *path, bool whole, const char *name, char *value,
    size_t room)
{
	struct lines l;
	char *line, *v;
	int r = 0, n;

	if (lines_open(&l, path, value != NULL) == -1)
		return -1;
	if (!whole)
		lines_find(&l, name);
	while (r == 0 && (line = lines_next(&l)) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		v = line + strcspn(line, ":");
		if (*v != '\0')
			*v++ = '\0';
		if (line[0] == '#' || strcmp(line, name) != 0)
			continue;
		n = value == NULL ? 1 : snprintf(value, room, "%s", v);
		/* an empty value never counts, nor one that is cut */
		r = n > 0 && (value == NULL || (size_t)n < room);
	}
	return lines_close(&l) == -1 ? -1 : r;
}

/*
 * Whether a list has the name: 1, 0, or -1 with errno; otherwise if none.  The
 * list of those who may not log in is always read as a whole: a bisection could
 * miss a name in it if it were out of order, and would let that user in.
 */
static int
name_is_listed(const char *path, const char *name, struct account *a,
    int otherwise)
{
	if (path == NULL)
		return otherwise;
	a->asked = path;
	return account_line(path, otherwise == 0, name, NULL, 0);
}

/*
 * The lists are read for unknown names too: an error of reading them looks the
 * same for every name.
 */
int
account_judge(const struct accounts *ac, const char *name, struct account *a)
{
	int allowed, denied;

	if (!account_name_ok(name))
		a->reason = "unknown";
	if ((allowed = name_is_listed(ac->allow, name, a, 1)) == -1 ||
	    (denied = name_is_listed(ac->deny, name, a, 0)) == -1)
		return -1;
	if (a->reason != NULL)
		return 0;
	if (denied)
		a->reason = "denied";
	else if (!allowed)
		a->reason = "notallowed";
	else if (a->uid == 0)
		a->reason = "root";
	else if (a->uid < ac->minuid)
		a->reason = "uid";
	return 0;
}

const char *
account_source(const struct accounts *ac)
{
	return ac->passwd != NULL ? ac->passwd : "passwd";
}

int
account_find(const struct accounts *ac, const char *name, struct account *a)
{
	int r = 0;

	memset(a, 0, sizeof(*a));
	a->asked = account_source(ac);
	if (account_name_ok(name))
		r = ac->passwd != NULL ? look_up_file(ac, name, a) :
		    look_up_system(name, a);
	return r == 0 ? account_judge(ac, name, a) : r;
}
