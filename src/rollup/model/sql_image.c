/*
 * sql_image.c: takes the shape of a rollup and gives the parts of its statements that tell equal
 * keys apart by their images, where they can differ: 1.0 and 1.00. All are empty, or as ever, for
 * other rollups. Runs no statement.
 *
 * Partials are of one image each. The view adds up those of equal keys, and shows as the group's
 * key the key of any partial it reads. So it must not read those of an image that no row has any
 * more:
 *
 *	SELECT k, total("count(*)")
 *	FROM (SELECT k, "count(*)", total("count(*)") OVER (PARTITION BY k, key_image(k)) AS live
 *		FROM partials) p
 *	WHERE live <> 0 GROUP BY k HAVING total("count(*)") ?> 0
 *
 * k is a column in each part, and PARTITION BY has it: so a condition on k goes down to the
 * partials, and to their index.
 */
#include "rollup/model/sql.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "base/owner.h"
#include "rollup/model/hold.h"
#include "rollup/model/key.h"

static Node *
key_expression(const RollupShape *shape, int i)
{
	return (Node *) list_nth_node(TargetEntry, shape->keys, i)->expr;
}

static char *
image_text(const List *values)
{
	StringInfoData list;
	ListCell   *cell;

	initStringInfo(&list);
	foreach(cell, values)
		appendStringInfo(&list, "%s%s", foreach_current_index(cell) ? ", " : "",
						 (char *) lfirst(cell));
	return psprintf("%s(%s)", catalog_own("key_image"), list.data);
}

char *
sql_image_of_source(const RollupShape *shape)
{
	List	   *values = NIL;

	if (!shape_by_image(shape))
		return NULL;
	for (int i = 0; i < list_length(shape->keys); i++)
		if (!key_is_identical(key_expression(shape, i)))
			values = lappend(values, sql_name_expression(key_expression(shape, i), shape->source));
	return image_text(values);
}

char *
sql_image_condition(const RollupShape *shape, const bool *isnull)
{
	List	   *values = NIL;
	List	   *parameters = NIL;
	int			parameter = 0;

	if (!shape_by_image(shape))
		return "";
	for (int i = 0; i < list_length(shape->keys); i++)
	{
		/* A key that is NULL has no parameter in sql_group's condition. */
		if (isnull[i])
			continue;
		parameter++;
		if (key_is_identical(key_expression(shape, i)))
			continue;
		values = lappend(values, sql_name_expression(key_expression(shape, i), shape->source));
		parameters = lappend(parameters, psprintf("$%d", parameter));
	}
	return values == NIL ? "" :
						   psprintf(" AND %s = %s", image_text(values), image_text(parameters));
}

/*
 * The partials, with what the window adds
 */
static char *
added_column(List *columns, const char *wanted)
{
	/* sql_name_add gives it a number where a column of the partials has the name. */
	return pstrdup(quote_identifier(llast(sql_name_add(list_copy(columns), wanted))));
}

/*
 * What makes an image: all keys, since of some types values can only be hashed, and nothing is
 * partitioned by these.
 */
static char *
partition_text(const RollupShape *shape, List *columns, char **image)
{
	StringInfoData list;
	List	   *values = NIL;

	initStringInfo(&list);
	for (int i = 0; i < list_length(shape->keys); i++)
	{
		char	   *column = pstrdup(quote_identifier(list_nth(columns, i)));

		values = lappend(values, column);
		if (key_has_order(exprType(key_expression(shape, i))))
			appendStringInfo(&list, "%s, ", column);
	}
	*image = image_text(values);
	appendStringInfoString(&list, *image);
	return list.data;
}

char *
sql_image_partials(Oid partials, const RollupShape *shape, List *columns, bool checked)
{
	char	   *from = checked ? sql_name_partials(partials) : name_of_relation(partials);
	StringInfoData sql;
	char	   *image;
	char	   *partition;
	ListCell   *cell;

	if (!shape_by_image(shape))
		return from;
	partition = partition_text(shape, columns, &image);
	initStringInfo(&sql);
	appendStringInfoString(&sql, "(SELECT ");
	foreach(cell, columns)
		appendStringInfo(&sql, "%s, ", quote_identifier(lfirst(cell)));
	appendStringInfo(&sql, "%s AS %s, %s(%s) OVER (PARTITION BY %s) AS %s FROM %s) p WHERE %s <> 0",
					 image, added_column(columns, "image"), catalog_own("total"),
					 quote_identifier(list_nth(columns, list_length(shape->keys))), partition,
					 added_column(columns, "live"), from, added_column(columns, "live"));
	return sql.data;
}

char *
sql_image_is_one_of_many(const RollupShape *shape, List *columns)
{
	if (!shape_by_image(shape))
		return NULL;
	return psprintf("count(DISTINCT %s) > 1", added_column(columns, "image"));
}

/*
 * rollup_stray_keys(rollup regclass) returns text: the query for rows of the rollup with keys that
 * no row of its source has; null where equal keys are identical, and where the caller may not read
 * the source
 */
static char *
stray_text(const RollupRelations *relations, const RollupShape *shape)
{
	List	   *shown = NIL;
	List	   *values = NIL;
	bool		differ = false;
	ListCell   *cell;

	/* A key that the view does not show cannot be compared. */
	foreach(cell, shape->keys)
	{
		TargetEntry *key = lfirst(cell);

		if (key->resjunk)
			continue;
		differ = differ || !key_is_identical((Node *) key->expr);
		shown = lappend(shown, psprintf("v.%s", quote_identifier(get_attname(relations->rollup,
																			 key->resno, false))));
		values = lappend(values, sql_name_expression((Node *) key->expr, shape->source));
	}
	if (!differ)
		return NULL;
	return psprintf("SELECT v.* FROM %s v WHERE NOT EXISTS (SELECT FROM (SELECT %s FROM %s%s%s) s "
					"(image) WHERE s.image = %s)",
					name_of_relation(relations->rollup), image_text(values), sql_name_source(shape),
					shape->filter ? " WHERE " : "",
					shape->filter ? sql_name_expression(shape->filter, shape->source) : "",
					image_text(shown));
}

PG_FUNCTION_INFO_V1(gs_rollup_stray_keys);
Datum
gs_rollup_stray_keys(PG_FUNCTION_ARGS)
{
	RollupHold	hold;
	char	   *text;
	int			nest;

	if (!hold_rollup(PG_GETARG_OID(0), &hold))
		PG_RETURN_NULL();
	nest = owner_fix_search_path();
	/* The caller runs the query, and so needs the right to read the source. */
	text = pg_class_aclcheck(hold.shape->source, GetUserId(), ACL_SELECT) == ACLCHECK_OK ?
			   stray_text(&hold.relations, hold.shape) :
			   NULL;
	hold_release(&hold);
	AtEOXact_GUC(false, nest);
	if (text == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(text));
}
