# kill -9 of a backend in the middle of a statement, of each worker, of a folder in the middle of a group, and of the
# postmaster under load, while groups are marked and folded: afterwards every rollup is exact, prepared transactions end
# as they were told to, and the workers go on by themselves.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('crash', 'fsync = off');

# Kill a process of the server, and wait until the server has started anew.
sub kill_process
{
	my ($signal, $pid) = @_;
	my $started = $node->safe_psql('postgres', q{SELECT backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'});

	kill $signal, $pid;
	return wait_until(sub {
		my $now = '';
		my $status = $node->psql('postgres', q{SELECT backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'},
			stdout => \$now);
		return $status == 0 && $now ne '' && $now ne $started;
	});
}

$node->safe_psql('postgres', q{
	CREATE TABLE booking (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, class_id int, status text, price numeric,
		weight double precision DEFAULT 1e16 * random());
	CREATE INDEX ON booking (class_id);
	SELECT gymstream.create_rollup('by_class',
		'SELECT class_id, count(*), sum(price), avg(price) FROM booking GROUP BY class_id');
	SELECT gymstream.create_rollup('total', $$SELECT count(*), sum(price) FROM booking WHERE status = 'booked'$$);
	SELECT gymstream.create_rollup('weights', 'SELECT class_id, sum(weight), avg(weight), stddev(weight) FROM booking GROUP BY class_id');
	SELECT gymstream.create_rollup('extremes', 'SELECT class_id, min(price), max(price), max(id) AS latest FROM booking GROUP BY class_id');
	SELECT gymstream.create_rollup('lists', $$SELECT class_id, string_agg(status, '' ORDER BY id), count(DISTINCT price) FROM booking GROUP BY class_id$$);
	INSERT INTO booking (class_id, status, price) SELECT i % 10, 'booked', i / 4.0 FROM generate_series(1, 1000) i;
});
is(differences($node), '', 'exact before any crash');

# a backend that has written half of a statement, after a whole one in the same transaction
my ($in, $out, $err) = ("BEGIN; UPDATE booking SET price = price + 1;
	INSERT INTO booking (class_id, status, price) SELECT i % 10, 'booked', 1 FROM generate_series(1, 1000000) i, pg_sleep(0.001);\n", '', '');
my $victim = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err);
my $backend;
# one look, since a session that has looked before may not be gone when the next one looks, and bears the same text
ok(wait_until(sub {
	$victim->pump_nb;
	$backend = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series(1, 1000000)%'
		AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL AND clock_timestamp() - query_start > interval '200 ms'});
	$backend =~ /^\d+$/;
}), 'a backend is in the middle of a statement');
ok(kill_process('KILL', $backend), 'the server recovers from its death');
$victim->finish;
is($node->safe_psql('postgres', 'SELECT count(*) FROM booking'), 1000, 'nothing of it remains');
is(differences($node), '', 'exact after the death of a backend');

# each worker of gymstream
my $workers = q{SELECT string_agg(backend_type, ',' ORDER BY backend_type) FROM pg_stat_activity WHERE backend_type LIKE 'gymstream%' AND backend_type <> 'gymstream folder'};
$node->safe_psql('postgres', q{SELECT gymstream.create_topic('by_class', notify => 'row')});
ok(wait_until(sub { $node->safe_psql('postgres', $workers) =~ /decoder.*publisher/ }), 'decoder and publisher run');
my $all = $node->safe_psql('postgres', $workers);
for my $type (split /,/, $all)
{
	for my $signal ('TERM', 'KILL')
	{
		my $find = qq{SELECT pid FROM pg_stat_activity WHERE backend_type = '$type'};
		my $pid = $node->safe_psql('postgres', $find);
		if ($signal eq 'KILL')
		{
			ok(kill_process('KILL', $pid), "the server recovers from the death of its $type");
		}
		else
		{
			kill 'TERM', $pid;
		}
		ok(wait_until(sub { my $now; $node->psql('postgres', $find, stdout => \$now) == 0 && $now && $now ne $pid }),
			"$type is back after SIG$signal");
	}
}
ok(wait_until(sub { $node->safe_psql('postgres', $workers) eq $all }), 'all workers run again');
is(differences($node), '', 'exact after the deaths of workers');

# the folder, in the middle of computing a marked group: one that waits there
$node->safe_psql('postgres', q{
	CREATE TABLE visit (id int, room int, price int);
	CREATE FUNCTION gate(id int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
	BEGIN
		IF (SELECT backend_type = 'gymstream folder' FROM pg_stat_activity WHERE pid = pg_backend_pid()) THEN
			WHILE NOT pg_try_advisory_xact_lock_shared(1) LOOP
				PERFORM pg_sleep(0.02);
			END LOOP;
		END IF;
		RETURN true;
	END $$;
	SELECT gymstream.create_rollup('rooms', $$SELECT room, max(price), string_agg(price::text, ',' ORDER BY price::text), sum(price)
		FROM visit WHERE gate(id) GROUP BY room$$);
	INSERT INTO visit SELECT i, i % 3, i FROM generate_series(1, 30) i;
});
ok(wait_until(sub { $node->safe_psql('postgres', q{SELECT marked FROM gymstream_internal.count_rollup('rooms')}) == 0 }), 'no group is marked');
($in, $out, $err) = ("SELECT pg_advisory_lock(1); UPDATE visit SET price = price - 1 WHERE id > 20; SELECT pg_sleep(600);\n", '', '');
my $gate = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$err);
my $folder = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'gymstream folder' AND wait_event = 'PgSleep'};
ok(wait_until(sub { $gate->pump_nb; $node->safe_psql('postgres', $folder) ne '' }), 'a folder is in the middle of a group');
$node->safe_psql('postgres', 'UPDATE visit SET price = price + 5 WHERE id = 30');
is(differences($node), '', 'exact meanwhile');
ok(kill_process('KILL', $node->safe_psql('postgres', $folder)), 'the server recovers from the death of a folder');
$gate->finish;
is(differences($node), '', 'exact after the death of a folder');
ok(wait_until(sub { $node->safe_psql('postgres', q{SELECT marked = 0 AND groups = partials FROM gymstream_internal.count_rollup('rooms')}) eq 't' }), 'another one does the work');
is(differences($node), '', 'exact then');

