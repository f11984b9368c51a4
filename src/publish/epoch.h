/*
 * epoch.h: the first part of positions, which grows where LSNs may go back.
 */
#ifndef GS_EPOCH_H
#define GS_EPOCH_H

#include "base/base.h"

#include "base/shared.h"

/*
 * The epoch of what is told now. Looks at the table epoch at first, and again when the decoder has
 * made its slot anew. A new epoch is on disk when this returns. Outside of a transaction.
 */
extern uint32 epoch_current(SharedDatabase *place);

#endif							/* GS_EPOCH_H */
