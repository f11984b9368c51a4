/*
 * streamed.c: takes a rollup and says whether its deltas are worth a WAL message: when it has a topic, or when somebody's
 * logical slot of this database uses our output plugin.
 */
#include "streamed.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "replication/slot.h"

/*
 * Whether a logical slot of this database, other than our own, uses the plugin. Reads without a lock: a slot's names
 * stand before it reserves the WAL that it will decode, and a false yes costs a message that nobody reads.
 */
static bool
slot_streams(void)
{
	char		own[NAMEDATALEN];

	snprintf(own, sizeof(own), "gymstream_%u", MyDatabaseId);
	for (int i = 0; i < max_replication_slots; i++)
	{
		ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];

		if (slot->in_use && slot->data.database == MyDatabaseId &&
			strcmp(NameStr(slot->data.plugin), "gymstream") == 0 && strcmp(NameStr(slot->data.name), own) != 0)
			return true;
	}
	return false;
}

bool
streamed_rollup(Oid rollup)
{
	return XLogLogicalInfoActive() && slot_streams();
}
