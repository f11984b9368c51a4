/*
 * define.c: the SQL function that makes rollups. Takes a name and a query and gives the objects
 * that a rollup is made of: the view that users read, the definition, the partials, and the
 * triggers on the source.
 *
 * All of it happens in the caller's transaction, with the caller's rights, under search_path =
 * pg_catalog. The source is locked in SHARE ROW EXCLUSIVE mode, as CREATE TRIGGER does: writers
 * wait until the transaction ends, readers do not.
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

#include "base/argument.h"
#include "base/name.h"
#include "base/owner.h"
#include "base/quiet.h"
#include "rollup/define/fill.h"
#include "rollup/model/source.h"
#include "rollup/model/sql.h"

/*
 * Names
 */

/* What a new rollup is to be called, whether or not there is such a relation. */
static QualifiedName
new_name(text *name)
{
	RangeVar   *relation = name_parse(name, "rollup");
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
void
define_run(const char *sql)
{
	int			result = SPI_execute(sql, false, 0);

	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
}

int
define_begin(void)
{
	int			nest = owner_fix_search_path();

	SPI_connect();
	return nest;
}

void
define_end(int nest)
{
	SPI_finish();
	AtEOXact_GUC(false, nest);
}

void
define_lock_source(Oid source, const char *what)
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
depend_on_extension(Oid relid)
{
	ObjectAddress relation,
				extension;

	ObjectAddressSet(relation, RelationRelationId, relid);
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("gymstream", false));
	deleteDependencyRecordsForSpecific(RelationRelationId, relid, DEPENDENCY_AUTO_EXTENSION,
									   ExtensionRelationId, extension.objectId);
	recordDependencyOn(&relation, &extension, DEPENDENCY_AUTO_EXTENSION);
}

void
define_depend(const RollupRelations *relations)
{
	depend_on_extension(relations->definition);
	depend_on_extension(relations->partials);
}

static Oid
create_definition(const QualifiedName *name, Query *query)
{
	define_run(sql_definition(name, query));
	return get_relname_relid(name->name, name->schema);
}

static Oid
create_partials(const QualifiedName *name, const RollupShape *shape)
{
	define_run(sql_partials(name, shape));
	return get_relname_relid(name->name, name->schema);
}

static void
create_indexes(const QualifiedName *partials, const RollupShape *shape)
{
	ListCell   *cell;

	foreach(cell, sql_indexes(partials, shape))
		define_run(lfirst(cell));
}

static void
note_missing_index(const RollupShape *shape)
{
	char	   *index = sql_marked_is_possible(shape) ? sql_index_of_source(shape) : NULL;

	if (index)
		ereport(NOTICE,
				(errmsg("no index of \"%s\" finds the rows of a group",
						get_rel_name(shape->source)),
				 errdetail("The rollup has aggregates that may have to be computed from all rows "
						   "of a group."),
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
				 errhint("To change its query, drop it with gymstream.drop_rollup and create it "
						 "again.")));
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
	argument_writes("gymstream.create_rollup");
	sql = text_to_cstring(PG_GETARG_TEXT_PP(1));
	view = new_name(PG_GETARG_TEXT_PP(0));
	existing =
		argument_switch(fcinfo, 2, "if_not_exists") ? existing_rollup(&view, sql) : InvalidOid;
	if (OidIsValid(existing))
		PG_RETURN_OID(existing);
	require_free(&view);
	argument_read_committed("gymstream.create_rollup");
	query = define_query(sql);
	definition = companion_name(&view, "definition");
	partials = companion_name(&view, "partials");

	nest = define_begin();
	relations.definition = create_definition(&definition, query);
	shape = rollup_shape(&relations);
	define_lock_source(shape->source, "make a rollup of");
	relations.partials = create_partials(&partials, shape);
	define_run(psprintf("CREATE VIEW %s AS %s", name_qualified(&view),
						sql_view(relations.partials, shape)));
	relations.rollup = get_relname_relid(view.name, view.schema);
	/* first of all: decoding would take the partials' rows for those of an ordinary table */
	catalog_relations_insert(&relations);
	quiet_relation(relations.partials);
	define_create_triggers(&relations, shape);
	fill_partials(&relations, shape, GetUserId());
	create_indexes(&partials, shape);
	define_depend(&relations);
	foreach(cell, sql_comments(&relations, shape))
		define_run(lfirst(cell));
	note_missing_index(shape);
	define_end(nest);
	PG_RETURN_OID(relations.rollup);
}
