# Part of a database from part of a dump. Where a rollup, its definition, its partials and the triggers on its source are
# all there, it is exact, in whichever order they came and with whatever rows; where one of them is missing, there is no
# rollup, and the source is written as any table.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('parts', 'fsync = off');
my $dump = "$PostgreSQL::Test::Utils::tmp_check/parts.sql";
my $archive = "$PostgreSQL::Test::Utils::tmp_check/parts.dump";

# In schemas of which one sorts before the extension's and one after; names that need quotes; another owner.
$node->safe_psql('postgres', q{
	CREATE ROLE keeper;
	CREATE SCHEMA app AUTHORIZATION keeper;
	CREATE SCHEMA zoo;
	CREATE TABLE app.booking (id int PRIMARY KEY, class_id int, price numeric);
	CREATE TABLE zoo.visit (id int, day int, note text) PARTITION BY RANGE (id);
	CREATE TABLE zoo.visit_1 PARTITION OF zoo.visit FOR VALUES FROM (0) TO (100);
	CREATE TABLE zoo.visit_2 PARTITION OF zoo.visit FOR VALUES FROM (100) TO (200);
	GRANT SELECT, TRIGGER ON app.booking TO keeper;
	INSERT INTO app.booking SELECT i, i % 3, i / 4.0 FROM generate_series(1, 30) i;
	INSERT INTO zoo.visit SELECT i, i % 7, repeat('x', i) FROM generate_series(1, 150) i;
	SELECT gymstream.create_rollup('zoo.visits', 'SELECT day, count(*) AS n, max(note), count(DISTINCT note) AS notes FROM zoo.visit GROUP BY day');
	SET ROLE keeper;
	SELECT gymstream.create_rollup('app."By class"', 'SELECT class_id, count(*) AS n, sum(price) AS revenue, min(price) FROM app.booking GROUP BY class_id')});

my $problems = 'SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL';
my $rollups = 'SELECT rollup FROM gymstream_internal.rollup ORDER BY 1';
my %rows = ('app."By class"' => 'SELECT * FROM app."By class" ORDER BY 1', 'zoo.visits' => 'SELECT * FROM zoo.visits ORDER BY 1');
my %writes = (
	'app."By class"' => 'INSERT INTO app.booking SELECT coalesce(max(id), 0) + 1, 1, 2.5 FROM app.booking; UPDATE app.booking SET class_id = class_id + 1; DELETE FROM app.booking WHERE id % 5 = 1',
	'zoo.visits' => q{INSERT INTO zoo.visit VALUES (199, 1, 'a'); UPDATE zoo.visit SET day = day + 1; DELETE FROM zoo.visit WHERE id % 5 = 1});

sub make_empty
{
	my ($database, $sql) = @_;
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $database");
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, $sql) if defined $sql;
}

# Runs what pg_dump writes with these options; returns the errors.
sub restore
{
	my ($database, @options) = @_;
	$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump, @options ], "dumped: @options");
	my ($stdout, $stderr) = run_command([ 'psql', '-X', '-q', '-d', $node->connstr($database), '-f', $dump ]);
	return join "\n", grep { /ERROR/ } split /\n/, $stderr;
}

# The rollup is there and goes on; with the rows of the original, if that is asked for.
sub is_rollup
{
	my ($database, $rollup, $what, $same) = @_;
	is($node->safe_psql($database, $rows{$rollup}), $node->safe_psql('postgres', $rows{$rollup}), "$what: every row is there") if $same;
	is(differences($node, $database), '', "$what: exact");
	$node->safe_psql($database, $writes{$rollup});
	is(differences($node, $database), '', "$what: and goes on so");
	is($node->safe_psql($database, $problems), '', "$what: nothing is amiss");
	like($node->safe_psql($database, $rollups), qr/^\Q$rollup\E$/m, "$what: it is a rollup");
}

sub is_no_rollup
{
	my ($database, $rollup, $what) = @_;
	is($node->safe_psql($database, $rollups), '', "$what: no rollup");
	my ($status, $stdout, $stderr) = $node->psql($database, $writes{$rollup});
	is($stderr, '', "$what: the table can be written");
}

#
# What is there: schema, schema and data in both orders, data of some tables only
#
my $with = 'CREATE EXTENSION gymstream';

make_empty('copy');
is(restore('copy', '--schema-only'), '', 'the schema alone');
is(restore('copy', '--data-only'), '', 'then the data');
is_rollup('copy', $_, "schema, then data, $_", 1) for sort keys %rows;

make_empty('copy', $with);
is(restore('copy', '-n', 'app'), '', 'one schema');
is_rollup('copy', 'app."By class"', 'one schema', 1);

make_empty('copy', $with);
is(restore('copy', '-n', 'zoo', '-s'), '', 'the other without data');
is(restore('copy', '-n', 'zoo', '-a'), '', 'then its data');
is_rollup('copy', 'zoo.visits', 'one schema and then its data', 1);

