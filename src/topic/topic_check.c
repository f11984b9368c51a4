/*
 * topic_check.c: takes a relation, a user, or the server, and gives an error where it cannot have,
 * make or publish a topic. Changes nothing.
 */
#include "topic/topic.h"

#include "access/transam.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "base/settings.h"

static void
refuse(Relation rel, int code, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(code),
			 errmsg("cannot create a topic on \"%s\"", RelationGetRelationName(rel)),
			 errdetail("%s", detail),
			 hint ? errhint("%s", hint) : 0));
}

static void
check_table(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	if (relid < FirstNormalObjectId)
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE, "It is a system table.", NULL);
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE,
			   "It is temporary: its changes are not in the write-ahead log.", NULL);
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED)
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE,
			   "It is unlogged: its changes are not in the write-ahead log.",
			   "Make it a logged one with ALTER TABLE ... SET LOGGED.");
	if (catalog_is_schema(RelationGetNamespace(rel)))
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE, "It is one of gymstream's own tables.", NULL);
	if (OidIsValid(catalog_rollup(ROLLUP_PARTIALS, relid, ROLLUP_ROLLUP)))
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE, "It is the state of a rollup.",
			   "Create the topic on the rollup.");
}

/* Why the changes of a table are not in the log, in words; NULL: they are. */
static const char *
unlogged_reason(Oid relid)
{
	if (get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE)
		return "a foreign table";
	return get_rel_persistence(relid) == RELPERSISTENCE_PERMANENT ? NULL : "not a logged table";
}

static void
check_partitions(Relation rel)
{
	ListCell   *cell;

	foreach(cell, find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL))
	{
		const char *reason = unlogged_reason(lfirst_oid(cell));

		if (reason != NULL)
			refuse(rel, ERRCODE_WRONG_OBJECT_TYPE,
				   psprintf("Its partition \"%s\" is %s: changes of that are not in the "
							"write-ahead log.", get_rel_name(lfirst_oid(cell)), reason),
				   "Create topics on its other partitions.");
	}
}

/* The first of a table and its partitions whose changes are not in the log; InvalidOid: none. */
static Oid
find_unlogged(Oid relid)
{
	ListCell   *cell;

	foreach(cell, find_all_inheritors(relid, NoLock, NULL))
		if (unlogged_reason(lfirst_oid(cell)) != NULL)
			return lfirst_oid(cell);
	return InvalidOid;
}

/* A command has locked the table, and what it has brought to it. */
void
topic_check_altered(Oid relid)
{
	Oid			unlogged = InvalidOid;
	List	   *topics;
	ListCell   *cell;

	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		unlogged = find_unlogged(relid);
	else if (unlogged_reason(relid) != NULL)
		unlogged = relid;
	if (!OidIsValid(unlogged))
		return;
	topics = get_rel_relispartition(relid) ? get_partition_ancestors(relid) : NIL;
	foreach(cell, lcons_oid(relid, topics))
		if (catalog_has_topic(lfirst_oid(cell)))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("changes of \"%s\" could not be published any more",
							get_rel_name(unlogged)),
					 errdetail("It is %s: its changes are not in the write-ahead log, and \"%s\" "
							   "has a topic.", unlogged_reason(unlogged),
							   get_rel_name(lfirst_oid(cell))),
					 errhint("Drop the topic first.")));
}

static void
check_view(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);

	if (OidIsValid(catalog_rollup(ROLLUP_ROLLUP, relid, ROLLUP_ROLLUP)))
		return;
	if (OidIsValid(catalog_rollup(ROLLUP_DEFINITION, relid, ROLLUP_ROLLUP)))
		refuse(rel, ERRCODE_WRONG_OBJECT_TYPE, "It is the definition of a rollup.",
			   "Create the topic on the rollup.");
	refuse(rel, ERRCODE_WRONG_OBJECT_TYPE, "It is a view and no rollup.",
		   "Create a rollup with gymstream.create_rollup, or topics on the tables that the view "
		   "reads.");
}

void
topic_check_relation(Relation rel, TopicNotify notify)
{
	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
			check_table(rel);
			break;
		case RELKIND_VIEW:
			check_view(rel);
			break;
		case RELKIND_PARTITIONED_TABLE:
			check_table(rel);
			check_partitions(rel);
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("cannot create a topic on \"%s\"", RelationGetRelationName(rel)),
					 errdetail_relkind_not_supported(rel->rd_rel->relkind)));
	}
	if (notify == TOPIC_NOTIFY_ROW)
		topic_check_public(rel, "send the rows of \"%s\" to everybody who listens",
						   "Use notify => 'position'.");
	if (notify == TOPIC_NOTIFY_KEY)
		topic_check_public(rel, "send the keys of \"%s\" to everybody who listens",
						   "Use notify => 'position'.");
}

void
topic_check_public(Relation rel, const char *what, const char *hint)
{
	const char *name = RelationGetRelationName(rel);

	if (!topic_has_row_security(RelationGetRelid(rel)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot %s", psprintf(what, name)),
			 errdetail("Row-level security is enabled on it, and anyone may listen on any "
					   "channel."),
			 errhint("%s", hint)));
}

void
topic_check_server(void)
{
	if (!settings_is_preloaded())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("gymstream is not in \"shared_preload_libraries\""),
				 errdetail("Topics are published by background workers, which are started with the "
						   "server."),
				 errhint("Add gymstream to \"shared_preload_libraries\" and restart the server.")));
	if (!gs_can_decode())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"wal_level\" is too low for topics"),
				 errdetail("Topics are published from the write-ahead log by logical decoding."),
				 errhint("Set \"wal_level\" to \"logical\" and restart the server.")));
}

void
topic_check_owner(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!gs_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relid)), name);
}

Oid
topic_relation_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation must not be null")));
	return PG_GETARG_OID(0);
}
