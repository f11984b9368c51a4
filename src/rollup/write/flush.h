/*
 * flush.h: when pending deltas are applied.
 */
#ifndef GS_FLUSH_H
#define GS_FLUSH_H

#include "base/base.h"

/*
 * Apply what the current subtransaction has pending, of one rollup or of all. Nothing where there
 * is nothing.
 */
extern void flush_rollup(Oid partials);
extern void flush_all(void);

extern void flush_init(void);

#endif							/* GS_FLUSH_H */
