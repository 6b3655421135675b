/*
 * The log: syslog(3) and the trace file.  Nothing here ever writes to descriptor
 * 2: inetd ties it to the connection.  Callers hand over no mail text and no
 * password.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/lib.h"

/*
 * Opens the log.  The trace file is made for us alone, and an existing one
 * must be a plain file of ours: it is opened by root at a place that an
 * administrator may have put below /tmp.
 */
int
log_open(struct env *e, const char *trace)
{
	struct stat sb;

	openlog("popper", LOG_PID, LOG_LOCAL0);
	e->trace = -1;
	if (trace == NULL)
		return 0;
	e->trace = open(trace, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC, 0600);
	if (e->trace != -1 && fstat(e->trace, &sb) == 0 &&
	    S_ISREG(sb.st_mode) && sb.st_nlink == 1 &&
	    sb.st_uid == geteuid())
		return 0;
	if (e->trace != -1)
		(void)close(e->trace);
	e->trace = -1;			/* not even this goes into it */
	log_notice(e, "trace file=%s refused: not a plain file of mine",
	    trace);
	return -1;
}

/* One line into the trace file, whole in one write so that sessions mix. */
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
	if (n > 0 && write(e->trace, line, (size_t)n) == -1) {
		(void)close(e->trace);	/* a full disk: syslog has it */
		e->trace = -1;
	}
}

/*
 * Whether a session may write one more line of a kind.  A kind is a format: so
 * what a client causes again and again takes no room from another kind, and
 * what a session says once, such as its end, is always said.
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

/* One line to where its level goes; with the user and cause (an errno) or 0. */
static void PRINTF(4, 0)
log_line(struct env *e, enum level lv, int cause, const char *fmt, va_list ap)
{
	char text[LOG_LEN];
	int n;

	if ((lv == LV_DEBUG && !e->debug && e->trace == -1) ||
	    !may_log(&e->log, lv, fmt))
		return;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (cause != 0 && n >= 0 && (size_t)n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - (size_t)n,
		    " user=%s: %s", e->who, strerror(cause));
	if (lv == LV_NOTICE || e->debug)
		syslog(lv == LV_NOTICE ? LOG_NOTICE : LOG_DEBUG, "%s", text);
	if (e->trace != -1)
		write_trace(e, text);
}

void
log_notice(struct env *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(e, LV_NOTICE, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_debug(struct env *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(e, LV_DEBUG, 0, fmt, ap);
	va_end(ap);
	errno = saved;
}

void
log_error(struct env *e, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	log_line(e, LV_NOTICE, saved, fmt, ap);
	va_end(ap);
	errno = saved;
}