for my $table ('app.booking', 'zoo.*')
{
	make_empty('copy');
	is(restore('copy', "--exclude-table-data=$table"), '', "without the rows of $table");
	is_rollup('copy', $_, "without the rows of $table, $_") for sort keys %rows;
}
make_empty('copy');
is(restore('copy', '--exclude-table-data=*.*_partials'), '', 'without the rows of partials');
is_rollup('copy', $_, "without the rows of partials, $_", 1) for sort keys %rows;

#
# Sections, with other rows than the dump's in between
#
make_empty('copy');
is(restore('copy', '--section=pre-data'), '', 'tables and views');
$node->safe_psql('copy', q{
	INSERT INTO app.booking VALUES (1, 1, 1), (2, 2, 2);
	INSERT INTO app."By class_partials" SELECT 9, 9, '{"sum":9,"count":9,"scales":{"0":9}}', 9, NULL});
is_no_rollup('copy', 'zoo.visits', 'without triggers');
is(restore('copy', '--section=post-data'), '', 'then indexes and triggers');
is_rollup('copy', $_, "triggers over other rows, $_") for sort keys %rows;

make_empty('copy');
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-F', 'c', '-f', $archive ], 'dumped into an archive');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('copy'), '-1', $archive ], 'restored in one transaction');
is_rollup('copy', $_, "in one transaction, $_", 1) for sort keys %rows;
$node->safe_psql('copy', 'TRUNCATE app.booking, zoo.visit');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('copy'), '-a', '-1', $archive ], 'data alone in one transaction');
is_rollup('copy', $_, "data alone in one transaction, $_", 1) for sort keys %rows;

#
# Tables and views by name: each of the sixteen subsets
#
my @parts = ('app.booking', 'app."By class"', 'app."By class_definition"', 'app."By class_partials"');
for my $subset (0 .. 15)
{
	my @some = map { $parts[$_] } grep { $subset & (1 << $_) } 0 .. 3;
	my $what = @some ? "only @some" : 'nothing';

	next if $subset == 0;
	make_empty('copy', "$with; CREATE SCHEMA app");
	restore('copy', map { ('-t', $_) } @some);
	if ($subset == 15)
	{
		is_rollup('copy', 'app."By class"', $what, 1);
		next;
	}
	$node->safe_psql('copy', 'CREATE TABLE app.booking (id int, class_id int, price numeric)') unless $subset & 1;
	is_no_rollup('copy', 'app."By class"', $what);
}

# one after the other, with writes in between
make_empty('copy', "$with; CREATE SCHEMA app");
restore('copy', map { ('-t', $_) } @parts[ 0, 1, 3 ]);
is_no_rollup('copy', 'app."By class"', 'without its definition');
restore('copy', '-t', $parts[2]);
is_no_rollup('copy', 'app."By class"', 'with a definition, but without a guard that names it');
restore('copy', '-t', $parts[3], '--section=post-data');
is_rollup('copy', 'app."By class"', 'once the guard is there');

# a trigger is missing: the rollup's owner repairs it
make_empty('copy');
restore('copy', '--schema-only', '--section=pre-data');
restore('copy', '--data-only');
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-F', 'c', '-f', $archive ], 'dumped');
my $list = `pg_restore -l $archive`;
$list =~ s/^(.*TRIGGER.*gymstream flush.*)$/;$1/mg;
append_to_file("$archive.list", $list);
$node->command_ok([ 'pg_restore', '-d', $node->connstr('copy'), '--section=post-data', '-L', "$archive.list", $archive ], 'all triggers but one');
is_no_rollup('copy', $_, "without a trigger, $_") for sort keys %rows;
$node->safe_psql('copy', qq{SELECT gymstream.rebuild_rollup('app."By class"'), gymstream.rebuild_rollup('zoo.visits')});
is_rollup('copy', $_, "rebuilt, $_") for sort keys %rows;

#
# Renamed and moved before the dump
#
$node->safe_psql('postgres', q{
	ALTER VIEW zoo.visits RENAME TO "the Visits";
	ALTER VIEW zoo.visits_definition RENAME TO "what's counted";
	ALTER TABLE zoo.visits_partials RENAME TO "parts";
	ALTER VIEW zoo."the Visits" SET SCHEMA app;
	ALTER TABLE zoo.visit RENAME COLUMN day TO weekday});
$rows{'app."the Visits"'} = 'SELECT * FROM app."the Visits" ORDER BY 1';
$writes{'app."the Visits"'} = $writes{'zoo.visits'} =~ s/day/weekday/gr;
make_empty('copy');
is(restore('copy'), '', 'under other names');
is_rollup('copy', 'app."the Visits"', 'under other names', 1);
is(restore_clean(), '', 'dropped, and restored again');
is_rollup('copy', 'app."the Visits"', 'dropped, and restored again', 1);

sub restore_clean
{
	$node->safe_psql('copy', 'SELECT gymstream.drop_rollup(rollup) FROM gymstream.rollups');
	return restore('copy', '--clean', '--if-exists');
}

$node->stop;
done_testing();
