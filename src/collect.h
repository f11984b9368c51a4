/*
 * collect.h: the shape of the triggers on a source. Their functions are called from SQL only:
 *
 *   gymstream.collect(partials, tableoid, columns of NEW and OLD...)   in the WHEN of a row trigger
 *   gymstream.flush(partials)                                          in the WHEN of a statement trigger
 *   gymstream.truncated(partials)                                      in the WHEN of a TRUNCATE trigger
 *   gymstream.flush_pending()                                          the function of each of these triggers
 */
#ifndef GS_COLLECT_H
#define GS_COLLECT_H

#include "gymstream.h"

/* The most columns of a source that a rollup can use: collect takes each twice, beside two arguments more. */
#define COLLECT_MAX_COLUMNS ((FUNC_MAX_ARGS - 2) / 2)

#endif							/* GS_COLLECT_H */
