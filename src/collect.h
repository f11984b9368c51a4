/*
 * collect.h: from a changed row of a source to pending deltas.
 */
#ifndef GS_COLLECT_H
#define GS_COLLECT_H

#include "gymstream.h"

#include "rollup.h"

/*
 * Add to the rollup's pending deltas what a change of its source means: the row in rollup->old_row was taken away, or
 * none when had_old is false, and the one in rollup->new_row was added. Runs functions of the query as the rollup's owner.
 */
extern void collect_change(Rollup *rollup, bool had_old, bool has_new);

#endif							/* GS_COLLECT_H */
