/*
 * gymstream.h: what every room of the house shares: the settings, and one init per module.
 */
#ifndef GYMSTREAM_H
#define GYMSTREAM_H

#include "postgres.h"

#include "compat.h"

#define GS_SCHEMA "gymstream"
#define GS_SLOT_NAME "gymstream_%u"	/* the decoder's replication slot, by its database's OID */

#endif							/* GYMSTREAM_H */
