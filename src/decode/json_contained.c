/*
 * json_contained.c: takes a column and says whether its type's output function only computes, so
 * that an error in it leaves nothing behind but memory. Knows the server's own functions; of all
 * others nobody knows.
 */
#include "decode/json.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

/*
 * The server's output functions that only compute: no catalogs, no files, no other function that
 * somebody may have made. What an error leaves behind of them is memory. Functions are compared by
 * address, so that a type that borrows one of them counts too. A function that is missing here
 * costs a subtransaction, and nothing worse. A function that is here wrongly may leave locks and
 * buffers behind.
 */
static bool
only_computes(PGFunction output)
{
	static const PGFunction pure[] = {
		textout,	 varcharout, bpcharout,		nameout,		 charout,	   byteaout,
		json_out,	 jsonb_out,	 xml_out,		boolout,		 int2out,	   int4out,
		int8out,	 oidout,	 xidout,		xid8out,		 cidout,	   tidout,
		pg_lsn_out,	 float4out,	 float8out,		numeric_out,	 cash_out,	   date_out,
		time_out,	 timetz_out, timestamp_out, timestamptz_out, interval_out, uuid_out,
		bit_out,	 varbit_out, inet_out,		cidr_out,		 macaddr_out,  macaddr8_out,
		tsvectorout, tsqueryout, point_out,		line_out,		 lseg_out,	   box_out,
		path_out,	 poly_out,	 circle_out};

	for (int i = 0; i < lengthof(pure); i++)
	{
		if (pure[i] == output)
			return true;
	}
	return false;
}

/* Reads catalogs: called once for a column, when the column is prepared. */
static bool
output_only_computes(Oid type)
{
	Oid			output;
	bool		is_varlena;
	FmgrInfo	function;

	getTypeOutputInfo(type, &output, &is_varlena);
	fmgr_info(output, &function);
	return only_computes(function.fn_addr);
}

/*
 * The same for the output functions of arrays and ranges, once they have looked up what their
 * elements are, which they do for an empty one too: they keep that with the column.
 */
static bool
elements_only_compute(JsonColumn *column)
{
	Oid			element = get_element_type(column->type);
	Oid			bound = get_range_subtype(column->type);
	Datum		empty;

	if (OidIsValid(element) && column->output.fn_addr == array_out && output_only_computes(element))
		empty = PointerGetDatum(construct_empty_array(element));
	else if (OidIsValid(bound) && column->output.fn_addr == range_out &&
			 output_only_computes(bound))
		empty = RangeTypePGetDatum(
			make_empty_range(lookup_type_cache(column->type, TYPECACHE_RANGE_INFO)));
	else
		return false;
	pfree(OutputFunctionCall(&column->output, empty));
	return true;
}

bool
json_only_computes(JsonColumn *column)
{
	return only_computes(column->output.fn_addr) || elements_only_compute(column);
}
