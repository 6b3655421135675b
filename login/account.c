/*
 * Accounts: who is it, and may they log in?
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__linux__) && !defined(POPPER_PORTABLE)
#define HAS_SHADOW 1
#include <shadow.h>
#endif

#include "login/login.h"

/* What marks a maildrop of one's own in the field of the home. */
#define MARK	"mbox="

bool
account_is_lock_name(const char *name)
{
	static const char lock[] = ".lock";
	size_t n = strlen(name), end = sizeof(lock) - 1;

	return n >= end && strcmp(name + n - end, lock) == 0;
}

/*
 * A name may become part of a path; what could not be one is unknown.  Those of
 * other files in the spool directory begin with a dot, or are of lock files.
 */
static bool
account_name_ok(const char *s)
{
	if (s[0] == '\0' || s[0] == '.' || s[0] == '-' ||
	    account_is_lock_name(s))
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f || *s == '/' ||
		    *s == ':')
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

/*
 * An account of the system: passwd, and shadow where there is one.  A name
 * service may find one account by several names, in any case or with a domain;
 * only its own name is served: lists of names and spools know no other.
 */
static int
look_up_system(const char *name, struct account *a)
{
	struct passwd *pw;

	errno = 0;
	if ((pw = getpwnam(name)) == NULL) {
		a->reason = "unknown";
		return errno == 0 || errno == ENOENT || errno == ESRCH ? 0 :
		    -1;
	}
	a->uid = pw->pw_uid;
	a->gid = pw->pw_gid;
	a->system = true;
	if (strcmp(pw->pw_name, name) != 0)
		a->reason = "alias";
	(void)snprintf(a->home, sizeof(a->home), "%s", pw->pw_dir);
	set_hash(a, pw->pw_passwd);
#ifdef HAS_SHADOW
	if (strcmp(a->hash, "x") == 0) {
		struct spwd *sp = getspnam(name);
		long today = (long)(time(NULL) / (24 * 60 * 60));

		if (sp == NULL) {
			a->reason = "locked";
			return 0;
		}
		set_hash(a, sp->sp_pwdp);
		if ((sp->sp_expire >= 0 && today >= sp->sp_expire) ||
		    sp->sp_lstchg == 0 ||
		    (sp->sp_lstchg > 0 && sp->sp_max >= 0 &&
		    today > sp->sp_lstchg + sp->sp_max))
			a->reason = "expired";
		endspent();
	}
#endif
	endpwent();
	return 0;
}

bool
account_parse(char *line, const char *name, struct account *a)
{
	char *field[6] = { NULL }, *s = line, *colon, root[] = "/";
	uint64_t uid, gid;
	int i;

	line[strcspn(line, "\r\n")] = '\0';
	for (i = 0; i < 6; i++) {
		field[i] = s;
		if ((colon = strchr(s, ':')) == NULL)
			s += strlen(s);	/* the last ones may be missing */
		else {
			*colon = '\0';
			s = colon + 1;
		}
	}
	if (!text_number(text_of(field[2]), UINT32_MAX - 1, &uid) ||
	    !text_number(text_of(field[3]), UINT32_MAX - 1, &gid))
		return false;
	set_hash(a, field[1]);		/* also a stranger's: see check() */
	a->uid = (uid_t)uid;
	a->gid = (gid_t)gid;
	a->maildrop[0] = '\0';
	if (strncmp(field[5], MARK, sizeof(MARK) - 1) == 0) {
		(void)snprintf(a->maildrop, sizeof(a->maildrop), "%s",
		    field[5] + sizeof(MARK) - 1);
		field[5] = root;
	}
	(void)snprintf(a->home, sizeof(a->home), "%s", field[5]);
	return strcmp(field[0], name) == 0;
}

/* The account in the file of -p. */
static int
look_up_file(const struct accounts *ac, const char *name, struct account *a)
{
	FILE *f;
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	if ((f = file_trusted(ac->passwd, false)) == NULL)
		return -1;
	while (!found && getline(&line, &room, f) != -1) {
		a->reason = NULL;
		found = account_parse(line, name, a);
	}
	if (!found)
		a->reason = "unknown";
	free(line);
	return fclose(f) == EOF ? -1 : 0;
}

int
account_line(const char *path, bool secret, const char *name, char *value,
    size_t room)
{
	FILE *f;
	char *line = NULL, *v;
	size_t size = 0;
	int r = 0, n;

	if ((f = file_trusted(path, secret)) == NULL)
		return -1;
	while (r == 0 && getline(&line, &size, f) != -1) {
		line[strcspn(line, "\r\n")] = '\0';
		v = line + strcspn(line, ":");
		if (*v != '\0')
			*v++ = '\0';
		if (line[0] == '#' || strcmp(line, name) != 0)
			continue;
		r = 1;
		if (value == NULL)
			break;
		n = snprintf(value, room, "%s", v);
		if (n <= 0 || (size_t)n >= room)
			r = 0;		/* no secret is no door */
	}
	if (ferror(f))
		r = -1;
	free(line);
	(void)fclose(f);
	return r;
}

/* Whether a list of names has this one: 1, 0, or -1 with errno. */
static int
name_is_listed(const char *path, const char *name, struct account *a)
{
	a->asked = path;
	return account_line(path, false, name, NULL, 0);
}

/*
 * The lists are read for unknown names too: trouble with them looks the same
 * for every name.
 */
int
account_judge(const struct accounts *ac, const char *name, struct account *a)
{
	int allowed = 1, denied = 0;

	if (!account_name_ok(name))
		a->reason = "unknown";
	if ((ac->allow != NULL &&
	    (allowed = name_is_listed(ac->allow, name, a)) == -1) ||
	    (ac->deny != NULL &&
	    (denied = name_is_listed(ac->deny, name, a)) == -1))
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

int
account_find(const struct accounts *ac, const char *name, struct account *a)
{
	int r = 0;

	memset(a, 0, sizeof(*a));
	a->asked = ac->passwd != NULL ? ac->passwd : "passwd";
	if (account_name_ok(name))
		r = ac->passwd != NULL ? look_up_file(ac, name, a) :
		    look_up_system(name, a);
	return r == 0 ? account_judge(ac, name, a) : r;
}
