/*
 * owed.h: listeners that have to be told to read anew.
 */
#ifndef GS_OWED_H
#define GS_OWED_H

#include "base/base.h"

#include "base/shared.h"

extern void owed_init(SharedDatabase *place);

/* Notifications of this topic were skipped. */
extern void owed_missed(Oid relation);

/* A topic was dropped, and its listeners do not know it: the body of its frame. */
extern void owed_dropped(const char *body, Size size);

/* Whether anyone has to be told. */
extern bool owed_any(void);

/* In a transaction: have all of them told by its commit. Returns how many notifications that takes. */
extern int	owed_tell(uint32 epoch);

/* That transaction is committed. */
extern void owed_told(void);

#endif							/* GS_OWED_H */
