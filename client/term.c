/*
 * The terminal itself: its modes, keys and signals, by plain termios and ANSI
 * sequences.
 */
#include "popcard.h"

#include <sys/ioctl.h>
#include <sys/wait.h>

#include <poll.h>
#include <signal.h>
#include <termios.h>

enum {
	ESC_WAIT = 50		/* ms in which the rest of a key's sequence
				   must follow its ESC */
};

/* The other screen of terminals that have two, and back. */
static const char take[] = "\033[?1049h\033[H";
static const char giveback[] = "\033[m\033[999;1H\033[K\033[?1049l";

/* What the signal handlers need must be at file scope; it is all here. */
static struct {
	struct termios old;		/* as the user had it */
	volatile sig_atomic_t taken;	/* the terminal is ours */
	volatile sig_atomic_t resized;
	volatile pid_t child;		/* see term_end_child(); 0: none now,
					   -1: none yet */
	int note[2];			/* wakes poll(): a signal came */
	unsigned char key[64];
	size_t keys;
	void (*tick)(void *);		/* see term_start() */
	void *arg;
} t = { .child = -1, .note = { -1, -1 } };

static const int deadly[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGABRT,
    SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGALRM, SIGVTALRM,
    SIGPROF, SIGXCPU, SIGUSR1, SIGUSR2 };

/* Also called by signal handlers. */
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

/* Only what is safe in a signal handler. */
static void
restore(void)
{
	if (t.taken) {
		write_octets(STDOUT_FILENO, giveback, sizeof(giveback) - 1);
		tcsetattr(STDIN_FILENO, TCSANOW, &t.old);
	}
}

static void
end_child(void)
{
	if (t.child > 0)
		kill(t.child, SIGTERM);
}

static void
set_modes(void)
{
	struct termios tio = t.old;

	tio.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
	tio.c_iflag &= ~(tcflag_t)IXON;
	tio.c_cc[VMIN] = 1;
	tio.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &tio);
	write_octets(STDOUT_FILENO, take, sizeof(take) - 1);
}

/* Installed with SA_RESETHAND: the second raise() ends the program. */
static void
on_deadly(int sig)
{
	signal(SIGTTOU, SIG_IGN);	/* also from the background */
	restore();
	end_child();
	raise(sig);
}

static void
on_note(int sig)
{
	int e;

	e = errno;
	if (sig == SIGWINCH)
		t.resized = 1;
	write_octets(t.note[1], "", 1);
	errno = e;
}

static void
handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };

	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

/* ^Z: hand the terminal back, stop, and take it again when continued. */
static void
on_stop(int sig)
{
	sigset_t set;
	int e;

	e = errno;
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigaddset(&set, SIGTTOU);	/* a shell may be back already */
	sigprocmask(SIG_BLOCK, &set, NULL);
	restore();
	handle(sig, SIG_DFL, 0);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);	/* stops here */
	handle(sig, on_stop, SA_RESTART);
	if (t.taken)
		set_modes();
	on_note(SIGWINCH);
	errno = e;
}

/* Once, before the modes of the terminal are changed for the first time. */
static bool
prepare(void)
{
	size_t i;

	if (t.note[0] != -1)
		return true;
	if (tcgetattr(STDIN_FILENO, &t.old) == -1 || pipe(t.note) == -1)
		return false;
	for (i = 0; i < 2; i++) {
		fcntl(t.note[i], F_SETFD, FD_CLOEXEC);
		fcntl(t.note[i], F_SETFL, O_NONBLOCK);
	}
	atexit(term_stop);
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		handle(deadly[i], on_deadly, (int)SA_RESETHAND | SA_NODEFER);
	handle(SIGWINCH, on_note, SA_RESTART);
	handle(SIGCHLD, on_note, SA_RESTART | SA_NOCLDSTOP);
	return true;
}

bool
term_start(void (*tick)(void *), void *arg)
{
	const char *kind;

	t.tick = tick;
	t.arg = arg;
	if (t.taken)
		return true;
	kind = getenv("TERM");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || kind == NULL ||
	    strcmp(kind, "dumb") == 0 || !prepare())
		return false;
	t.taken = 1;
	handle(SIGTSTP, on_stop, SA_RESTART);
	set_modes();
	return true;
}

void
term_stop(void)
{
	restore();
	t.taken = 0;
}

int
term_rows(void)
{
	struct winsize ws;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) != -1 && ws.ws_row > 0 ?
	    ws.ws_row : 24;
}

int
term_cols(void)
{
	struct winsize ws;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) != -1 && ws.ws_col > 0 ?
	    ws.ws_col : 80;
}

