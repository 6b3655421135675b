/*
 * Messages and their files written to files of the user's.
 */
#define _XOPEN_SOURCE 700

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "popcard.h"

enum {
	NAME = 128		/* octets of a name that is offered */
};

/*
 * A file name from a message as one that does no harm: in the directory where
 * it is, not hidden, no option, and of characters that show as themselves.
 */
static void
safe_name(const char *utf8, char name[NAME])
{
	char form[GLYPH];
	size_t i, k, len, n;
	int marks, width;

	len = strlen(utf8);
	marks = 0;
	for (i = n = 0; i < len && n + GLYPH < NAME; i += k) {
		k = glyph(utf8 + i, len - i, 0, &marks, form, &width);
		if (strlen(form) != k || memcmp(form, utf8 + i, k) != 0 ||
		    strchr("/\\", *form) != NULL ||
		    (n == 0 && strchr(".-~ ", *form) != NULL)) {
			form[0] = '_';
			form[1] = '\0';
		}
		memcpy(name + n, form, strlen(form));
		n += strlen(form);
	}
	name[n] = '\0';
}

/* Open the path for writing; -1 with errno, 0 if the user would not. */
static int
open_path(struct screen *s, const char *path, bool *created)
{
	struct stat st;
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY,
	    S_IRUSR | S_IWUSR);
	*created = fd != -1;
	if (fd != -1 || errno != EEXIST)
		return fd;
	if (choice(s, "yn", "%s exists. Replace what it holds? (y)es, (n)o",
	    path) == 'n')
		return 0;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;		/* a device, say: the terminal */
		return -1;
	}
	if (ftruncate(fd, 0) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
save_as(struct screen *s, const char *path, const char *p, size_t n)
{
	bool created;
	int fd;

	if ((fd = open_path(s, path, &created)) == 0)
		return;
	if (write_all(fd, p, n))
		say(s, "Saved: %s, %zu octets", path, n);
	else {
		say(s, "Not saved: %s: %s", path, strerror(errno));
		if (created)
			unlink(path);
	}
}

/* Which file of the message is wanted, 0 for itself; false for none. */
static bool
which_file(struct screen *s, const struct mime *m, unsigned long *file)
{
	char line[16], what[64];
	const char *p;

	*file = 0;
	if (m->files == 0)
		return true;
	snprintf(what, sizeof(what), "Save which file (1-%u; 0: the message)? ",
	    m->files);
	snprintf(line, sizeof(line), "1");
	p = line;
	if (!prompt(s, what, false, line, sizeof(line)))
		return false;
	if (text_number(&p, m->files, file) && *p == '\0')
		return true;
	say(s, "There is no file of that number.");
	return false;
}

void
save(struct screen *s, const struct mime *m, unsigned long id)
{
	const struct mime_part *part;
	struct text octets = { 0 };
	char path[PATH_MAX];
	unsigned long file;

	if (!which_file(s, m, &file))
		return;
	path[0] = '\0';
	part = file > 0 ? mime_file(m, (unsigned)file) : NULL;
	if (part == NULL)
		snprintf(path, sizeof(path), "message-%lu.eml", id);
	else if (part->name != NULL)
		safe_name(part->name, path);
	if (path[0] == '\0')
		snprintf(path, sizeof(path), "file-%lu", file);
	if (prompt(s, "Save as: ", false, path, sizeof(path))) {
		if (part != NULL)
			mime_decode(m, part, &octets);
		save_as(s, path, part != NULL ? octets.s : m->s,
		    part != NULL ? octets.n : m->n);
	}
	text_free(&octets);
}
