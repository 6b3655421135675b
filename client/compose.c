/*
 * Files of the user's: a message or one of its files saved; and a message that
 * is written, shown, sent or kept as a draft. A draft is a file in ~/.popcard
 * from the beginning, so that no end of the program loses it, and the next
 * session finds it there. The message that it forwards is next to it, in a file
 * with .eml at the end of its name.
 */
#include "popcard.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <limits.h>

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
	say(s, "%s exists. Replace what it holds? (y)es, (n)o", path);
	if (choice(s, "yn") == 'n')
		return 0;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	/* no device: one could be the terminal */
	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    ftruncate(fd, 0) == -1)) {
		close(fd);
		errno = EINVAL;
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
	if (write_all(fd, p, n)) {
		say(s, "Saved: %s, %zu octets", path, n);
		return;
	}
	say(s, "Not saved: %s: %s", path, strerror(errno));
	if (created)
		unlink(path);
}

void
save(struct screen *s, const struct mime *m, unsigned long id)
{
	const struct mime_part *part;
	struct text octets = { 0 };
	char path[PATH_MAX] = "", line[16] = "1", what[64];
	const char *p;
	unsigned long file;

	file = 0;
	snprintf(what, sizeof(what), "Save which file (1-%u; 0: the message)? ",
	    m->files);
	if (m->files > 0 && !prompt(s, what, false, line, sizeof(line)))
		return;
	p = line;
	if (m->files > 0 && (!text_number(&p, m->files, &file) || *p != '\0')) {
		say(s, "There is no file of that number.");
		return;
	}
	part = mime_file(m, (unsigned)file);
	if (part == NULL)
		snprintf(path, sizeof(path), "message-%lu.eml", id);
	else if (part->name != NULL)
		safe_name(part->name, path);
	if (path[0] == '\0')
		snprintf(path, sizeof(path), "file-%lu", file);
	if (!prompt(s, "Save as: ", false, path, sizeof(path)))
		return;
	if (part == NULL)
		save_as(s, path, m->s, m->n);
	else {
		mime_decode(m, part, &octets);
		save_as(s, path, octets.s, octets.n);
		text_free(&octets);
	}
}

static const char draft_name[] = "draft.XXXXXX";

enum {
	DRAFT_PATH = sizeof(((struct session *)NULL)->draft) + 4
};

/* Set the path of a draft; false with errno, and no path, if it is too long. */
static bool
name_draft(struct session *s, const char *name)
{
	const char *home;

	home = getenv("HOME");
	if ((size_t)snprintf(s->draft, sizeof(s->draft), "%s/.popcard/%s",
	    home != NULL ? home : "", name) < sizeof(s->draft))
		return true;
	s->draft[0] = '\0';
	errno = ENAMETOOLONG;
	return false;
}

/* The path of the message that the draft forwards. */
static const char *
mail_path(const struct session *s, char path[DRAFT_PATH])
{
	snprintf(path, DRAFT_PATH, "%s.eml", s->draft);
	return path;
}

static void
remove_draft(struct session *s)
{
	char path[DRAFT_PATH];

	unlink(mail_path(s, path));
	unlink(s->draft);
	s->draft[0] = '\0';
}

/* Make the files of a draft. */
static bool
make_draft(struct session *s, const struct text *draft,
    const struct text *mail)
{
	char path[DRAFT_PATH];
	int fd;

	fd = -1;
	if (name_draft(s, "") &&
	    (mkdir(s->draft, S_IRWXU) == 0 || errno == EEXIST) &&
	    name_draft(s, draft_name))
		fd = mkstemp(s->draft);
	if (write_all(fd, draft->s, draft->n) && (mail == NULL ||
	    write_all(open(mail_path(s, path), O_WRONLY | O_CREAT | O_EXCL |
	    O_CLOEXEC, S_IRUSR | S_IWUSR), mail->s, mail->n)))
		return true;
	say(&s->screen, "No room for a draft: %s", strerror(errno));
	if (fd != -1)
		remove_draft(s);
	s->draft[0] = '\0';
	return false;
}

/* Read the draft back; false if it cannot be sent, and the user is told why. */
static bool
read_draft(struct session *s, struct text *draft, struct text *mail)
{
	static const char *const names[] = { "To", "Cc", "Bcc" };
	struct text to = { 0 };
	char path[DRAFT_PATH];
	size_t i;
	bool ok;

	if (!read_file(s->draft, draft) ||
	    (!read_file(mail_path(s, path), mail) && errno != ENOENT)) {
		say(&s->screen, "%s: %s", s->draft, strerror(errno));
		return false;
	}
	for (ok = false, i = 0; i < 3 && !ok; i++)
		ok = mail_field(draft->s, draft->n, names[i], &to) &&
		    to.s[strspn(to.s, " ,")] != '\0';
	text_free(&to);
	if (!ok)
		say(&s->screen, "The message has no recipient.");
	return ok;
}

