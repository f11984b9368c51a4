/*
 * truncate.h: rollups that were truncated with their source.
 */
#ifndef GS_TRUNCATE_H
#define GS_TRUNCATE_H

#include "base/base.h"

#include "replication/logical.h"
#include "replication/reorderbuffer.h"

/*
 * If a transactional message says that a rollup was truncated, call the truncate callback of the
 * context, as for its partials, and return true.
 */
extern bool truncate_of_message(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn,
								const char *prefix, Size size, const char *content);

#endif							/* GS_TRUNCATE_H */
