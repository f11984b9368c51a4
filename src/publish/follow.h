/*
 * follow.h: for the decoder: topics whose relation has changed, and topics that are gone.
 */
#ifndef GS_FOLLOW_H
#define GS_FOLLOW_H

#include "base/base.h"

#include "access/xlogdefs.h"
#include "replication/reorderbuffer.h"

/* Begin to follow the topics that there are. In a transaction, before decoding. */
extern void follow_begin(void);

/* A relation is truncated, which is told as such; or only a part of it is, which is a change. */
extern void follow_truncated(Oid relation, bool partly);

/* If a transactional message says that a rollup was rebuilt, take it and return true. */
extern bool follow_message(ReorderBufferTXN *txn, const char *prefix, Size size,
						   const char *content);

/* What has become of a topic's relation. */
typedef struct FollowChange
{
	Oid			relation;
	/* the topic is gone, perhaps with its relation; else the relation has changed */
	bool		dropped;
	const char *channel;		/* of the topic, as it was */
	const char *name;			/* of the relation now, or the last one that it had */
} FollowChange;

/*
 * At the commit of a transaction that may have changed catalogs, under its historic snapshot: each
 * change, one a call; false when there is none left. The change is good until the next call.
 */
extern bool follow_next(XLogRecPtr commit_lsn, FollowChange *change);

#endif							/* GS_FOLLOW_H */
