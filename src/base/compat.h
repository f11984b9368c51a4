/*
 * compat.h: the differences between PostgreSQL's major versions, all of them and only here.
 */
#ifndef GS_COMPAT_H
#define GS_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "gymstream needs PostgreSQL 15 or later"
#endif

/* 18: the mark of a function that does not return goes first */
#if PG_VERSION_NUM >= 180000
#define GS_NORETURN pg_noreturn
#else
#define GS_NORETURN pg_attribute_noreturn()
#endif

/* 19: headers no longer bring these along */
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/timestamp.h"

/* 16: the macros for values of variable length have a header of their own */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 17: LogLogicalMessage can flush at once */
#include "replication/message.h"
#if PG_VERSION_NUM >= 170000
#define gs_log_message(prefix, content, size) \
	((void) LogLogicalMessage(prefix, content, size, true, false))
#else
#define gs_log_message(prefix, content, size) \
	((void) LogLogicalMessage(prefix, content, size, true))
#endif

/* 18: the expressions of GROUP BY live in a range table entry of their own */
#include "optimizer/optimizer.h"
static inline Query *
gs_flatten_groups(Query *query)
{
#if PG_VERSION_NUM >= 180000
	if (query->hasGroupRTE)
	{
		query->targetList = (List *) flatten_group_exprs(NULL, query, (Node *) query->targetList);
		query->havingQual = flatten_group_exprs(NULL, query, query->havingQual);
	}
#endif
	return query;
}

/* 18: replacing Vars knows of RETURNING's OLD and NEW */
#include "rewrite/rewriteManip.h"
#if PG_VERSION_NUM >= 180000
#define gs_replace_vars(node, varno, entry, targets) \
	ReplaceVarsFromTargetList(node, varno, 0, entry, targets, 0, REPLACEVARS_REPORT_ERROR, 0, NULL)
#else
#define gs_replace_vars(node, varno, entry, targets) \
	ReplaceVarsFromTargetList(node, varno, 0, entry, targets, REPLACEVARS_REPORT_ERROR, 0, NULL)
#endif

/* 16: RelFileNode became RelFileLocator */
#if PG_VERSION_NUM >= 160000
#define GsRelFile RelFileLocator
#define gs_relfile(relation) ((relation)->rd_locator)
#define gs_relfile_equal(a, b) RelFileLocatorEquals(a, b)
#define gs_relfile_number(file) ((file).relNumber)
#else
#define GsRelFile RelFileNode
#define gs_relfile(relation) ((relation)->rd_node)
#define gs_relfile_equal(a, b) RelFileNodeEquals(a, b)
#define gs_relfile_number(file) ((file).relNode)
#endif

/* 16: an update says which indexes need a new entry, not only whether */
#if PG_VERSION_NUM >= 160000
#define GsUpdateIndexes TU_UpdateIndexes
#define gs_update_indexes_needed(which) ((which) != TU_None)
#else
#define GsUpdateIndexes bool
#define gs_update_indexes_needed(which) (which)
#endif

/* 18: an index scan can be instrumented; 19: a scan takes options */
#if PG_VERSION_NUM >= 190000
#define gs_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0, SO_NONE)
#elif PG_VERSION_NUM >= 180000
#define gs_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define gs_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#endif

/* 19: a scan takes options, an update as well, and so does a delete, which had a flag */
#include "access/tableam.h"
#if PG_VERSION_NUM >= 190000
#define gs_table_beginscan(rel, snapshot) table_beginscan(rel, snapshot, 0, NULL, SO_NONE)
#define gs_table_beginscan_tidrange(rel, snapshot, from, to) \
	table_beginscan_tidrange(rel, snapshot, from, to, SO_NONE)
#define gs_table_update(rel, tid, slot, cid, failure, mode, indexes)                               \
	table_tuple_update(rel, tid, slot, cid, 0, InvalidSnapshot, InvalidSnapshot, true, failure,    \
					   mode, indexes)
#define gs_table_delete(rel, tid, cid, failure) \
	table_tuple_delete(rel, tid, cid, 0, InvalidSnapshot, InvalidSnapshot, true, failure)
