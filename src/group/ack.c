/*
 * ack.c: takes what a transaction polls, and writes the bookmarks when it commits or is prepared:
 * in the same transaction, so that effects and bookmarks are committed together or not at all.
 * Subtransactions that abort take theirs along, as the server does with the claims they took.
 */
#include "group/ack.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "group/waiter.h"

/* In TopTransactionContext; the latest stand last, and of a partition the last one counts. */
static List *transaction_acks = NIL;
static List *kept_events = NIL;
static List *due_cells = NIL;	/* of CellKey */
static List *changed_groups = NIL;
static int64 events_given = 0;

/* A parked event that was given. */
typedef struct Kept
{
	int32		group;
	Oid			topic;
	Parked		parked;
	SubTransactionId subid;
} Kept;

const Ack *
ack_find(int32 group, Oid topic, int partition)
{
	for (int i = list_length(transaction_acks) - 1; i >= 0; i--)
	{
		const Ack  *ack = list_nth(transaction_acks, i);

		if (ack->group == group && ack->topic == topic && ack->partition == partition)
			return ack;
	}
	return NULL;
}

void
ack_add(const Ack *ack)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Ack		   *copy = palloc(sizeof(Ack));

	*copy = *ack;
	copy->subid = GetCurrentSubTransactionId();
	transaction_acks = lappend(transaction_acks, copy);
	MemoryContextSwitchTo(old);
}

bool
ack_has(int32 group)
{
	ListCell   *cell;

	foreach(cell, transaction_acks)
		if (((Ack *) lfirst(cell))->group == group)
			return true;
	return false;
}

void
ack_keep(int32 group, Oid topic, const Parked *parked)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	Kept	   *kept = palloc(sizeof(Kept));
	LogEvent   *event = &kept->parked.event;

	kept->group = group;
	kept->topic = topic;
	kept->parked = *parked;
	kept->subid = GetCurrentSubTransactionId();
	event->body = pnstrdup(event->body, event->size);
	event->key = event->key ? pnstrdup(event->key, event->key_size) : NULL;
	kept_events = lappend(kept_events, kept);
	MemoryContextSwitchTo(old);
}

const Parked *
ack_kept(int32 group, Oid topic, int64 offset)
{
	ListCell   *cell;

	foreach(cell, kept_events)
	{
		const Kept *kept = lfirst(cell);

		if (kept->group == group && kept->topic == topic && kept->parked.event.offset == offset)
			return &kept->parked;
	}
	return NULL;
}

void
ack_due_at_commit(const CellKey *key)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	CellKey    *copy = palloc(sizeof(CellKey));

	*copy = *key;
	due_cells = lappend(due_cells, copy);
	MemoryContextSwitchTo(old);
}

void
ack_changed_at_commit(int32 group)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	changed_groups = list_append_unique_int(changed_groups, group);
	MemoryContextSwitchTo(old);
}

CellKey
ack_cell(const Ack *ack)
{
	CellKey		key = {MyDatabaseId, ack->group, ack->topic, ack->partition,
						   ack->bookmark.created};

	return key;
}

int64
ack_events(void)
{
	return events_given;
}

void
ack_count(int64 events)
{
	ListCell   *cell;

	events_given += events;
	/* One event that was alone before is so no more. */
	if (events > 0 && events_given > 1)
		foreach(cell, transaction_acks)
		{
			const Ack  *ack = lfirst(cell);
			CellKey		key = ack_cell(ack);

			cell_not_alone(&key, ack->generation, ack->bookmark.serial - 1);
		}
}

/* ---- the end of a transaction ---- */

static void
write_bookmarks(void)
{
	ListCell   *cell;

	foreach(cell, transaction_acks)
	{
		const Ack  *ack = lfirst(cell);

		if (ack == ack_find(ack->group, ack->topic, ack->partition))
			bookmark_write(ack->group, ack->topic, ack->partition, &ack->bookmark);
	}
}

/* The memory goes with the transaction. */
static void
forget_all(void)
{
	transaction_acks = NIL;
	kept_events = NIL;
	due_cells = NIL;
	changed_groups = NIL;
	events_given = 0;
}

static void
at_xact_event(XactEvent event, void *arg)
{
	/* May fail, and then the transaction does. */
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		write_bookmarks();
	/* A prepared transaction keeps its claims: whoever ends it lets go of them. */
	else if (event == XACT_EVENT_PREPARE)
	{
		forget_all();
	}
}

static void
tell_acked(const Ack *ack)
{
	CellKey		key = ack_cell(ack);

	if (ack == ack_find(ack->group, ack->topic, ack->partition))
		cell_ack(&key, ack->generation, ack->bookmark.serial - 1, ack->bookmark.next);
}

/*
 * Whoever waits is woken when the claims are free, not before: it would poll in vain. After a
 * commit there is something to be had only if more events were there.
 */
static void
at_release(ResourceReleasePhase phase, bool commit, bool top_level, void *arg)
{
	int32		woken = 0;
	ListCell   *cell;

	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !top_level)
		return;
	foreach(cell, transaction_acks)
	{
		const Ack  *ack = lfirst(cell);

		if (commit)
			tell_acked(ack);
		/* One of each group: it wakes the next one, if it leaves something. */
		if ((!commit || ack->more) && ack->group != woken)
			waiter_wake(woken = ack->group);
	}
	foreach(cell, due_cells)
	{
		const CellKey *key = lfirst(cell);

		/* A waiter looks when it is told that something is due. */
		cell_set_due(key, CELL_UNKNOWN);
		waiter_wake(key->group);
	}
	/* What they know of the group is old: none of them may wait on. */
	foreach(cell, changed_groups)
		if (commit)
			waiter_wake_all(lfirst_int(cell));
	forget_all();
}

static void
at_subxact_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	ListCell   *cell;

	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		/* Those of the subtransaction, and of its children, which it has taken over. */
		foreach(cell, transaction_acks)
			if (((Ack *) lfirst(cell))->subid == mine)
				transaction_acks = foreach_delete_current(transaction_acks, cell);
		foreach(cell, kept_events)
			if (((Kept *) lfirst(cell))->subid == mine)
				kept_events = foreach_delete_current(kept_events, cell);
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		foreach(cell, transaction_acks)
			if (((Ack *) lfirst(cell))->subid == mine)
				((Ack *) lfirst(cell))->subid = parent;
		foreach(cell, kept_events)
			if (((Kept *) lfirst(cell))->subid == mine)
				((Kept *) lfirst(cell))->subid = parent;
	}
}

void
ack_init(void)
{
	RegisterXactCallback(at_xact_event, NULL);
	RegisterResourceReleaseCallback(at_release, NULL);
	RegisterSubXactCallback(at_subxact_event, NULL);
}
