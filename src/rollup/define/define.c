/*
 * define.c: the SQL functions that make and rebuild rollups. Takes a name and a query and gives the objects
 * that a rollup is made of: the view that users read, the definition, the partials, and the triggers on the source.
 *
 * All of it happens in the caller's transaction, with the caller's rights, under search_path = pg_catalog. The source is
 * locked in SHARE ROW EXCLUSIVE mode, as CREATE TRIGGER does: writers wait until the transaction ends, readers do not.
 */
#include "rollup/define/define.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#include "base/argument.h"
#include "base/owner.h"
#include "rollup/define/progress.h"
#include "rollup/model/source.h"
#include "rollup/model/sql.h"
#include "rollup/partials/protect.h"

/*
 * Names
 */
static void
check_name_length(const char *name)
{
	int			len = 0;
	bool		quoted = false;

	for (const char *p = name; *p; p++)
	{
		if (*p == '"')
		{
			/* two of them inside quotes stand for one that counts */
			if (quoted && p[1] == '"')
				p++, len++;
			else
				quoted = !quoted;
		}
		else if (*p == '.' && !quoted)
			len = 0;
		else if (++len >= NAMEDATALEN)
			ereport(ERROR,
					(errcode(ERRCODE_NAME_TOO_LONG),
					 errmsg("name of the rollup is too long: \"%s\"", name),
					 errdetail("A name has at most %d bytes.", NAMEDATALEN - 1)));
	}
}

RangeVar *
define_parse_name(text *name)
{
	char	   *string = text_to_cstring(name);
	List	   *parts = NIL;

	check_name_length(string);
	if (!SplitIdentifierString(pstrdup(string), '.', &parts) || parts == NIL || list_length(parts) > 2 ||
		strlen(llast(parts)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name of a rollup: \"%s\"", string),
				 errhint("Write a name, or schema.name, in double quotes where an SQL identifier needs them.")));
	return makeRangeVar(list_length(parts) == 2 ? linitial(parts) : NULL, llast(parts), -1);
}

/* What a new rollup is to be called, whether or not there is such a relation. */
static QualifiedName
new_name(text *name)
{
	RangeVar   *relation = define_parse_name(name);
	QualifiedName	result = {RangeVarGetCreationNamespace(relation), relation->relname};

	if (isAnyTempNamespace(result.schema))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_SCHEMA_NAME),
				 errmsg("a rollup cannot be in a temporary schema")));
	return result;
}

static void
require_free(const QualifiedName *name)
{
	if (OidIsValid(get_relname_relid(name->name, name->schema)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", name->name),
				 errhint("Choose another name, or drop the existing relation first.")));
}

/* name_label, made shorter or numbered until it is free in the schema */
static QualifiedName
companion_name(const QualifiedName *rollup, const char *label)
{
	QualifiedName	result = {rollup->schema, makeObjectName(rollup->name, NULL, label)};

	for (int i = 2; OidIsValid(get_relname_relid(result.name, result.schema)); i++)
		result.name = makeObjectName(rollup->name, NULL, psprintf("%s%d", label, i));
	return result;
}

/*
 * Running statements
 */
static void
run(const char *sql)
{
	int			result = SPI_execute(sql, false, 0);

	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
}

/* Between the two, SQL text means the same whoever calls. */
static int
fixed_path_begin(void)
{
	int			nest = owner_fix_search_path();

	SPI_connect();
	return nest;
}

static void
fixed_path_end(int nest)
{
	SPI_finish();
	AtEOXact_GUC(false, nest);
}

/*
 * Keep writers away. A statement of this session that is in the middle of changing the source would go on without new
 * triggers, and with deltas pending that the rollup's rows, seen now, already have.
 */
static void
lock_source(Oid source, const char *what)
{
	ListCell   *cell;

	LockRelationOid(source, ShareRowExclusiveLock);
	foreach(cell, source_tables(source, ShareRowExclusiveLock))
	{
		Relation	relation = table_open(lfirst_oid(cell), NoLock);

		CheckTableNotInUse(relation, what);
		table_close(relation, NoLock);
	}
}

/*
 * Creating
 */
static void
depend_on_extension(Oid relid, DependencyType type)
{
	ObjectAddress relation,
				extension;

	ObjectAddressSet(relation, RelationRelationId, relid);
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("gymstream", false));
	recordDependencyOn(&relation, &extension, type);
}

static Oid
create_definition(const QualifiedName *name, Query *query)
{
	run(sql_definition(name, query));
	return get_relname_relid(name->name, name->schema);
}

static Oid
create_partials(const QualifiedName *name, const RollupShape *shape)
{
	run(sql_partials(name, shape));
	return get_relname_relid(name->name, name->schema);
}

/* Only once the catalog says what they are: decoding would take the rows for those of an ordinary table. */
static void
fill_partials(const QualifiedName *name, Oid rollup, Oid partials, const RollupShape *shape)
{
	ListCell   *cell;

	progress_begin(rollup, shape->source);
	run(sql_fill(partials, shape));
	progress_end();
	foreach(cell, sql_indexes(name, shape))
		run(lfirst(cell));
}

