/*
 * names.h: whether what the command line names is there
 */
#ifndef GYMSTREAM_CLIENT_NAMES_H
#define GYMSTREAM_CLIENT_NAMES_H

#include "client/base/connect.h"
#include "client/feed/filter.h"

/*
 * Look for the filter's tables and columns in the connection's database. False where no table
 * bears a name, no table has the columns, or the look failed; why is told on stderr. Changes
 * nothing. The connection may be one for replication.
 */
extern bool names_exist(Connection *c, const Filter *filter);

#endif
