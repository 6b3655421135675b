/*
 * mbox: where messages begin, what a message is, and which message it is.
 * Pure: bytes in, a table of messages out; it opens and reads no file.
 *
 * Two units of size appear everywhere.  "Bytes" are bytes in a file; "octets"
 * are what a message has on the wire: every line end counts two, stuffed dots
 * and the final dot count nothing (RFC 1081, Message Format; RFC 1939, 11).
 */
#ifndef MBOX_H
#define MBOX_H

#include "lib/lib.h"

enum {
	UID_LEN = MD5_LEN,
	UID_TEXT = 48		/* 32 hex digits, a dot, a number and a NUL */
};

/* Called with each header line of message i, without its line end. */
typedef void note_fn(void *arg, size_t i, struct str line);

/* One message of a maildrop: 64 bytes, on disk in the index as well. */
struct msg {
	uint64_t offset;	/* of its From_ line in the spool, bytes */
	uint64_t length;	/* up to the next From_ line, bytes */
	uint64_t octets;	/* on the wire */
	uint64_t check;		/* of what its uid is made of; if it is
				   MSG_DUPLICATE, of its body; 0: none */
	unsigned char uid[UID_LEN];
	uint32_t number;	/* 0, or n for the n-th message of this uid */
	uint32_t from;		/* its From_ line, bytes */
	uint32_t head;		/* From_ line, header, blank line, bytes */
	uint32_t flags;		/* MSG_... */
};

enum {
	MSG_TAIL = 3,		/* mask: bytes of the blank line that ends it */
	MSG_NOEOL = 1 << 2,	/* last line without line end, or without the
				   LF of a CRLF */
	MSG_NOBLANK = 1 << 3,	/* no blank line after the header */
	MSG_READ = 1 << 4,	/* Status: has R */
	MSG_RO = 1 << 5,	/* exactly one Status: line, "RO" */
	MSG_HIDDEN = 1 << 6,	/* c-client's folder data: not a message */
	MSG_ABUTS = 1 << 7,	/* no empty line before it: it begins because
				   the file once ended here */
	MSG_DUPLICATE = 1 << 11, /* others had its uid: see duplicate.c */
	MSG_ODDBLANK = 1 << 12,	/* the line after the header is CRLF, and others
				   are not: no message begins after it */
	/* below: this session's flags, never in the index */
	MSG_DELETED = 1 << 8,
	MSG_SEEN = 1 << 9,	/* sent whole by RETR */
	MSG_GONE = 1 << 10,	/* another program removed it meanwhile */
	MSG_SESSION = MSG_DELETED | MSG_SEEN | MSG_GONE
};

/* A table of messages in the order of the file. */
struct msgs {
	struct msg *v;
	size_t n;
	size_t room;
	uint64_t end;		/* where the file ended, bytes */
	struct key key;		/* of the checks in it */
};

/* ---- scan.c -------------------------------------------------------------- */

enum {
	MBOX_LINE = 8192,	/* longer lines are taken in pieces, bytes */
	MBOX_WINDOW = 2048,	/* of a body that is taken at once, bytes */
	MBOX_KEPT = 8192,	/* of a header until it is digested, bytes */
	MBOX_CLAIMS = 4,	/* Content-Length fields that count */
	FROM_MOST = 1024,	/* a From_ line is no longer, bytes */
	FIELD_NAME = 76,	/* bytes of a line in which a field name ends */
	MBOX_LOOK_BACK = 3,	/* an empty line and the line end before it */
	MBOX_LOOK = MBOX_LOOK_BACK + 2 + FROM_MOST + FIELD_NAME
};

/* Reads up to n bytes of the scanned file at an offset, as file_some() does. */
typedef ssize_t look_fn(void *arg, void *p, size_t n, uint64_t at);

/*
 * The scanner between two blocks of a file.  After mbox_begin() the caller may
 * set note, look and their arguments, and octets.
 */
struct scan {
	struct msgs *table;
	const struct msgs *old;	/* what the file was before, or NULL */
	size_t at_old;
	note_fn *note;		/* or NULL */
	void *note_arg;
	look_fn *look;		/* or NULL: only at what is in memory */
	void *look_arg;
	struct msg cur;
	uint64_t begin, pos;	/* where it began; bytes consumed */
	uint64_t size;		/* where the file ends */
	uint64_t octets;	/* of the message if only its header is scanned,
				   or 0 */
	uint64_t bound;		/* a From_ line here begins a message */
	uint64_t until;		/* and none before here: see mbox_claimed() */
	uint64_t claim[MBOX_CLAIMS];	/* Content-Length; then where it ends */
	unsigned nclaims;
	uint64_t lone;		/* line ends of cur's text that are LF alone */
	uint64_t head_octets;	/* of cur's header and its blank line */
	struct md5 md5;		/* of the header, if it is not kept whole */
	size_t nkept;
	enum { SCAN_START, SCAN_FROM, SCAN_HEAD, SCAN_BODY } where;
	int error;
	unsigned status;	/* Status: lines of this header */
	unsigned folder;	/* signs of c-client's folder data */
	uint32_t empty;		/* bytes of the body's last line, if empty */
	bool crlf;		/* cur's line ends are CRLF: as its first one */
	bool field;		/* it has a header line, which tells crlf */
	bool blank;		/* the line before was empty */
	bool midline;		/* the last piece was not the whole line */
	bool cut;		/* its end is a CR where the text ends */
	bool hashed;		/* this header field counts for the uid */
	bool spilled;		/* kept was too small: md5 has its beginning */
	bool asked, wide;	/* which way to look at bodies: mbox_wide() */
	char kept[MBOX_KEPT + 24];	/* what the uid is made of; last */
};

