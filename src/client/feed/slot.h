/*
 * slot.h: making and dropping a logical replication slot
 */
#ifndef GYMSTREAM_CLIENT_SLOT_H
#define GYMSTREAM_CLIENT_SLOT_H

#include "client/base/connect.h"

extern bool slot_create(Connection *c, const char *name, bool two_phase, bool failover, bool if_not_exists);
extern bool slot_drop(Connection *c, const char *name);

#endif
