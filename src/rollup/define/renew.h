/*
 * renew.h: rollups whose view is of an earlier version.
 */
#ifndef GS_RENEW_H
#define GS_RENEW_H

#include "base/base.h"

#include "base/catalog.h"
#include "rollup/model/shape.h"

/*
 * Whether the view is of a version that did not tell equal keys apart: it may show a key that no
 * row has.
 */
extern bool renew_is_needed(const RollupRelations *relations, const RollupShape *shape);

/* The same as a WARNING that says what to do: an extension's script shows nothing less. */
extern void renew_warn(const RollupRelations *relations);

#endif							/* GS_RENEW_H */