/*
 * Begins a file of size bytes, or the part of one from the offset begin on.
 * The messages go into table.  old, an earlier table of the file, or NULL,
 * spares the digest of messages that it has.
 */
void mbox_begin(struct scan *s, struct msgs *table, const struct msgs *old,
    uint64_t begin, uint64_t size);

/*
 * Takes the next n bytes of the file; last: there are no more.  Returns how
 * many it used, all if they are the last.  The others, fewer than MBOX_LINE,
 * are to be given again with more after them.
 */
size_t mbox_feed(struct scan *s, const char *p, size_t n, bool last);

/*
 * The file once ended here: if a From_ line follows, a message begins, also
 * without an empty line.  All bytes before must have been used (last).
 */
void mbox_bound(struct scan *s);

/* Ends the file.  0, or -1 with errno: EILSEQ not an mbox, ENOMEM. */
int mbox_end(struct scan *s);

/* ---- body.c -------------------------------------------------------------- */

/*
 * Takes a window of a body, or the part of it before a line that may begin a
 * message, and returns where it stopped: p if the text has to be taken line by
 * line.  p..end is what is in memory, p the scanner's place.
 */
const char *mbox_body(struct scan *s, const char *p, const char *end);

/*
 * Has the scanner use wide vectors if the processor has them; returns whether
 * it does.  mbox_body() calls it in a large file.
 */
bool mbox_wide(struct scan *s);

/* ---- from.c -------------------------------------------------------------- */

enum from { FROM_NO, FROM_YES, FROM_MORE };

/*
 * Whether a line that begins at p, after an empty line, begins a message: it
 * starts with "From " and ends in a date of one of the usual forms, or has a
 * time and a year in it and a header field follows.  FROM_MORE: that depends on
 * what comes after end, which is not the end of the file (last).
 */
enum from mbox_from(const char *p, const char *end, bool last);

/* Whether a header line is the field name, which includes its ":". */
bool mbox_field(struct str line, const char *name);

/* The same; *value is then what follows, trimmed. */
bool mbox_value(struct str line, const char *name, struct str *value);

/* Text without blanks and tabs at both ends. */
struct str mbox_trimmed(struct str s);

/*
 * The bytes of the empty line that ends just before q, by the line ends of the
 * scanner's message; 0 if there is none.  Reads MBOX_LOOK_BACK bytes before q.
 */
uint32_t mbox_blank_before(const struct scan *s, const char *q);

/* Takes the value of a Content-Length field, trimmed. */
void mbox_claim(struct scan *s, struct str value);

/*
 * Whether the From_ line at p, the scanner's place, is text because a claim
 * that proves itself reaches beyond it.  known: where the message ended in an
 * earlier table, which counts instead if it ends there now; or 0.  p..end is
 * what is in memory.
 */
bool mbox_claimed(struct scan *s, uint64_t known, const char *p,
    const char *end);

/* ---- duplicate.c --------------------------------------------------------- */

/* Appends a message: 0, or -1 with ENOMEM. */
int msgs_add(struct msgs *t, const struct msg *m);

/* Frees a table, which is then an empty one; errno stays. */
void msgs_free(struct msgs *t);

/* Whether it has entry i, if only some have been read: no message is empty. */
bool msgs_has(const struct msgs *t, size_t i);

/*
 * Whether a scan can have found m as entry i: within the spool, and adjacent to
 * those of its neighbours that the table has.
 */
bool msgs_fit(const struct msgs *t, size_t i, const struct msg *m);

/*
 * Makes MSG_DUPLICATE those messages of t that share their uid with others, of
 * t or of another table (which may be NULL).  *n: how many there are.  If their
 * check is 0, the digest of their body has to be found: scan_bodies().
 * 0, or -1 with ENOMEM.
 */
int mbox_ambiguous(struct msgs *t, const struct msgs *other, size_t *n);

/*
 * Numbers the messages of t by uid.  old, the table of an earlier session, may
 * be NULL; a message that it has keeps its number, and no other gets a number
 * that is in old.  0, or -1 with ENOMEM.
 */
int mbox_number(struct msgs *t, const struct msgs *old);

/*
 * For each message of a the place in b of the one with the same identity, or
 * SIZE_MAX: to[0..a->n-1].  If several are the same to the last byte, and b has
 * fewer of them than a, none is found with sure: which of them are gone is not
 * known.  0, or -1 with ENOMEM.
 */
int mbox_match(const struct msgs *a, const struct msgs *b, bool sure,
    size_t *to);

/* Adds those messages to t that mbox_match() does not find there.  0, or -1. */
int mbox_join(struct msgs *t, const struct msgs *more);

/*
 * How many line ends a message lacks to be followed by another: its own, and
 * the empty line.
 */
unsigned mbox_lacks(const struct msg *m);

/* Makes *m what a scan finds when it has these line ends. */
void mbox_complete(struct msg *m);

/* The unique-id as text (RFC 1939, 7). */
void mbox_uid(const struct msg *m, char text[UID_TEXT]);

#endif
