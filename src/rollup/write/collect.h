/*
 * collect.h: from a changed row of a source to pending deltas.
 */
#ifndef GS_COLLECT_H
#define GS_COLLECT_H

#include "base/base.h"

#include "utils/relcache.h"

#include "rollup/model/rollup.h"

/*
 * Add to the rollup's pending deltas what a change of its source means: the row in rollup->old_row
 * was taken away, or none when had_old is false, and the one in rollup->new_row was added. Runs
 * functions of the query as the rollup's owner.
 */
extern void collect_change(Rollup *rollup, bool had_old, bool has_new);

/*
 * The same for all rows of a table that has columns of the source's names: it comes, or goes. The
 * caller keeps writers away. In a transaction with one snapshot an error, if that does not show
 * these rows.
 */
extern void collect_table(Rollup *rollup, Relation table, bool comes);

#endif							/* GS_COLLECT_H */
