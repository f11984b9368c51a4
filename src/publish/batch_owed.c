/*
 * batch_owed.c: takes what listeners were not told, and tells them to read anew as soon as there is
 * room: "missed" on each topic of which notifications were skipped, "reset" on all topics when the
 * decoder has made its slot anew.
 *
 * Which topics have missed something is the publisher's own knowledge. What it has not told when it
 * ends is left in shared memory, as owed to all topics. It need not outlive the server: who
 * connects again reads anew.
 */
#include "publish/batch.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/catalog.h"

static SharedDatabase *owed_place;
static List *missed_topics = NIL;	/* their OIDs, in TopMemoryContext */
static List *dropped_topics = NIL;	/* channel and name of each, behind one another, likewise */
static uint32 being_told;		/* of the place's flags */

/*
 * At the publisher's exit, while shared memory is still there. For topics that are gone there is
 * nothing in it to be remembered by.
 */
static void
owed_leave(int code, Datum arg)
{
	if (missed_topics != NIL)
		pg_atomic_fetch_or_u32(&owed_place->owed, OWED_MISSED);
}

void
batch_owed_init(SharedDatabase *place)
{
	owed_place = place;
	before_shmem_exit(owed_leave, (Datum) 0);
}

void
batch_owed_missed(Oid relation)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	missed_topics = list_append_unique_oid(missed_topics, relation);
	MemoryContextSwitchTo(old);
}

void
batch_owed_dropped(const char *body, Size size)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	/*
	 * The batch with the body goes before this can be told: the copy is freed in batch_owed_told.
	 */
	dropped_topics = lappend(dropped_topics, memcpy(palloc(size), body, size));
	MemoryContextSwitchTo(old);
}

bool
batch_owed_any(void)
{
	/*
	 * The decoder may set a flag at any moment. One that is not seen here is seen at the
	 * publisher's next look.
	 */
	return missed_topics != NIL || dropped_topics != NIL ||
		   pg_atomic_read_u32(&owed_place->owed) != 0;
}

/*
 * After a reset all that was committed before the slot's beginning may be missing. After skipped
 * notifications that is so of all up to what was told last.
 */
static int
tell_topic(Oid relation, uint32 epoch, bool reset)
{
	BatchTopic *topic = batch_topic(relation);
	Position	position = {.epoch = epoch,.offset = POSITION_NO_OFFSET};

	/* A topic that is gone has a mark of its own, or is in the list of dropped ones. */
	if (topic->name == NULL || topic->topic.notify == TOPIC_NOTIFY_NONE)
		return 0;
	position.lsn = pg_atomic_read_u64(reset ? &owed_place->confirmed_lsn : &owed_place->told_lsn);
	position.index = reset ? 0 : pg_atomic_read_u32(&owed_place->told_index);
	batch_notify(topic->topic.channel,
				 batch_mark(topic->name, &position, reset ? "reset" : "missed"));
	return 1;
}

static int
tell_all(uint32 epoch, bool reset)
{
	Relation	catalog = catalog_open(CATALOG_TOPIC, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;
	int			notifications = 0;

	/* Without the extension there is no topic whose listeners could be told. */
	if (catalog == NULL)
		return 0;
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum relation = heap_getattr(tuple, TOPIC_RELATION, RelationGetDescr(catalog), &isnull);

		notifications += tell_topic(DatumGetObjectId(relation), epoch, reset);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return notifications;
}

int
batch_owed_tell(uint32 epoch)
{
	Position	last = {.epoch = epoch,.lsn = pg_atomic_read_u64(&owed_place->told_lsn),
		.index = pg_atomic_read_u32(&owed_place->told_index),.offset = POSITION_NO_OFFSET};
	ListCell   *cell;
	int			notifications = list_length(dropped_topics);

	foreach(cell, dropped_topics)
	{
		const char *channel = lfirst(cell);

		batch_notify(channel, batch_mark(channel + strlen(channel) + 1, &last, "dropped"));
	}

	/*
	 * The flags are read once. One that the decoder sets later on stays for the next time, as
	 * batch_owed_told takes back only these.
	 */
	being_told = pg_atomic_read_u32(&owed_place->owed);
	/* The flags are about all topics, those in the list among them. */
	if (being_told != 0)
		return notifications + tell_all(epoch, (being_told & OWED_RESET) != 0);
	foreach(cell, missed_topics)
		notifications += tell_topic(lfirst_oid(cell), epoch, false);
	return notifications;
}

void
batch_owed_told(void)
{
	pg_atomic_fetch_and_u32(&owed_place->owed, ~being_told);
	list_free(missed_topics);
	missed_topics = NIL;
	list_free_deep(dropped_topics);
	dropped_topics = NIL;
}
