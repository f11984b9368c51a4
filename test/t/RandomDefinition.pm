# RandomDefinition: takes a table of the random test and gives queries for rollups of it, and the SQL that asks whether a
# rollup equals its query. A query is made of items: an aggregate over a type, a kind of key, a clause, a kind of source.
# Each item is tried alone first; what is refused then is used rarely, to see that it stays refused in company.
package RandomDefinition;

use strict;
use warnings;

use RandomSource qw(below pick);

my @integers = qw(i2 i4 i8);
my @numbers = (@integers, qw(nu nc));
my @exact = qw(k dm ge);	# more integers
my @floats = qw(f4 f8);
my @ordered = qw(i2 i4 i8 nc f4 f8 tx tc vc da ts tz mo en ar ra uu cm);
my @any = (@ordered, qw(nu ci bo iv dm js xi));

# How an output is compared: "same" as text too, "value" by equality, "near" with a tolerance.
sub over { my ($how, $template, @columns) = @_; return map { [ $template =~ s/\?/$_/gr, $how, $_ ] } @columns }

# aggregate name => variants of [ text, how, columns that it needs ]
our %aggregate = (
	'count(*)' => [ [ 'count(*)', 'same' ] ],
	'count' => [ over('same', 'count(?)', @any), over('same', 'count(nullif(?, 7))', 'i4') ],
	'sum(integer)' => [ over('same', 'sum(?)', @integers, @exact), over('same', 'sum(? * 2)', 'i2'), over('same', 'sum(k * ?)', 'i2'),
		over('same', 'sum(CASE WHEN k > 2 THEN ? END)', 'i4'), over('same', 'sum(length(?))', 'tx'), over('same', 'sum(halved(?))', 'i4') ],
	'sum(numeric)' => [ over('same', 'sum(?)', qw(nu nc)), over('same', 'sum(? * 1.5)', qw(nu nc)), over('same', 'sum(?::numeric)', 'i4') ],
	'sum(float)' => [ over('value', 'sum(?)', @floats), over('value', 'sum(? * 2)', 'f8'), over('value', 'sum(k * ?)', 'f') ],
	'sum(interval)' => [ over('same', 'sum(?)', 'iv') ],
	'sum(money)' => [ over('same', 'sum(?)', 'mo') ],
	'avg(integer)' => [ over('same', 'avg(?)', @integers, 'dm') ],
	'avg(numeric)' => [ over('same', 'avg(?)', qw(nu nc)) ],
	'avg(float)' => [ over('value', 'avg(?)', @floats, 'f') ],
	'avg(interval)' => [ over('same', 'avg(?)', 'iv') ],
	(map { my $name = $_; ("$name(integer)" => [ over('same', "$name(?)", @integers) ], "$name(numeric)" => [ over('same', "$name(?)", qw(nu nc)) ],
		"$name(float)" => [ over('near', "$name(?)", @floats, 'f') ]) } qw(stddev stddev_pop stddev_samp variance var_pop var_samp)),
	(map { my $name = $_; ($name => [ over('same', "$name(?)", 'bo'), over('same', "$name(? > 5)", 'i4') ]) } qw(bool_and bool_or every)),
	(map { my $name = $_; ($name => [ over('same', "$name(?)", @integers, @exact), over('same', "$name(k - ?)", 'i2') ]) } qw(bit_and bit_or bit_xor)),
	(map { my $name = $_; ($name => [ over('near', "$name(f, ?)", 'i2'), over('near', "$name(?, f)", 'f8'), over('near', "$name(?, k)", 'f') ]) }
		qw(corr covar_pop covar_samp regr_avgx regr_avgy regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy)),
	'regr_count' => [ over('same', 'regr_count(f, ?)', 'f8') ],
	(map { my $name = $_; ($name => [ over('same', "$name(?)", grep { !/^(uu|ra|cm)$/ } @ordered), over('value', "$name(?)", qw(nu iv ci)),
		over('same', "$name(? % 10)", 'i4') ]) } qw(min max)),
	'count(DISTINCT)' => [ over('same', 'count(DISTINCT ?)', grep { $_ ne 'xi' } @any) ],
	'sum(DISTINCT)' => [ over('same', 'sum(DISTINCT ?)', qw(i4 nc)) ],
	'string_agg' => [ over('same', q{string_agg(?, ',' ORDER BY ?)}, 'tx', 'tc'), over('same', q{string_agg(DISTINCT ?, ',' ORDER BY ? DESC)}, 'tx') ],
	'array_agg' => [ over('same', 'array_agg(? ORDER BY ?)', qw(i4 tx en da)), over('value', 'array_agg(? ORDER BY ?)', 'nu') ],
	'jsonb_agg' => [ over('same', 'jsonb_agg(? ORDER BY ?)', qw(i4 js)) ],
	'percentile_cont' => [ over('value', 'percentile_cont(0.25) WITHIN GROUP (ORDER BY ?)', qw(f i4 iv)) ],
	'percentile_disc' => [ over('value', 'percentile_disc(0.5) WITHIN GROUP (ORDER BY ?)', qw(i4 nu tx da)) ],
	'mode' => [ over('value', 'mode() WITHIN GROUP (ORDER BY ?)', qw(i4 tx en)) ],
	'rank' => [ over('same', 'rank(5) WITHIN GROUP (ORDER BY ?)', 'i4'), over('same', q{dense_rank('b') WITHIN GROUP (ORDER BY ?)}, 'tx') ],
	'range_agg' => [ over('same', 'range_agg(?)', 'ra') ],
	'user-defined' => [ over('same', 'squares(?)', 'i4') ],
);

