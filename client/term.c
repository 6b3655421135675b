/*
 * The terminal itself: its modes, keys and signals, by plain termios and ANSI
 * sequences.
 */
#include "popcard.h"

#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/wait.h>

#include <signal.h>
#include <termios.h>

enum { ESC_WAIT = 50 };		/* ms until the rest of a key's sequence */

/* The other screen of terminals that have two, and back. */
static const char take[] = "\033[?1049h\033[H";
static const char giveback[] = "\033[m\033[999;1H\033[K\033[?1049l";

/* What signals and exits need must be at file scope; it is all here. */
static struct {
	struct termios old;		/* as the user had it */
	volatile sig_atomic_t taken;	/* the terminal is ours */
	volatile sig_atomic_t resized, stopped;
	volatile pid_t child;		/* see term_end_child(); 0: none */
} term;

static const int signals[] = { SIGWINCH, SIGCHLD, SIGHUP, SIGINT, SIGQUIT,
    SIGTERM, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGALRM,
    SIGXCPU, SIGUSR1, SIGUSR2 };

/* Also called by the signal handler. */
bool
write_octets(int fd, const char *s, size_t n)
{
	ssize_t w;

	while (n > 0 && ((w = write(fd, s, n)) >= 0 || errno == EINTR))
		if (w > 0) {
			s += w;
			n -= (size_t)w;
		}
	return n == 0;
}

/* Block the first n of these: they come only while term_wait() waits; but ^Z at
 * any time if another program has the terminal. */
static void
block(size_t n)
{
	static const int ours[] = { SIGWINCH, SIGCHLD, SIGTSTP };
	sigset_t set;

	sigemptyset(&set);
	while (n > 0)
		sigaddset(&set, ours[--n]);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

/* This and term_end() make only calls that a signal handler may make. */
void
term_stop(void)
{
	signal(SIGTTOU, SIG_IGN);	/* also from the background */
	if (term.taken) {
		write_octets(STDOUT_FILENO, giveback, sizeof(giveback) - 1);
		tcsetattr(STDIN_FILENO, TCSANOW, &term.old);
	}
	term.taken = 0;
	signal(SIGTSTP, SIG_DFL);
	block(2);
}

void
term_end(void)
{
	term_stop();
	if (term.child > 0)
		kill(term.child, SIGTERM);
}

static void
on_signal(int sig)
{
	if (sig == SIGWINCH)
		term.resized = 1;
	else if (sig == SIGTSTP)
		term.stopped = 1;
	else if (sig != SIGCHLD) {
		term_end();
		signal(sig, SIG_DFL);
		raise(sig);
	}
}

static void
handle(int sig)
{
	struct sigaction sa = { .sa_handler = on_signal,
	    .sa_flags = SA_RESTART | SA_NODEFER | SA_NOCLDSTOP };

	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

bool
term_start(void)
{
	const char *kind = getenv("TERM");
	struct termios tio;
	size_t i;

	if (!isatty(STDOUT_FILENO) || kind == NULL ||
	    strcmp(kind, "dumb") == 0 || tcgetattr(STDIN_FILENO, &tio) == -1)
		return false;
	if (term.taken)
		return true;
	if (term.old.c_cflag == 0) {		/* for the first time */
		term.old = tio;
		for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
			handle(signals[i]);
	}
	handle(SIGTSTP);
	block(3);
	signal(SIGTTOU, SIG_DFL);
	tio = term.old;
	tio.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
	tio.c_iflag &= ~(tcflag_t)IXON;
	tio.c_cc[VMIN] = 1;
	tio.c_cc[VTIME] = 0;
	term.taken = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &tio);
	write_octets(STDOUT_FILENO, take, sizeof(take) - 1);
	return true;
}

void
term_size(int *rows, int *cols)
{
	struct winsize ws;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) != -1;

	*rows = known && ws.ws_row > 0 ? ws.ws_row : 24;
	*cols = known && ws.ws_col > 0 ? ws.ws_col : 80;
}

