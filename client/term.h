/*
 * term.c: the terminal, by plain termios and ANSI sequences. Every exit and
 * every deadly signal gives it back as it was.
 */
#ifndef TERM_H
#define TERM_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

enum {
	KEEP_ALIVE = 240,	/* seconds without a key before a NOOP; servers
				   may hang up after 600 */
	KEEP_TIMES = 15		/* ... but an abandoned terminal must not hold
				   the maildrop's lock all night */
};

/* Keys beyond the characters. */
enum {
	KEY_NONE = 0, KEY_UP = 256, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_HOME,
	KEY_END, KEY_PGUP, KEY_PGDN, KEY_ESC, KEY_RESIZE
};

/*
 * term_start()		take the terminal; false if none can be used
 * term_stop()		give it back; harmless at any time
 * term_rows(), term_cols()	its size now
 * term_key()		wait for a key; tick(arg) is called every KEEP_ALIVE s
 * term_escape()	was Escape the last key so far? It is taken then, with
 *			all keys before it; otherwise the keys stay
 * term_run()		let an editor have the terminal; its wait status, or -1
 * term_secret()	read a line from /dev/tty without echo; false if there
 *			is none, an empty one or one that is too long
 * term_end_child()	the process that every exit ends by SIGTERM, 0 for none
 * term_last_words()	a line that every exit prints, "" for none
 * term_write()		write all of it; errors are ignored
 *
 * The text written here has been made safe: see safe.h.
 */
bool	term_start(void);
void	term_stop(void);
int	term_rows(void);
int	term_cols(void);
int	term_key(void (*tick)(void *), void *arg);
bool	term_escape(void);
int	term_run(const char *cmd, const char *path, void (*tick)(void *),
	    void *arg);
bool	term_secret(const char *prompt, char *, size_t);
void	term_end_child(pid_t);
void	term_last_words(const char *);
void	term_write(int fd, const char *, size_t);

#endif
