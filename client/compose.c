/*
 * A message that is written: edited, shown, sent or kept as a draft.
 */
#define _XOPEN_SOURCE 700

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compose.h"
#include "mail.h"
#include "safe.h"

static void
remove_draft(struct session *s)
{
	char *slash;

	unlink(s->draft);
	slash = strrchr(s->draft, '/');
	*slash = '\0';
	rmdir(s->draft);	/* an editor's backup may stand in the way */
	s->draft[0] = '\0';
	last_words("%s", "");
}

/* Begin a letter: a file of its own in a directory of its own. */
static bool
new_draft(struct session *s, const char *to, const char *re,
    const char *subject)
{
	const char *tmp;
	int fd, n;
	bool ok;

	tmp = getenv("TMPDIR");
	n = snprintf(s->draft, sizeof(s->draft) - 6, "%s/popcard.XXXXXX",
	    tmp != NULL && *tmp == '/' ? tmp : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(s->draft) - 6 ||
	    mkdtemp(s->draft) == NULL) {
		say(&s->screen, "No room for a draft: %s", strerror(errno));
		s->draft[0] = '\0';
		return false;
	}
	snprintf(s->draft + n, sizeof(s->draft) - (size_t)n, "/draft");
	last_words("popcard: a letter is kept in %s", s->draft);
	fd = open(s->draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    S_IRUSR | S_IWUSR);
	ok = fd != -1 && dprintf(fd, "To: %s\nSubject: %s%s\n\n", to, re,
	    subject) >= 0;
	if (fd != -1 && close(fd) == -1)
		ok = false;
	if (!ok) {
		say(&s->screen, "%s: %s", s->draft, strerror(errno));
		remove_draft(s);
	}
	return ok;
}

/* Read the draft back; false with a word to the user if it cannot go. */
static bool
read_draft(struct session *s, struct text *mail)
{
	struct text to = { 0 };
	size_t i;
	int fd;
	bool ok;

	text_free(mail);
	fd = open(s->draft, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ok = fd != -1 && read_all(fd, mail);
	if (!ok)
		say(&s->screen, "%s: %s", s->draft, strerror(errno));
	if (fd != -1)
		close(fd);
	if (!ok)
		return false;
	ok = false;
	for (i = 0; i < 3 && !ok; i++)
		ok = mail_field(mail->s, mail->n, i == 0 ? "To" : i == 1 ?
		    "Cc" : "Bcc", &to) && to.s[strspn(to.s, " ,")] != '\0';
	text_free(&to);
	if (!ok)
		say(&s->screen, "The letter names no recipient.");
	return ok;
}

static void
send_draft(struct session *s, const struct text *mail)
{
	struct text type = { 0 };
	char mime[160], why[2 * POP_LINE];
	int r;

	mime[0] = '\0';
	if (mail_8bit(mail->s, mail->n) &&
	    !mail_field(mail->s, mail->n, "Content-Type", &type))
		snprintf(mime, sizeof(mime), "MIME-Version: 1.0\n"
		    "Content-Type: text/plain; charset=%.40s\n"
		    "Content-Transfer-Encoding: 8bit\n", nl_langinfo(CODESET));
	text_free(&type);
	s->doing = "sending";
	s->expected = mail->n;
	if ((r = pop_xmit(&s->pop)) == POP_OK &&
	    (r = pop_xmit_add(&s->pop, mime, strlen(mime))) == POP_OK &&
	    (r = pop_xmit_add(&s->pop, mail->s, mail->n)) == POP_OK)
		r = pop_xmit_end(&s->pop);
	if (r == POP_LOST)
		gone(s);
	if (r == POP_OK) {
		say(&s->screen, "Sent. %s", s->pop.text);
		remove_draft(s);
		return;
	}
	snprintf(why, sizeof(why), "%s\n\nThe letter is kept in\n%s\n",
	    s->pop.text, s->draft);
	text_card(&s->screen, "Not sent", why, strlen(why));
}

/* A letter: edit, then send, edit again, keep or throw away. */
void
compose(struct session *s, const char *to, const char *re,
    const char *subject)
{
	struct text mail = { 0 };
	struct view v;
	const char *editor;
	int c, how;
	bool ready;

	if (s->draft[0] != '\0' && choice(&s->screen, "yn", "Take up the letter kept "
	    "in %s? (y)es, (n)o", s->draft) == 'n')
		s->draft[0] = '\0';
	if (s->draft[0] == '\0' && !new_draft(s, to, re, subject))
		return;
	if ((editor = getenv("VISUAL")) == NULL || *editor == '\0')
		if ((editor = getenv("EDITOR")) == NULL || *editor == '\0')
			editor = "vi";
	do {
		how = term_run(editor, s->draft, idle_editing, s);
		ready = read_draft(s, &mail);
		if (how == -1 || !WIFEXITED(how) || WEXITSTATUS(how) != 0)
			say(&s->screen, "The editor %.64s failed.", editor);
		memset(&v, 0, sizeof(v));
		v.body = mail.s;
		v.bodyn = mail.n;
		snprintf(s->screen.title, sizeof(s->screen.title), "your letter");
		do {
			c = card(&s->screen, &v, ready ? "y send  e edit again  "
			    "d discard  q keep for later" :
			    "e edit again  d discard  q keep for later");
			if (c == KEY_ESC || c == KEY_LEFT)
				c = 'q';
		} while (c >= KEY_UP || strchr(ready ? "yedq" : "edq", c) ==
		    NULL);
		text_free(&v.anchors);
	} while (c == 'e');
	if (c == 'y')
		send_draft(s, &mail);
	else if (c == 'd')
		remove_draft(s);
	else
		say(&s->screen, "Kept in %s", s->draft);
	text_free(&mail);
}
