/*
 * From the octets of a message to what a person reads, and back. A section for
 * each file, from the bottom to the top: calls go down only.
 *
 * All text that comes out of here is UTF-8. Octets that no charset explains are
 * passed on as they are; nothing is made safe for a terminal. "Append" means to
 * a text at the end of the arguments. Time is linear in the size of a message,
 * and memory at most a few times TEXT_MAX.
 */
#ifndef MIME_H
#define MIME_H

#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define PRINTF(m, n)	__attribute__((__format__(__printf__, m, n)))

/* In term.c: the pointer, or the end of the program where it is NULL; write n
 * octets, false with errno. */
void	*must(void *);
bool	write_octets(int fd, const char *, size_t n);

/*
 * text.c: a growing piece of text, not terminated; all zero is an empty one.
 */
enum {
	TEXT_MAX = 64 << 20,	/* octets of one text; more is cut */
	MIME_NAME = 128		/* of a charset or a type, with its '\0' */
};

struct text {
	char *s;
	size_t n, room;
	bool cut;		/* it reached TEXT_MAX, the rest is lost */
};

/* Append n octets; a string without its '\0'; a format. */
void	text_add(struct text *, const char *, size_t n);
void	text_str(struct text *, const char *);
void	text_printf(struct text *, const char *, ...) PRINTF(2, 3);

/* The text as a string, until something is added to it. Release the memory: the
 * text is empty again. */
char	*text_string(struct text *);
void	text_free(struct text *);

/* Past the blanks and tabs, any number, at s. Is s of letters, digits, "-",
 * "_", "." and ":" alone, and not empty? Is a word of n octets in a list with
 * blanks between its words, whatever its case? */
const char *text_blanks(const char *s);
bool	text_is_word(const char *s);
bool	text_among(const char *word, size_t n, const char *list);

/* A decimal number up to max at *s, followed by a blank or the end of the
 * string; moves *s past both. */
bool	text_number(const char **s, unsigned long max, unsigned long *);

/* The octets of the line at s, n > 0, with its end, and without it in *len. */
size_t	text_line(const char *s, size_t n, size_t *len);

/* Read a file, but not through a symbolic link; false with errno. */
bool	read_file(const char *path, struct text *);

/* A Date field's value as a time; false where it is none. In local time: six
 * columns, "14:05" on the day of `now', "27 Nov" in its year, else "2024". */
bool	date_parse(const char *s, time_t *);
void	date_short(time_t, time_t now, char buf[8]);

/* The octets, 1 to 4, of the character at s, and its number in *c; 0 if that is
 * not valid UTF-8. What all of them are. Append a character by its number. */
size_t	utf8_next(const char *s, size_t n, unsigned long *c);
enum utf8_kind { UTF8_ASCII, UTF8_VALID, UTF8_INVALID }
	utf8_kind(const char *s, size_t n);
void	utf8_add(struct text *, unsigned long c);

/* Append n octets of a charset as UTF-8; where there is no name, or one that
 * libc does not know, as UTF-8 if they are valid, else as windows-1252, whose
 * octets 0x80 to 0x9f are these characters; 0: nothing is there. */
extern const unsigned short windows[32];
void	charset_decode(const char *charset, const char *s, size_t n,
	    struct text *);

/* Append n octets as base64, without line ends; or what n octets of base64 or
 * quoted-printable stand for: what is no encoding is skipped in base64, and
 * stays in quoted-printable. */
void	base64_encode(const char *, size_t n, struct text *);
void	base64_decode(const char *, size_t n, struct text *);
void	qp_decode(const char *, size_t n, struct text *);

/* Append n octets in which a mark and two digits stand for an octet, and
 * another octet for a blank. The value of a digit, or -1. */
void	hex_decode(const char *, size_t n, char mark, char blank,
	    struct text *);
int	hex_digit(char);

/*
 * field.c. A value is a string without line ends, as mail_field() gives it.
 */

/* Where the header of a message ends: at its blank line, or at a line that can
 * be no header line; and where its body begins. */
