# A dump, restored into another database: rollups go on exact, and topics are published without anybody's help.

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;

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
my $since = 'SELECT extract(epoch FROM created) FROM gymstream.rollup';
is($node->safe_psql('copy', $since), $node->safe_psql('postgres', $since), 'since when it is there was restored');
ok($node->poll_query_until('copy', 'SELECT topics = 1 AND decoder_pid IS NOT NULL AND decoded_lsn IS NOT NULL FROM gymstream.status'),
	'the workers have found the topic');

my $listener = GymstreamListener->new($node, 'copy', 'gymstream:public.by_class');
$node->safe_psql('copy', 'INSERT INTO booking VALUES (31, 1, 0.25)');
my ($event) = $listener->take(1);
is_deeply($event->{row}, { class_id => 1, n => 11, revenue => JSON::PP::decode_json($event->{payload})->{row}{revenue} }, 'and tell of it');
$node->safe_psql('copy', 'UPDATE booking SET class_id = 2 WHERE id < 10; DELETE FROM booking WHERE id > 20');
is($node->safe_psql('copy', q{SELECT * FROM gymstream.verify_rollup('by_class')}), '', 'which goes on being exact');

$listener->close;
$node->stop;
done_testing();
