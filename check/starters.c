/*
 * popper -n: what starts popper on this machine.  The files of inetd, xinetd,
 * systemd and stunnel can name a program that is not there, which shows only
 * when clients are cut off; let passwords cross the network in the clear; or
 * want one port twice.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/check.h"

#define SYSTEMD	"/run/systemd/system"
#define ENABLED	"/etc/systemd/system/sockets.target.wants/popper.socket"
#define STUNNEL	"/etc/stunnel"

enum { WORD_LEN = 256 };

struct starter {
	const char *file;		/* that sets it up */
	char program[WORD_LEN];		/* full path */
	char command[WORD_LEN];		/* its name and options */
};

/* The keywords of a file of lines "keyword = value"; any may be NULL. */
struct form {
	const char *program, *options;
	const char *name;		/* put before the options */
	const char *off;		/* "yes" turns the service off */
};

/* ---- reading ------------------------------------------------------------- */

/* The next line, with blanks for tabs and without its end; NULL: no more. */
static char *
next_line(FILE *f, char **line, size_t *room)
{
	char *p;

	if (f == NULL || getline(line, room, f) == -1)
		return NULL;
	(*line)[strcspn(*line, "\r\n")] = '\0';
	for (p = *line; (p = strchr(p, '\t')) != NULL; )
		*p = ' ';
	return *line;
}

/* Copies a value, without quotes and what follows them. */
static void
copy_value(char *to, const char *before, const char *value)
{
	value += strspn(value, " \"'");
	(void)snprintf(to, WORD_LEN, "%s%.*s", before,
	    (int)strcspn(value, "\"'"), value);
}

/* The value in a line that begins with this keyword, or NULL. */
static const char *
value_of(const char *line, const char *keyword)
{
	size_t n = keyword == NULL ? 0 : strlen(keyword);

	line += strspn(line, " ");
	if (n == 0 || strncmp(line, keyword, n) != 0)
		return NULL;
	line += n;
	n = strspn(line, " =");
	return n > 0 ? line + n : NULL;
}

static void
read_form(const char *path, const struct form *form, struct starter *s)
{
	struct stat sb;
	FILE *f = file_text(path, &sb);
	const char *value;
	char *line = NULL;
	size_t room = 0;
	bool off = false;

	while (next_line(f, &line, &room) != NULL) {
		if ((value = value_of(line, form->off)) != NULL)
			off = strncmp(value, "yes", 3) == 0;
		if ((value = value_of(line, form->program)) != NULL) {
			copy_value(s->program, "", value);
			s->program[strcspn(s->program, " ")] = '\0';
		}
		if ((value = value_of(line, form->options)) != NULL)
			copy_value(s->command, form->name, value);
	}
	if (off)
		s->program[0] = '\0';
	free(line);
	if (f != NULL)
		(void)fclose(f);
}

/* ---- judging ------------------------------------------------------------- */

static bool
takes_value(char letter)
{
	const char *p = strchr(OPTION_LETTERS, letter);

	return p != NULL && p[1] == ':';
}

/*
 * The value of an option with this letter, which may be empty; NULL: no such.
 * As getopt(3) has it: letters may stand together, and the last one counts.
 */
static const char *
option(const char *command, char letter)
{
	const char *p = command, *value = NULL;
	bool more;

	if (*p != '-')			/* the name of the program */
		p += strcspn(p, " ");
	while (*(p += strspn(p, " ")) == '-') {
		for (more = true, p++; more && *p != '\0' && *p != ' '; p++) {
			more = !takes_value(*p);
			if (*p == letter)
				value = p + 1 + strspn(p + 1, " ");
		}
		if (!more) {
			p += strspn(p, " ");
			p += strcspn(p, " ");
		}
	}
	return value;
}

static bool
is_popper(const char *program)
{
	size_t n = strlen(program);

	return n > 7 && strcmp(program + n - 7, "/popper") == 0;
}

static void
judge_starter(struct check *c, const struct starter *s)
{
	const char *policy = option(s->command, 'P');

	if (!is_popper(s->program))
		return;
	c->starters++;
	if (access(s->program, X_OK) == -1)
		check_say(c, CHECK_FAIL, "start %s: %s: %s", s->file,
		    s->program, strerror(errno));
	else if (option(s->command, 'T') == NULL &&
	    option(s->command, 'H') == NULL && (policy == NULL ||
	    strncmp(policy, "always", 6) == 0))
		check_say(c, CHECK_WARN, "start %s: %s: takes passwords in the "
		    "clear; -P local would not", s->file, s->command);
	else {
		check_say(c, CHECK_OK, "start %s: %s", s->file, s->command);
		c->guarded++;
		if (option(s->command, 'T') != NULL)
			(void)snprintf(c->tls, sizeof(c->tls), "%s", s->file);
	}
}

