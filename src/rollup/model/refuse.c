/*
 * refuse.c: takes what a rollup cannot have and where in its query it stands, and gives the error.
 * The statement that fails is the call of create_rollup, so a place in the query becomes an
 * internal one. Outside of refuse_begin and refuse_end, where the query comes from the catalogs,
 * errors have no place.
 */
#include "rollup/model/refuse.h"

#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"

static void
point(const RefuseQuery *query, int position)
{
	errposition(0);
	internalerrposition(position);
	internalerrquery(query->text);
}

static void
point_in_characters(void *arg)
{
	if (geterrposition() > 0)
		point(arg, geterrposition());
}

static void
point_in_bytes(void *arg)
{
	RefuseQuery *query = arg;
	int			place = geterrposition() > 0 ? geterrposition() - 1 : query->place;

	if (place >= 0)
		point(query, pg_mbstrlen_with_len(query->text, place) + 1);
}

static void
begin(RefuseQuery *query, const char *text, int place, void (*callback) (void *))
{
	query->text = text;
	query->place = place;
	query->callback.callback = callback;
	query->callback.arg = query;
	query->callback.previous = error_context_stack;
	error_context_stack = &query->callback;
}

void
refuse_begin_analysis(RefuseQuery *query, const char *text)
{
	begin(query, text, -1, point_in_characters);
}

void
refuse_begin(RefuseQuery *query, const char *text, int place)
{
	begin(query, text, place, point_in_bytes);
}

void
refuse_end(RefuseQuery *query)
{
	error_context_stack = query->callback.previous;
}

int
refuse_place(const void *node)
{
	return node ? exprLocation((const Node *) node) : -1;
}

static bool
leftmost_walker(Node *node, int *leftmost)
{
	int			place;

	if (node == NULL)
		return false;
	place = exprLocation(node);
	if (place >= 0 && (*leftmost < 0 || place < *leftmost))
		*leftmost = place;
	return raw_expression_tree_walker(node, leftmost_walker, leftmost);
}

int
refuse_place_raw(const void *node)
{
	int			leftmost = -1;

	leftmost_walker((Node *) node, &leftmost);
	return leftmost;
}

int
refuse_at(int place)
{
	if (place >= 0)
		errposition(place + 1);
	return 0;
}

void
refuse_construct(int place, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a rollup cannot have %s", what),
			 hint ? errhint("%s", hint) : 0,
			 refuse_at(place)));
}

void
refuse_lack(const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a rollup needs %s", what),
			 errhint("%s", hint)));
}
