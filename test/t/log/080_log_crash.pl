# The log of a topic has every committed change once, in commit order, with dense offsets, and what a reader has read stays
# what it was: through kill -9 of decoder, publisher and postmaster at random moments under load. A table is the oracle.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $seed = $ENV{GYMSTREAM_SEED} // time;
srand($seed);
note("GYMSTREAM_SEED=$seed");

# so large that nothing is dropped here, and so small that segments are many
my $node = start_gymstream('log_crash', 'fsync = off', 'autovacuum = off');
$node->safe_psql('postgres', q{
	CREATE TABLE booking (id bigserial PRIMARY KEY, class_id int, n int NOT NULL DEFAULT 1, note text);
	CREATE TABLE chain (id int PRIMARY KEY, n int);
	INSERT INTO chain VALUES (1, 0);
	SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
	SELECT gymstream.create_topic('booking', retain_bytes => 16000000), gymstream.create_topic('chain'),
		gymstream.create_topic('attendance', notify => 'row')});

my $script = $node->basedir . '/traffic.sql';
append_to_file($script, q{
\set class random(0, 9)
\set size random(1, 400)
\set many random(1, 20)
BEGIN;
INSERT INTO booking (class_id, note) SELECT :class, repeat('x', :size) FROM generate_series(1, :many);
UPDATE booking SET n = n + 1 WHERE id = (SELECT max(id) FROM booking) - :size;
SAVEPOINT s;
INSERT INTO booking (class_id, note) VALUES (:class, 'rolled back');
ROLLBACK TO s;
UPDATE chain SET n = n + 1;
COMMIT;
});
my $traffic = fork // die;
if ($traffic == 0)
{
	my $go = 1;
	my $child = 0;
	local $SIG{TERM} = sub { $go = 0; kill 'TERM', $child if $child };
	while ($go)
	{
		$child = fork;
		if ($child == 0)
		{
			open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null';
			exec 'pgbench', '-n', '-c', 6, '-T', 600, '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres';
		}
		waitpid $child, 0;
		sleep 0.1;
	}
	POSIX::_exit(0);
}

# A reader, with a bookmark of its own, that outlives the server: what it has read, by offset.
my (%read, $bookmark);
sub read_more
{
	my $rows = '';
	my $after = $bookmark ? "'$bookmark'" : 'NULL';
	my $status = eval { $node->psql('postgres', qq{SELECT position, md5(event::text) FROM gymstream.read_topic('booking', $after, 700)}, stdout => \$rows) };
	return unless defined $status && $status == 0;
	for (split /\n/, $rows)
	{
		my ($position, $hash) = split /\|/;
		$read{$position} = $hash;
		$bookmark = $position;
	}
}

