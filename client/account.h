/*
 * account.c: whose mail it is: the POP URL, and where the password comes from.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "pop.h"

/*
 * account_url()	fill user, host, port and tls from a URL as of RFC 2384,
 *			or one with pops://; NULL, or what is wrong with it
 * account_helper()	the helper program: cmd, or for NULL the command in
 *			POPCARD_HELPER, or for pops:// that of OpenSSL
 * account_secret()	the password from a descriptor, or for -1 from the file
 *			named by POPCARD_PASSFILE; NULL, or what is wrong, ""
 *			if there is no such file
 * account_wipe()	forget the password
 */
const char *account_url(struct pop *, const char *);
const char *account_secret(struct pop *, int fd);
void	account_helper(struct pop *, const char *cmd);
void	account_wipe(struct pop *);

#endif
