/*
 * topic_owner.c: takes a relation that gets another owner, and lets its topic send no rows any
 * more: only the owner can decide to send rows to everybody who listens. ALTER ... OWNER is met by
 * an event trigger, REASSIGN OWNED before it is done, since no event trigger hears of it.
 */
#include "topic/topic.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "base/utility.h"

void
topic_new_owner(Oid relation)
{
	Topic		topic;

	if (!topic_lookup(relation, &topic) ||
		(topic.notify != TOPIC_NOTIFY_ROW && topic.notify != TOPIC_NOTIFY_KEY) ||
		!topic_set_notify(relation, TOPIC_NOTIFY_POSITION))
		return;
	ereport(NOTICE,
			(errmsg("notifications of \"%s\" have no %s any more", get_rel_name(relation),
					topic.notify == TOPIC_NOTIFY_ROW ? "rows" : "keys"),
			 errdetail("Only its owner can decide to send rows to everybody who listens, and it "
					   "gets another owner."),
			 errhint("The new owner runs gymstream.create_topic with notify => '%s' to send "
					 "them.", topic_notify_name(topic.notify))));
}

/* All relations that have a topic. */
static List *
published_relations(void)
{
	Relation	catalog = catalog_open(CATALOG_TOPIC, AccessShareLock);
	List	   *relations = NIL;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		isnull;

	if (catalog == NULL)
		return NIL;
	scan = systable_beginscan(catalog, InvalidOid, false, SnapshotSelf, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		relations =
			lappend_oid(relations, DatumGetObjectId(heap_getattr(
									   tuple, TOPIC_RELATION, RelationGetDescr(catalog), &isnull)));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return relations;
}

/* Should the command fail, what is done here goes with it. */
static void
before_reassign(Node *statement)
{
	List	   *owners = NIL;
	ListCell   *cell;

	if (!IsA(statement, ReassignOwnedStmt))
		return;
	foreach(cell, ((ReassignOwnedStmt *) statement)->roles)
		owners = lappend_oid(owners, get_rolespec_oid(lfirst_node(RoleSpec, cell), true));
	foreach(cell, published_relations())
		if (list_member_oid(owners, catalog_owner(lfirst_oid(cell))))
			topic_new_owner(lfirst_oid(cell));
}

void
topic_owner_init(void)
{
	static UtilityWatch watch = {before_reassign};

	utility_watch(&watch);
}
