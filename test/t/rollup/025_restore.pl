# A dump, restored into another database: rollups go on exact, and topics are published without anybody's help.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('restore', 'fsync = off');
my $dump = "$PostgreSQL::Test::Utils::tmp_check/dump.sql";

$node->safe_psql('postgres', q{
	CREATE TABLE booking (id int PRIMARY KEY, class_id int, price numeric);
	INSERT INTO booking SELECT i, i % 3, i / 4.0 FROM generate_series(1, 30) i;
	SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) AS n, sum(price) AS revenue FROM booking GROUP BY class_id');
	SELECT gymstream.create_topic('by_class', notify => 'row');
	CREATE DATABASE copy});
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'dumped');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-f', $dump ], 'restored');

is($node->safe_psql('copy', q{SELECT * FROM gymstream.verify_rollup('by_class')}), '', 'the rollup is exact');
ok($node->poll_query_until('copy', 'SELECT topics = 1 AND decoder_pid IS NOT NULL AND decoded_lsn IS NOT NULL FROM gymstream.status'),
	'the workers have found the topic');
ok($node->poll_query_until('copy', 'SELECT lag_bytes = 0 FROM gymstream.status'), 'and are ready');
is($node->safe_psql('copy', 'SELECT count(*), count(*) FILTER (WHERE e.epoch = s.epoch) FROM gymstream_internal.epoch e, gymstream.status s'), '1|1',
	'in an epoch of their own: none came with the dump');

my $listener = GymstreamListener->new($node, 'copy', 'gymstream:public.by_class');
$node->safe_psql('copy', 'INSERT INTO booking VALUES (31, 1, 0.25)');
my ($event) = $listener->take(1);
is_deeply($event->{row}, { class_id => 1, n => 11, revenue => JSON::PP::decode_json($event->{payload})->{row}{revenue} }, 'and tell of it');
$node->safe_psql('copy', 'UPDATE booking SET class_id = 2 WHERE id < 10; DELETE FROM booking WHERE id > 20');
is($node->safe_psql('copy', q{SELECT * FROM gymstream.verify_rollup('by_class')}), '', 'which goes on being exact');

$listener->close;

# What protects a rollup is restored too, to the letter.
my $triggers = q{SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE starts_with(tgname, '!gymstream ') ORDER BY 1};
my $problems = 'SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL';
is($node->safe_psql('copy', $triggers), $node->safe_psql('postgres', $triggers), 'all triggers are there, and fire always');
is($node->safe_psql('copy', $problems), '', 'nothing is amiss');

# Runs pg_dump's output in a new database; returns the errors.
sub restore
{
	my ($database, @dumps) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database") unless $node->safe_psql('postgres', "SELECT 1 FROM pg_database WHERE datname = '$database'");
	my $errors = '';
	for my $options (@dumps)
	{
		$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump, @$options ], "dumped for $database: @$options");
		my ($stdout, $stderr) = run_command([ 'psql', '-X', '-q', '-d', $node->connstr($database), '-f', $dump ]);
		$errors .= join "\n", grep { /ERROR/ } split /\n/, $stderr;
	}
	return $errors;
}

sub is_exact
{
	my ($database, $what) = @_;
	my $rows = 'SELECT class_id, n FROM by_class ORDER BY 1';

	is($node->safe_psql($database, $rows), $node->safe_psql('postgres', $rows), "$what: every row is there");
	is(differences($node, $database), '', "$what: exact");
	$node->safe_psql($database, 'UPDATE booking SET class_id = class_id + 1');
	is(differences($node, $database), '', "$what: and goes on so");
	is($node->safe_psql($database, $problems), '', "$what: nothing is amiss");
}

# in sections, and in parallel
$node->safe_psql('postgres', 'CREATE DATABASE sections');
my $folder = "$PostgreSQL::Test::Utils::tmp_check/folder";
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-F', 'd', '-f', $folder ], 'dumped into a folder');
$node->command_ok([ 'pg_restore', '-j', 2, '--exit-on-error', '-d', $node->connstr('sections'), $folder ], 'restored by two');
is_exact('sections', 'in parallel');

# the schema alone, and then the data: what the triggers on the source have kept is not counted twice
is(restore('twice', ['--schema-only'], ['--data-only']), '', 'schema, then data: no error');
is_exact('twice', 'schema, then data');
is(restore('apart', ['--schema-only'], [ '--data-only', '--exclude-table-data=*.*_partials' ]), '', 'left out there is no error');
is_exact('apart', 'schema, then data without partials');

# a schema without any data
is(restore('bare', ['--schema-only']), '', 'the schema alone');
$node->safe_psql('bare', 'INSERT INTO booking VALUES (1, 1, 1)');
is($node->safe_psql('bare', 'SELECT class_id, n FROM by_class'), '1|1', 'is a rollup');
is(differences($node, 'bare'), '', 'exact');

# the data alone into a database that the application made, with its rollups
$node->safe_psql('postgres', 'CREATE DATABASE made');
$node->safe_psql('made', q{
	CREATE EXTENSION gymstream;
	CREATE TABLE booking (id int PRIMARY KEY, class_id int, price numeric);
	SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) AS n, sum(price) AS revenue FROM booking GROUP BY class_id')});
is(restore('made', ['--data-only']), '', 'data alone: no error');
is_exact('made', 'data alone');
$node->safe_psql('made', 'TRUNCATE booking');
like(restore('made', [ '--data-only', '--inserts' ]), qr/^(.*cannot change "by_class_partials".*\n?)+$/, 'as INSERT statements');
is_exact('made', 'data alone as INSERT statements');
$node->safe_psql('made', 'TRUNCATE booking');
is(restore('made', [ '--data-only', '--disable-triggers' ]), '', 'with triggers disabled');
is_exact('made', 'data alone, with all triggers disabled but those of rollups');

# over what is there
$node->safe_psql('made', 'DROP VIEW by_class');
is(restore('made', [ '--clean', '--if-exists' ]), '', 'a dump that drops what is there first, once the rollup is dropped');
is_exact('made', 'over what was there');

$node->stop;
done_testing();