/* ---- the files ----------------------------------------------------------- */

/* Each line of inetd.conf.  Whether one of them takes port 110. */
static bool
check_inetd(struct check *c)
{
	struct stat sb;
	FILE *f = file_text("/etc/inetd.conf", &sb);
	struct starter s = { .file = "/etc/inetd.conf" };
	struct str rest, word;
	char *line = NULL;
	size_t room = 0;
	bool pop3, taken = false;

	while (next_line(f, &line, &room) != NULL) {
		rest = text_of(line);
		word = text_word(&rest);
		if (word.n == 0 || word.p[0] == '#')
			continue;
		pop3 = text_is(word, text_of("pop3")) ||
		    text_is(word, text_of("110"));
		do {
			text_blanks(&rest);
			word = text_word(&rest);
			(void)snprintf(s.program, sizeof(s.program), "%.*s",
			    word.n < WORD_LEN ? (int)word.n : 0, word.p);
		} while (word.n > 0 && !is_popper(s.program));
		if (word.n > 0) {
			copy_value(s.command, "", rest.p);
			judge_starter(c, &s);
			taken = taken || pop3;
		}
	}
	free(line);
	if (f != NULL)
		(void)fclose(f);
	return taken;
}

/*
 * The command of the unit, by its name, with the options that the other file has
 * for this variable.
 */
static void
expand_command(struct starter *s, const char *options)
{
	static const char variable[] = "$POPPER_OPTIONS";
	char unit[WORD_LEN], *rest, *at;
	int n;

	(void)snprintf(unit, sizeof(unit), "%s", s->command);
	rest = unit + strcspn(unit, " ");
	if ((at = strstr(rest, variable)) == NULL)
		at = rest + strlen(rest);
	n = snprintf(s->command, WORD_LEN, "popper%.*s%s%s", (int)(at - rest),
	    rest, *at != '\0' ? options : "",
	    *at != '\0' ? at + strlen(variable) : "");
	if (n >= WORD_LEN)
		n = WORD_LEN - 1;
	while (n > 0 && s->command[n - 1] == ' ')
		s->command[--n] = '\0';
}

/* Whether systemd listens on port 110. */
static bool
check_systemd(struct check *c)
{
	static const struct form unit = { "ExecStart", "ExecStart", "", NULL };
	static const struct form defaults = { NULL, "POPPER_OPTIONS",
	    "", NULL };
	static const char *const units[] = {
		"/lib/systemd/system/popper@.service",
		"/usr/lib/systemd/system/popper@.service",
		"/etc/systemd/system/popper@.service"	/* this one counts */
	};
	struct starter s = { .file = "popper.socket", .command = "popper" };
	struct starter other = { .file = NULL };
	size_t i;

	if (access(SYSTEMD, F_OK) == -1 || access(ENABLED, F_OK) == -1)
		return false;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		read_form(units[i], &unit, &s);
	read_form("/etc/default/popper", &defaults, &other);
	expand_command(&s, other.command);
	judge_starter(c, &s);
	return true;
}

static void
check_stunnel(struct check *c)
{
	static const struct form form = { "exec", "execArgs", "", NULL };
	const struct dirent *e;
	struct starter s;
	char path[sizeof(STUNNEL) + WORD_LEN];
	DIR *d = opendir(STUNNEL);
	size_t n;

	while (d != NULL && (e = readdir(d)) != NULL) {
		n = strlen(e->d_name);
		if (n < 5 || strcmp(e->d_name + n - 5, ".conf") != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", STUNNEL,
		    e->d_name);
		memset(&s, 0, sizeof(s));
		s.file = path;
		read_form(path, &form, &s);
		judge_starter(c, &s);
	}
	if (d != NULL)
		(void)closedir(d);
}

/* Whether a directory of -m is the system's, maybe with levels below it. */
static bool
is_system_spool(const char *dir)
{
	const char *levels = strstr(dir, "/%");
	size_t n = levels != NULL ? (size_t)(levels - dir) : strlen(dir);

	return n == strlen(POPPER_SPOOL) && memcmp(dir, POPPER_SPOOL, n) == 0;
}

void
check_starters(struct check *c)
{
	static const struct form form = { "server", "server_args", "popper ",
	    "disable" };
	struct starter xinetd = { .file = "/etc/xinetd.d/popper",
	    .command = "popper" };
	bool inetd, systemd;

	if (geteuid() != 0 || !is_system_spool(c->p->opt.dir))
		return;
	systemd = check_systemd(c);
	inetd = check_inetd(c);
	if (systemd && inetd)
		check_say(c, CHECK_FAIL, "start: popper.socket and "
		    "/etc/inetd.conf both want port 110: remove one of them");
	read_form(xinetd.file, &form, &xinetd);
	judge_starter(c, &xinetd);
	check_stunnel(c);
}
