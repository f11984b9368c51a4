# A dump with rollups of partitioned tables, restored as a whole, in parallel, and schema before data: all triggers are there
# again, on the root and on each partition, and rollups go on exact.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('restore_partitions', 'fsync = off');
my $dump = "$PostgreSQL::Test::Utils::tmp_check/partitions.sql";
my $folder = "$PostgreSQL::Test::Utils::tmp_check/partitions";

# with columns in another order, a tree, and rollups of the whole, of a tree and of a leaf
$node->safe_psql('postgres', q{
	CREATE TABLE visit (id int, class_id int, price int) PARTITION BY RANGE (id);
	CREATE TABLE visit_0 (price int, id int, class_id int);
	INSERT INTO visit_0 SELECT i, i, i % 3 FROM generate_series(1, 9) i;
	ALTER TABLE visit ATTACH PARTITION visit_0 FOR VALUES FROM (0) TO (10);
	CREATE TABLE visit_1 PARTITION OF visit DEFAULT PARTITION BY LIST (class_id);
	CREATE TABLE visit_1_0 PARTITION OF visit_1 DEFAULT;
	INSERT INTO visit SELECT i, i % 3, i FROM generate_series(10, 30) i;
	SELECT gymstream.create_rollup('visits', 'SELECT class_id, count(*) AS n, sum(price), min(price) FROM visit GROUP BY class_id');
	SELECT gymstream.create_rollup('visits_0', 'SELECT class_id, count(*) AS n, sum(price), max(price) FROM visit_0 GROUP BY class_id');
	SELECT gymstream.create_rollup('visits_1', 'SELECT class_id, count(*) AS n, sum(price), min(price) FROM visit_1 GROUP BY class_id');
	CREATE DATABASE whole;
	CREATE DATABASE parallel;
	CREATE DATABASE twice});

my $triggers = q{SELECT pg_get_triggerdef(oid), tgenabled, tgparentid <> 0 FROM pg_trigger WHERE starts_with(tgname, '!gymstream ') ORDER BY 1};
my $problems = 'SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL';
my $inexact = join ' UNION ALL ', map { "SELECT * FROM gymstream.verify_rollup('$_')" } qw(visits visits_0 visits_1);
my $rows = 'SELECT * FROM visits ORDER BY class_id';

sub is_whole
{
	my ($database) = @_;

	is($node->safe_psql($database, $rows), $node->safe_psql('postgres', $rows), "$database: every row is there");
	is($node->safe_psql($database, $triggers), $node->safe_psql('postgres', $triggers), "$database: all triggers are there, and fire always");
	is($node->safe_psql($database, $problems), '', "$database: nothing is amiss");
	is($node->safe_psql($database, $inexact), '', "$database: rollups are exact");
	for my $sql ('INSERT INTO visit VALUES (4, 1, 40), (14, 1, 140)', 'INSERT INTO visit_0 VALUES (5, 5, 5)', 'UPDATE visit SET id = id + 5 WHERE id < 8',
		'TRUNCATE visit_1_0', 'ALTER TABLE visit DETACH PARTITION visit_0', 'ALTER TABLE visit ATTACH PARTITION visit_0 FOR VALUES FROM (0) TO (10)',
		'CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM (100) TO (200); INSERT INTO visit VALUES (100, 1, 1)', 'DROP TABLE visit_2',
		'SET session_replication_role = replica; DELETE FROM visit_0 WHERE price = 4; ALTER TABLE visit DETACH PARTITION visit_0', 'TRUNCATE visit')
	{
		$node->safe_psql($database, $sql);
		is($node->safe_psql($database, $inexact), '', "$database: and go on so: $sql");
	}
}

$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'dumped');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('whole'), '-f', $dump ], 'restored');
is_whole('whole');

$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-F', 'd', '-f', $folder ], 'dumped into a folder');
$node->command_ok([ 'pg_restore', '-j', 2, '--exit-on-error', '-d', $node->connstr('parallel'), $folder ], 'restored by two');
is_whole('parallel');

# rows come into partitions that have triggers
for my $options ([ '--schema-only' ], [ '--data-only', '--exclude-table-data=visits*_partials' ])
{
	$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump, @$options ], "dumped: @$options");
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('twice'), '-f', $dump ], "restored: @$options");
}
is_whole('twice');

$node->stop;
done_testing();
