/*
 * XTND BBOARDS, ARCHIVE and X-BBOARDS (RFC 1082).
 */
#include <errno.h>
#include <stdio.h>

#include "xtnd/xtnd.h"

/* Says to the client why a board cannot be used, by errno. */
static enum result
board_refuse(struct pop *p)
{
	switch (errno) {
	case ENOENT:
		return reply_err(&p->conn, "There is no such bulletin board.");
	case EILSEQ:
		return reply_err(&p->conn, "[SYS/PERM] The bulletin board is "
		    "not in mbox format.");
	case EINVAL:
		return reply_err(&p->conn, "[SYS/PERM] The list of bulletin "
		    "boards cannot be read; tell the administrator.");
	default:
		log_error(&p->env, "board");
		return reply_err(&p->conn, "[SYS/TEMP] The bulletin board "
		    "cannot be read.");
	}
}

/*
 * Closes the current maildrop with its UPDATE and goes on with the board, which
 * has been opened before: a mistyped name has changed nothing.
 */
static enum result
change_to(struct pop *p, struct board *b, struct drop *opened)
{
	bool begun = false;
	int r = 0;

	if (!p->drop.box.board)
		r = updt_maildrop(p, &begun);
	if (r == -1 && !begun) {
		log_error(&p->env, "update");
		drop_close(opened);
		return reply_err(&p->conn, "[SYS/TEMP] The maildrop could not "
		    "be updated, and stays open.");
	}
	if (r == -1)
		log_error(&p->env, "update: the next session goes on");
	drop_close(&p->drop);
	p->drop = *opened;
	log_notice(&p->env, "board user=%s name=%s messages=%llu", p->env.who,
	    b->text[BOARD_NAME], (unsigned long long)p->drop.sum.count);
	reply_puts(&p->conn, "+OK XTND\r\n");
	reply_line(&p->conn, "%s %lu", b->text[BOARD_NAME],
	    (unsigned long)b->maxima);
	return reply_dot(&p->conn);
}

static enum result
open_board(struct pop *p, int which)
{
	struct drop opened;
	struct board b;

	if (board_find(p, p->argv[0], &b) == -1 ||
	    board_open(p, b.text[which], p->opt.wait, &b, &opened) == -1)
		return board_refuse(p);
	return change_to(p, &b, &opened);
}

/* What becomes the reply if the whole boards file is understood. */
struct board_list {
	struct pop *p;
	FILE *lines;
};

/* A board that is locked now is left out, not waited for. */
static bool
list_board(void *arg, struct board *b)
{
	struct board_list *l = arg;

	if (board_measure(l->p, 0, b) == 0)
		fprintf(l->lines, "%s %lu\r\n", b->text[BOARD_NAME],
		    (unsigned long)b->maxima);
	return true;
}

static enum result
list_boards(struct pop *p)
{
	struct board_list l = { .p = p };
	char *text = NULL;
	unsigned line;
	size_t n;
	int e = 0;

	if ((l.lines = open_memstream(&text, &n)) == NULL)
		return board_refuse(p);
	if (board_each(p, list_board, &l, &line) == -1)
		e = errno;
	else if (fflush(l.lines) == EOF || ferror(l.lines))
		e = ENOMEM;
	if (e == 0) {
		reply_puts(&p->conn, "+OK XTND\r\n");
		reply_put(&p->conn, text, n);
	}
	(void)fclose(l.lines);
	file_free(text);
	errno = e;
	return e == 0 ? reply_dot(&p->conn) : board_refuse(p);
}

enum result
xtnd_bboards(struct pop *p)
{
	return p->argc == 0 ? list_boards(p) : open_board(p, BOARD_MAILDROP);
}

enum result
xtnd_archive(struct pop *p)
{
	return open_board(p, BOARD_ARCHIVE);
}

/* Fourteen lines (RFC 1082); the password is told to no client. */
enum result
xtnd_x_bboards(struct pop *p)
{
	struct board b;
	size_t i;

	if (board_find(p, p->argv[0], &b) == -1 ||
	    board_measure(p, p->opt.wait, &b) == -1)
		return board_refuse(p);
	reply_puts(&p->conn, "+OK XTND\r\n");
	for (i = 0; i < BOARD_TEXTS; i++)
		reply_line(&p->conn, "%s", b.text[i]);
	reply_line(&p->conn, "%o %lu", b.flags, (unsigned long)b.maxima);
	reply_line(&p->conn, "%s", b.date);
	return reply_dot(&p->conn);
}
