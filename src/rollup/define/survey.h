/*
 * survey.h: what is wrong with a rollup.
 */
#ifndef GS_SURVEY_H
#define GS_SURVEY_H

#include "base/base.h"

#include "base/catalog.h"
#include "rollup/model/shape.h"

/* What is missing of a rollup's triggers, there twice, or disabled, and what to do; NULL: nothing. */
extern char *survey_triggers(const RollupRelations *relations, const RollupShape *shape);

#endif							/* GS_SURVEY_H */