int
term_wait(int fd, bool writing, bool keys, int ms)
{
	struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };
	sigset_t none;
	fd_set in, out;
	int e, n;

	FD_ZERO(&in);
	FD_ZERO(&out);
	if (fd != -1)
		FD_SET((unsigned short)fd, writing ? &out : &in);
	if (keys)
		FD_SET(STDIN_FILENO, &in);
	sigemptyset(&none);
	n = pselect((fd > STDIN_FILENO ? fd : STDIN_FILENO) + 1, &in,
	    &out, NULL, ms < 0 ? NULL : &limit, &none);
	e = errno;
	if (term.stopped) {		/* ^Z */
		term.stopped = 0;
		term_stop();
		raise(SIGTSTP);
		term_start();
		term.resized = 1;
	}
	errno = e;
	if (n <= 0)
		return n;
	return (keys && FD_ISSET(STDIN_FILENO, &in) ? WAIT_KEYS : 0) |
	    (fd != -1 && FD_ISSET((unsigned short)fd, writing ? &out : &in) ?
	    WAIT_FD : 0);
}

/* Wait for a key, if wanted, or a signal, and tick; is it a key? */
static bool
await(struct keys *k, bool keyboard)
{
	int r, times;

	for (times = 0; (r = term_wait(-1, false, keyboard, times < KEEP_TIMES ?
	    KEEP_ALIVE * 1000 : -1)) == 0; times++)
		k->tick(k->owner);
	return r > 0;
}

/* Read what comes from the keyboard within ms; false if there is nothing. */
static bool
more_keys(struct keys *k, int ms)
{
	ssize_t n;

	if (term_wait(-1, false, true, ms) <= 0)
		return false;
	n = read(STDIN_FILENO, k->key + k->n, sizeof(k->key) - k->n);
	if (n == 0 || (n == -1 && errno != EINTR && errno != EAGAIN))
		raise(SIGHUP);		/* the terminal is gone */
	k->n += n > 0 ? (size_t)n : 0;
	return n > 0;
}

int
term_key(struct keys *k)
{
	/* A sequence ends in one of these capitals, or is one of these digits
	 * and a tilde. */
	static const char ends[] = "ABCDHF174856";
	static const int keys[] = { KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT,
	    KEY_HOME, KEY_END, KEY_HOME, KEY_HOME, KEY_END, KEY_END, KEY_PGUP,
	    KEY_PGDN };
	const char *p;
	size_t used = 1;
	int c;

	while (k->n == 0 && !term.resized)
		if (await(k, true))
			more_keys(k, 0);
	if (k->n == 0) {
		term.resized = 0;
		return KEY_RESIZE;
	}
	c = k->key[0];
	if (c == 033 && (k->n > 1 || more_keys(k, ESC_WAIT)) &&
	    (k->key[1] == '[' || k->key[1] == 'O')) {
		for (used = 2; used < sizeof(k->key) && (used < k->n ||
		    more_keys(k, ESC_WAIT)) && k->key[used] < '@'; used++)
			;
		used += used < k->n;
		c = k->key[used - 1];
		if (c == '~')
			c = used == 4 ? k->key[2] : ' ';
		p = memchr(ends, c, sizeof(ends) - 1);
		c = p != NULL ? keys[p - ends] : KEY_NONE;
	} else if (c == 033)
		c = KEY_ESC;
	k->n -= used;
	memmove(k->key, k->key + used, k->n);
	return c;
}

bool
term_escape(struct keys *k)
{
	const unsigned char *esc;

	if (k->n == sizeof(k->key))
		k->n = 0;		/* more than a type-ahead */
	more_keys(k, 0);
	esc = memchr(k->key, 033, k->n);
	/* What follows at once makes it another key. */
	if (esc == NULL || esc + 1 < k->key + k->n || more_keys(k, ESC_WAIT))
		return false;
	k->n = 0;
	return true;
}

void
term_in_child(void)
{
	static const int defaults[] = { SIGINT, SIGQUIT, SIGPIPE, SIGXFSZ,
	    SIGTTOU };
	size_t i;

	for (i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		signal(defaults[i], SIG_DFL);
	block(0);
}

bool
term_edit(struct keys *k, const char *path)
{
	static const char run[] =
	    "eval \"${VISUAL:-${EDITOR:-vi}} \\\"\\$1\\\"\"";
	pid_t pid;
	int how;

	term_stop();
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	if ((pid = fork()) == 0) {
		term_in_child();
		execl("/bin/sh", "sh", "-c", run, "sh", path, (char *)NULL);
		_exit(127);
	}
	how = -1;
	while (pid != -1 && waitpid(pid, &how, WNOHANG) == 0)
		await(k, false);
	handle(SIGINT);
	handle(SIGQUIT);
	return term_start() && WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

void
term_end_child(pid_t pid)
{
	term.child = pid;
}

void *
must(void *p)
{
	if (p == NULL) {
		term_stop();
		perror("popcard");
		exit(EX_OSERR);
	}
	return p;
}
