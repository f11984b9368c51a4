/*
 * renew.c: takes a rollup and says whether its view was made before equal keys were told apart by
 * their images. It gets another one (define_view.c) only when its partials are filled anew: that
 * takes each to be of one image.
 */
#include "rollup/define/renew.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "base/name.h"
#include "rollup/model/rollup.h"

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
				(errmsg("rollup %s may show keys that are only equal to those that rows have",
						name),
				 errhint("Run SELECT gymstream.rebuild_rollup(%s).", quote_literal_cstr(name))));
}