my $kills = $ENV{GYMSTREAM_KILLS} // 14;
for my $round (1 .. $kills)
{
	my $before = '';
	ok(wait_until(sub { my $now; $node->psql('postgres', 'SELECT n FROM chain', stdout => \$now) == 0 or return; $before ||= $now; read_more(); $now > $before + 20 }), "traffic flows, round $round");
	sleep rand(0.3);
	my $what = (qw(publisher decoder publisher postmaster))[ rand 4 ];
	if ($what eq 'postmaster')
	{
		my @processes = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity');
		$node->kill9;
		wait_until(sub { !grep { kill 0, $_ } @processes });
		ok($node->start, 'the server starts again');
	}
	else
	{
		my $signal = rand() < 0.6 ? 'KILL' : 'TERM';
		my $pid = '';
		wait_until(sub { $node->psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'gymstream $what'", stdout => \$pid) == 0 && $pid =~ /^\d+$/ });
		sleep rand(0.2);
		note("SIG$signal to $what $pid");
		kill $signal, $pid;
	}
}
kill 'TERM', $traffic;
waitpid $traffic, 0;

ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'}), 'traffic has ended');
$node->safe_psql('postgres', 'UPDATE chain SET n = n + 1');
ok($node->poll_query_until('postgres', q{SELECT (SELECT n FROM chain) = (SELECT max((event->'new'->>'n')::int) FROM gymstream.read_topic('chain', max_events => NULL))}), 'all is in the log')
	or diag($node->safe_psql('postgres', 'SELECT * FROM gymstream.status'));

$node->safe_psql('postgres', q{
	CREATE TABLE logged AS SELECT position, gymstream.position_offset(position) AS o, gymstream.position_lsn(position) AS lsn, action, (event->'new'->>'id')::bigint AS id,
		(event->'new'->>'n')::int AS n, event->'new'->>'note' AS note, key FROM gymstream.read_topic('booking', max_events => NULL)});
sub is_none { my ($query, $what) = @_; is($node->safe_psql('postgres', $query), '', $what) }
is_none(q{SELECT o FROM (SELECT o, row_number() OVER (ORDER BY o) AS i FROM logged) q WHERE o <> i LIMIT 3}, 'offsets are dense, from 1');
is_none(q{SELECT * FROM (SELECT position, lag(position) OVER (ORDER BY o) AS before FROM logged) q WHERE NOT position OPERATOR(gymstream.>) before LIMIT 3}, 'positions grow with them');
is_none(q{(SELECT id FROM booking EXCEPT ALL SELECT id FROM logged WHERE action = 'insert') UNION ALL (SELECT id FROM logged WHERE action = 'insert' EXCEPT ALL SELECT id FROM booking) LIMIT 3},
	'each row is inserted once');
is_none(q{SELECT id FROM (SELECT id, n, row_number() OVER (PARTITION BY id ORDER BY o) AS i FROM logged) q WHERE n <> i LIMIT 3}, 'each version of a row once, in order');
is_none(q{SELECT id, n FROM booking EXCEPT SELECT id, max(n) FROM logged GROUP BY id LIMIT 3}, 'up to the last one');
is_none(q{SELECT 1 FROM logged WHERE action NOT IN ('insert', 'update') OR note = 'rolled back' OR (key->>'id')::bigint <> id LIMIT 1}, 'and nothing more');
is($node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE n <> i), count(*) = max(n) FROM (SELECT (event->'new'->>'n')::int AS n, row_number() OVER (ORDER BY gymstream.position_offset(position)) AS i
	FROM gymstream.read_topic('chain', max_events => NULL)) q}), '0|t', 'commits of one chain stand in their order');
# one LSN for all events of a commit, in each topic
is_none(q{SELECT lsn FROM logged EXCEPT SELECT gymstream.position_lsn(position) FROM gymstream.read_topic('chain', max_events => NULL) LIMIT 3}, 'events of a commit share its LSN across topics');
is($node->safe_psql('postgres', q{SELECT count(*) FROM (
	SELECT (key->>'class_id')::int AS class_id, sum((event->'delta'->>'count(*)')::int) AS n FROM gymstream.read_topic('attendance', max_events => NULL) GROUP BY 1
	EXCEPT SELECT class_id, n FROM attendance) q}), 0, 'deltas of a rollup add up to it')
	or diag($node->safe_psql('postgres', q{SELECT event FROM gymstream.read_topic('attendance', max_events => 3)}));

# what the reader has read is there, the same, and nothing before its bookmark that it has not read
read_more() for 1 .. 3;
my %logged = map { split /\|/ } split /\n/, $node->safe_psql('postgres', q{SELECT position, md5(event::text) FROM gymstream.read_topic('booking', max_events => NULL)});
my @lost = grep { $_ le $bookmark && !exists $read{$_} } keys %logged;
my @changed = grep { !exists $logged{$_} || $logged{$_} ne $read{$_} } keys %read;
ok(keys %read > 100, 'a reader has read on through all of it');
is(scalar @lost, 0, 'it has missed nothing');
is(scalar @changed, 0, 'and nothing that it has read is otherwise now');
is($node->safe_psql('postgres', q{SELECT count(DISTINCT gymstream.position_epoch(position)) FROM gymstream.read_topic('booking', max_events => NULL)}), 1, 'all in one epoch');
is(differences($node), '', 'the rollup is exact');

$node->stop;
done_testing();
