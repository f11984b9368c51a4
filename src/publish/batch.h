/*
 * batch.h: events gathered from one or more transactions, and told to listeners in one.
 */
#ifndef GS_BATCH_H
#define GS_BATCH_H

#include "base/base.h"

#include "base/shared.h"
#include "publish/frame.h"

extern void batch_init(void);

/* Copies what it needs. stamp is the transaction's, from its BEGIN frame. */
extern void batch_add(const Frame *frame, const EventStamp *stamp, const char *body, Size size);

extern bool batch_is_full(void);

/*
 * Tell listeners of all events, in their order, in a transaction of its own; then forget them. Enters the position of the
 * last one in the place.
 */
extern void batch_tell(SharedDatabase *place);

#endif							/* GS_BATCH_H */
