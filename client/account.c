/*
 * The account: a POP URL, and where its password comes from.
 */
#define _XOPEN_SOURCE 700

#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "popcard.h"

/* Decode the part of a URL from s up to end; false if it is no good. */
static bool
url_part(const char *s, const char *end, char *buf, size_t size)
{
	struct text t = { 0 };
	const char *p;
	size_t i;
	bool ok;

	for (ok = end > s, p = s; p < end; p++)
		ok = ok && (*p != '%' || (end - p > 2 &&
		    hex_digit(p[1]) != -1 && hex_digit(p[2]) != -1));
	hex_decode(s, (size_t)(end - s), '%', ' ', &t);
	for (i = 0; i < t.n; i++)
		ok = ok && (unsigned char)t.s[i] > ' ' && t.s[i] != 0x7f;
	ok = ok && (size_t)snprintf(buf, size, "%s", text_string(&t)) < size;
	text_free(&t);
	return ok;
}

bool
account_fd(const char *arg, int *fd)
{
	unsigned long n;

	if (!text_number(&arg, INT_MAX, &n) || *arg != '\0' || n < 3)
		return false;
	*fd = (int)n;
	return true;
}

const char *
account_url(struct pop *p, const char *url)
{
	const char *s, *at, *end, *semi;
	unsigned long port;

	p->tls = strncasecmp(url, "pops://", 7) == 0;
	if (!p->tls && strncasecmp(url, "pop://", 6) != 0)
		return "it begins with neither pop:// nor pops://";
	s = strchr(url, '/') + 2;
	end = s + strcspn(s, "/");
	if (*end != '\0' && end[1] != '\0')
		return "it has a path";
	if ((at = memchr(s, '@', (size_t)(end - s))) != NULL) {
		if ((semi = memchr(s, ';', (size_t)(at - s))) == NULL)
			semi = at;
		else if (strncasecmp(semi, ";AUTH=*@", 8) != 0)
			return "only ;AUTH=* (USER and PASS) may follow the "
			    "user's name";
		if (memchr(s, ':', (size_t)(semi - s)) != NULL)
			return "it holds a password, which it must not";
		if (semi > s && !url_part(s, semi, p->user, sizeof(p->user)))
			return "the user's name is not valid";
		s = at + 1;
	}
	at = s + strcspn(s, *s == '[' ? "]/" : ":/");
	if (*s == '[' && *at != ']')
		return "the ] after the address is missing";
	if (!url_part(s + (*s == '['), at, p->host, sizeof(p->host)))
		return "the host is not valid";
	at += *s == '[';
	if (at == end) {
		if (p->tls)
			snprintf(p->port, sizeof(p->port), "995");
		return NULL;
	}
	if (*at++ != ':' || !url_part(at, end, p->port, sizeof(p->port)))
		return "the port is not valid";
	s = p->port;
	return text_number(&s, 65535, &port) && *s == '\0' && port > 0 ? NULL :
	    "the port is not valid";
}

const char *
account_secret(struct pop *p, int fd)
{
	const char *path;
	struct stat st;
	FILE *f;
	size_t n;

	if (fd == -1) {
		if ((path = getenv("POPCARD_PASSFILE")) == NULL)
			return "";
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd == -1)
			return strerror(errno);
		/* A password that others can read or change is none. */
		if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
		    st.st_uid != geteuid() ||
		    (st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
			close(fd);
			return "the file must be yours alone (mode 0600)";
		}
	}
	if ((f = fdopen(fd, "r")) == NULL)
		return strerror(errno);
	setvbuf(f, NULL, _IONBF, 0);	/* no copy is left in a buffer */
	if (fgets(p->pass, sizeof(p->pass), f) == NULL)
		p->pass[0] = '\0';
	fclose(f);		/* nothing for an editor to inherit */
	n = strcspn(p->pass, "\r\n");
	if (n > POP_ARG)
		return "the password is too long";
	p->pass[n] = '\0';
	for (; n > 0; n--)
		if (iscntrl((unsigned char)p->pass[n - 1]))
			return "the password holds a control character";
	return p->pass[0] == '\0' ? "there is no password" : NULL;
}

void
account_helper(struct pop *p, const char *cmd)
{
	if (cmd == NULL)
		cmd = getenv("POPCARD_HELPER");
	if (cmd != NULL && *cmd != '\0')
		p->helper = cmd;
	else if (p->tls)
		p->helper = "openssl s_client -quiet -verify_return_error "
		    "-verify_hostname %h -connect %h:%p";
}
