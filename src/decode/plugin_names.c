/*
 * plugin_names.c: takes the list of tables that a reader asks for, when its session begins, and
 * refuses a name that no table bears: such a reader would see nothing, and confirm all that it was
 * not shown.
 *
 * Looked at is what there is now, once. A table that is dropped or renamed later does not end a
 * session; the next one is refused, as is one for a table that is yet to be made. Who wants such a
 * name all the same says so by the option "missing-tables".
 */
#include "decode/plugin.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/catalog.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* What a pattern meets. */
typedef enum Borne
{
	BORNE_BY_NONE,
	BORNE_BY_ROOTS,				/* by partitioned tables alone, which have no rows */
	BORNE
} Borne;

/* Whether a relation is shown, if it is listed. A view is, where it is a rollup's. */
static Borne
borne_by(Oid relid, char relkind)
{
	RollupRelations relations;

	if (relkind == RELKIND_PARTITIONED_TABLE)
		return BORNE_BY_ROOTS;
	if (relkind == RELKIND_RELATION ||
		(relkind == RELKIND_VIEW && catalog_relations(ROLLUP_ROLLUP, relid, &relations)))
		return BORNE;
	return BORNE_BY_NONE;
}

/*
 * The relations of a name, in any schema. Reads one catalog by its index, under a lock that waits
 * for nobody who only makes or drops tables. Runs before decoding begins, hence sees what there is
 * now.
 */
static Borne
borne_in_any_schema(const char *name)
{
	Relation	catalog = table_open(RelationRelationId, AccessShareLock);
	Borne		result = BORNE_BY_NONE;
	NameData	wanted;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	namestrcpy(&wanted, name);
	ScanKeyInit(&key, Anum_pg_class_relname, BTEqualStrategyNumber, F_NAMEEQ,
				NameGetDatum(&wanted));
	scan = systable_beginscan(catalog, ClassNameNspIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		result = Max(result, borne_by(form->oid, form->relkind));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	/* a name that was cut off is another one */
	return strcmp(NameStr(wanted), name) == 0 ? result : BORNE_BY_NONE;
}

static Borne
pattern_borne(const PluginPattern *pattern)
{
	Oid			schema;
	Oid			relid;

	if (pattern->schema == NULL)
		return pattern->name == NULL ? BORNE : borne_in_any_schema(pattern->name);
	schema = get_namespace_oid(pattern->schema, true);
	if (!OidIsValid(schema))
		return BORNE_BY_NONE;
	/* tables come into a schema later, which may be empty now */
	if (pattern->name == NULL)
		return BORNE;
	relid = get_relname_relid(pattern->name, schema);
	return OidIsValid(relid) ? borne_by(relid, get_rel_relkind(relid)) : BORNE_BY_NONE;
}

/* What was written for the pattern. */
static char *
pattern_text(const PluginPattern *pattern)
{
	if (pattern->schema == NULL && pattern->name != NULL)
		return pstrdup(pattern->name);
	return psprintf("%s.%s", pattern->schema ? pattern->schema : "*",
					pattern->name ? pattern->name : "*");
}

/*
 * What the pattern meets, or another one of the list that reads the same text in another way: of
 * "a.b" a reader who does not know whether the point is part of the name may list both.
 */
static Borne
text_borne(const List *patterns, const char *text)
{
	Borne		result = BORNE_BY_NONE;
	const ListCell *lc;

	foreach(lc, patterns)
	{
		const PluginPattern *pattern = lfirst(lc);

		if (strcmp(pattern_text(pattern), text) == 0)
			result = Max(result, pattern_borne(pattern));
	}
	return result;
}

/* A list of tables to leave out is not checked: a name there that nothing bears hides nothing. */
void
plugin_names_check(const PluginOptions *options)
{
	const ListCell *lc;

	if (options->missing_tables)
		return;
	foreach(lc, options->add_tables)
	{
		const char *text = pattern_text(lfirst(lc));
		Borne		borne = text_borne(options->add_tables, text);

		if (borne == BORNE_BY_NONE)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("option \"add-tables\" of output plugin gymstream names \"%s\", which "
							"does not exist",
							text),
					 errhint("Mend the name. Set the option \"missing-tables\" to \"ignore\" where "
							 "a table is yet to be made, or has been dropped or renamed.")));
		if (borne == BORNE_BY_ROOTS && !options->via_root && options->publications == NIL)
			ereport(WARNING,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("the rows of partitioned table \"%s\" are shown under the names of its "
							"partitions", text),
					 errhint("Set the option \"publish-via-partition-root\", or list the "
							 "partitions.")));
	}
}
