/*
 * A message that is written: edited, shown, sent or kept as a draft. A draft is
 * a file in ~/.popcard from the beginning, so that no end of the program loses
 * it, and the next session finds it there. The message that it forwards is next
 * to it, in a file with .eml at the end of its name.
 */
#define _XOPEN_SOURCE 700

#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "popcard.h"

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

static void
name_mail(const struct session *s, char path[DRAFT_PATH])
{
	snprintf(path, DRAFT_PATH, "%s.eml", s->draft);
}

static void
remove_draft(struct session *s)
{
	char path[DRAFT_PATH];

	name_mail(s, path);
	unlink(path);
	unlink(s->draft);
	s->draft[0] = '\0';
}

/* Make the files of a draft; false with errno. */
static bool
make_draft(struct session *s, const struct text *draft,
    const struct text *mail)
{
	char path[DRAFT_PATH];
	int fd;

	if (!name_draft(s, "") ||
	    (mkdir(s->draft, S_IRWXU) == -1 && errno != EEXIST) ||
	    !name_draft(s, draft_name) || (fd = mkstemp(s->draft)) == -1) {
		s->draft[0] = '\0';
		return false;
	}
	if (!write_all(fd, draft->s, draft->n))
		return false;
	name_mail(s, path);
	return mail == NULL || write_all(open(path, O_WRONLY | O_CREAT |
	    O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR), mail->s, mail->n);
}

static bool
new_draft(struct session *s, const struct text *draft,
    const struct text *mail)
{
	if (make_draft(s, draft, mail))
		return true;
	say(&s->screen, "No room for a draft: %s", strerror(errno));
	if (s->draft[0] != '\0')
		remove_draft(s);
	return false;
}

/* Read a file of the user's; false with errno. */
static bool
read_file(const char *path, struct text *t)
{
	int fd;
	bool ok;

	text_free(t);
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return false;
	ok = read_all(fd, t);
	close(fd);
	return ok;
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

	name_mail(s, path);
	if (!read_file(s->draft, draft) ||
	    (!read_file(path, mail) && errno != ENOENT)) {
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

/* Send a message; POP_OK, POP_NO or, if Escape cancelled it, POP_LOST. */
static int
transmit(struct session *s, const struct text *mail)
{
	int r;

	transfer(s, "sending", mail->n);
	r = pop_xmit(&s->pop, mail);
	transfer(s, "", 0);
	if (r == POP_LOST && !s->pop.cancelled)
		gone(s);
	return r;
}

static void
send_draft(struct session *s, const struct text *draft,
    const struct text *mail)
{
	struct text out = { 0 };
	char id[160];
	int r;

	draft_id(id);
	draft_finish(draft, mail, time(NULL), id, &out);
	if (out.cut) {
		r = POP_NO;
		snprintf(s->pop.text, sizeof(s->pop.text),
		    "The message is too large.");
	} else
		r = transmit(s, &out);
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
	if (s->draft[0] != '\0' && choice(&s->screen, "yn", "Take up the "
	    "draft kept in %s? (y)es, (n)o", s->draft) == 'n')
		s->draft[0] = '\0';
	return s->draft[0] != '\0';
}

void
compose(struct session *s, const struct text *draft, const struct text *mail)
{
	if (mail != NULL && mail->cut)
		say(&s->screen, "The message is too large to be forwarded.");
	else if (take_up(s) || new_draft(s, draft, mail))
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
