/*
 * The cards: saving files, a message that is written, a message, the list of
 * messages, the keys. The C stack is the stack of cards. A message that is
 * written is a file from the beginning, so that no end of the program loses it,
 * and the next session finds it there, next to the message that it forwards.
 */
#include "popcard.h"

#include <sys/stat.h>

#include <langinfo.h>
#include <limits.h>
#include <wctype.h>

enum { NAME = 100 };		/* columns of a name that is offered */

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

/* Ask for the message or one of its files, and for a path; only what the user
 * typed is written to. */
static void
save(struct screen *s, const struct mime *m, unsigned long id)
{
	struct mime_part whole = { .end = m->n };
	const struct mime_part *part = &whole;
	struct text t = { 0 };
	struct stat st;
	char path[PATH_MAX], line[16] = "1", what[64];
	const char *p = line;
	unsigned long file = 0;

	snprintf(whole.name, sizeof(whole.name), "message-%lu.eml", id);
	snprintf(what, sizeof(what), "Save which file (1-%u; 0: the message)? ",
	    m->files);
	if (m->files > 0 && !prompt(s, what, false, line, sizeof(line)))
		return;
	if (m->files > 0 && (!text_number(&p, m->files, &file) || *p != '\0')) {
		say(s, "There is no file of that number.");
		return;
	}
	if (file > 0)
		part = mime_file(m, (unsigned)file);
	offer_name(part->name, path);
	if (path[0] == '\0')
		snprintf(path, sizeof(path), "file-%lu", file);
	if (!prompt(s, "Save as: ", false, path, sizeof(path)))
		return;
	/* nothing else is replaced, such as a device */
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode)) {
		say(s, "%s exists. Replace it? (y)es, (n)o", path);
		if (choice(s, "yn") == 'n')
			return;
		unlink(path);
	}
	mime_decode(m, part, &t);
	if (create(path, &t))
		say(s, "Saved: %s, %zu octets", path, t.n);
	else
		say(s, "Not saved: %s: %s", path, strerror(errno));
	text_free(&t);
}

