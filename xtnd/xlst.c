/*
 * XTND XLST: one header field of every message.
 */
#include <stdlib.h>
#include <string.h>

#include "xtnd/xtnd.h"

enum {
	FIELD_MOST = 900,	/* of a field that is sent, octets: a line of
				   mail has at most 998 (RFC 5322, 2.1.1) */
	HEAD_MOST = 1 << 20	/* of a header that is looked at, bytes */
};

static bool
field_name_ok(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] > 0x7e || s.p[i] == ':')
			return false;
	return s.n > 0 && s.n < 80;
}

/* The field and its folded lines in a header; n is 0 if it has none. */
static struct str
find_field(struct str head, struct str name)
{
	const char *p = head.p, *end, *nl;
	struct str f = { NULL, 0 };

	for (end = p + head.n; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end - 1;
		if (f.n > 0 && *p != ' ' && *p != '\t')
			break;
		if (f.n == 0 && (size_t)(nl - p) > name.n &&
		    p[name.n] == ':' &&
		    text_is((struct str){ p, name.n }, name))
			f.p = p;
		if (f.p != NULL)
			f.n = (size_t)(nl + 1 - f.p);
	}
	return f;
}

/* Sends the field as one line: a fold is one blank, controls are blanks. */
static void
put_field(struct pop *p, struct str f)
{
	char line[FIELD_MOST];
	size_t i, n = 0;
	unsigned char c;

	for (i = 0; i < f.n && n < sizeof(line); i++) {
		c = (unsigned char)f.p[i];
		if (c < 0x20 || c == 0x7f)
			c = ' ';
		if (c == ' ' && n > 0 && line[n - 1] == ' ')
			continue;
		line[n++] = (char)c;
	}
	while (n > 0 && line[n - 1] == ' ')
		n--;
	reply_put(&p->conn, line, n);
}

/* Reads the header of a message, and no more of it, up to HEAD_MOST bytes. */
static int
read_head(struct pop *p, const struct msg *m, char *room, struct str *head)
{
	size_t n = m->head - m->from;

	*head = (struct str){ room, n < HEAD_MOST ? n : HEAD_MOST };
	return file_read(p->drop.copy, room, head->n, m->offset + m->from);
}

/* The line of message n; nothing for one that is deleted or gone. */
static int
list_message(struct pop *p, struct str name, uint64_t n, char *room)
{
	struct msg *m = list_msg(p, n);
	struct str head, f;

	if (m->flags & (MSG_DELETED | MSG_GONE))
		return 0;
	if (drop_part(p, m, PART_HEAD) == -1)
		return -1;
	if (m->flags & MSG_GONE)	/* as drop_part() has found */
		return 0;
	if (read_head(p, m, room, &head) == -1)
		return -1;
	f = find_field(head, name);
	reply_number(&p->conn, n);
	reply_put(&p->conn, " ", 1);
	if (f.n > 0)
		put_field(p, f);
	else {			/* clients count the lines */
		reply_put(&p->conn, name.p, name.n);
		reply_put(&p->conn, ":", 1);
	}
	reply_put(&p->conn, "\r\n", 2);
	return 0;
}

static enum result
list_field(struct pop *p, struct str name, uint64_t first, uint64_t last)
{
	char *room = malloc(HEAD_MOST);
	int r = room == NULL ? -1 : 0;
	uint64_t n;

	(void)reply_ok(&p->conn, "xlst command accepted; headers coming");
	for (n = first; r == 0 && n <= last; n++)
		r = list_message(p, name, n, room);
	if (r == -1)
		log_error(&p->env, "xlst: temporary copy");
	free(room);
	return r == -1 ? ABORT : reply_dot(&p->conn);
}

enum result
xtnd_xlst(struct pop *p)
{
	struct str name = p->argv[0];
	uint64_t first = 1, last;

	if (name.n > 1 && name.p[name.n - 1] == ':')
		name.n--;
	if (!field_name_ok(name))
		return reply_err(&p->conn, "That is not the name of a header "
		    "field.");
	if (list_load(p) != OK)
		return ERR;
	last = p->drop.sum.count;
	if (p->argc == 2) {
		if (!text_number(p->argv[1], UINT32_MAX, &first) ||
		    first == 0 || first > last)
			return reply_err(&p->conn, "That message does not "
			    "exist.");
		last = first;
	}
	if (last > 0 && drop_text(p, list_msg(p, first), PART_HEAD) != OK)
		return ERR;
	return list_field(p, name, first, last);
}