#else
#define gs_table_beginscan(rel, snapshot) table_beginscan(rel, snapshot, 0, NULL)
#define gs_table_beginscan_tidrange(rel, snapshot, from, to) \
	table_beginscan_tidrange(rel, snapshot, from, to)
#define gs_table_update(rel, tid, slot, cid, failure, mode, indexes)                               \
	table_tuple_update(rel, tid, slot, cid, InvalidSnapshot, InvalidSnapshot, true, failure, mode, \
					   indexes)
#define gs_table_delete(rel, tid, cid, failure) \
	table_tuple_delete(rel, tid, cid, InvalidSnapshot, InvalidSnapshot, true, failure, false)
#endif

/*
 * 19: who prunes a page may find its visibility map wrong, and mends that too: a pin that may be
 * left is let go of
 */
#include "access/heapam.h"
#include "storage/bufmgr.h"
static inline void
gs_heap_page_prune(Relation relation, Buffer buffer)
{
#if PG_VERSION_NUM >= 190000
	Buffer		map = InvalidBuffer;

	heap_page_prune_opt(relation, buffer, &map, false);
	if (BufferIsValid(map))
		ReleaseBuffer(map);
#else
	heap_page_prune_opt(relation, buffer);
#endif
}

/* 16: TRUNCATE may run as the table's owner */
#if PG_VERSION_NUM >= 160000
#define gs_truncate(relations, relids, logged) \
	ExecuteTruncateGuts(relations, relids, logged, DROP_RESTRICT, false, false)
#else
#define gs_truncate(relations, relids, logged) \
	ExecuteTruncateGuts(relations, relids, logged, DROP_RESTRICT, false)
#endif

/* 18: the strategy of an ordering operator is told in general terms */
#include "access/stratnum.h"
#include "utils/lsyscache.h"
static inline bool
gs_ordering_operator(Oid operator, Oid *family, Oid *type, bool *greater)
{
#if PG_VERSION_NUM >= 180000
	CompareType strategy;

	if (!get_ordering_op_properties(operator, family, type, &strategy))
		return false;
	*greater = strategy == COMPARE_GT;
#else
	int16		strategy;

	if (!get_ordering_op_properties(operator, family, type, &strategy))
		return false;
	*greater = strategy == BTGreaterStrategyNumber;
#endif
	return true;
}

/* 18: a minimal tuple can have room before it */
#if PG_VERSION_NUM >= 180000
#define gs_form_minimal_tuple(desc, values, isnull) heap_form_minimal_tuple(desc, values, isnull, 0)
#define gs_copy_minimal_tuple(tuple) heap_copy_minimal_tuple(tuple, 0)
#else
#define gs_form_minimal_tuple(desc, values, isnull) heap_form_minimal_tuple(desc, values, isnull)
#define gs_copy_minimal_tuple(tuple) heap_copy_minimal_tuple(tuple)
#endif

/* 18: generated columns can be virtual */
#include "utils/lsyscache.h"
#if PG_VERSION_NUM >= 180000
#define gs_attribute_is_virtual(relid, attnum) \
	(get_attgenerated(relid, attnum) == ATTRIBUTE_GENERATED_VIRTUAL)
#else
#define gs_attribute_is_virtual(relid, attnum) (false)
#endif

/* 17: the expression of a generated column can be changed, and its values with it */
#if PG_VERSION_NUM >= 170000
#define gs_sets_expression(command) ((command)->subtype == AT_SetExpression)
#else
#define gs_sets_expression(command) (false)
#endif

/* 16: an aggregate that gives whichever value comes first */
#include "utils/fmgroids.h"
#if PG_VERSION_NUM >= 160000
#define gs_is_any_value(aggregate) ((aggregate) == F_ANY_VALUE)
#else
#define gs_is_any_value(aggregate) (false)
#endif

/* 19: a descriptor made by hand is to be finished */
#include "access/tupdesc.h"
#if PG_VERSION_NUM >= 190000
#define gs_tuple_desc_finish(desc) TupleDescFinalize(desc)
#else
#define gs_tuple_desc_finish(desc) ((void) (desc))
#endif