static void
note_missing_index(const RollupShape *shape)
{
	char	   *index = sql_marked_is_possible(shape) ? sql_marked_source_index(shape) : NULL;

	if (index)
		ereport(NOTICE,
				(errmsg("no index of \"%s\" finds the rows of a group", get_rel_name(shape->source)),
				 errdetail("The rollup has aggregates that must at times be computed from all rows of the group."),
				 errhint("Run %s.", index)));
}

/* The rollup of this name, left as it is; InvalidOid: there is no relation of this name. */
static Oid
existing_rollup(const QualifiedName *view, const char *sql)
{
	Oid			relid = get_relname_relid(view->name, view->schema);
	RollupRelations relations;

	if (!OidIsValid(relid))
		return InvalidOid;
	if (!catalog_relations(ROLLUP_ROLLUP, relid, &relations))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" already exists and is not a rollup", view->name),
				 errhint("Choose another name, or drop the existing relation first.")));
	if (shape_equal(rollup_shape(&relations), shape_of_query(define_query(sql))))
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("rollup \"%s\" already exists, skipping", view->name)));
	else
		ereport(NOTICE,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("rollup \"%s\" already exists with another query, skipping", view->name),
				 errhint("To change its query, drop it with gymstream.drop_rollup and create it again.")));
	return relid;
}

/* gymstream.create_rollup(name text, query text, if_not_exists boolean) returns regclass */
PG_FUNCTION_INFO_V1(gs_create_rollup);
Datum
gs_create_rollup(PG_FUNCTION_ARGS)
{
	char	   *sql;
	QualifiedName	view,
				definition,
				partials;
	Query	   *query;
	RollupRelations relations;
	RollupShape *shape;
	Oid			existing;
	ListCell   *cell;
	int			nest;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the name and the query of a rollup must not be null")));
	sql = text_to_cstring(PG_GETARG_TEXT_PP(1));
	view = new_name(PG_GETARG_TEXT_PP(0));
	existing = argument_switch(fcinfo, 2, "if_not_exists") ? existing_rollup(&view, sql) : InvalidOid;
	if (OidIsValid(existing))
		PG_RETURN_OID(existing);
	require_free(&view);
	argument_read_committed("gymstream.create_rollup");
	query = define_query(sql);
	definition = companion_name(&view, "definition");
	partials = companion_name(&view, "partials");

	nest = fixed_path_begin();
	relations.definition = create_definition(&definition, query);
	shape = rollup_shape(&relations);
	lock_source(shape->source, "make a rollup of");
	relations.partials = create_partials(&partials, shape);
	run(sql_view(&view, relations.partials, shape));
	relations.rollup = get_relname_relid(view.name, view.schema);
	catalog_relations_insert(&relations);
	fill_partials(&partials, relations.rollup, relations.partials, shape);
	define_create_triggers(&relations, shape);
	depend_on_extension(relations.definition, DEPENDENCY_AUTO_EXTENSION);
	depend_on_extension(relations.partials, DEPENDENCY_AUTO_EXTENSION);
	foreach(cell, sql_comments(&relations, shape))
		run(lfirst(cell));
	note_missing_index(shape);
	fixed_path_end(nest);
	PG_RETURN_OID(relations.rollup);
}

/*
 * Rebuilding
 */
static void
delete_partials(Oid partials)
{
	Relation	relation = table_open(partials, RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = gs_table_beginscan(relation, snapshot);
	TupleTableSlot *slot = table_slot_create(relation, NULL);

	/* through the heap: SQL would need a replica identity where a publication has all tables */
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		simple_table_tuple_delete(relation, &slot->tts_tid, snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(relation, NoLock);
	CommandCounterIncrement();
}

static void
fill_again(void *sql)
{
	run(sql);
}

/* Functions in the query are the owner's business, whoever rebuilds. */
static void
fill_as_owner(const RollupRelations *relations, const RollupShape *shape)
{
	OwnerCaller caller;

	owner_enter(&caller, catalog_owner(relations->rollup));
	progress_begin(relations->rollup, shape->source);
	protect_write(relations->partials, fill_again, sql_fill(relations->partials, shape));
	progress_end();
	owner_leave(&caller);
}

/* gymstream.rebuild_rollup(rollup regclass) returns void */
PG_FUNCTION_INFO_V1(gs_rebuild_rollup);
Datum
gs_rebuild_rollup(PG_FUNCTION_ARGS)
{
	Oid			rollup = PG_GETARG_OID(0);
	RollupRelations relations;
	RollupShape *shape;
	int			nest;

	argument_own_rollup(rollup, &relations);
	argument_read_committed("gymstream.rebuild_rollup");

	nest = fixed_path_begin();
	shape = rollup_shape(&relations);
	lock_source(shape->source, "rebuild a rollup of");
	delete_partials(relations.partials);
	fill_as_owner(&relations, shape);
	/* where a restore, or somebody who may do anything, has taken them away or disabled them */
	define_create_triggers(&relations, shape);
	fixed_path_end(nest);
	PG_RETURN_VOID();
}
