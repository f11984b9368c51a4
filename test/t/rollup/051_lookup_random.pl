# Random queries that join rollups with other tables: each must give the same rows with gymstream.enable_rollup_scan and
# without, whatever the planner chooses, and the same as with the rollups' queries in the place of the rollups. Groups
# have several partials, some are marked, some have lost all their rows, keys are NULL, equal and not the same, of
# another type than what they are joined with.
#
# GYMSTREAM_SEED chooses the queries, GYMSTREAM_MINUTES how long it runs.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use Test::More;
use Time::HiRes qw(time);

BEGIN { plan skip_all => 'needs DBD::Pg' unless eval { require DBI; require DBD::Pg; 1 }; }
use RandomSource;

my $seed = $ENV{GYMSTREAM_SEED} || int(rand(2**31 - 10000));
my $seconds = 60 * ($ENV{GYMSTREAM_MINUTES} || 0.5);
diag("seed $seed, $seconds s");
my $source = { random => $seed };

sub below { return RandomSource::below($source, @_) }
sub pick { return RandomSource::pick($source, @_) }

# The switches make plans look so costly that each would be compiled, which takes a second.
my $node = start_gymstream('lookup', 'fsync = off', 'jit = off', 'autovacuum = off', 'gymstream.fold = off');
$node->safe_psql('postgres', q{
	CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE TABLE source (id int PRIMARY KEY, k int, name text, n numeric, short varchar(8), word text COLLATE nocase, v int, w numeric);
	CREATE INDEX ON source (k); CREATE INDEX ON source (name, k); CREATE INDEX ON source (n);
	CREATE TABLE parts (id int, k int, v int) PARTITION BY RANGE (id);
	CREATE TABLE parts_0 PARTITION OF parts FOR VALUES FROM (0) TO (1000);
	CREATE TABLE parts_1 PARTITION OF parts DEFAULT;
	CREATE INDEX ON parts (k);
	SELECT gymstream.create_rollup('sums', 'SELECT k, count(*) AS f, sum(v) AS g FROM source GROUP BY k');
	SELECT gymstream.create_rollup('pairs', 'SELECT k, name, count(*) AS f, sum(w) AS g FROM source GROUP BY k, name');
	SELECT gymstream.create_rollup('extremes', 'SELECT k, min(v) AS f, max(w) AS g FROM source GROUP BY k');
	SELECT gymstream.create_rollup('kinds', 'SELECT name, k, count(DISTINCT v) AS f, string_agg(v::text, '','' ORDER BY v::text) AS g FROM source GROUP BY name, k');
	SELECT gymstream.create_rollup('images', 'SELECT n, k, count(*) AS f, max(v) AS g FROM source GROUP BY n, k');
	SELECT gymstream.create_rollup('shorts', 'SELECT short, count(*) AS f, avg(v) AS g FROM source GROUP BY short HAVING count(*) > 2');
	SELECT gymstream.create_rollup('words', 'SELECT word, count(*) AS f, sum(v) AS g FROM source GROUP BY word');
	SELECT gymstream.create_rollup('halves', 'SELECT k / 2 AS k, count(*) FILTER (WHERE v > 5) AS f, bool_or(v > 8) AS g FROM source GROUP BY k / 2');
	SELECT gymstream.create_rollup('rooted', 'SELECT k, sum(v) AS f, min(v) AS g FROM parts GROUP BY k');
});

# What others join the rollups with: keys of several types, NULLs, values that no group has.
$node->safe_psql('postgres', q{
	CREATE TABLE small (id int PRIMARY KEY, k int, big bigint, tiny smallint, name text, short varchar(8), n numeric, word text COLLATE nocase);
	INSERT INTO small SELECT i, i % 9, i % 11, CASE WHEN i % 5 > 0 THEN i % 7 END, chr(97 + i % 6), chr(97 + i % 5), (i % 4)::numeric(9, 1), upper(chr(97 + i % 6))
		FROM generate_series(1, 12) i;
	INSERT INTO small (id) VALUES (13);
	CREATE TABLE other (id int PRIMARY KEY, k int, name text, n numeric);
	INSERT INTO other SELECT i, nullif(i % 30, 0), chr(97 + i % 7), i % 5 FROM generate_series(1, 60) i;
	CREATE INDEX ON other (k);
	CREATE TABLE halved (id int, k int) PARTITION BY HASH (k);
	CREATE TABLE halved_0 PARTITION OF halved FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE halved_1 PARTITION OF halved FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	INSERT INTO halved SELECT i, i % 20 FROM generate_series(1, 40) i;
	CREATE VIEW over AS SELECT k, f + 1 AS f, g FROM sums;
	CREATE VIEW joined AS SELECT s.k, e.f, s.g FROM sums s JOIN extremes e USING (k);
	CREATE VIEW barred WITH (security_barrier) AS SELECT * FROM sums WHERE f > 1;
	CREATE VIEW both_of AS SELECT k, f FROM sums UNION ALL SELECT k, f FROM rooted UNION ALL SELECT id, k FROM other;
	ANALYZE;
});

