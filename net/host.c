/*
 * Our own name.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/net.h"

/*
 * Our name, as the domain of a msg-id, since APOP's timestamp is one (RFC 1939,
 * 7; RFC 822, 6.1): words with single dots between them.  What cannot be in it
 * is left out here, so that the stamp is summed as it is sent.
 */
void
host_name(char *to, size_t room)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	char name[256] = "";
	const char *s = name;
	size_t n = 0;

	if (gethostname(name, sizeof(name) - 1) == -1 ||
	    strcmp(name, "(none)") == 0)	/* Linux, before it has one */
		name[0] = '\0';
	for (; *s != '\0' && n < room - 1; s++)
		if (strchr(allowed, *s) != NULL &&
		    (*s != '.' || (n > 0 && to[n - 1] != '.')))
			to[n++] = *s;
	n -= n > 0 && to[n - 1] == '.';
	to[n] = '\0';
	if (n == 0)
		(void)snprintf(to, room, "localhost");
}
