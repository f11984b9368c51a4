/*
 * define_source.c: takes the table that a rollup's query reads, and the views that the query names,
 * and gives an error that says why the caller may not make a rollup of them, or why nobody can.
 * Changes nothing.
 */
#include "rollup/define/define.h"

#include "access/relation.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/name.h"
#include "rollup/model/refuse.h"
#include "rollup/model/source.h"

static const char *
relkind_refused(char relkind)
{
	switch (relkind)
	{
		case RELKIND_MATVIEW:
			return "a materialized view";
		case RELKIND_FOREIGN_TABLE:
			return "a foreign table";
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_RELATION:
			return NULL;
		default:
			return "a relation that is not a table";
	}
}

/* What about the table makes it impossible to see each change of it by triggers. */
static const char *
source_refused(Relation source)
{
	Form_pg_class form = source->rd_rel;

	if (relkind_refused(form->relkind))
		return relkind_refused(form->relkind);
	if (IsCatalogRelation(source) || isAnyTempNamespace(form->relnamespace) ||
		get_namespace_oid("information_schema", true) == form->relnamespace)
		return isAnyTempNamespace(form->relnamespace) ? "a temporary table" : "a system table";
	if (catalog_is_schema(form->relnamespace) ||
		get_namespace_oid(GS_SCHEMA, false) == form->relnamespace)
		return "a table of gymstream itself";
	if (form->relpersistence == RELPERSISTENCE_UNLOGGED)
		return "an unlogged table";
	if (form->relkind == RELKIND_RELATION &&
		find_inheritance_children(RelationGetRelid(source), NoLock) != NIL)
		return "a table with inheritance children";
	if (form->relrowsecurity)
		return "a table with row-level security";
	if (source->rd_rules)
		return "a table with rules";
	return NULL;
}

static void
check_source_rights(Oid source, const char *name)
{
	Oid			user = GetUserId();
	ListCell   *cell;

	if (pg_class_aclcheck(source, user, ACL_SELECT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for table %s", name),
				 errdetail("Creating a rollup needs the SELECT and TRIGGER privileges on its "
						   "source."),
				 errhint("Run GRANT SELECT, TRIGGER ON %s TO %s.", name,
						 GetUserNameFromId(user, false))));
	foreach(cell, source_tables(source, AccessShareLock))
	{
		Oid			table = lfirst_oid(cell);

		if (pg_class_aclcheck(table, user, ACL_TRIGGER) == ACLCHECK_OK)
			continue;
		name = name_of_relation(table);
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for table %s", name),
			 table == source ?
				 errdetail("Creating a rollup needs the TRIGGER privilege on its source.") :
				 errdetail("Creating a rollup needs the TRIGGER privilege on all partitions of its "
						   "source."),
			 errhint("Run GRANT TRIGGER ON %s TO %s.", name, GetUserNameFromId(user, false))));
	}
}

void
define_check_views(List *views)
{
	ListCell   *cell;

	foreach(cell, views)
		if (pg_class_aclcheck(lfirst_oid(cell), GetUserId(), ACL_SELECT) != ACLCHECK_OK)
			aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_VIEW, get_rel_name(lfirst_oid(cell)));
}

void
define_check_partition(Oid source, Oid partition)
{
	Relation	relation = relation_open(partition, AccessShareLock);
	const char *what = source_refused(relation);

	if (what)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("a rollup cannot read \"%s\" with its partition \"%s\"",
						get_rel_name(source), RelationGetRelationName(relation)),
				 errdetail("The partition is %s.", what),
				 errhint("All partitions must be ordinary, permanent tables.")));
	relation_close(relation, NoLock);
}

/* Whether one of its partitions makes it impossible. */
static void
check_partitions(Relation source)
{
	ListCell   *cell;

	foreach(cell, find_all_inheritors(RelationGetRelid(source), AccessShareLock, NULL))
	{
		bool		detached = false;

		if (lfirst_oid(cell) != RelationGetRelid(source))
			define_check_partition(RelationGetRelid(source), lfirst_oid(cell));
		(void) find_inheritance_children_extended(lfirst_oid(cell), true, NoLock, &detached, NULL);
		if (detached)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("a rollup cannot read \"%s\"", RelationGetRelationName(source)),
					 errdetail("A partition of \"%s\" is half detached.",
							   get_rel_name(lfirst_oid(cell))),
					 errhint("Run ALTER TABLE ... DETACH PARTITION ... FINALIZE first.")));
	}
}

void
define_check_source(const Query *query)
{
	RangeTblEntry *entry = rt_fetch(1, query->rtable);
	Relation	source;
	const char *what;
	RollupRelations relations;

	source = relation_open(entry->relid, AccessShareLock);
	what = source_refused(source);
	if (what == NULL && catalog_relations(ROLLUP_PARTIALS, entry->relid, &relations))
		what = "the partials of another rollup";
	if (what)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("a rollup cannot read \"%s\"", RelationGetRelationName(source)),
				 errdetail("It is %s.", what),
				 errhint("A rollup reads one ordinary, permanent table.")));
	if (source->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		if (!entry->inh)
			refuse_construct(refuse_place(NULL), "ONLY of a partitioned table",
							 "Leave ONLY out, or name a partition.");
		check_partitions(source);
	}
	check_source_rights(entry->relid,
						quote_qualified_identifier(get_namespace_name(RelationGetNamespace(source)),
												   RelationGetRelationName(source)));
	relation_close(source, AccessShareLock);
}