sub connect_node
{
	return DBI->connect('dbi:Pg:' . $node->connstr('postgres') =~ s/ /;/gr, '', '',
		{ AutoCommit => 1, RaiseError => 1, PrintError => 0, PrintWarn => 0, pg_server_prepare => 0 });
}

my ($dbh, $beside) = (connect_node(), connect_node());

# Changes: of transactions that overlap, so that groups have several partials.
sub change
{
	my ($to) = @_;
	my $k = below(4) ? below(25) : 'NULL';
	my $i = below(400);

	$to->do(pick(
		"INSERT INTO source SELECT coalesce(max(id), 0) + 1, $k, nullif(chr(97 + $i % 6), 'c'), ($i % 4)::text::numeric + CASE WHEN $i % 3 = 0 THEN 0.0 ELSE 0.00 END,
			chr(97 + $i % 5), CASE WHEN $i % 2 = 0 THEN upper(chr(97 + $i % 6)) ELSE chr(97 + $i % 6) END, $i % 12, $i / 7.0 FROM source",
		"DELETE FROM source WHERE id % 11 = $i % 11 AND k = $k", "DELETE FROM source WHERE k = $i % 30", "UPDATE source SET v = v + 1 WHERE k = $i % 25",
		"UPDATE source SET k = $k WHERE id % 17 = $i % 17", "INSERT INTO parts SELECT $i * 5, $k, $i % 9", "DELETE FROM parts WHERE k = $i % 25",
		"UPDATE source SET v = v - 2 WHERE v = (SELECT min(v) FROM source) AND id % 3 = 0"));
}

$dbh->do(q{INSERT INTO source SELECT i, nullif(i % 23, 0), nullif(chr(97 + i % 6), 'c'), (i % 4)::numeric(9, 1)::text::numeric, chr(97 + i % 5),
	CASE WHEN i % 2 = 0 THEN upper(chr(97 + i % 6)) ELSE chr(97 + i % 6) END, i % 12, i / 7.0 FROM generate_series(1, 400) i});
$dbh->do('INSERT INTO parts SELECT i * 5, nullif(i % 23, 0), i % 9 FROM generate_series(1, 400) i');

sub change_all
{
	$beside->do('SET lock_timeout = 1');
	for (1 .. 10)
	{
		$dbh->begin_work;
		change($dbh);
		# a row that is locked is of no interest here
		eval { change($beside) } for 1 .. 3;
		below(5) ? $dbh->commit : $dbh->rollback;
	}
	$dbh->do('ANALYZE') unless below(3);
}

#
# Queries
#

# rollups and views on them, and which of their columns are keys, of which kind
my %rollups = (
	sums => { k => 'int' }, pairs => { k => 'int', name => 'text' }, extremes => { k => 'int' }, kinds => { name => 'text', k => 'int' },
	images => { n => 'numeric', k => 'int' }, shorts => { short => 'text' }, words => { word => 'word' }, halves => { k => 'int' }, rooted => { k => 'int' },
	over => { k => 'int' }, joined => { k => 'int' }, barred => { k => 'int' }, both_of => { k => 'int' });
delete @rollups{ grep { $node->safe_psql('postgres', "SELECT to_regclass('$_')") eq '' } keys %rollups };

# what gives keys, by alias: columns of each kind
my @givers = (
	[ 'small t', { int => [ 't.k', 't.id', 't.big', 't.tiny', 't.k + 1', 'length(t.name)' ], text => [ 't.name', 't.short' ], numeric => [ 't.n', 't.k' ], word => [ 't.word' ] } ],
	[ 'other t', { int => ['t.k'], text => ['t.name'], numeric => ['t.n'], word => ['t.name COLLATE nocase'] } ],
	[ 'halved t', { int => ['t.k'], text => [q{'a'}], numeric => ['t.k'], word => [q{'A'}] } ],
	[ 'small t JOIN other u ON t.k = u.k', { int => [ 't.k', 'u.k', 'u.id' ], text => [ 'u.name', 't.name' ], numeric => ['u.n'], word => ['t.word'] } ],
	[ 'small t LEFT JOIN other u ON t.id = u.id + 3', { int => [ 'u.k', 'coalesce(u.k, 3)', 't.k' ], text => [ 'u.name', q{coalesce(u.name, 'b')} ], numeric => [ 'u.n', 't.n' ], word => ['t.word'] } ],
	[ '(SELECT k, max(name) AS name, count(*) AS c FROM other GROUP BY k) t', { int => [ 't.k', 't.c' ], text => ['t.name'], numeric => ['t.c'], word => [q{'A'}] } ],
	[ '(SELECT g AS k FROM generate_series(1, 6) g) t', { int => [ 't.k', 't.k * 2' ], text => ['chr(96 + t.k)'], numeric => [ 't.k', 't.k::numeric' ], word => ['upper(chr(96 + t.k)) COLLATE nocase'] } ],
	[ 'sums t', { int => [ 't.k', 't.f' ], text => [q{'a'}], numeric => ['t.f'], word => [q{'A'}] } ],
	[ 'pairs t', { int => [ 't.k', 't.f' ], text => ['t.name'], numeric => ['t.f'], word => ['t.name COLLATE nocase'] } ]);