size_t	mail_head(const char *, size_t n, size_t *body);

/* The values of all fields of a name, or one of some, unfolded, with commas in
 * between, as a string; false if there is none. */
bool	mail_field(const char *, size_t n, const char *names, struct text *);

/* Append a value with its encoded words (RFC 2047) decoded, or n octets of a
 * charset; control characters become blanks. */
void	field_decode(const char *value, struct text *);
void	field_plain(const char *charset, const char *, size_t n, struct text *);

/* Append n octets of UTF-8 as encoded words; what is not valid is labelled as
 * of an unknown charset. */
void	field_encode(const char *, size_t n, struct text *);

/* Append a parameter of a Content-Type or -Disposition, decoded (RFC 2231, and
 * RFC 2047 as many senders have it). */
void	field_param(const char *value, const char *name, struct text *);

/* Append an address list, decoded, with names in quotes that could pass for an
 * address; for the wire with names encoded; or of its first address only the
 * name, if it has one, else the address. */
enum address_form { ADDRESS_SHOWN, ADDRESS_WIRE, ADDRESS_SENDER };
void	address_list(const char *value, enum address_form, struct text *);

/*
 * html.c: append text/html, a string in UTF-8, as plain text, with a list of
 * the links at its end.
 */
void	html_text(const char *, struct text *);

/*
 * mime.c
 */
enum {
	MIME_DEPTH = 20,	/* of parts in parts; deeper ones are text */
	MIME_PARTS = 1000	/* of a message; the rest is left out */
};

/* One part: a leaf, or a multipart or message, which its parts follow. */
struct mime_part {
	size_t head, body, end;		/* offsets in the message */
	size_t next;			/* the part after all parts in it */
	unsigned file;			/* its number, 1 to files; 0: no file */
	enum { MIME_PLAIN, MIME_BASE64, MIME_QP } encoding;
	bool attached;			/* Content-Disposition says so */
	char type[MIME_NAME];		/* "text/plain", in any case */
	char charset[MIME_NAME];	/* "" where none is named */
	char name[2 * MIME_NAME];	/* file name, UTF-8; "" for none */
};

/* A message; part[0] is the message itself. */
struct mime {
	const char *s;
	size_t n;
	struct mime_part *part;
	size_t parts;
	unsigned files;
	bool cut;			/* it had more parts than MIME_PARTS */
};

/* Find the parts of n octets, lines ending in LF or CRLF; they must stay where
 * they are as long as the parts are in use, which are to be freed. */
void	mime_open(struct mime *, const char *s, size_t n);

/* Append the fields that one reads first, a line each; after an empty line the
 * text to be read: of alternatives the plain one, else HTML as text, and
 * attached messages with these fields; the list of files, a line each: number,
 * name, type, size. */
void	mime_brief(const char *s, size_t n, struct text *);
void	mime_text(const struct mime *, struct text *);
void	mime_files(const struct mime *, struct text *);

/* The part that is file number `file', NULL for none. Append the octets of a
 * part as they are to be saved. */
const struct mime_part *mime_file(const struct mime *, unsigned file);
void	mime_decode(const struct mime *, const struct mime_part *,
	    struct text *);

/*
 * draft.c. A draft is a header, an empty line and a text, as a person edits
 * it: nothing is encoded. It is made in UTF-8, and read in the locale's charset
 * if it is not valid UTF-8.
 */

/* Append a draft that answers a message: To from Reply-To or From, In-Reply-To,
 * References, the text quoted; or one that sends it on. */
void	draft_begin(const struct mime *, bool reply, struct text *);

/* Append the message to be sent: Date, Message-ID and MIME fields, the other
 * fields of the draft, encoded where needed, lines of 78 characters, and, if it
 * is not empty, a message as its attachment. A new Message-ID. */
void	draft_finish(const struct text *draft, const struct text *mail,
	    time_t now, const char *id, struct text *);
void	draft_id(char id[160]);

#endif
