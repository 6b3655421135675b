/*
 * XTND XLST: one header field of every message.
 */
#include <stdlib.h>
#include <string.h>

#include "xtnd/xtnd.h"

enum { FIELD_MOST = 900, HEAD_MOST = 1 << 20 };

static bool
field_name_ok(struct str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] > 0x7e || s.p[i] == ':')
			return false;
	return s.n > 0 && s.n < 80;
}

/* The field and its folded lines in a header; n 0 where it has none. */
static struct str
find_field(struct str head, struct str name)
{
	const char *p = head.p, *end, *nl;
	struct str f = { NULL, 0 };

	if (head.n == 0 || p == NULL)
		return f;
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

/* The field on one line: a fold is one blank, controls are blanks. */
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

/* Reads the header of a message, and no more of it, into *room. */
static int
read_head(struct pop *p, const struct msg *m, char **room, size_t *size,
    struct str *head)
{
	size_t n = m->head - m->from;
	char *more;

	if (n > HEAD_MOST)
		n = HEAD_MOST;
	if (n > *size) {
		if ((more = realloc(*room, n)) == NULL)
			return -1;
		*room = more;
		*size = n;
	}
	head->p = *room;
	head->n = n;
	return n == 0 ? 0 : file_read(p->drop.copy, *room, n,
	    m->offset + m->from);
}

static enum result
list_field(struct pop *p, struct str name, struct msg *only)
{
	struct msg *m = only;
	struct str head, f;
	char *room = NULL;
	size_t size = 0;
	uint64_t n;

	(void)reply_ok(&p->conn, "xlst command accepted; headers coming");
	for (n = 1; only != NULL ? n == 1 : (m = list_msg(p, n)) != NULL;
	    n++) {
		if (m->flags & (MSG_DELETED | MSG_GONE))
			continue;
		if (drop_part(p, m, PART_HEAD) == -1 || (!(m->flags &
		    MSG_GONE) && read_head(p, m, &room, &size, &head) == -1)) {
			log_error(&p->env, "xlst: temporary copy");
			free(room);
			return ABORT;
		}
		if (m->flags & MSG_GONE)	/* that was found just now */
			continue;
		f = find_field(head, name);
		reply_number(&p->conn, list_number(p, m));
		reply_put(&p->conn, " ", 1);
		if (f.n > 0)
			put_field(p, f);
		else {			/* clients count the lines */
			reply_put(&p->conn, name.p, name.n);
			reply_put(&p->conn, ":", 1);
		}
		reply_put(&p->conn, "\r\n", 2);
	}
	free(room);
	return reply_dot(&p->conn);
}

/* XTND XLST field [msg]: deleted messages have no line. */
enum result
xtnd_xlst(struct pop *p)
{
	struct str name = p->argv[0];
	struct msg *m = NULL;
	uint64_t n;

	if (name.n > 1 && name.p[name.n - 1] == ':')
		name.n--;
	if (!field_name_ok(name))
		return reply_err(&p->conn, "That is not the name of a header "
		    "field.");
	if (drop_load(p) == -1)
		return reply_err(&p->conn, "[SYS/TEMP] The maildrop cannot be "
		    "read now.");
	if (p->argc == 2 && (!text_number(p->argv[1], UINT32_MAX, &n) ||
	    (m = list_msg(p, n)) == NULL))
		return reply_err(&p->conn, "That message does not exist.");
	if (p->drop.sum.count > 0 &&
	    drop_text(p, m != NULL ? m : list_msg(p, 1), PART_HEAD) !=
	    OK)
		return ERR;
	return list_field(p, name, m);
}
