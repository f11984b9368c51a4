/*
 * utility.h: utility commands, all but EXECUTE, before they run and after.
 */
#ifndef GS_UTILITY_H
#define GS_UTILITY_H

#include "base/base.h"

#include "nodes/nodes.h"

/* What a module wants to do about utility commands, in static memory. */
typedef struct UtilityWatch
{
	/* Before the command; an error refuses it. */
	void		(*before) (Node *statement);

	/*
	 * After it; NULL: nothing. The statement is NULL where the command may have freed it, by ending
	 * a transaction. prepared: it was COMMIT PREPARED.
	 */
	void		(*after) (Node *statement, bool prepared);
	struct UtilityWatch *next;
} UtilityWatch;

/* Watch all commands of this process from now on. Who has come first is asked first. */
extern void utility_watch(UtilityWatch *watch);

#endif							/* GS_UTILITY_H */