/* 17: indexes have options and statistics targets */
#include "catalog/index.h"
#if PG_VERSION_NUM >= 170000
#define gs_index_create(relation, name, info, columns, collations, classes, options)               \
	index_create(relation, name, InvalidOid, InvalidOid, InvalidOid, InvalidOid, info, columns,    \
				 BTREE_AM_OID, InvalidOid, collations, classes, NULL, options, NULL, (Datum) 0, 0, \
				 0, true, true, NULL)
#else
#define gs_index_create(relation, name, info, columns, collations, classes, options)               \
	index_create(relation, name, InvalidOid, InvalidOid, InvalidOid, InvalidOid, info, columns,    \
				 BTREE_AM_OID, InvalidOid, collations, classes, options, (Datum) 0, 0, 0, true,    \
				 true, NULL)
#endif

/* 17: intervals can be infinite */
#include "datatype/timestamp.h"
#if PG_VERSION_NUM >= 170000
#define gs_interval_is_finite(interval) (!INTERVAL_NOT_FINITE(interval))
static inline void
gs_interval_set_infinite(Interval *interval, bool plus)
{
	if (plus)
		INTERVAL_NOEND(interval);
	else
		INTERVAL_NOBEGIN(interval);
}
#else
#define gs_interval_is_finite(interval) ((void) (interval), true)
#define gs_interval_set_infinite(interval, plus) \
	ereport(ERROR, (errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("interval out of range")))
#endif

/* 16: one function checks ownership of any object */
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "utils/acl.h"
#if PG_VERSION_NUM >= 160000
#define gs_owns_relation(relid, user) object_ownercheck(RelationRelationId, relid, user)
#define gs_owns_database(database, user) object_ownercheck(DatabaseRelationId, database, user)
#define gs_owns_schema(schema, user) object_ownercheck(NamespaceRelationId, schema, user)
#define gs_may_use_schema(schema, user) \
	(object_aclcheck(NamespaceRelationId, schema, user, ACL_USAGE) == ACLCHECK_OK)
#else
#define gs_owns_relation(relid, user) pg_class_ownercheck(relid, user)
#define gs_owns_database(database, user) pg_database_ownercheck(database, user)
#define gs_owns_schema(schema, user) pg_namespace_ownercheck(schema, user)
#define gs_may_use_schema(schema, user) \
	(pg_namespace_aclcheck(schema, user, ACL_USAGE) == ACLCHECK_OK)
#endif

/* 16: a type's input may be asked to say that a text is wrong without an error */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#define gs_ereturn(context, value, ...) ereturn(context, value, __VA_ARGS__)
#else
#define gs_ereturn(context, value, ...) ereport_domain(ERROR, TEXTDOMAIN, __VA_ARGS__)
#endif

/* 19: what decoding needs is logged by another variable too, once decoding has turned itself on */
#if PG_VERSION_NUM >= 190000
#define gs_logical_info XLogLogicalInfo
#define gs_set_logical_info(active) (XLogLogicalInfo = (active))
#else
#define gs_logical_info false
#define gs_set_logical_info(active) ((void) (active))
#endif

/* 16: a view's rule does not begin with entries for OLD and NEW any more */
#if PG_VERSION_NUM >= 160000
#define GS_VIEW_ENTRIES 0
#else
#define GS_VIEW_ENTRIES 2
#endif

/* 16: which rights a query needs, and whose, stands apart from the tables it reads */
#include "nodes/plannodes.h"
static inline void
gs_read_as(PlannedStmt *plan, Oid user)
{
	ListCell   *cell;

#if PG_VERSION_NUM >= 160000
	foreach(cell, plan->permInfos)
		((RTEPermissionInfo *) lfirst(cell))->checkAsUser = user;
#else
	foreach(cell, plan->rtable)
		((RangeTblEntry *) lfirst(cell))->checkAsUser = user;
#endif
}

/* 18: a query is run once, without a word; 19: planning can tell EXPLAIN of itself */
#if PG_VERSION_NUM >= 180000
#define gs_executor_run(query) ExecutorRun(query, ForwardScanDirection, 0)
#else
#define gs_executor_run(query) ExecutorRun(query, ForwardScanDirection, 0, true)
#endif
#if PG_VERSION_NUM >= 190000
#define gs_plan_query(query, text) pg_plan_query(query, text, 0, NULL, NULL)
#else
#define gs_plan_query(query, text) pg_plan_query(query, text, 0, NULL)
#endif