/* One more octet from the keyboard within ms; false if there is none. */
static bool
more_keys(int ms)
{
	struct pollfd pfd = { STDIN_FILENO, POLLIN, 0 };
	ssize_t n;

	if (poll(&pfd, 1, ms) <= 0)
		return false;
	n = read(STDIN_FILENO, t.key + t.keys, sizeof(t.key) - t.keys);
	if (n == 0 || (n == -1 && errno != EINTR && errno != EAGAIN))
		raise(SIGHUP);		/* the terminal is gone */
	t.keys += n > 0 ? (size_t)n : 0;
	return n > 0;
}

static int
next_key(void)
{
	static const char letters[] = "ABCDHF";
	static const int keys[] = { KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT,
	    KEY_HOME, KEY_END };
	static const int numbers[] = { KEY_NONE, KEY_HOME, KEY_NONE, KEY_NONE,
	    KEY_END, KEY_PGUP, KEY_PGDN, KEY_HOME, KEY_END, KEY_NONE };
	const char *p;
	size_t used;
	int c, number;

	c = t.key[0];
	used = 1;
	if (c == 033 && (t.keys > 1 || more_keys(ESC_WAIT)) &&
	    (t.key[1] == '[' || t.key[1] == 'O')) {
		number = 0;
		for (used = 2; used < sizeof(t.key) - 1 &&
		    (used < t.keys || more_keys(ESC_WAIT)); used++) {
			if (t.key[used] >= '@')
				break;
			if (t.key[used] >= '0' && t.key[used] <= '9')
				number = t.key[used] - '0';
		}
		c = t.key[used < t.keys ? used : t.keys - 1];
		p = strchr(letters, c);
		c = p != NULL ? keys[p - letters] :
		    c == '~' ? numbers[number] : KEY_NONE;
		used = used < t.keys ? used + 1 : t.keys;
	} else if (c == 033)
		c = KEY_ESC;
	t.keys -= used;
	memmove(t.key, t.key + used, t.keys);
	return c;
}

/* Wait for a signal's note, and for the keyboard where it is wanted: is there
 * anything from it? */
static bool
await(bool keyboard)
{
	struct pollfd pfd[2] = { { t.note[0], POLLIN, 0 },
	    { keyboard ? STDIN_FILENO : -1, POLLIN, 0 } };
	char drop[64];
	int r, times;

	for (times = 0; (r = poll(pfd, 2, times < KEEP_TIMES ?
	    KEEP_ALIVE * 1000 : -1)) == 0; times++)
		t.tick(t.arg);
	while (read(t.note[0], drop, sizeof(drop)) > 0)
		;
	return r > 0 && pfd[1].revents != 0;
}

int
term_key(void)
{
	for (;;) {
		if (t.keys > 0)
			return next_key();
		if (t.resized) {
			t.resized = 0;
			return KEY_RESIZE;
		}
		if (await(true))
			more_keys(0);
	}
}

bool
term_escape(void)
{
	size_t i;

	if (t.keys == sizeof(t.key))
		t.keys = 0;		/* more than a type-ahead */
	more_keys(0);
	for (i = 0; i < t.keys && t.key[i] != 033; i++)
		;
	/* What follows at once makes it another key. */
	if (i == t.keys || i + 1 < t.keys || more_keys(ESC_WAIT))
		return false;
	t.keys = 0;
	return true;
}

void
term_in_child(void)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
}

int
term_run(const char *cmd, const char *path)
{
	char line[1024];
	pid_t pid, r;
	int n, how;

	n = snprintf(line, sizeof(line), "%s \"$1\"", cmd);
	if (n < 0 || (size_t)n >= sizeof(line))
		return -1;
	term_stop();
	signal(SIGTSTP, SIG_DFL);	/* ^Z stops the two of us */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	if ((pid = fork()) == 0) {
		term_in_child();
		execl("/bin/sh", "sh", "-c", line, "sh", path, (char *)NULL);
		_exit(127);
	}
	how = -1;
	while (pid != -1 && (r = waitpid(pid, &how, WNOHANG)) != pid) {
		if (r == -1 && errno != EINTR)
			break;
		await(false);
	}
	handle(SIGINT, on_deadly, (int)SA_RESETHAND | SA_NODEFER);
	handle(SIGQUIT, on_deadly, (int)SA_RESETHAND | SA_NODEFER);
	return term_start(t.tick, t.arg) ? how : -1;
}

void
term_end_child(pid_t pid)
{
	if (t.child == -1)
		atexit(end_child);
	t.child = pid;
}

void *
must(void *p)
{
	static const char no_memory[] = "popcard: no memory left\n";

	if (p == NULL) {
		term_stop();
		write_octets(STDERR_FILENO, no_memory, sizeof(no_memory) - 1);
		exit(EX_OSERR);
	}
	return p;
}
