/*
 * invalidation.c: takes the server's news of invalidated relations and passes them on to modules.
 *
 * A backend has room for ten such callbacks of all libraries together, the server's own among them,
 * and the one too many ends the session. So gymstream has one, whatever the session does.
 */
#include "base/invalidation.h"

#define MAX_WATCHERS 16

static RelcacheCallbackFunction all_watchers[MAX_WATCHERS];
static int	nwatchers = 0;

static void
pass_on(Datum arg, Oid relation)
{
	for (int i = 0; i < nwatchers; i++)
		all_watchers[i] (arg, relation);
}

void
invalidation_watch(RelcacheCallbackFunction callback)
{
	if (nwatchers == MAX_WATCHERS)
		elog(FATAL, "too many modules watch invalidations");
	if (nwatchers == 0)
		CacheRegisterRelcacheCallback(pass_on, (Datum) 0);
	all_watchers[nwatchers++] = callback;
}

void
invalidation_forget(HTAB *cache, Oid relation, void (*forget) (void *entry))
{
	HASH_SEQ_STATUS all;
	void	   *entry;

	if (cache == NULL)
		return;
	if (OidIsValid(relation))
	{
		entry = hash_search(cache, &relation, HASH_FIND, NULL);
		if (entry != NULL)
			forget(entry);
		return;
	}
	hash_seq_init(&all, cache);
	while ((entry = hash_seq_search(&all)) != NULL)
		forget(entry);
}
