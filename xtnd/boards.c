/*
 * XTND BBOARDS, ARCHIVE and X-BBOARDS (RFC 1082).
 */
#include <errno.h>

#include "xtnd/xtnd.h"

static enum result
say_boards(struct pop *p, int e)
{
	if (e == ENOENT)
		return reply_err(&p->conn, "There is no such bulletin board.");
	if (e == EILSEQ)
		return reply_err(&p->conn, "[SYS/PERM] The bulletin board is "
		    "not in mbox format.");
	if (e == EINVAL)
		return reply_err(&p->conn, "[SYS/PERM] The list of bulletin "
		    "boards cannot be read; tell the administrator.");
	errno = e;
	log_error(&p->env, "board");
	return reply_err(&p->conn, "[SYS/TEMP] The bulletin board cannot be "
	    "read.");
}

/*
 * Closes the current maildrop with its UPDATE and goes on with the board that
 * has been opened beside it: a mistyped name has changed nothing.
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
	    b->name, (unsigned long long)p->drop.sum.count);
	reply_puts(&p->conn, "+OK XTND\r\n");
	board_listing(p, b);
	return reply_dot(&p->conn);
}

static enum result
open_board(struct pop *p, bool archive)
{
	struct drop opened;
	struct board b;

	if (board_find(p, p->argv[0], &b) == -1 ||
	    board_open(p, archive ? b.archive : b.maildrop, p->opt.wait, &b,
	    &opened) == -1)
		return say_boards(p, errno);
	return change_to(p, &b, &opened);
}

enum result
xtnd_bboards(struct pop *p)
{
	enum result r;

	if (p->argc == 1)
		return open_board(p, false);
	if ((r = board_list(p)) == OK)
		return reply_dot(&p->conn);
	return r == ERR ? say_boards(p, errno) : r;
}

enum result
xtnd_archive(struct pop *p)
{
	return open_board(p, true);
}

enum result
xtnd_x_bboards(struct pop *p)
{
	struct board b;

	if (board_find(p, p->argv[0], &b) == -1 ||
	    board_measure(p, p->opt.wait, &b) == -1)
		return say_boards(p, errno);
	reply_puts(&p->conn, "+OK XTND\r\n");
	board_information(p, &b);
	return reply_dot(&p->conn);
}
