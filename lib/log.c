/*
 * The log: syslog(3) and the trace file.  Nothing here writes to descriptor
 * 2, which inetd ties to the connection.  Callers pass no mail text and no
 * password.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/lib.h"

/* Root opens the trace file, and the administrator may have put it in /tmp. */
int
log_open(struct env *e, const char *trace)
{
	struct stat sb;

	openlog("popper", LOG_PID, LOG_LOCAL0);
	e->trace = -1;
	if (trace == NULL)
		return 0;
	e->trace = file_open(AT_FDCWD, trace, O_WRONLY | O_APPEND | O_CREAT,
	    geteuid(), &sb);
	if (e->trace != -1)
		return 0;
	log_notice(e, "trace file=%s refused: not a plain file of mine",
	    trace);
	return -1;
}

/* Writes a line to the trace file in one piece, since sessions share it. */
static void
write_trace(struct env *e, const char *text)
{
	char line[LOG_LEN + 64], date[32];
	struct tm tm;
	time_t now = time(NULL);
	int n;

	if (localtime_r(&now, &tm) == NULL ||
	    strftime(date, sizeof(date), "%b %e %H:%M:%S", &tm) == 0)
		date[0] = '\0';
	n = snprintf(line, sizeof(line), "%s popper[%ld]: %s\n", date,
	    (long)getpid(), text);
	if (n > 0 && write(e->trace, line, (size_t)n) != n) {
		(void)close(e->trace);	/* a full disk: syslog has it */
		e->trace = -1;
	}
}

/*
 * Whether the session may write one more line of a kind.  A kind is a format,
 * so what a client causes again and again leaves room for other kinds, and
 * what a session logs once, such as its end, is always logged.
 */
static bool
may_log(struct log *l, enum level lv, const char *fmt)
{
	size_t i;

	for (i = 0; i < l->n && l->kinds[i].fmt != fmt; i++)
		continue;
	if (i == LOG_KINDS)
		i--;			/* there are never so many */
	else if (i == l->n)
		l->kinds[l->n++].fmt = fmt;
	if (l->kinds[i].lines < (lv == LV_DEBUG ? LOG_DEBUG_MOST : LOG_MOST)) {
		l->kinds[i].lines++;
		return true;
	}
	l->left_out[lv]++;
	return false;
}

void
log_line(struct env *e, enum level lv, const char *fmt, ...)
{
	char text[LOG_LEN];
	int n, saved = errno;
	va_list ap;

	if ((lv == LV_DEBUG && !e->debug && e->trace == -1) ||
	    !may_log(&e->log, lv, fmt))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (lv == LV_ERROR && n >= 0 && (size_t)n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - (size_t)n,
		    " user=%s: %s", e->who, strerror(saved));
	if (lv != LV_DEBUG || e->debug)
		syslog(lv == LV_DEBUG ? LOG_DEBUG : LOG_NOTICE, "%s", text);
	if (e->trace != -1)
		write_trace(e, text);
	errno = saved;
}