static void
remove_draft(const struct session *s)
{
	unlink(s->mail);
	unlink(s->draft);
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

static void
edit_draft(struct session *s)
{
	struct text draft = { 0 }, mail = { 0 };
	struct view v = { .text = &draft };
	int c;

	do {
		if (!term_edit(&s->screen.keys, s->draft))
			say(&s->screen, "The editor failed.");
		if (!read_file(s->draft, &draft) ||
		    (!read_file(s->mail, &mail) && errno != ENOENT)) {
			say(&s->screen, "%s: %s", s->draft, strerror(errno));
			c = KEY_NONE;
			break;
		}
		snprintf(s->screen.title, sizeof(s->screen.title),
		    "your message%s", mail.n > 0 ?
		    ", with the one that it forwards" : "");
		v.cols = 0;
		do {
			c = card(&s->screen, &v, "y send  e edit again  "
			    "d discard  q keep for later");
			c = c == KEY_ESC ? 'q' : c;
		} while (c >= KEY_UP || strchr("yedq", c) == NULL);
	} while (c == 'e');
	if (c == 'y')
		send_draft(s, &draft, &mail);
	else if (c == 'd')
		remove_draft(s);
	else if (c == 'q')
		say(&s->screen, "Kept in %s", s->draft);
	free(v.off);
	text_free(&draft);
	text_free(&mail);
}

void
compose(struct session *s, const struct text *draft, const struct text *mail)
{
	char dir[sizeof(s->draft)];
	int c = 'n';

	if (mail != NULL && mail->cut)
		say(&s->screen, "The message is too large to be forwarded.");
	else if (has_draft(s)) {
		say(&s->screen, "Take up the draft in %s? (y)es, (d)iscard, "
		    "(n)o", s->draft);
		if ((c = choice(&s->screen, "ydn")) == 'd')
			remove_draft(s);
	} else
		c = 'd';
	if (c == 'd' && draft != NULL) {
		snprintf(dir, sizeof(dir), "%s", s->draft);
		*strrchr(dir, '/') = '\0';
		mkdir(dir, S_IRWXU);	/* if it is not there, create() fails */
		unlink(s->mail);	/* of no draft */
		if ((mail == NULL || create(s->mail, mail)) &&
		    create(s->draft, draft))
			c = 'y';
		else
			say(&s->screen, "No room for a draft: %s",
			    strerror(errno));
	}
	if (c == 'y')
		edit_draft(s);
}

struct reading {
	struct text mail;		/* as it came */
	struct mime mime;
	int mode;			/* 'h', 'w', or 0: the text */
	struct text text;		/* as it is shown */
	struct view view;
};

static const char keys[] =
    "Moving       up down, j k, space and -, PgUp PgDn, Home End\n"
    "Enter        read the message, open the board\n"
    "/  n         the list: search sender and subject, the next one\n"
    "n  p         a message: the next, the previous one\n"
    "c  r  f      write a message, reply, forward\n"
    "s            save the message or one of its files\n"
    "h  w         the header, the whole message, as they came\n"
    "a            the boards: open the archive\n"
    "q            back\n";
static const char keys_of_mail[] =
    "d  u         flag for deletion, remove the flag\n"
    "b            the bulletin boards\n"
    "q            on the list: delete what is flagged and quit\n"
    "x            on the list: quit and delete nothing\n";

void
help_card(struct session *s, bool board)
{
	struct text t = { 0 };
	struct view v = { .text = &t };
	int c;

	text_str(&t, keys);
	text_str(&t, board ? "" : keys_of_mail);
	snprintf(s->screen.title, sizeof(s->screen.title), "popcard: the keys");
	do
		c = card(&s->screen, &v, "space - pages  q back");
	while (c != 'q' && c != ' ' && c != '\r' && c != KEY_ESC);
	free(v.off);
	text_free(&t);
}

/* Show the text, or the raw header above it, or the raw message. */
static void
set_mode(struct reading *r, int mode)
{
	struct text *t = &r->text;
	size_t body;

	r->mode = mode;
	t->n = 0;
	if (mode == 0) {
		mime_brief(r->mail.s, r->mail.n, t);
		mime_files(&r->mime, t);
	} else
		text_add(t, r->mail.s, mode == 'w' ? r->mail.n :
		    mail_head(r->mail.s, r->mail.n, &body));
	if (mode != 'w')
		mime_text(&r->mime, t);
	r->view.text = t;
	r->view.at = 0;
	r->view.cols = 0;
}

/* One key on a message; false if it leaves the message. */
static bool
message_key(struct session *s, struct reading *r, int c)
{
	struct text draft = { 0 };

	if ((c == 'd' || c == 'u') && s->how == NULL)
		flag(s, s->cur, c == 'd');
	else if (c == 'r' || c == 'f') {
		draft_begin(&r->mime, c == 'r', &draft);
		compose(s, &draft, c == 'f' ? &r->mail : NULL);
	} else if (c == 's')
		save(&s->screen, &r->mime, s->msg[s->cur].id);
	else if (c == 'h' || c == 'w')	/* again: the text */
		set_mode(r, r->mode == c ? 0 : c);
	else if (c == '?')
		help_card(s, s->how != NULL);
	text_free(&draft);
	return c >= KEY_UP ? c != KEY_ESC : strchr("np q", c) == NULL;
}

/* Read the current message; true if another one is to be read after it. */
static bool
read_one(struct session *s)
{
	struct reading r = { 0 };
	const struct message *list = s->msg;
	int c = 'q';

	if (fetch(s, &r.mail)) {
		mime_open(&r.mime, r.mail.s, r.mail.n);
		set_mode(&r, 0);
		do {
			snprintf(s->screen.title, sizeof(s->screen.title),
			    "%s: message %lu (%zu of %zu)%s",
			    s->how != NULL ? s->board.name : s->pop.user,
			    s->msg[s->cur].id, s->cur + 1, s->n,
			    s->msg[s->cur].deleted ? ", to be deleted" : "");
			c = card(&s->screen, &r.view, s->how != NULL ?
			    "space - n p move  r reply  f forward  s save  "
			    "h header  q back  ? help" :
			    "space - n p move  d u delete  r reply  "
			    "f forward  s save  q back  ? help");
			/* After a new login the message may be another one. */
		} while (message_key(s, &r, c) && s->msg == list);
		free(r.mime.part);
		free(r.view.off);
	}
	text_free(&r.mail);
	text_free(&r.text);
	if (s->msg != list || (c == 'p' ? s->cur == 0 : s->cur + 1 == s->n ||
	    (c != 'n' && c != ' ')))
		return false;
	s->cur += c == 'p' ? (size_t)-1 : 1;
	return true;
}

/* Columns of the sender, and of all before it. */
enum { SENDER = 18, SENDER_MOST = 40, FIXED = 24 };

static void
message_row(struct screen *screen, void *owner, size_t i, bool current)
{
	struct session *s = owner;
	struct message *m = message_at(s, i);
	char line[80], size[8], date[8] = "";
	int sender;

	if (m->date != 0)
		date_short(m->date, time(NULL), date);
	snprintf(line, sizeof(line), "%c%c%c%5lu  %6.6s %5s",
	    current ? '>' : ' ', m->deleted ? 'D' : ' ', m->unread &&
	    !m->seen && s->how == NULL ? 'N' : ' ', m->id, date,
	    human(m->octets, size));
	put(screen, line, strlen(line), FIXED);
	sender = screen->left / 3;
	sender = sender < SENDER ? SENDER :
	    sender > SENDER_MOST ? SENDER_MOST : sender;
	put(screen, m->from, strlen(m->from), sender);
	put(screen, "", 0, 2);
	put(screen, m->subject, strlen(m->subject), screen->left);
}

static void
lower(const char *s, struct text *out)
{
	unsigned long c;
	size_t k, n;

	for (n = strlen(s); n > 0; s += k, n -= k)
		if ((k = utf8_next(s, n, &c)) > 0)
			utf8_add(out, (unsigned long)towlower((wint_t)c));
		else
			text_add(out, s, k = 1);
}

static void
search(struct session *s)
{
	struct text word = { 0 }, small = { 0 }, t = { 0 };
	const struct message *m;
	size_t i, k;
	bool found = false;

	charset_decode(nl_langinfo(CODESET), s->word, strlen(s->word), &word);
	lower(text_string(&word), &small);
	text_string(&small);
	for (i = k = 0; k < s->n && !found && small.n > 0; k++) {
		i = (s->cur + k + 1) % s->n;
		m = message_at(s, i);
		t.n = 0;
		lower(m->from, &t);
		text_str(&t, "\n");
		lower(m->subject, &t);
		found = strstr(text_string(&t), small.s) != NULL;
	}
	if (found)
		s->cur = i;
	else
		say(&s->screen, "Not found: %s", word.s);
	text_free(&word);
	text_free(&small);
	text_free(&t);
}

/* One key on the list; false if it leaves the list. */
static bool
list_key(struct session *s, int c)
{
	struct text draft = { 0 };
	bool board = s->how != NULL;

	if (c == '\r' && s->cur < s->n)
		while (read_one(s))
			;
	else if ((c == 'd' || c == 'u') && !board && s->cur < s->n)
		flag(s, s->cur++, c == 'd');
	else if (c == 'n' || (c == '/' && prompt(&s->screen, "Search: ", false,
	    s->word, sizeof(s->word))))
		search(s);
	else if (c == 'c') {
		text_str(&draft, "To: \nSubject: \n\n");
		compose(s, &draft, NULL);
		text_free(&draft);
	} else if (c == '?')
		help_card(s, board);
	return c != 'q' && (board ? c != KEY_ESC : c != 'x' && c != 'b');
}

int
list_card(struct session *s)
{
	struct view v = { .row = message_row, .owner = s };
	bool board = s->how != NULL;
	int c;

	do {
		v.n = s->n;
		v.cur = s->cur;
		snprintf(s->screen.title, sizeof(s->screen.title),
		    "%s%s at %s: %zu messages, %zu flagged",
		    board ? "board " : "", board ? s->board.name : s->pop.user,
		    s->pop.host, s->n, s->deleted);
		c = card(&s->screen, &v, board ?
		    "Enter read  c write  / search  ? help  q back" :
		    "Enter read  d u delete  c write  / search  b boards  "
		    "q quit  x exit  ? help");
		s->cur = v.cur;
	} while (list_key(s, c));
	return c;
}