/* Send the message, and tell what has become of it. */
static void
send_draft(struct session *s, const struct text *draft,
    const struct text *mail)
{
	struct text out = { 0 };
	char id[160];
	int r;

	draft_id(id);
	draft_finish(draft, mail, time(NULL), id, &out);
	transfer(s, "sending", out.n);
	r = pop_xmit(&s->pop, &out);
	transfer(s, "", 0);
	if (r == POP_LOST && !s->pop.cancelled)
		gone(s);
	if (r == POP_OK) {
		say(&s->screen, "Sent. %s", s->pop.text);
		remove_draft(s);
	} else {
		out.n = 0;
		text_printf(&out, "%s\n\nThe draft is kept in\n%s\n",
		    r == POP_LOST ? "Cancelled." : s->pop.text, s->draft);
		if (r == POP_LOST)
			reload(s);
		text_card(&s->screen, "Not sent", &out);
	}
	text_free(&out);
}

/* Show the draft; one of the keys for what is to become of it. */
static int
draft_card(struct session *s, const struct text *draft,
    const struct text *mail, bool ready)
{
	struct text t = { 0 };
	struct view v = { 0 };
	const char *keys;
	int c;

	text_add(&t, draft->s, draft->n);
	if (mail->n > 0)
		text_printf(&t, "\n[1] message/rfc822, %zu octets\n", mail->n);
	v.text = t.s;
	v.len = t.n;
	keys = ready ? "yedq" : "edq";
	snprintf(s->screen.title, sizeof(s->screen.title), "your message");
	do {
		c = card(&s->screen, &v, ready ? "y send  e edit again  "
		    "d discard  q keep for later" :
		    "e edit again  d discard  q keep for later");
		c = c == KEY_ESC ? 'q' : c;
	} while (c >= KEY_UP || strchr(keys, c) == NULL);
	free(v.off);
	text_free(&t);
	return c;
}

/* Edit the draft as often as wanted, then send, discard or keep it. */
static void
edit_draft(struct session *s)
{
	struct text draft = { 0 }, mail = { 0 };
	const char *editor;
	int c, how;
	bool ready;

	if ((editor = getenv("VISUAL")) == NULL || *editor == '\0')
		if ((editor = getenv("EDITOR")) == NULL || *editor == '\0')
			editor = "vi";
	do {
		how = term_run(editor, s->draft);
		ready = read_draft(s, &draft, &mail);
		if (how == -1 || !WIFEXITED(how) || WEXITSTATUS(how) != 0)
			say(&s->screen, "The editor %.64s failed.", editor);
		c = draft_card(s, &draft, &mail, ready);
	} while (c == 'e');
	if (c == 'y')
		send_draft(s, &draft, &mail);
	else if (c == 'd')
		remove_draft(s);
	else
		say(&s->screen, "Kept in %s", s->draft);
	text_free(&draft);
	text_free(&mail);
}

/* Does the user want the draft that is kept? */
static bool
take_up(struct session *s)
{
	if (s->draft[0] == '\0')
		return false;
	say(&s->screen, "Take up the draft kept in %s? (y)es, (n)o", s->draft);
	if (choice(&s->screen, "yn") == 'n')
		s->draft[0] = '\0';
	return s->draft[0] != '\0';
}

void
compose(struct session *s, const struct text *draft, const struct text *mail)
{
	if (mail != NULL && mail->cut)
		say(&s->screen, "The message is too large to be forwarded.");
	else if (take_up(s) || make_draft(s, draft, mail))
		edit_draft(s);
}

void
compose_kept(struct session *s)
{
	struct dirent *e;
	struct stat st;
	DIR *dir;

	dir = name_draft(s, "") ? opendir(s->draft) : NULL;
	s->draft[0] = '\0';
	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL)
		if (strlen(e->d_name) == sizeof(draft_name) - 1 &&
		    memcmp(e->d_name, draft_name, 6) == 0 &&
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
		    0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
			break;
	if (e != NULL)
		name_draft(s, e->d_name);
	closedir(dir);
	if (take_up(s))
		edit_draft(s);
}
