/*
 * Text files of accounts: a line has a key, which ends at the first ":" or with
 * the line.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/lib.h"

int
lines_open(struct lines *l, const char *path, bool secret)
{
	mode_t others = secret ? S_IRWXG | S_IRWXO : S_IWGRP | S_IWOTH;

	memset(l, 0, sizeof(*l));
	if ((l->f = file_text(path, &l->sb)) == NULL)
		return -1;
	if ((l->sb.st_uid == 0 || l->sb.st_uid == geteuid()) &&
	    !(l->sb.st_mode & others))
		return 0;
	(void)fclose(l->f);
	errno = EPERM;
	return -1;
}

char *
lines_next(struct lines *l)
{
	if (getline(&l->line, &l->room, l->f) != -1)
		return l->line;
	if (!feof(l->f))
		l->error = errno;
	return NULL;
}

int
lines_close(struct lines *l)
{
	if (l->line != NULL)
		text_wipe(l->line, l->room);
	free(l->line);
	(void)fclose(l->f);
	errno = l->error;
	return l->error == 0 ? 0 : -1;
}
