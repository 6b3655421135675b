/*
 * A growing piece of text, the small parsers that all files need, and dates of
 * header fields (RFC 5322 3.3 and 4.3). LC_TIME is not set, so the names of
 * months are English.
 */
#include "mime.h"

/* Make room for n more octets and a '\0', up to TEXT_MAX; how many of them
 * there is room for. */
static size_t
make_room(struct text *t, size_t n)
{
	size_t room;

	if (n > TEXT_MAX - t->n) {
		n = TEXT_MAX - t->n;
		t->cut = true;
	}
	if (n >= t->room - t->n) {
		for (room = t->room < 4096 ? 4096 : t->room; room <= t->n + n;)
			room *= 2;
		t->s = must(realloc(t->s, room));
		t->room = room;
	}
	return n;
}

void
text_add(struct text *t, const char *s, size_t n)
{
	if (n > 0 && (n = make_room(t, n)) > 0)
		memcpy(t->s + t->n, s, n);
	t->n += n;
}

void
text_str(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void
text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap;
	size_t n;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len <= 0)
		return;
	n = make_room(t, (size_t)len);
	va_start(ap, fmt);
	vsnprintf(t->s + t->n, n + 1, fmt, ap);
	va_end(ap);
	t->n += n;
}

char *
text_string(struct text *t)
{
	make_room(t, 0);
	t->s[t->n] = '\0';
	return t->s;
}

void
text_free(struct text *t)
{
	free(t->s);
	memset(t, 0, sizeof(*t));
}

const char *
text_blanks(const char *s)
{
	return s + strspn(s, " \t");
}

bool
text_is_word(const char *s)
{
	return *s != '\0' && s[strspn(s, "-_.:0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

bool
text_among(const char *word, size_t n, const char *list)
{
	size_t k;

	for (; *list != '\0'; list += k + (list[k] == ' ')) {
		k = strcspn(list, " ");
		if (k == n && strncasecmp(list, word, n) == 0)
			return true;
	}
	return false;
}

bool
text_number(const char **s, unsigned long max, unsigned long *out)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(*s, &end, 10);
	if (!isdigit((unsigned char)**s) || errno != 0 || n > max ||
	    (*end != '\0' && text_blanks(end) == end))
		return false;
	*s = text_blanks(end);
	*out = n;
	return true;
}

size_t
text_line(const char *s, size_t n, size_t *len)
{
	const char *lf;

	lf = memchr(s, '\n', n);
	*len = lf == NULL ? n : (size_t)(lf - s);
	n = *len + (lf != NULL);
	if (lf != NULL && *len > 0 && s[*len - 1] == '\r')
		--*len;
	return n;
}

bool
read_file(const char *path, struct text *t)
{
	char buf[8192];
	ssize_t n;
	int fd;

	text_free(t);
	if ((fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) == -1)
		return false;
	while ((n = read(fd, buf, sizeof(buf))) > 0 ||
	    (n == -1 && errno == EINTR))
		text_add(t, buf, n > 0 ? (size_t)n : 0);
	if (n == 0)
		errno = EFBIG;		/* if it is cut */
	close(fd);
	return n == 0 && !t->cut;
}

bool
date_parse(const char *value, time_t *out)
{
	struct tm tm = { 0 };
	const char *s, *zone;
	int hours, minutes;
	long year, month;
	long long t;

	s = value + strcspn(value, "0123456789");	/* past the weekday */
	if ((s = strptime(s, "%d %b %Y %H:%M", &tm)) == NULL)
		return false;
	/* A name of a zone is as good as none (RFC 5322 4.3). */
	hours = minutes = 0;
	zone = s + strcspn(s, "+-");
	if (sscanf(zone, "%3d%2d", &hours, &minutes) == 2 && *zone == '-')
		minutes = -minutes;
	strptime(s, " :%S", &tm);
	year = tm.tm_year + 1900;
	year += year < 50 ? 2000 : year < 1000 ? 1900 : 0;
	/* Days from 1 January 1970. The year is taken to begin in March, so
	 * that a leap day is its last. */
	year -= tm.tm_mon < 2;
	month = (tm.tm_mon + 10) % 12;
	t = year * 365 + year / 4 - year / 100 + year / 400 +
	    (month * 153 + 2) / 5 + tm.tm_mday - 719469;
	t = ((t * 24 + tm.tm_hour - hours) * 60 + tm.tm_min - minutes) * 60 +
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
