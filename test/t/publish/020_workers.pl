# The workers: they come back whatever ends them, leave nothing behind, and are in no command's way.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use IPC::Run ();
use Test::More;

my $node = start_gymstream('workers', 'fsync = off', 'checkpoint_timeout = 1h');
my $next = 1;

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub status { return sql("SELECT $_[0] FROM gymstream.status") }
sub insert { sql("INSERT INTO booking VALUES ($next)"); return $next++ }
sub listen_to { return GymstreamListener->new($node, $_[0] // 'postgres', 'gymstream:public.booking') }
sub ids { return join(',', map { $_->{new}{id} } @_) }
sub ready { return $node->poll_query_until('postgres', 'SELECT lag_bytes = 0 FROM gymstream.status') }

# with the extension alone there is a publisher, but no decoder and no slot
ok($node->poll_query_until('postgres', 'SELECT publisher_pid IS NOT NULL FROM gymstream.status'), 'the publisher has come');
is(status('decoder_pid IS NULL, slot_name IS NULL, topics, problem IS NULL'), 't|t|0|t', 'without a topic no decoder and no slot');

sql('CREATE TABLE booking (id int PRIMARY KEY)');
sql(q{SELECT gymstream.create_topic('booking', notify => 'row')});
is(status('decoder_pid IS NOT NULL, slot_name, topics, problem IS NULL'),
	't|gymstream_' . sql('SELECT oid FROM pg_database WHERE datname = current_database()') . '|1|t', 'with one both');

# a topic that is created and rolled back leaves nothing
sql(q{SELECT gymstream.drop_topic('booking')});
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_replication_slots'), 'the slot goes with the last topic');
sql(q{BEGIN; SELECT gymstream.create_topic('booking', notify => 'row'); ROLLBACK});
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_replication_slots'), 'and with a topic that is rolled back');
sql(q{BEGIN; SELECT gymstream.create_topic('booking', notify => 'row'); PREPARE TRANSACTION 't'});
sql(q{COMMIT PREPARED 't'});
ok($node->poll_query_until('postgres', 'SELECT decoder_pid IS NOT NULL AND topics = 1 FROM gymstream.status'), 'a prepared one counts');
ok(ready(), 'ready');

# terminated: a listener that stays misses nothing and gets nothing twice
my $listener = listen_to();
for my $worker (qw(publisher decoder launcher))
{
	my $before = insert();
	my $pid = status("${worker}_pid");
	sql("SELECT pg_terminate_backend($pid)");
	my @between = map { insert() } 1 .. 3;
	ok($node->poll_query_until('postgres', "SELECT ${worker}_pid <> $pid AND decoder_pid IS NOT NULL FROM gymstream.status"),
		"a terminated $worker comes back");
	my $after = insert();
	is(ids($listener->take(5)), join(',', $before, @between, $after), 'nothing is missing, nothing comes twice');
}

# killed: the server starts anew, the worker with it, and a listener that reconnects gets what comes after
for my $worker (qw(publisher decoder launcher))
{
	my $pid = status("${worker}_pid");
	kill 'KILL', $pid;
	ok(wait_until(sub {
		my $now = '';
		return $node->psql('postgres', "SELECT ${worker}_pid <> $pid AND lag_bytes = 0 FROM gymstream.status", stdout => \$now) == 0
			&& $now eq 't';
	}), "a killed $worker comes back");
	$listener = listen_to();
	my $id = insert();
	my @got;
	ok(wait_until(sub { @got = $listener->wait_for(1); return @got && $got[-1]{new}{id} == $id }), 'and publishes');
}

# a restart: the slot goes on where it was confirmed
$listener->wait_for(0);
ok($node->poll_query_until('postgres', q{SELECT s.confirmed_lsn >= s.published_lsn AND lag_bytes = 0 FROM gymstream.status s}), 'all is confirmed');
$node->restart;
ok(ready(), 'after a restart the workers are there');
$listener = listen_to();
my $id = insert();
is(ids($listener->take(1)), $id, 'nothing is published again, and what comes is');

# an immediate shutdown, which loses nothing but may tell again
$node->stop('immediate');
$node->start;
ok(ready(), 'after a crash too');
$listener = listen_to();
$id = insert();
my @got;
ok(wait_until(sub { @got = $listener->wait_for(1); return @got && $got[-1]{new}{id} == $id }), 'and they publish');

# a database that others write to, while this one is idle, does not hold WAL back
$node->safe_psql('template1', 'CREATE TABLE noise AS SELECT i FROM generate_series(1, 10000) i');
my $written = $node->safe_psql('template1', 'SELECT pg_current_wal_lsn()');
ok($node->poll_query_until('postgres', "SELECT confirmed_lsn >= '$written' FROM gymstream.status"), 'an idle database confirms');

# a slot that is gone is made anew
my $slot = status('slot_name');
sql(q{SELECT pg_terminate_backend(decoder_pid) FROM gymstream.status});
wait_until(sub { $node->psql('postgres', "SELECT pg_drop_replication_slot('$slot')") == 0 });
ok($node->poll_query_until('postgres', q{SELECT lag_bytes = 0 AND slot_name IS NOT NULL FROM gymstream.status}), 'a dropped slot is made anew');
$listener = listen_to();
$id = insert();
is(ids($listener->take(1)), $id, 'and used');

# one that the server has given up, as it held back too much: made anew as soon as that can be
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'\nmax_slot_wal_keep_size = '1MB'");
$node->reload;
my ($nothing, $output) = ('', '');
my $stuck = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-c', 'INSERT INTO booking VALUES (' . $next++ . ')' ],
	'<', \$nothing, '>', \$output, '2>', \$output);
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'}), 'a commit hangs');
my $write = 'SET synchronous_commit = local; CREATE TABLE much AS SELECT i FROM generate_series(1, 10000) i; DROP TABLE much; SELECT pg_switch_wal()';
for (1 .. 3) { sql($write) }
sql('CHECKPOINT');
ok($node->poll_query_until('postgres', q{SELECT waiting_for LIKE 'older transactions%' OR last_error IS NOT NULL OR decoder_pid IS NULL FROM gymstream.status}),
	'the decoder has lost its slot');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''\nmax_slot_wal_keep_size = -1");
$node->reload;
$stuck->finish;
ok($node->poll_query_until('postgres', q{SELECT lag_bytes = 0 FROM gymstream.status}), 'it gets a new one');
like(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/were not published: the replication slot was invalidated/, 'which the log says');
$listener = listen_to();
$id = insert();
is(ids($listener->take(1)), $id, 'and goes on');

# commands on the database
$node->safe_psql('postgres', 'CREATE DATABASE gym');
$node->safe_psql('gym', 'CREATE EXTENSION gymstream; CREATE TABLE booking (id int)');
$node->safe_psql('gym', q{SELECT gymstream.create_topic('booking', 'row')});
my $running = 'SELECT lag_bytes = 0 FROM gymstream.status';
ok($node->poll_query_until('gym', $running), 'a second database has workers of its own');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE gym');
ok($node->poll_query_until('copy', $running), 'CREATE DATABASE ... TEMPLATE: the copy has workers');
ok($node->poll_query_until('gym', $running), 'the original has them again');
$node->safe_psql('postgres', 'ALTER DATABASE gym RENAME TO studio');
ok($node->poll_query_until('studio', $running), 'ALTER DATABASE RENAME');
$node->safe_psql('postgres', 'BEGIN; ALTER DATABASE studio RENAME TO gym; ROLLBACK');
ok($node->poll_query_until('studio', $running), 'one that is rolled back');
mkdir $node->basedir . '/space';
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '" . $node->basedir . "/space'");
$node->safe_psql('postgres', 'ALTER DATABASE studio SET TABLESPACE space');
ok($node->poll_query_until('studio', $running), 'ALTER DATABASE SET TABLESPACE');
my $busy = GymstreamListener->new($node, 'studio');
isnt($node->psql('postgres', 'DROP DATABASE studio'), 0, 'DROP DATABASE is refused while somebody is connected');
$busy->close;
ok($node->poll_query_until('studio', $running), 'and the workers are there again');
$listener = listen_to('studio');
$node->safe_psql('studio', 'INSERT INTO booking VALUES (1)');
is(ids($listener->take(1)), '1', 'and publish');
$listener->close;
$node->safe_psql('postgres', 'CREATE ROLE nobody');
my $pids = $node->safe_psql('studio', 'SELECT publisher_pid, decoder_pid FROM gymstream.status');
isnt($node->psql('postgres', 'SET ROLE nobody; DROP DATABASE studio'), 0, 'who may not drop it');
is($node->safe_psql('studio', 'SELECT publisher_pid, decoder_pid FROM gymstream.status'), $pids, 'does not end its workers');
$node->safe_psql('postgres', 'DROP DATABASE studio');
$node->safe_psql('postgres', 'DROP DATABASE copy WITH (FORCE)');
is(sql('SELECT count(*) FROM pg_replication_slots'), 1, 'DROP DATABASE takes the slot with it');

# DROP EXTENSION takes workers and slot with it
my $publisher = status('publisher_pid');
sql('DROP EXTENSION gymstream CASCADE');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $publisher OR backend_type IN ('gymstream publisher', 'gymstream decoder')"),
	'DROP EXTENSION ends the workers');
