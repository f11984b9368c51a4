/*
 * flatten.h: a query over views, subqueries in FROM and WITH queries as one over the table below
 * them.
 */
#ifndef GS_FLATTEN_H
#define GS_FLATTEN_H

#include "base/base.h"

#include "nodes/parsenodes.h"
#include "utils/relcache.h"

/* The query that a view was made from, as a copy. */
extern Query *flatten_view_query(Relation view);

/*
 * The same query with the table as its only range table entry, SELECT DISTINCT as GROUP BY, and the
 * conditions of all levels together; an error that names the construct because of which there is
 * none. raw is the query as parsed, to point into, or NULL. Every view on the way is locked until
 * the transaction ends; views gets the OIDs of those that the query itself names. Leaves its
 * arguments as they are.
 */
extern Query *flatten_query(const Query *query, const SelectStmt *raw, List **views);

#endif							/* GS_FLATTEN_H */
