/*
 * A message that is written: edited, shown, sent or kept as a draft. A draft is
 * a file in ~/.popcard from the beginning, so that no end of the program loses
 * it, and the next session finds it there.
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

/* The directory of the drafts, with a slash; false if its name is too long. */
static bool
draft_dir(char *path, size_t size)
{
	const char *home;
	int n;

	home = getenv("HOME");
	n = snprintf(path, size, "%s/.popcard/", home != NULL ? home : "");
	return n > 0 && (size_t)n + sizeof(draft_name) <= size;
}

/* Complete the path of a draft, which begins with the directory. */
static void
name_draft(struct session *s, const char *name)
{
	size_t n;

	n = strlen(s->draft);
	snprintf(s->draft + n, sizeof(s->draft) - n, "%s", name);
}

static void
remove_draft(struct session *s)
{
	unlink(s->draft);
	s->draft[0] = '\0';
	last_words("%s", "");
}

static bool
new_draft(struct session *s, const struct text *draft)
{
	int fd;
	bool ok;

	errno = ENAMETOOLONG;
	ok = draft_dir(s->draft, sizeof(s->draft)) &&
	    (mkdir(s->draft, S_IRWXU) == 0 || errno == EEXIST);
	if (!ok) {
		say(&s->screen, "No room for a draft: %s", strerror(errno));
		s->draft[0] = '\0';
		return false;
	}
	name_draft(s, draft_name);
	fd = mkstemp(s->draft);
	ok = fd != -1 && write(fd, draft->s, draft->n) == (ssize_t)draft->n;
	if (fd != -1 && close(fd) == -1)
		ok = false;
	if (ok)
		last_words("popcard: a draft is kept in %s", s->draft);
	else {
		say(&s->screen, "No room for a draft: %s", strerror(errno));
		if (fd != -1)
			unlink(s->draft);
		s->draft[0] = '\0';
	}
	return ok;
}

/* Read the draft back; false if it cannot be sent, and the user is told why. */
static bool
read_draft(struct session *s, struct text *draft)
{
	static const char *const names[] = { "To", "Cc", "Bcc" };
	struct text to = { 0 };
	size_t i;
	int fd;
	bool ok;

	text_free(draft);
	fd = open(s->draft, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ok = fd != -1 && read_all(fd, draft);
	if (!ok)
		say(&s->screen, "%s: %s", s->draft, strerror(errno));
	if (fd != -1)
		close(fd);
	if (!ok)
		return false;
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
	if ((r = pop_xmit(&s->pop)) == POP_OK &&
	    (r = pop_xmit_add(&s->pop, mail->s, mail->n)) == POP_OK) {
		/* After the last line only the server knows whether the
		 * message is sent. */
		s->pop.cancel = NULL;
		r = pop_xmit_end(&s->pop);
	}
	transfer(s, "", 0);
	if (r == POP_LOST && !s->pop.cancelled)
		gone(s);
	return r;
}

static void
send_draft(struct session *s, const struct text *draft)
{
	struct text mail = { 0 };
	char id[160], why[2 * POP_LINE];
	time_t now;
	int r;

	now = time(NULL);
	draft_id(now, id);
	draft_finish(draft->s, draft->n, now, id, &mail);
	r = transmit(s, &mail);
	text_free(&mail);
	if (r == POP_OK) {
		say(&s->screen, "Sent. %s", s->pop.text);
		remove_draft(s);
		return;
	}
	snprintf(why, sizeof(why), "%s\n\nThe draft is kept in\n%s\n",
	    r == POP_LOST ? "Cancelled." : s->pop.text, s->draft);
	if (r == POP_LOST)
		reload(s);
	text_card(&s->screen, "Not sent", why, strlen(why));
}

/* Show the draft; one of the keys for what is to become of it. */
static int
draft_card(struct session *s, const struct text *draft, bool ready)
{
	struct view v = { .body = draft->s, .bodyn = draft->n };
	const char *keys;
	int c;

	keys = ready ? "yedq" : "edq";
	snprintf(s->screen.title, sizeof(s->screen.title), "your message");
	do {
		c = card(&s->screen, &v, ready ? "y send  e edit again  "
		    "d discard  q keep for later" :
		    "e edit again  d discard  q keep for later");
		if (c == KEY_ESC || c == KEY_LEFT)
			c = 'q';
	} while (c >= KEY_UP || strchr(keys, c) == NULL);
	text_free(&v.anchors);
	return c;
}

/* Edit the draft as often as wanted, then send, discard or keep it. */
static void
edit_draft(struct session *s)
{
	struct text draft = { 0 };
	const char *editor;
	int c, how;
	bool ready;

	if ((editor = getenv("VISUAL")) == NULL || *editor == '\0')
		if ((editor = getenv("EDITOR")) == NULL || *editor == '\0')
			editor = "vi";
	do {
		how = term_run(editor, s->draft, idle_editing, s);
		ready = read_draft(s, &draft);
		if (how == -1 || !WIFEXITED(how) || WEXITSTATUS(how) != 0)
			say(&s->screen, "The editor %.64s failed.", editor);
		c = draft_card(s, &draft, ready);
	} while (c == 'e');
	if (c == 'y')
		send_draft(s, &draft);
	else if (c == 'd')
		remove_draft(s);
	else
		say(&s->screen, "Kept in %s", s->draft);
	text_free(&draft);
}

void
compose(struct session *s, const struct text *draft)
{
	if (s->draft[0] != '\0' && choice(&s->screen, "yn", "Take up the "
	    "draft kept in %s? (y)es, (n)o", s->draft) == 'n')
		s->draft[0] = '\0';
	if (s->draft[0] != '\0' || new_draft(s, draft))
		edit_draft(s);
}

void
compose_kept(struct session *s)
{
	struct dirent *e;
	struct stat st;
	DIR *dir;

	if (!draft_dir(s->draft, sizeof(s->draft)) ||
	    (dir = opendir(s->draft)) == NULL) {
		s->draft[0] = '\0';
		return;
	}
	while ((e = readdir(dir)) != NULL)
		if (strlen(e->d_name) == sizeof(draft_name) - 1 &&
		    memcmp(e->d_name, draft_name, 6) == 0 &&
		    fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
		    0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
			break;
	if (e != NULL) {
		name_draft(s, e->d_name);
		last_words("popcard: a draft is kept in %s", s->draft);
	}
	else
		s->draft[0] = '\0';
	closedir(dir);
	if (s->draft[0] != '\0' && choice(&s->screen, "yn", "Take up the draft kept in "
	    "%s? (y)es, (n)o", s->draft) == 'y')
		edit_draft(s);
	else {
		s->draft[0] = '\0';
		last_words("%s", "");
	}
}