# A key is equal by value; where its type's equal values are the same, as text too.
our %key = (
	'column' => [ map { [ $_, $RandomSource::column{$_}{same} ? 'same' : 'value', $_ ] } grep { !/^(xi|mo|ci)$/ } 'k', 'ge', 'fz', 'jn', @any ],
	'column with hashing only' => [ over('same', '?', 'xi') ],
	'column with order only' => [ over('same', '?', 'mo') ],
	'nondeterministic collation' => [ over('value', '?', 'ci') ],
	'expression' => [ over('same', '? % 7', 'i4'), over('same', '? / 50 - k', 'i4'), over('same', '? IS NULL', 'tx', 'i2'), over('same', 'coalesce(?, k, -1)', 'i2'),
		over('same', 'round(?)', 'nc'), over('same', '? > 0', 'f8'), over('same', q{?->>'a'}, 'js'), over('same', '?[1]', 'ar') ],
	'function' => [ over('same', q{date_trunc('month', ?)}, 'ts'), over('same', 'lower(?)', 'tx'), over('same', 'extract(month FROM ?)', 'da'), over('same', 'upper(?)', 'tc') ],
	'CASE' => [ over('same', q{CASE WHEN ? > 100 THEN 'dear' WHEN ? > 0 THEN 'cheap' END}, 'i4'), over('same', q{CASE ? WHEN 'a' THEN 1 ELSE k END}, 'tx') ],
	'cast' => [ over('same', '?::text', 'i4', 'nc'), over('same', '?::date', 'ts'), over('same', '?::bigint', 'k') ],
	'user function' => [ over('same', 'band(?)', 'i4'), over('same', 'halved(?)', 'k') ],
);

# name => what it does to a query { from, where, keys, outputs, having, with, distinct }
our %clause = (
	'WHERE' => sub { my ($s, $t, $q) = @_; $q->{where} = join pick($s, ' AND ', ' OR '), map { condition($s, $t) } 0 .. below($s, 2) },
	'HAVING' => sub { my ($s, $t, $q) = @_; $q->{having} = pick($s, 'count(*) > 2', 'sum(i4) > 100', 'count(*) > 1 AND avg(i4) < 150', 'count(i4) FILTER (WHERE i4 > 0) >= 1') },
	'FILTER' => sub {
		my ($s, $t, $q) = @_;
		my @output = grep { $_->{aggregate} } @{ $q->{outputs} };
		$_->{text} .= ' FILTER (WHERE ' . condition($s, $t) . ')' for grep { !below($s, 2) || $_ == $output[0] } @output;
	},
	'expression over aggregates' => sub {
		my ($s, $t, $q) = @_;
		push @{ $q->{outputs} }, { how => 'same', text => pick($s, 'count(*) + 1', 'sum(i4) / nullif(count(*), 0)', 'coalesce(sum(i4), 0) - count(i4)',
			'round(avg(i4), 2)', q{CASE WHEN sum(i4) > 1000 THEN 'much' ELSE 'little' END}, 'count(*) > 3 AND sum(i4) IS NOT NULL') };
	},
	'DISTINCT' => sub { $_[2]{distinct} = 1 },
	'DISTINCT without GROUP BY' => sub { my ($s, $t, $q) = @_; @$q{qw(distinct bare)} = (1, 1) if @{ $q->{keys} } },
	'hidden key' => sub { my ($s, $t, $q) = @_; $_->{hidden} = 1 for grep { below($s, 2) } @{ $q->{keys} }; },
);