# prepared transactions, across a kill of the postmaster under load; what they insert and delete were the extremes
$node->safe_psql('postgres', q{
	BEGIN; INSERT INTO booking (class_id, status, price) VALUES (1, 'kept', -100), (77, 'booked', 5);
	UPDATE booking SET class_id = 2 WHERE id <= 10; DELETE FROM booking WHERE id = 1000; PREPARE TRANSACTION 'kept';});
$node->safe_psql('postgres', q{
	BEGIN; INSERT INTO booking (class_id, status, price) VALUES (1, 'dropped', 1000), (78, 'booked', 5);
	DELETE FROM booking WHERE id BETWEEN 11 AND 20 OR id = 999; PREPARE TRANSACTION 'dropped';});

my $script = $node->basedir . '/traffic.sql';
append_to_file($script, q{
\set class random(0, 9)
\set id random(100, 998)
BEGIN;
INSERT INTO booking (class_id, status, price) VALUES (:class, 'booked', :class / 8.0);
UPDATE booking SET class_id = :class, price = price + 0.01 WHERE id = :id;
DELETE FROM booking WHERE id = :id + 1000 AND id > 1200;
COMMIT;
});
my $folding = $node->basedir . '/folding.sql';
append_to_file($folding, "SELECT gymstream.fold_rollup('extremes');\nSELECT gymstream.fold_rollup('lists');\nSELECT gymstream.fold_rollup('weights');\n");
for my $round (1 .. 3)
{
	my ($text, $errors) = ('', '');
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM booking');
	my $pgbench = IPC::Run::start([ 'pgbench', '-n', '-c', 8, '-j', 2, '-T', 60, '-f', "$script\@19", '-f', "$folding\@1", '-h', $node->host, '-p', $node->port, 'postgres' ],
		'>', \$text, '2>', \$errors);
	ok(wait_until(sub { $pgbench->pump_nb; $node->safe_psql('postgres', 'SELECT count(*) FROM booking') > $before + 500 }),
		"traffic flows, round $round");
	my @processes = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity');
	$node->kill9;
	$pgbench->finish;
	# they notice one by one that their postmaster is gone; until then the data directory is theirs
	wait_until(sub { !grep { kill 0, $_ } @processes });
	ok($node->start, 'the server starts again');
	is(differences($node), '', 'exact after the death of the postmaster');
}

is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), 2, 'both prepared transactions survived');
is($node->safe_psql('postgres', q{SELECT min < 0 FROM extremes WHERE class_id = 1}), 'f', 'nothing of them is seen');
$node->safe_psql('postgres', q{COMMIT PREPARED 'kept'});
is(differences($node), '', 'exact after one is committed');
is($node->safe_psql('postgres', q{SELECT min < 0 FROM extremes WHERE class_id = 1}), 't', 'it is seen');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'dropped'});
is(differences($node), '', 'exact after the other is rolled back');
is($node->safe_psql('postgres', 'SELECT class_id, count, sum FROM by_class WHERE class_id > 9'), '77|1|5', 'as they were told to');
ok(wait_until(sub { $node->safe_psql('postgres', $workers) eq $all }), 'all workers run');
for my $rollup (qw(by_class total weights extremes lists))
{
	ok(wait_until(sub { $node->safe_psql('postgres', "SELECT marked = 0 AND groups = partials FROM gymstream_internal.count_rollup('$rollup')") eq 't' }),
		"$rollup is folded");
}
is(differences($node), '', 'exact when all is folded');

$node->stop;
done_testing();