is(sql('SELECT count(*) FROM pg_replication_slots'), 0, 'and drops the slot');
sql('CREATE EXTENSION gymstream');
sql(q{SELECT gymstream.create_topic('booking', 'row')});
ok(ready(), 'they come back with the extension');

# no worker is of the kind that a database's sessions are by default: it would wait until no SERIALIZABLE transaction writes
{
	sql(q{ALTER DATABASE postgres SET default_transaction_isolation = serializable; ALTER DATABASE postgres SET default_transaction_read_only = on;
		ALTER DATABASE postgres SET default_transaction_deferrable = on});
	local $ENV{PGOPTIONS} = '-c default_transaction_read_only=off -c default_transaction_deferrable=off';
	my $serial = GymstreamListener->new($node, 'postgres');
	my $was = status('decoder_pid');
	$serial->ask('BEGIN;', 'INSERT INTO booking VALUES (1500000);');
	sql("SELECT pg_terminate_backend($was)");
	ok($node->poll_query_until('postgres', "SELECT decoder_pid <> $was AND lag_bytes = 0 FROM gymstream.status"), 'a decoder does not wait for a safe snapshot');
	$serial->ask('ROLLBACK;');
	sql('ALTER DATABASE postgres RESET ALL');
}

# A fast shutdown with open transactions, listeners and load does not hang. (At full speed psql would print notifications
# without an end.)
my $open = GymstreamListener->new($node, 'postgres');
$open->ask('BEGIN;', "INSERT INTO booking VALUES (1000000);");
$listener = listen_to();
my $script = $node->basedir . '/insert.sql';
append_to_file($script, "INSERT INTO booking VALUES (2000000 + :client_id * 100000 + (random() * 99999)::int) ON CONFLICT DO NOTHING;\n");
my ($in, $out) = ('', '');
my $load = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-R', '1000', '-T', '60', '-f', $script, $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$out);
$listener->wait_for(500);
ok($node->stop('fast', fail_ok => 1, timeout => $PostgreSQL::Test::Utils::timeout_default), 'a fast shutdown under load');
$load->finish;