our %source = (
	'table' => sub { $_[1]{name} },
	'view' => sub { "$_[1]{name}_v" },
	'subquery' => sub { my ($s, $t) = @_; '(SELECT * FROM ' . $t->{name} . pick($s, '', ' WHERE ' . condition($s, $t)) . ') AS sub' },
	'renaming subquery' => sub { my ($s, $t) = @_; '(SELECT id AS key, ' . join(', ', @{ $t->{columns} }) . " FROM (SELECT * FROM $t->{name} AS inner_one) AS two WHERE id > 20) AS sub" },
	'CTE' => sub { my ($s, $t, $q) = @_; $q->{with} = "WITH narrowed AS (SELECT * FROM $t->{name} WHERE " . condition($s, $t) . ') '; 'narrowed' },
);

# What must be accepted by now. Whoever makes gymstream accept more says so here.
our @settled = (
	'aggregate count(*)', 'aggregate count', 'aggregate sum(integer)', 'aggregate sum(numeric)', 'aggregate avg(integer)', 'aggregate avg(numeric)',
	'aggregate bit_and', 'aggregate bit_or', 'aggregate bit_xor',
	'key column', 'key expression', 'key function', 'key CASE', 'key cast', 'key user function',
	'clause WHERE', 'clause HAVING', 'clause FILTER', 'clause expression over aggregates', 'clause hidden key', 'source table');

sub condition
{
	my ($s, $table) = @_;
	my $name = pick($s, grep { !/^(xi|js|ci|note)$/ } @{ $table->{columns} });
	my @values = map { my $v = $RandomSource::column{$name}{value}; $v ? "'" . $v->($s) . "'::" . RandomSource::type($name) : below($s, 100) } 1 .. 3;
	return pick($s, "$name IS NULL", "$name IS NOT NULL", "$name IN ($values[0], $values[1], $values[2])",
		$name eq 'bo' ? 'bo' : "$name > $values[0]", "NOT ($name <= $values[0])", "$name BETWEEN least($values[0], $values[1]) AND greatest($values[0], $values[1])");
}

sub items { return (map({ "aggregate $_" } sort keys %aggregate), map({ "key $_" } sort keys %key), map({ "clause $_" } sort keys %clause), map({ "source $_" } sort keys %source),
	map { "table $_" } qw(list range hash)) }

sub fits { my ($table, $variant) = @_; return !$variant->[2] || grep { $_ eq $variant->[2] } @{ $table->{columns} }; }

sub add_variant
{
	my ($s, $table, $query, $list, $variants, $accepted, %more) = @_;
	my @fitting = grep { fits($table, $_) && ($_->[0] !~ /\bf\b/ || fits($table, [ '', '', 'f' ])) } @$variants;
	my @known = grep { $accepted->{ $_->[0] } } @fitting;
	@fitting = @known if @known && below($s, 40);
	return 0 unless @fitting;
	my $variant = pick($s, @fitting);
	push @{ $query->{$list} }, { text => $variant->[0], how => $variant->[1], %more };
	return 1;
}

