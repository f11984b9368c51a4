/*
 * event_group.c: takes the keys of a rollup's group, from a delta or from a row of the rollup, and
 * gives those by which all events name the group. Reads no user's table.
 */
#include "decode/event.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/catalog.h"
#include "base/owner.h"
#include "rollup/model/canonical.h"
#include "rollup/model/rollup.h"
#include "rollup/model/shape.h"

typedef struct Naming
{
	const EventRelation *relation;
	Bitmapset  *varying;
} Naming;

static void
name_group(StringInfo out, void *argument)
{
	Naming	   *naming = argument;
	const EventRow *row = &naming->relation->shape.new;

	naming->varying = canonical_keys(naming->relation->alike, naming->relation->desc, row->values,
									 row->nulls);
}

/*
 * Which keys there are to look at depends on the relation alone, and is found out once. A key that
 * cannot be taken apart must not end a slot: it stays as it is, and may be different elsewhere.
 */
const Bitmapset *
event_name_group(StringInfo out, EventRelation *relation, int nkeys)
{
	Naming		naming = {relation};
	EventFault	fault;

	if (relation->nkeys != nkeys)
	{
		MemoryContext old = MemoryContextSwitchTo(relation->context);

		relation->alike = canonical_find(relation->desc, nkeys);
		relation->nkeys = nkeys;
		MemoryContextSwitchTo(old);
	}
	if (relation->alike == NULL)
		return NULL;
	if (event_try(name_group, out, &naming, relation->shape.contained, EVENT_MAX_SIZE, &fault))
		return naming.varying;
	return relation->alike;
}

/*
 * event_key(record) returns json: the key by which events name the group of a row of a rollup
 */

/* Where a rollup's rows have its keys. */
typedef struct KeyPlaces
{
	Oid			type;			/* of the rows */
	Oid			partials;
	int			nkeys;
	AttrNumber *columns;		/* NULL: the view does not show all of them */
} KeyPlaces;

static AttrNumber *
shown_columns(const RollupShape *shape, MemoryContext context)
{
	AttrNumber *columns =
		MemoryContextAlloc(context, sizeof(AttrNumber) * (list_length(shape->keys) + 1));
	ListCell   *cell;

	foreach(cell, shape->keys)
	{
		TargetEntry *key = lfirst_node(TargetEntry, cell);

		if (key->resjunk)
			return NULL;
		columns[foreach_current_index(cell)] = key->resno;
	}
	return columns;
}

/* Kept for the rows that follow: a statement holds a lock on the view. */
static KeyPlaces *
find_places(FunctionCallInfo fcinfo, Oid type)
{
	KeyPlaces  *places = fcinfo->flinfo->fn_extra;
	RollupRelations relations;
	RollupShape *shape;
	int			nest;

	if (places != NULL && places->type == type)
		return places;
	if (!catalog_relations(ROLLUP_ROLLUP, get_typ_typrelid(type), &relations))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("row is not of a rollup"),
				 errhint("Give a whole row, as in SELECT gymstream.event_key(r.*) FROM "
						 "class_attendance r.")));
	nest = owner_fix_search_path();
	shape = rollup_shape(&relations);
	AtEOXact_GUC(false, nest);
	places = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(KeyPlaces));
	places->partials = relations.partials;
	places->nkeys = list_length(shape->keys);
	places->columns = shown_columns(shape, fcinfo->flinfo->fn_mcxt);
	places->type = type;
	fcinfo->flinfo->fn_extra = places;
	return places;
}

/* The row's keys as partials have them, without states. */
static void
take_keys(const KeyPlaces *places, HeapTupleHeader header, EventRelation *relation)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(header),
												   HeapTupleHeaderGetTypMod(header));
	EventRow   *row = &relation->shape.new;
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),.t_data = header};

	ItemPointerSetInvalid(&tuple.t_self);
	memset(row->nulls, true, sizeof(bool) * relation->desc->natts);
	for (int i = 0; i < places->nkeys; i++)
	{
		AttrNumber	column = places->columns[i];

		if (column > desc->natts || i >= relation->desc->natts ||
			TupleDescAttr(desc, column - 1)->atttypid != TupleDescAttr(relation->desc, i)->atttypid)
			elog(ERROR, "key %d of the rollup is of another type than in its partials", i + 1);
		row->values[i] = heap_getattr(&tuple, column, desc, &row->nulls[i]);
	}
}

/* False where a key is the JSON null, which JSON does not tell from a null. */
static bool
append_key(StringInfo out, const EventShape *shape, int nkeys)
{
	for (int i = 0; i < shape->ncolumns && shape->columns[i].index < nkeys; i++)
	{
		EventColumn *column = &shape->columns[i];

		if (json_append_member(out, &column->json, shape->new.values[column->index],
							   shape->new.nulls[column->index]) == JSON_NOTE_NULL)
			return false;
	}
	/* each member begins with a comma */
	if (out->len == 0)
		appendStringInfoChar(out, '{');
	else
		out->data[0] = '{';
	appendStringInfoChar(out, '}');
	return true;
}

PG_FUNCTION_INFO_V1(gs_event_key);
Datum
gs_event_key(PG_FUNCTION_ARGS)
{
	static const EventOptions options = {0};
	HeapTupleHeader row = PG_GETARG_HEAPTUPLEHEADER(0);
	KeyPlaces  *places = find_places(fcinfo, HeapTupleHeaderGetTypeId(row));
	EventRelation *relation;
	StringInfoData out;
	bool		told;
	int			nest;

	if (places->columns == NULL)
		PG_RETURN_NULL();
	relation = event_relation_by_oid(places->partials);
	if (relation == NULL)
		elog(ERROR, "could not open the partials of the rollup");
	/* Rendering sets what the texts of values depend on, and this takes it back. */
	nest = NewGUCNestLevel();
	initStringInfo(&out);
	take_keys(places, row, relation);
	(void) event_name_group(&out, relation, places->nkeys);
	event_shape_set_options(&relation->shape, &options);
	told = append_key(&out, &relation->shape, places->nkeys);
	AtEOXact_GUC(false, nest);
	if (!told)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
