/*
 * survey.h: what is wrong with a rollup, and what may be run to see it.
 */
#ifndef GS_SURVEY_H
#define GS_SURVEY_H

#include "base/base.h"

#include "utils/relcache.h"

#include "base/catalog.h"
#include "rollup/model/shape.h"

/*
 * What is missing of a rollup's triggers, there twice, or disabled, and what to do; NULL: nothing.
 */
extern char *survey_triggers(const RollupRelations *relations, const RollupShape *shape);

/* Whether a query on the partials runs functions of superusers alone. Between survey*.c. */
extern bool survey_trusts(Relation partials);

/*
 * What the table of a rollup's partials cannot be or have, and is or has: "table ... cannot" goes
 * before it. NULL: nothing.
 */
extern const char *survey_partials(Oid partials);

#endif							/* GS_SURVEY_H */
