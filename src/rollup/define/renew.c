/*
 * renew.c: takes a rollup whose view was made before equal keys were told apart by their images, and gives it the view
 * that create_rollup would make now. Only once its partials have been filled anew: the view takes each to be of one image.
 */
#include "rollup/define/renew.h"

#include "access/xact.h"
#include "commands/view.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "base/name.h"
#include "rollup/model/sql.h"

bool
renew_is_needed(const RollupRelations *relations, const RollupShape *shape)
{
	Datum		definition;

	if (!shape_by_image(shape))
		return false;
	definition = DirectFunctionCall1(pg_get_viewdef, ObjectIdGetDatum(relations->rollup));
	return strstr(TextDatumGetCString(definition), "key_image(") == NULL;
}

void
renew_warn(const RollupRelations *relations)
{
	char	   *name = name_of_relation(relations->rollup);

	if (renew_is_needed(relations, rollup_shape(relations)))
		ereport(WARNING,
				(errmsg("rollup %s may show keys that are only equal to those that rows have", name),
				 errhint("Run SELECT gymstream.rebuild_rollup(%s).", quote_literal_cstr(name))));
}

/* Its columns keep their names, options and privileges stay as they are. */
void
renew_view(const RollupRelations *relations)
{
	QualifiedName name = {get_rel_namespace(relations->rollup), get_rel_name(relations->rollup)};
	RollupShape *shape = rollup_shape(relations);
	char	   *sql;
	RawStmt    *raw;
	ListCell   *cell;

	if (!renew_is_needed(relations, shape))
		return;
	foreach(cell, shape->targets)
		lfirst_node(TargetEntry, cell)->resname = get_attname(relations->rollup, foreach_current_index(cell) + 1, false);
	sql = sql_view(&name, relations->partials, shape);
	raw = linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT));
	raw->stmt = castNode(ViewStmt, raw->stmt)->query;
	StoreViewQuery(relations->rollup, parse_analyze_fixedparams(raw, sql, NULL, 0, NULL), true);
	CommandCounterIncrement();
}
