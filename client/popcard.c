/*
 * popcard: a POP3 client for the terminal. Its options, and the letter that is
 * written on it.
 */
#define _XOPEN_SOURCE 700

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "popcard.h"

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
		say(s, "No room for a draft: %s", strerror(errno));
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
		say(s, "%s: %s", s->draft, strerror(errno));
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
		say(s, "%s: %s", s->draft, strerror(errno));
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
		say(s, "The letter names no recipient.");
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
	if ((r = pop_parcel(&s->pop)) == POP_OK &&
	    (r = pop_parcel_add(&s->pop, mime, strlen(mime))) == POP_OK &&
	    (r = pop_parcel_add(&s->pop, mail->s, mail->n)) == POP_OK)
		r = pop_parcel_end(&s->pop);
	if (r == POP_LOST)
		gone(s);
	if (r == POP_OK) {
		say(s, "Sent. %s", s->pop.text);
		remove_draft(s);
		return;
	}
	snprintf(why, sizeof(why), "%s\n\nThe letter is kept in\n%s\n",
	    s->pop.text, s->draft);
	text_card(s, "Not sent", why, strlen(why));
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

	if (s->draft[0] != '\0' && choice(s, "yn", "Take up the letter kept "
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
			say(s, "The editor %.64s failed.", editor);
		memset(&v, 0, sizeof(v));
		v.body = mail.s;
		v.bodyn = mail.n;
		snprintf(s->title, sizeof(s->title), "your letter");
		do {
			c = card(s, &v, ready ? "y send  e edit again  "
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
		say(s, "Kept in %s", s->draft);
	text_free(&mail);
}

static int
usage(void)
{
	fprintf(stderr, "usage: popcard [-P fd] [-p port] [-u user] "
	    "[host | pop-url]\n"
	    "       popcard -s [-P fd] [sendmail options] [pop-url] "
	    "[recipient ...]\n");
	return EX_USAGE;
}

int
main(int argc, char **argv)
{
	static struct session s;	/* large for a stack */
	struct pop *p = &s.pop;
	struct passwd *pw;
	const char *name, *url, *why;
	char *end;
	int c, fd;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a draft that is too large */
	p->fd = -1;
	p->owner = &s;
	snprintf(p->host, sizeof(p->host), "localhost");
	snprintf(p->port, sizeof(p->port), "110");
	if ((pw = getpwuid(getuid())) != NULL)
		snprintf(p->user, sizeof(p->user), "%s", pw->pw_name);
	name = strrchr(argv[0], '/');
	name = name != NULL ? name + 1 : argv[0];
	if (strcmp(name, "sendmail") == 0 ||
	    (argc > 1 && strcmp(argv[1], "-s") == 0))
		return submit_main(p, argc, argv);
	fd = -1;
	url = getenv("POPCARD_URL");
	if (url != NULL && (why = account_url(p, url)) != NULL) {
		error("POPCARD_URL: %s", why);
		return EX_USAGE;
	}
	opterr = 0;		/* it would write what it was given */
	while ((c = getopt(argc, argv, "P:p:u:")) != -1)
		switch (c) {
		case 'P':
			fd = (int)strtol(optarg, &end, 10);
			if (*optarg == '\0' || *end != '\0' || fd < 3)
				return usage();
			break;
		case 'p':
			if (strlen(optarg) >= sizeof(p->port))
				return usage();
			snprintf(p->port, sizeof(p->port), "%s", optarg);
			break;
		case 'u':
			if (strlen(optarg) >= sizeof(p->user))
				return usage();
			snprintf(p->user, sizeof(p->user), "%s", optarg);
			break;
		default:
			return usage();
		}
	if (argc - optind > 1)
		return usage();
	if (optind < argc && strncasecmp(argv[optind], "pop:", 4) == 0) {
		if ((why = account_url(p, argv[optind])) != NULL) {
			error("%s: %s", argv[optind], why);
			return EX_USAGE;
		}
	} else if (optind < argc)
		snprintf(p->host, sizeof(p->host), "%s", argv[optind]);
	why = account_secret(p, fd);
	if (why != NULL && *why == '\0')
		why = secret(p->pass, sizeof(p->pass), "Password of %s at %s: ",
		    p->user, p->host) ? NULL :
		    "none was given, or too long a one";
	if (why != NULL) {
		error("the password: %s", why);
		return EX_NOPERM;
	}
	enter(&s);
	if (!term_start()) {
		error("this needs a terminal with ANSI sequences");
		return EX_UNAVAILABLE;
	}
	p->progress = progress;
	load(&s);
	c = mail_card(&s);
	account_wipe(p);
	return c;
}
