/*
 * Why a maildrop cannot be opened, in words, and the name of its state file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "spool/spool.h"

#define TELL	"; tell the administrator."
#define LATER	"; try again later."
/* The file that a sentence begins with: .user.pop, user.lock, or none. */
enum named { NO_FILE, STATE_FILE, LOCK_FILE };

/* The sentence of each fault, for the reply to a login and for popper -n. */
static const struct {
	const char *code;
	enum named file;
	const char *text, *then;
} faults[] = {
	[FAULT_DIR] = { "[SYS/PERM]", NO_FILE,
	    "The spool directory cannot be used", TELL },
	[FAULT_NETWORK] = { "[SYS/PERM]", NO_FILE,
	    "The spool is on a network file system not yet checked", TELL },
	[FAULT_ACCOUNT] = { "[SYS/PERM]", NO_FILE,
	    "The server may not serve this account", TELL },
	[FAULT_STATE_ALIEN] = { "[SYS/PERM]", STATE_FILE,
	    "is not a plain file of its user", TELL },
	[FAULT_STATE_SHUT] = { "[SYS/PERM]", STATE_FILE,
	    "cannot be opened", TELL },
	[FAULT_DAMAGED] = { "[SYS/PERM]", STATE_FILE,
	    "or the maildrop is damaged", TELL },
	[FAULT_OLD] = { "[SYS/PERM]", STATE_FILE,
	    "holds an update that popper 2.0 has begun", TELL },
	[FAULT_SESSION] = { "[IN-USE]", NO_FILE,
	    "Another session has this maildrop open", "." },
	[FAULT_NO_LOCKS] = { "[SYS/TEMP]", NO_FILE,
	    "The maildrop cannot be locked now", "." },
	[FAULT_LOCKED] = { "[IN-USE]", NO_FILE,
	    "The maildrop is locked by another program", LATER },
	[FAULT_STALE] = { "[SYS/PERM]", LOCK_FILE,
	    "was left behind and cannot be removed", TELL },
	[FAULT_NOT_MBOX] = { "[SYS/PERM]", NO_FILE,
	    "The maildrop is not in mbox format", TELL },
	[FAULT_ALIEN] = { "[SYS/PERM]", NO_FILE,
	    "The maildrop is not a plain file of its user", TELL },
	[FAULT_SHUT] = { "[SYS/PERM]", NO_FILE,
	    "The maildrop cannot be opened by its user", TELL },
	[FAULT_FULL] = { "[SYS/TEMP]", NO_FILE,
	    "There is no room on the server for that now", LATER },
	[FAULT_READ] = { "[SYS/TEMP]", NO_FILE,
	    "The maildrop cannot be read now", "." }
};

const char *
fault_sentence(enum fault f, const char *state, char *to, size_t room)
{
	if (faults[f].file == STATE_FILE)
		(void)snprintf(to, room, "The file %s %s", state,
		    faults[f].text);
	else if (faults[f].file == LOCK_FILE)	/* between the dot and ".pop" */
		(void)snprintf(to, room, "The file %.*s.lock %s",
		    (int)strlen(state) - 5, state + 1, faults[f].text);
	else
		(void)snprintf(to, room, "%s", faults[f].text);
	return to;
}

const char *
fault_reply(enum fault f, const char *state, char *to, size_t room)
{
	char sentence[FAULT_LEN - 80];

	(void)snprintf(to, room, "%s %s%s", faults[f].code,
	    fault_sentence(f, state, sentence, sizeof(sentence)),
	    faults[f].then);
	return to;
}

enum fault
fault_of(const struct maildrop *box, int error)
{
	if (file_no_room(error))
		return FAULT_FULL;
	switch (error) {
	case EAGAIN:
		return box->stalelock ? FAULT_STALE : FAULT_LOCKED;
	case EILSEQ:
		return FAULT_NOT_MBOX;
	case ENOTSUP:
		return FAULT_OLD;
	case EPERM:
		return FAULT_ALIEN;
	case EACCES:
		return FAULT_SHUT;
	default:
		return FAULT_READ;
	}
}

void
state_name(const char *spool, char name[STATE_NAME])
{
	(void)snprintf(name, STATE_NAME, ".%s.pop", spool);
}

const char *
state_clean(const struct maildrop *box, char clean[STATE_CLEAN])
{
	char name[STATE_NAME];

	state_name(box->name, name);
	return text_clean(clean, STATE_CLEAN, name, strlen(name));
}