# nor does one while the publisher waits for a commit to become visible
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
$node->start;
ok(ready(), 'started again');
my $hanging = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-c', 'INSERT INTO booking VALUES (1000001)' ],
	'<', \$in, '>', \$out, '2>', \$out);
ok($node->poll_query_until('postgres', q{SELECT waiting_for LIKE 'transaction%' FROM gymstream.status}), 'the publisher waits');
ok($node->stop('fast', fail_ok => 1, timeout => $PostgreSQL::Test::Utils::timeout_default), 'a fast shutdown meanwhile');
$hanging->finish;

# nor while a new slot waits for an old transaction; create_topic says so and does not wait for ever
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->start;
sql(q{SELECT gymstream.drop_topic('booking')});
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_replication_slots'), 'no topic, no slot');
$open = GymstreamListener->new($node, 'postgres');
$open->ask('BEGIN;', 'INSERT INTO booking VALUES (1000002);');
my (undef, undef, $notice) = $node->psql('postgres', q{SELECT gymstream.create_topic('booking', 'row')});
like($notice, qr/NOTICE:  changes of "booking" will be published once gymstream's workers are ready/, 'create_topic says that it will take a while');
is(status('waiting_for'), 'older transactions to end, before a replication slot can be used', 'status says what for');
ok($node->stop('fast', fail_ok => 1, timeout => $PostgreSQL::Test::Utils::timeout_default), 'a fast shutdown meanwhile');

# what does not work says why; where decoding turns itself on with the first slot, less than replica is too little
$node->start;
ok(ready(), 'started again');
my $alone = sql(q{SELECT count(*) FROM pg_settings WHERE name = 'effective_wal_level'});
$node->stop('fast');
my $low = $alone ? 'minimal' : 'replica';
$node->append_conf('postgresql.conf', "wal_level = $low\nmax_wal_senders = 0");
is($node->start(fail_ok => 1), 0, 'PostgreSQL itself refuses to start with a slot that it cannot serve');
$node->append_conf('postgresql.conf', "wal_level = logical\nmax_wal_senders = 10");
$node->start;
ok(ready(), 'started again');
sql(q{SELECT gymstream.drop_topic('booking')});
$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_replication_slots');
$node->append_conf('postgresql.conf', "wal_level = $low\nmax_wal_senders = 0");
$node->restart;
like(status('problem'), qr/set wal_level to logical/, 'wal_level below logical: status says what to set');
my ($code, undef, $error) = $node->psql('postgres', q{SELECT gymstream.create_topic('booking')});
like($error, qr/Set "wal_level" to "logical"/, 'and so does create_topic');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
like(status('problem'), qr/add it to shared_preload_libraries, set wal_level to logical, and restart/, 'without the preload either: status says both');
$node->append_conf('postgresql.conf', 'wal_level = logical');
$node->restart;
like(status('problem'), qr/add it to shared_preload_libraries/, 'without the preload: status says what to set');
is(status('preloaded, launcher_pid IS NULL'), 'f|t', 'no launcher');
sql('CREATE ROLE reader');
is(sql('SET ROLE reader; SELECT count(*) FROM gymstream.status'), 1, 'anyone may read status');
$node->stop('fast');
done_testing();