/* 16: the reorder buffer itself reports progress within a transaction */
#if PG_VERSION_NUM >= 160000
#define GS_PLUGIN_REPORTS_PROGRESS 0
#else
#define GS_PLUGIN_REPORTS_PROGRESS 1
#endif

/* 16: columns may be missing where they are matched by name */
#include "access/attmap.h"
#if PG_VERSION_NUM >= 160000
#define gs_attrmap_by_name(in, out) build_attrmap_by_name(in, out, false)
#else
#define gs_attrmap_by_name(in, out) build_attrmap_by_name(in, out)
#endif

/* 18: that a transaction is prepared has another name */
#if PG_VERSION_NUM >= 180000
#define gs_txn_is_prepared(txn) rbtxn_is_prepared(txn)
#else
#define gs_txn_is_prepared(txn) rbtxn_prepared(txn)
#endif

/* 17: a change's tuples are plain heap tuples */
#if PG_VERSION_NUM >= 170000
#define gs_change_tuple(buffer) (buffer)
#else
#define gs_change_tuple(buffer) ((buffer) ? &(buffer)->tuple : NULL)
#endif

/* 18: generated columns can be virtual */
#if PG_VERSION_NUM >= 180000
#define gs_is_virtual(attribute) ((attribute)->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL)
#else
#define gs_is_virtual(attribute) false
#endif

/* 19: what names an origin has another name, and times need none */
#include "replication/origin.h"
#include "replication/reorderbuffer.h"
#if PG_VERSION_NUM >= 190000
#define GsOriginId ReplOriginId
#define GS_INVALID_ORIGIN InvalidReplOriginId
#define gs_txn_commit_time(txn) ((txn)->commit_time)
#define gs_txn_prepare_time(txn) ((txn)->prepare_time)
#else
#define GsOriginId RepOriginId
#define GS_INVALID_ORIGIN InvalidRepOriginId
#define gs_txn_commit_time(txn) ((txn)->xact_time.commit_time)
#define gs_txn_prepare_time(txn) ((txn)->xact_time.prepare_time)
#endif

/*
 * 17: slots can be synchronized to standbys; 18: a slot that is invalid need not be an error; 19:
 * slots of REPACK
 */
#if PG_VERSION_NUM >= 190000
#define gs_slot_create(name) \
	ReplicationSlotCreate(name, true, RS_EPHEMERAL, false, false, false, false)
#elif PG_VERSION_NUM >= 170000
#define gs_slot_create(name) ReplicationSlotCreate(name, true, RS_EPHEMERAL, false, false, false)
#else
#define gs_slot_create(name) ReplicationSlotCreate(name, true, RS_EPHEMERAL, false)
#endif
#if PG_VERSION_NUM >= 180000
#define gs_slot_acquire(name) ReplicationSlotAcquire(name, true, false)
#else
#define gs_slot_acquire(name) ReplicationSlotAcquire(name, true)
#endif

/*
 * 19: logical decoding turns itself on with the first slot where wal_level is replica, and off
 * after the last one. Who makes a slot turns it on between making it and its first look at the log.
 */
#include "access/xlog.h"
#include "replication/logical.h"
#if PG_VERSION_NUM >= 190000
#include "replication/logicalctl.h"
#define GS_WAL_LEVEL_SETTING "effective_wal_level"
#define GS_WAL_LEVEL_NEEDED "replica"
#define gs_can_decode() (wal_level >= WAL_LEVEL_REPLICA)
#define gs_turn_decoding_on() EnsureLogicalDecodingEnabled()
#define gs_check_decoding() CheckLogicalDecodingRequirements(false)
#define gs_create_init_decoding(plugin, reader)                                                    \
	CreateInitDecodingContext(plugin, NIL, false, false, InvalidXLogRecPtr, reader, NULL, NULL,    \
							  NULL)
