/*
 * Dates of header fields (RFC 5322 3.3 and 4.3), read and written.
 */
#define _XOPEN_SOURCE 700

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "mime.h"

/* Hours west of Greenwich; other names are as good as none: RFC 5322 4.3. */
static const struct {
	const char *name;
	int west;
} zones[] = { { "EDT", 4 }, { "EST", 5 }, { "CDT", 5 }, { "CST", 6 },
    { "MDT", 6 }, { "MST", 7 }, { "PDT", 7 }, { "PST", 8 } };

/* A copy without comments, and with blanks for commas. */
static void
plain_date(const char *s, char *buf, size_t size)
{
	size_t depth, n;

	for (depth = n = 0; *s != '\0' && n < size - 1; s++) {
		depth += *s == '(';
		if (depth == 0)
			buf[n++] = *s;
		else if (*s == ')' && --depth == 0)
			buf[n++] = ' ';
		if (n > 0 && buf[n - 1] == ',')
			buf[n - 1] = ' ';
	}
	buf[n] = '\0';
}

/* A number of at most four digits in a range at *s, moved past it and what
 * follows it, blanks or a colon; -1 for anything else. */
static int
date_number(const char **s, int least, int most)
{
	const char *p = *s;
	int n;

	for (n = 0; isdigit((unsigned char)*p) && p - *s < 4; p++)
		n = n * 10 + (*p - '0');
	if (p == *s || n < least || n > most)
		return -1;
	*s = text_blanks(*p == ':' ? p + 1 : p);
	return n;
}

/* 0 to 11 by its English name at *s, -1 for none. */
static int
month_number(const char **s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int i;

	for (i = 0; i < 12; i++)
		if (strncasecmp(*s, names + 3 * i, 3) == 0) {
			*s += 3;
			while (isalpha((unsigned char)**s) || **s == '.')
				++*s;
			*s = text_blanks(*s);
			return i;
		}
	return -1;
}

/* The zone as seconds east of Greenwich. */
static long
zone_offset(const char *s)
{
	size_t i;
	long n;

	if (*s == '+' || *s == '-') {
		for (n = 0, i = 1; i < 5 && isdigit((unsigned char)s[i]); i++)
			n = n * 10 + (s[i] - '0');
		n = n / 100 * 3600 + n % 100 * 60;
		return i < 5 ? 0 : *s == '-' ? -n : n;
	}
	for (i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (strncasecmp(s, zones[i].name, 3) == 0)
			return zones[i].west * -3600L;
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
	const char *s = buf;
	int day, month, year, hour, minute, second;
	long long t;

	plain_date(value, buf, sizeof(buf));
	s = text_blanks(s);
	while (isalpha((unsigned char)*s))	/* the day of the week */
		s++;
	s = text_blanks(s);
	if ((day = date_number(&s, 1, 31)) == -1 ||
	    (month = month_number(&s)) == -1 ||
	    (year = date_number(&s, 0, 9999)) == -1 ||
	    (hour = date_number(&s, 0, 23)) == -1 ||
	    (minute = date_number(&s, 0, 59)) == -1)
		return false;
	second = isdigit((unsigned char)*s) ? date_number(&s, 0, 60) : 0;
	year += year < 50 ? 2000 : year < 1000 ? 1900 : 0;
	t = day_number(year, month, day) * 86400LL + hour * 3600L +
	    minute * 60 + second - zone_offset(s);
	*out = (time_t)t;
	return second != -1 && *out == t;
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