# the conditions that join a rollup, called by its alias, with a giver
sub join_conditions
{
	my ($rollup, $alias, $columns) = @_;
	my @conditions;

	for my $key (sort keys %{ $rollups{$rollup} })
	{
		next if @conditions && !below(3);
		my $given = pick(@{ $columns->{ $rollups{$rollup}{$key} } });
		my @ways = ("$alias.$key = $given", "$given = $alias.$key", "$alias.$key = $given", "$alias.$key IS NOT DISTINCT FROM $given");
		push @ways, "$alias.$key >= $given", "$alias.$key + 0 = $given", "($alias.$key = $given OR $alias.f = 2)" if $rollups{$rollup}{$key} eq 'int' && !below(4);
		push @conditions, pick(@ways);
		push @conditions, "$alias.$key = " . pick(@{ $columns->{ $rollups{$rollup}{$key} } }) unless below(6);
	}
	return join ' AND ', @conditions;
}

sub more_conditions
{
	my ($rollup, $alias) = @_;
	my $key = pick(sort keys %{ $rollups{$rollup} });

	return join '', map { " AND $_" } grep { !below(4) }
		"$alias.f > 1", "$alias.f IS NOT NULL", 't.k < 8', 't.k = 3', "$alias.f = t.k", "$alias IS NOT NULL", "$alias.f <> \$1", "$alias.$key = " . pick($rollups{$rollup}{$key} eq 'int' ? ('$1', '5', '7::bigint') : $rollups{$rollup}{$key} eq 'numeric' ? ('$1', '2.00') : q{'a'});
}

sub query
{
	my ($from, $columns) = @{ pick(@givers) };
	my @names = sort keys %rollups;
	my $r = pick(@names);
	my $on = join_conditions($r, 'r', $columns);
	my $more = more_conditions($r, 'r');
	my $second = pick(@names);
	my $three = join_conditions($second, 'q', $columns);

	return pick(
		"SELECT * FROM $from JOIN $r r ON $on WHERE true$more", "SELECT * FROM $r r WHERE true" . more_conditions($r, 'r') =~ s/ AND [^A]*\bt\..*?(?= AND|$)//gr,
		"SELECT * FROM $from LEFT JOIN $r r ON $on" . (below(2) ? " WHERE true$more" : ''),
		"SELECT * FROM $r r LEFT JOIN ($from CROSS JOIN (VALUES (1)) one) ON $on",
		"SELECT * FROM $from LEFT JOIN $r r ON $on LEFT JOIN $second q ON $three",
		"SELECT * FROM $from JOIN $r r ON $on JOIN $second q ON $three",
		"SELECT r, t FROM $from JOIN $r r ON $on WHERE true$more",
		"SELECT * FROM $from WHERE EXISTS (SELECT FROM $r r WHERE $on$more)",
		"SELECT * FROM $from WHERE NOT EXISTS (SELECT FROM $r r WHERE $on$more)",
		"SELECT *, (SELECT max(r.f) FROM $r r WHERE $on) FROM $from",
		"SELECT * FROM $from, LATERAL (SELECT r.* FROM $r r WHERE $on$more ORDER BY r LIMIT 2) r",
		"SELECT * FROM $from LEFT JOIN LATERAL (SELECT r.f, t.k AS tk FROM $r r WHERE $on) r ON true",
		"SELECT * FROM $r r WHERE r.f IN (SELECT t.k FROM $from WHERE $on)",
		"SELECT * FROM $r r WHERE (r.f, 1) IN (SELECT r.f, 1 FROM $from WHERE $on)",
		"SELECT t.k, count(*), max(r.f) FROM $from JOIN $r r ON $on WHERE true$more GROUP BY t.k",
		"SELECT DISTINCT t.k, r.f FROM $from JOIN $r r ON $on",
		"WITH c AS MATERIALIZED (SELECT r.* FROM $from JOIN $r r ON $on) SELECT * FROM c JOIN $r r USING (f)",
		"SELECT * FROM (SELECT r.*, row_number() OVER (ORDER BY r, t) FROM $from JOIN $r r ON $on) x WHERE true",
		"SELECT r.f, t.k FROM $from JOIN $r r ON $on UNION ALL SELECT q.f, t.k FROM $from JOIN $second q ON $three",
		"SELECT * FROM $from FULL JOIN $r r ON t.k = r.f",
		"SELECT * FROM small z JOIN ($from JOIN $r r ON $on) ON z.k = r.f WHERE true$more",
		"SELECT t.k FROM $from JOIN $r r ON $on WHERE r.f > (SELECT min(q.f) FROM $second q WHERE $three)",
		$from =~ /^(small|other|halved) t$/ ? "SELECT * FROM $from JOIN $r r ON $on WHERE true$more FOR UPDATE OF t" : "SELECT * FROM $from, $r r WHERE $on$more");
}

