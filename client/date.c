/*
 * Dates of header fields (RFC 5322 3.3 and 4.3), read and written. LC_TIME is
 * not set, so the names of months are English.
 */
#define _XOPEN_SOURCE 700

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mime.h"

/* A copy without comments, and with blanks for commas. */
static void
plain_date(const char *s, char *buf, size_t size)
{
	size_t depth, n;

	for (depth = n = 0; *s != '\0' && n < size - 1; s++) {
		depth += *s == '(';
		if (depth == 0 || (*s == ')' && --depth == 0))
			buf[n++] = (char)(*s == ',' || *s == ')' ? ' ' :
			    *s);
	}
	buf[n] = '\0';
}

/* The zone at s in minutes east of Greenwich; names other than those of North
 * America are as good as none (RFC 5322 4.3). */
static int
zone_offset(const char *s)
{
	static const char names[] = "EDTESTCDTCSTMDTMSTPDTPST";
	int hours, minutes;
	size_t i;

	s = text_blanks(s);
	if ((*s == '+' || *s == '-') &&
	    sscanf(s + 1, "%2d%2d", &hours, &minutes) == 2)
		return (*s == '-' ? -1 : 1) * (hours * 60 + minutes);
	for (i = 0; i < 8; i++)
		if (strncasecmp(s, names + 3 * i, 3) == 0)
			return -60 * (4 + (int)(i + 1) / 2);
	return 0;
}

/* Days from 1 January 1970; months count from 0. The year is taken to begin in
 * March, so that a leap day is its last. */
static long
day_number(long year, long month, long day)
{
	year -= month < 2;
	month = (month + 10) % 12;
	return year * 365 + year / 4 - year / 100 + year / 400 +
	    (month * 153 + 2) / 5 + day - 1 - 719468;
}

bool
date_parse(const char *value, time_t *out)
{
	char buf[128];
	struct tm tm = { 0 };
	const char *s, *end;
	long year;
	long long t;

	plain_date(value, buf, sizeof(buf));
	s = buf + strcspn(buf, "0123456789");	/* past the day of the week */
	if ((s = strptime(s, "%d %b %Y %H:%M", &tm)) == NULL)
		return false;
	if ((end = strptime(s, " :%S", &tm)) != NULL)
		s = end;
	year = tm.tm_year + 1900;
	year += year < 50 ? 2000 : year < 1000 ? 1900 : 0;
	t = day_number(year, tm.tm_mon, tm.tm_mday) * 86400LL +
	    tm.tm_hour * 3600L + (tm.tm_min - zone_offset(s)) * 60L +
	    tm.tm_sec;
	*out = (time_t)t;
	return *out == t;
}

void
date_short(time_t t, time_t now, char buf[8])
{
	struct tm then, today;

	buf[0] = '\0';
	if (localtime_r(&t, &then) == NULL || localtime_r(&now, &today) == NULL)
		return;
	if (strftime(buf, 8, then.tm_year != today.tm_year ? "%Y" :
	    then.tm_yday != today.tm_yday ? "%e %b" : "%H:%M", &then) == 0)
		buf[0] = '\0';
}

void
date_rfc5322(time_t t, char buf[48])
{
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL || strftime(buf, 48,
	    "%a, %d %b %Y %H:%M:%S %z", &tm) == 0)
		buf[0] = '\0';
}
