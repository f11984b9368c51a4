# A standby: rollups can be read there, and once it is promoted its own workers publish.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamListener;
use GymstreamTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = start_gymstream('primary', 'fsync = off', "wal_log_hints = on");
$primary->safe_psql('postgres', q{
	CREATE TABLE booking (id int PRIMARY KEY, class_id int);
	SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
	SELECT gymstream.create_topic('by_class', notify => 'row');
	INSERT INTO booking SELECT i, i % 3 FROM generate_series(1, 30) i});
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

$primary->safe_psql('postgres', 'DELETE FROM booking WHERE id <= 15');
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT * FROM by_class ORDER BY class_id'), "0|5\n1|5\n2|5", 'a standby shows the rollup');
is($standby->safe_psql('postgres', q{SELECT * FROM gymstream.verify_rollup('by_class')}), '', 'exact');
is($standby->safe_psql('postgres', 'SELECT launcher_pid IS NULL AND decoder_pid IS NULL FROM gymstream.status'), 't',
	'and has no workers');
SKIP:
{
	# what a session has written it reads there, once the standby has gone so far
	skip 'this server has no WAIT FOR LSN', 3 if $standby->safe_psql('postgres', 'SHOW server_version_num') < 190000;
	for my $id (101 .. 103)
	{
		my $written = $primary->safe_psql('postgres',
			"INSERT INTO booking VALUES ($id, 9); SELECT pg_current_wal_insert_lsn()");
		is($standby->safe_psql('postgres', "WAIT FOR LSN '$written'; SELECT n FROM by_class WHERE class_id = 9"),
			"success\n" . ($id - 100), 'and shows what was written before the position that was waited for');
	}
}
# the same by wait_topic, on any version: when the log is replayed
for my $id (201 .. 203)
{
	my $written = $primary->safe_psql('postgres', "INSERT INTO booking VALUES ($id, 8); SELECT pg_current_wal_insert_lsn()");
	is($standby->safe_psql('postgres', "CALL gymstream.wait_topic('by_class', '$written'); SELECT n FROM by_class WHERE class_id = 8"), $id - 200,
		'what was written is there when the wait is over');
}
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
ok($standby->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'}), 'replay stands still');
my $paused = $primary->safe_psql('postgres', 'INSERT INTO booking VALUES (204, 8); SELECT pg_current_wal_insert_lsn()');
my (undef, undef, $timeout) = $standby->psql('postgres', "CALL gymstream.wait_topic('by_class', '$paused', '10 ms')");
like($timeout, qr/timeout while waiting/, 'and a wait has its time');
my (undef, undef, $null) = $standby->psql('postgres', q{CALL gymstream.wait_topic('by_class')});
like($null, qr/lsn must not be null on a standby/, 'a standby has no commit of its own');
my $waiting = GymstreamListener->new($standby, 'postgres');
my ($pid) = split /\n/, $waiting->ask('SELECT pg_backend_pid();');
$waiting->{in} .= "CALL gymstream.wait_topic('by_class', '$paused');\n";
$waiting->{psql}->pump_nb;
ok($standby->poll_query_until('postgres', "SELECT wait_event_type = 'Extension' AND backend_xmin IS NULL FROM pg_stat_activity WHERE pid = $pid"), 'who waits has no snapshot');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
is($waiting->ask('SELECT n FROM by_class WHERE class_id = 8;'), 4, 'and goes on with the replay');
$waiting->close;

my ($status, $out) = client('doctor', '-d', $standby->connstr('postgres'));
is($status, 0, 'with which nothing is wrong');
like($out, qr/^NOTE: +the server is a standby/m, 'as gymstream doctor says');
is((client('slots', '-d', $standby->connstr('postgres')))[0], 0, 'its slots can be looked at');

my $before = GymstreamListener->new($primary, 'postgres', 'gymstream:public.by_class');
$primary->safe_psql('postgres', 'INSERT INTO booking VALUES (99, 4)');
my $last = ($before->take(1))[0]{position};
$before->close;
$primary->wait_for_catchup($standby);
$primary->stop;
$standby->promote;
ok($standby->poll_query_until('postgres', 'SELECT decoder_pid IS NOT NULL AND lag_bytes = 0 FROM gymstream.status'), 'promoted, it has');
my $listener = GymstreamListener->new($standby, 'postgres', 'gymstream:public.by_class');
$standby->safe_psql('postgres', 'INSERT INTO booking VALUES (100, 1)');
my ($event) = $listener->take(1);
is($event->{row}{n}, 6, 'which tell listeners');
cmp_ok($event->{position}, 'gt', $last, 'at a position behind those of the old primary');
isnt(substr($event->{position}, 0, 8), substr($last, 0, 8), 'in another epoch');
is($standby->safe_psql('postgres', q{SELECT * FROM gymstream.verify_rollup('by_class')}), '', 'and the rollup goes on exact');

$listener->close;
$standby->stop;
done_testing();
