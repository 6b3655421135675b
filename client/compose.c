/*
 * Files of the user's: a message or one of its files saved; and a message that
 * is written, shown, sent or kept as a draft. A draft is a file from the
 * beginning, so that no end of the program loses it, and the next session finds
 * it there. The message that it forwards is next to it, in a file with .eml at
 * the end of its name.
 */
#include "popcard.h"

#include <sys/stat.h>

#include <limits.h>

enum {
	NAME = 100		/* columns of a name that is offered */
};

/* Offer the name of a file as one that does no harm: it shows as it is, in the
 * directory where it is, and is not hidden and no option. */
static void
offer_name(const char *name, char path[PATH_MAX])
{
	struct text t = { 0 };
	int cols = NAME;
	char *p;

	safe_text(name, strlen(name), &cols, &t);
	snprintf(path, PATH_MAX, "%s", text_string(&t));
	for (p = path; *p != '\0'; p++)
		if (strchr("/\\", *p) != NULL ||
		    (p == path && strchr(".-~ ", *p) != NULL))
			*p = '_';
	text_free(&t);
}

/* Write a file that does not exist; false with errno if it cannot be done, and
 * none is left. */
static bool
create(const char *path, const struct text *t)
{
	bool ok;
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY,
	    S_IRUSR | S_IWUSR);
	if (fd == -1)
		return false;
	ok = write_octets(fd, t->s, t->n) && fsync(fd) == 0;
	ok = close(fd) == 0 && ok;	/* which leaves errno if it succeeds */
	if (!ok)
		unlink(path);
	return ok;
}

static void
save_as(struct screen *s, const char *path, const struct text *t)
{
	struct stat st;

	/* nothing else is replaced, such as a device */
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		say(s, "%s exists. Replace it? (y)es, (n)o", path);
		if (choice(s, "yn") == 'n')
			return;
		unlink(path);
	}
	if (create(path, t))
		say(s, "Saved: %s, %zu octets", path, t->n);
	else
		say(s, "Not saved: %s: %s", path, strerror(errno));
}

void
save(struct screen *s, const struct mime *m, unsigned long id)
{
	struct mime_part whole = { .end = m->n };
	const struct mime_part *part = &whole;
	struct text octets = { 0 };
	char path[PATH_MAX], line[16] = "1", what[64];
	const char *p = line;
	unsigned long file = 0;

	snprintf(what, sizeof(what), "Save which file (1-%u; 0: the message)? ",
	    m->files);
	if (m->files > 0 && !prompt(s, what, false, line, sizeof(line)))
		return;
	if (m->files > 0 && (!text_number(&p, m->files, &file) || *p != '\0')) {
		say(s, "There is no file of that number.");
		return;
	}
	snprintf(whole.name, sizeof(whole.name), "message-%lu.eml", id);
	if (file > 0)
		part = mime_file(m, (unsigned)file);
	offer_name(part->name, path);
	if (path[0] == '\0')
		snprintf(path, sizeof(path), "file-%lu", file);
	if (!prompt(s, "Save as: ", false, path, sizeof(path)))
		return;
	mime_decode(m, part, &octets);
	save_as(s, path, &octets);
	text_free(&octets);
}

static void
remove_draft(const struct session *s)
{
	unlink(s->mail);
	unlink(s->draft);
}

static bool
make_draft(struct session *s, const struct text *draft,
    const struct text *mail)
{
	char dir[sizeof(s->draft)];

	snprintf(dir, sizeof(dir), "%s", s->draft);
	*strrchr(dir, '/') = '\0';
	mkdir(dir, S_IRWXU);	/* if it is not there, create() fails */
	unlink(s->mail);	/* of no draft */
	if ((mail == NULL || create(s->mail, mail)) && create(s->draft, draft))
		return true;
	say(&s->screen, "No room for a draft: %s", strerror(errno));
	return false;
}

/* Read the draft back; false if it cannot be sent, and the user is told why. */
static bool
read_draft(struct session *s, struct text *draft, struct text *mail)
{
	struct text to = { 0 };
	bool ok;

	if (!read_file(s->draft, draft) ||
	    (!read_file(s->mail, mail) && errno != ENOENT)) {
		say(&s->screen, "%s: %s", s->draft, strerror(errno));
		return false;
	}
	mail_field(draft->s, draft->n, "to cc bcc", &to);
	ok = to.s[strspn(to.s, " ,")] != '\0';
	text_free(&to);
	if (!ok)
		say(&s->screen, "The message has no recipient.");
	return ok;
}

static void
send_draft(struct session *s, const struct text *draft,
    const struct text *mail)
{
	struct text out = { 0 };
	char id[160];

	draft_id(id);
	draft_finish(draft, mail, time(NULL), id, &out);
	pop_transfer(&s->pop, "sending", out.n);
	if (pop_xmit(&s->pop, &out)) {
		say(&s->screen, "Sent. %s", s->pop.text);
		remove_draft(s);
	} else if (s->pop.cancelled)
		reload(s);
	else
		say(&s->screen, "Not sent, kept in %s: %s",
		    s->draft, s->pop.text);
	text_free(&out);
}

/* Edit the draft and show it, as often as wanted; then send, discard or keep
 * it. */
static void
edit_draft(struct session *s)
{
	struct text draft = { 0 }, mail = { 0 };
	struct view v = { 0 };
	bool edited, ready;
	int c;

	do {
		edited = term_edit(&s->screen.keys, s->draft);
		ready = read_draft(s, &draft, &mail);
		if (!edited)
			say(&s->screen, "The editor failed.");
		snprintf(s->screen.title, sizeof(s->screen.title),
		    "your message%s", mail.n > 0 ?
		    ", with the one that it forwards" : "");
		v.text = &draft;
		v.cols = 0;
		do {
			c = card(&s->screen, &v, ready ? "y send  e edit again"
			    "  d discard  q keep for later" :
			    "e edit again  d discard  q keep for later");
			c = c == KEY_ESC ? 'q' : c;
		} while (c >= KEY_UP || strchr(ready ? "yedq" : "edq", c) ==
		    NULL);
	} while (c == 'e');
	if (c == 'y')
		send_draft(s, &draft, &mail);
	else if (c == 'd')
		remove_draft(s);
	else
		say(&s->screen, "Kept in %s", s->draft);
	free(v.off);
	text_free(&draft);
	text_free(&mail);
}

void
compose(struct session *s, const struct text *draft, const struct text *mail)
{
	int c = 'd';

	if (mail != NULL && mail->cut) {
		say(&s->screen, "The message is too large to be forwarded.");
		return;
	}
	if (has_draft(s)) {
		say(&s->screen, "Take up the draft in %s? (y)es, (d)iscard, "
		    "(n)o", s->draft);
		if ((c = choice(&s->screen, "ydn")) == 'd')
			remove_draft(s);
	}
	if (c == 'y' || (c == 'd' && draft != NULL &&
	    make_draft(s, draft, mail)))
		edit_draft(s);
}