my @switches = qw(enable_hashjoin enable_mergejoin enable_memoize enable_material enable_nestloop enable_seqscan enable_indexscan enable_bitmapscan
	enable_hashagg enable_sort);

sub settings
{
	# tables are small: without these switches each would be read whole
	return (map({ "SET $_ = " . (below(/hashjoin|mergejoin|seqscan/ ? 2 : 3) ? 'on' : 'off') } grep { !/nestloop/ || !below(8) } @switches),
		'SET enable_partitionwise_join = ' . pick('on', 'off'), 'SET geqo_threshold = ' . pick(2, 12), 'SET plan_cache_mode = ' . pick('force_generic_plan', 'force_custom_plan'),
		'SET from_collapse_limit = ' . pick(1, 8), 'SET join_collapse_limit = ' . pick(1, 8),
		(below(4) ? 'RESET parallel_setup_cost' : ('SET parallel_setup_cost = 0', 'SET parallel_tuple_cost = 0', 'SET min_parallel_table_scan_size = 0', 'SET min_parallel_index_scan_size = 0')));
}

# The rows of a query, sorted as text, or its error; and the plan.
sub rows
{
	my ($query, $on) = @_;
	my (@rows, $plan);

	$dbh->do('SET gymstream.enable_rollup_scan = ' . ($on ? 'on' : 'off'));
	my $done = eval {
		$dbh->do("PREPARE q (int) AS $query");
		$plan = join "\n", map { $_->[0] } @{ $dbh->selectall_arrayref('EXPLAIN (VERBOSE) EXECUTE q (2)') };
		@rows = sort map { join '|', map { $_ // 'NULL' } @$_ } @{ $dbh->selectall_arrayref('EXECUTE q (2)') };
		1;
	};
	my $error = $dbh->errstr;
	$dbh->do('DEALLOCATE ALL');
	return ($done ? join("\n", @rows) : "error: $error", $plan // '');
}

my ($queries, $looked_up, $folded, $failed, $wrong) = (0) x 5;
my %seen;
my $end = time + $seconds;

change_all();
while (time < $end && $wrong < 3 || $queries < 200 && $wrong < 3)
{
	change_all() if $queries % 150 == 149;
	my $query = query();
	$query .= ' -- $1' unless $query =~ /\$1/;
	# a parameter that stands in a comment only has no use, and then the statement has none
	my @settings = settings();
	$dbh->do($_) for @settings;
	my ($on, $plan) = rows($query, 1);
	my ($off, $plain) = rows($query, 0);

	$queries++;
	$failed++ if $on =~ /^error/;
	$looked_up++ if $plan =~ /GymstreamRollupScan/;
	$folded++ if $plan =~ /GymstreamGroup/;
	$seen{$1}++ while $plan =~ /Rollup: \w+\.(\w+)/g;
	die "a plan without the setting looks up: $query\n$plain" if $plain =~ /Gymstream/;
	next if $on eq $off || $on =~ /^error/ && $off =~ /^error/;
	$wrong++;
	diag("seed $seed, query $queries:\n$query\n" . join(";\n", @settings) . "\nwith lookups:\n$on\nwithout:\n$off\n$plan");
}
is($wrong, 0, 'the same rows with lookups and without');
cmp_ok($looked_up, '>', $queries / 20, "lookups are tried: $looked_up of $queries");
cmp_ok($folded, '>', $queries / 20, "groups are added up alone: in $folded of $queries");
cmp_ok($failed, '<', $queries / 10, "queries run: $failed of $queries failed");
my @never = grep { !$seen{$_} } qw(sums pairs extremes kinds images shorts words halves rooted);
ok($queries < 1000 || !@never, 'each kind of rollup was looked up') or diag("never: @never");
is(differences($node), '', 'the rollups equal their queries');
diag("# in short: $queries queries, $looked_up looked up: " . join(', ', map { "$_ $seen{$_}" } sort keys %seen));
$_->disconnect for $dbh, $beside;
$node->stop;
done_testing();
