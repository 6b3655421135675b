/*
 * account.c: whose mail it is: the POP URL, and where the password comes from.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "pop.h"

/*
 * account_url()	fill user, host and port from a URL as of RFC 2384;
 *			NULL, or what is wrong with it
 * account_secret()	the password from a descriptor, or for -1 from the file
 *			named by POPCARD_PASSFILE; NULL, or what is wrong, ""
 *			if there is no such file
 * account_wipe()	forget the password
 */
const char *account_url(struct pop *, const char *);
const char *account_secret(struct pop *, int fd);
void	account_wipe(struct pop *);

#endif