#else
#define GS_WAL_LEVEL_SETTING "wal_level"
#define GS_WAL_LEVEL_NEEDED "logical"
#define gs_can_decode() (wal_level >= WAL_LEVEL_LOGICAL)
#define gs_turn_decoding_on() ((void) 0)
#define gs_check_decoding() CheckLogicalDecodingRequirements()
#define gs_create_init_decoding(plugin, reader) \
	CreateInitDecodingContext(plugin, NIL, false, InvalidXLogRecPtr, reader, NULL, NULL, NULL)
#endif

/* 19: a publication of all tables can leave some out, and then their partitions too */
#include "catalog/pg_publication.h"
#if PG_VERSION_NUM >= 190000
#define gs_relation_publications(relid) GetRelationIncludedPublications(relid)
#define gs_publication_excludes(publication, root) \
	list_member_oid(GetRelationExcludedPublications(root), (publication)->oid)
#else
#define gs_relation_publications(relid) GetRelationPublications(relid)
#define gs_publication_excludes(publication, root) false
#endif

/* 16: why a slot is invalid is remembered, not only that it is */
#if PG_VERSION_NUM >= 160000
#define gs_slot_is_invalid(slot) ((slot)->data.invalidated != RS_INVAL_NONE)
#else
#define gs_slot_is_invalid(slot) ((slot)->data.invalidated_at != InvalidXLogRecPtr)
#endif

/* 16: what other backends do has a function of another name */
#if PG_VERSION_NUM >= 160000
#define gs_backend_status(index) pgstat_get_local_beentry_by_index(index)
#else
#define gs_backend_status(index) pgstat_fetch_stat_local_beentry(index)
#endif

/* 19: a signal's handler is told who sent it */
#if PG_VERSION_NUM >= 190000
#define GS_SIGNAL postgres_signal_arg, pg_siginfo
#else
#define GS_SIGNAL postgres_signal_arg
#endif

/* 16: a range that is wrong need not be an error */
#include "utils/rangetypes.h"
#if PG_VERSION_NUM >= 160000
#define gs_range_serialize(type, lower, upper, empty) \
	range_serialize(type, lower, upper, empty, NULL)
#else
#define gs_range_serialize(type, lower, upper, empty) range_serialize(type, lower, upper, empty)
#endif

/* 19: what is known of a jsonb that is being put together stands in one place */
#include "utils/jsonb.h"
#if PG_VERSION_NUM >= 190000
#define GsJsonbState JsonbInState
#define gs_jsonb_push(state, token, value) pushJsonbValue(state, token, value)
#else
typedef struct GsJsonbState
{
	JsonbParseState *parse;
	JsonbValue *result;
} GsJsonbState;
#define gs_jsonb_push(state, token, value) \
	((state)->result = pushJsonbValue(&(state)->parse, token, value))
#endif

/* minor releases before 15.4: a database whose DROP was interrupted is not marked */
#ifdef DATCONNLIMIT_INVALID_DB
#define GS_DATCONNLIMIT_INVALID DATCONNLIMIT_INVALID_DB
#else
#define GS_DATCONNLIMIT_INVALID (-2)
#endif

/* 18: a path counts the nodes that settings have disabled; before, these have a huge cost */
#include "nodes/pathnodes.h"
#if PG_VERSION_NUM >= 180000
#define gs_copy_disabled_nodes(to, from) ((to)->disabled_nodes = (from)->disabled_nodes)
#else
#define gs_copy_disabled_nodes(to, from) ((void) 0)
#endif

/*
 * 17: the planner of a subquery is told of a set operation around it; 19: each planning of one has
 * a name
 */
#include "optimizer/planner.h"
#include "parser/parsetree.h"
static inline PlannerInfo *
gs_plan_subquery(PlannerInfo *root, Index relid, Query *query)
{
#if PG_VERSION_NUM >= 190000
	char *name =
		choose_plan_name(root->glob, planner_rt_fetch(relid, root)->eref->aliasname, false);

	return subquery_planner(root->glob, query, name, root, NULL, false, 0.0, NULL);
#elif PG_VERSION_NUM >= 170000
	return subquery_planner(root->glob, query, root, false, 0.0, NULL);
#else
	return subquery_planner(root->glob, query, root, false, 0.0);
#endif
}

/* 18: what EXPLAIN prints its properties with has a header of its own */
#include "commands/explain.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

#endif							/* GS_COMPAT_H */
