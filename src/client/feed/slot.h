/*
 * slot.h: making and dropping a logical replication slot
 */
#ifndef GYMSTREAM_CLIENT_SLOT_H
#define GYMSTREAM_CLIENT_SLOT_H

#include "client/base/connect.h"

/*
 * Make a slot of the output plugin gymstream; c is a connection for replication. Waits until
 * transactions that are running have ended. With if_not_exists a slot of that name is no error.
 * False: it failed, which is told on stderr.
 */
extern bool slot_create(Connection *c, const char *name, bool two_phase, bool failover,
						bool if_not_exists);

/* Drop a slot. False: it failed, which is told on stderr. */
extern bool slot_drop(Connection *c, const char *name);

#endif
