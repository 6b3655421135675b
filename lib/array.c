/*
 * Arrays that grow.
 */
#include <errno.h>
#include <stdlib.h>

#include "lib/lib.h"

void *
array_room(void *v, size_t n, size_t *room, size_t size)
{
	size_t more = *room < 64 ? 64 : *room + *room / 2;
	void *grown;

	if (n < *room)
		return v;
	if (more > SIZE_MAX / size ||
	    (grown = realloc(v, more * size)) == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	*room = more;
	return grown;
}