# The text of a query, from what it is made of; sets its outputs' names.
sub finish
{
	my ($s, $query) = @_;
	my @keys = @{ $query->{keys} };
	if ($query->{bare}) { $query->{outputs} = []; delete $query->{having}; delete $_->{hidden} for @keys }
	my @outputs = ((grep { !$_->{hidden} } @keys), @{ $query->{outputs} });

	# rows can be told apart by their keys only where all of these are shown
	if (grep { $_->{how} eq 'near' } @outputs) { delete $_->{hidden} for @keys; @outputs = (@keys, @{ $query->{outputs} }) }
	@outputs = ({ text => 'count(*)', how => 'same', aggregate => 1 }) unless @outputs;
	my $number = 0;
	$_->{name} = ($_->{aggregate} || !$_->{how} ? 'a' : 'c') . ++$number for @outputs;
	$query->{shown} = \@outputs;
	$query->{text} = ($query->{with} // '') . 'SELECT ' . ($query->{distinct} ? 'DISTINCT ' : '') . join(', ', map { "$_->{text} AS $_->{name}" } @outputs) . " FROM $query->{from}"
	  . ($query->{where} ? " WHERE $query->{where}" : '') . (@keys && !$query->{bare} ? ' GROUP BY ' . join(', ', map { $_->{text} } @keys) : '') . ($query->{having} ? " HAVING $query->{having}" : '');
	return $query;
}

# The queries that try one item alone, one for each of its variants.
sub trials
{
	my ($table, $item) = @_;
	my ($kind, $name) = split / /, $item, 2;
	my $s = { random => 7 };
	my $query = sub {
		return { variant => $name, from => $table->{name}, keys => [ { text => 'k', how => 'same' } ], outputs => [ { text => 'count(*)', how => 'same', aggregate => 1 } ], @_ };
	};

	return map { finish($s, $query->(variant => $_->[0], outputs => [ { text => $_->[0], how => $_->[1], aggregate => 1 } ])) } @{ $aggregate{$name} } if $kind eq 'aggregate';
	return map { finish($s, $query->(variant => $_->[0], keys => [ { text => $_->[0], how => $_->[1] } ])) } @{ $key{$name} } if $kind eq 'key';
	my $one = $query->();
	$clause{$name}->($s, $table, $one) if $kind eq 'clause';
	$one->{from} = $source{$name}->($s, $table, $one) if $kind eq 'source';
	$one->{from} = "$table->{name}_$name" if $kind eq 'table';
	return finish($s, $one);
}

# A query of the items that are accepted, as $accepted->{item}{text of a variant} says, and now and then of others.
sub random_query
{
	my ($s, $table, $accepted) = @_;
	my $query = { keys => [], outputs => [], items => [] };
	my $choose = sub {
		my ($kind, $of) = @_;
		my @names = grep { $accepted->{"$kind $_"} || !below($s, 25) } sort keys %$of;
		return undef unless @names;
		my $name = pick($s, @names);
		return $name;
	};
	my $add = sub { push @{ $query->{items} }, "$_[0] $_[1]" };

	my $source = below($s, 3) ? 'table' : $choose->('source', \%source) // 'table';
	$query->{from} = $source{$source}->($s, $table, $query);
	$add->('source', $source);
	for (1 .. pick($s, 0, 1, 1, 1, 2, 2, 3))
	{
		if (below($s, 3)) { push @{ $query->{keys} }, { text => 'k', how => 'same' } unless grep { $_->{text} eq 'k' } @{ $query->{keys} }; next if !below($s, 2) }
		my $name = $choose->('key', \%key);
		my @before = @{ $query->{keys} };
		$add->('key', $name) if add_variant($s, $table, $query, 'keys', $key{$name}, $accepted->{"key $name"});
		$query->{keys} = \@before if @before && grep { $query->{keys}[-1]{text} eq $_->{text} } @before;
	}
	for (0 .. below($s, 4))
	{
		my $name = $choose->('aggregate', \%aggregate);
		$add->('aggregate', $name)
		  if add_variant($s, $table, $query, 'outputs', $aggregate{$name}, $accepted->{"aggregate $name"}, aggregate => 1);
	}
	push @{ $query->{outputs} }, { text => 'count(*)', how => 'same', aggregate => 1 } unless @{ $query->{outputs} };
	for my $name (sort keys %clause)
	{
		next if below($s, 4) || !($accepted->{"clause $name"} || !below($s, 25));
		$add->('clause', $name);
		$clause{$name}->($s, $table, $query);
	}
	return finish($s, $query);
}

# SELECTs of rows in which the rollup is not what the query says, all in the snapshot of the statement they become part of.
sub differences
{
	my ($rollup, $query) = @_;
	my @shown = @{ $query->{shown} };
	my @near = map { $_->{name} } grep { $_->{how} eq 'near' } @shown;
	my $exact = join ', ', map { $_->{name} } grep { $_->{how} ne 'near' } @shown;
	my $texts = join ', ', map { "$_->{name}::text" } grep { $_->{how} eq 'same' } @shown;
	my @parts;

	push @parts, "SELECT '$rollup verify', v::text FROM gymstream.verify_rollup('$rollup') v" unless @near;
	for my $columns (grep { $_ } $exact, $texts)
	{
		push @parts, "SELECT '$rollup has', d::text FROM (SELECT $columns FROM $rollup EXCEPT ALL SELECT $columns FROM ($query->{text}) q) d",
			"SELECT '$rollup lacks', d::text FROM (SELECT $columns FROM ($query->{text}) q EXCEPT ALL SELECT $columns FROM $rollup) d";
	}
	if (@near)
	{
		my $order = 'row_number() OVER (' . ($exact ? "ORDER BY $exact" : '') . ') AS row_number';
		push @parts, "SELECT '$rollup near', ROW(r.*, q.*)::text FROM (SELECT *, $order FROM $rollup) r FULL JOIN (SELECT *, $order FROM ($query->{text}) q) q USING (row_number) WHERE "
		  . join(' OR ', 'r.row_number IS NULL', 'q.row_number IS NULL', map { "NOT near(r.$_, q.$_)" } @near);
	}
	return @parts;
}

1;
