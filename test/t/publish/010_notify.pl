# Notifications: listeners get each committed change once, in commit order, and only when everybody can see it. All of it
# is told by a server that has lost its timers: whoever waits for something must be woken.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $no_timers = PostgreSQL::Test::Utils::tempdir() . '/no_timers.so';
system_or_bail('cc', '-shared', '-fPIC', '-o', $no_timers, "$FindBin::Bin/no_timers.c", '-ldl');
my $node = do
{
	local $ENV{LD_PRELOAD} = $no_timers;
	start_gymstream('notify', 'fsync = off');
};

# A session whose transaction stays open between calls.
my $writer = GymstreamListener->new($node, 'postgres');

$node->safe_psql('postgres', q{CREATE TABLE booking (id int PRIMARY KEY, note text)});
is($node->safe_psql('postgres', q{SELECT gymstream.create_topic('booking', notify => 'row')}), 'gymstream:public.booking',
	'create_topic returns the channel');
my $listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.booking');

# what create_topic promises: from its commit on
$node->safe_psql('postgres', q{INSERT INTO booking VALUES (1, 'first')});
my ($event) = $listener->take(1);
like($event->{payload}, qr/^\{"topic":"public\.booking","position":"[0-9A-F]{8}\/[0-9A-F]{16}\/00000001\/0{15}1","action":"insert",/,
	'topic and position stand in front');
is_deeply([ @$event{qw(action schema table new)} ], [ 'insert', 'public', 'booking', { id => 1, note => 'first' } ],
	'the event follows');
like($event->{commit_time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, 'commit time in UTC');

# the notification comes only when the row can be seen
my $seen = 0;
for my $id (100 .. 149)
{
	$node->safe_psql('postgres', "INSERT INTO booking VALUES ($id, 'visible?')") if $id == 100;
	$writer->ask("INSERT INTO booking VALUES ($id, 'visible?');") if $id > 100;
	$listener->take(1);
	$seen += $listener->ask("SELECT count(*) FROM booking WHERE id = $id;");
}
is($seen, 50, 'what a listener is told of, it can see');

# neither what is open nor what was rolled back
$writer->ask(q{BEGIN; INSERT INTO booking VALUES (2, 'open');});
$node->safe_psql('postgres', q{BEGIN; INSERT INTO booking VALUES (3, 'rolled back'); ROLLBACK;
	BEGIN; SAVEPOINT s; INSERT INTO booking VALUES (3, 'rolled back'); ROLLBACK TO s;
	INSERT INTO booking VALUES (4, 'kept'); COMMIT});
is(join(',', map { $_->{new}{note} } $listener->take(1)), 'kept', 'nothing of a rolled back (sub)transaction');
$writer->ask('COMMIT;');
is(join(',', map { $_->{new}{note} } $listener->take(1)), 'open', 'an open transaction is told of when it commits');

# several changes of a transaction, in their order
$node->safe_psql('postgres', q{BEGIN; INSERT INTO booking VALUES (5, 'a'); UPDATE booking SET note = 'b' WHERE id = 5;
	DELETE FROM booking WHERE id = 5; TRUNCATE booking; COMMIT});
my @events = $listener->take(4);
is(join(',', map { $_->{action} } @events), 'insert,update,delete,truncate', 'all actions, in order');
is(join(',', map { (split /\//, $_->{position})[2] } @events), '00000001,00000002,00000003,00000004', 'numbered within the transaction');
is($node->safe_psql('postgres', "SELECT string_agg(gymstream.position_index(p)::text, ',') || ' ' || bool_and(gymstream.position_lsn(p) = '$events[0]{lsn}') FROM unnest(ARRAY['" .
	join("','", map { $_->{position} } @events) . "']::gymstream.position[]) p"), '1,2,3,4 true', 'a position is what the type says it is');
is(scalar(keys %{ { map { $_->{lsn} => 1 } @events } }), 1, 'at one position of the log');

# a prepared transaction
$node->safe_psql('postgres', q{BEGIN; INSERT INTO booking VALUES (6, 'prepared'); PREPARE TRANSACTION 'p'});
$node->safe_psql('postgres', q{INSERT INTO booking VALUES (7, 'after prepare')});
is(join(',', map { $_->{new}{note} } $listener->take(1)), 'after prepare', 'a prepared transaction is not told of');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
is(join(',', map { $_->{new}{note} } $listener->take(1)), 'prepared', 'until it is committed');

# what comes while the publisher itself waits for NOTIFY's lock is told as soon as that is free
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
$node->reload;
my ($no_input, $notify_output) = ('', '');
my $notifying = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-c', 'BEGIN; CREATE TABLE held (); NOTIFY held; COMMIT' ],
	'<', \$no_input, '>', \$notify_output, '2>', \$notify_output);
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'}), 'a commit holds the lock');
$node->safe_psql('postgres', q{SET synchronous_commit = local; INSERT INTO booking VALUES (30, 'waiting')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity
	WHERE backend_type = 'gymstream publisher' AND wait_event_type = 'Lock'}), 'the publisher waits for it');
my $sent = $node->safe_psql('postgres', q{SET synchronous_commit = local; INSERT INTO booking VALUES (31, 'meanwhile');
	SELECT pg_current_wal_lsn()});
ok($node->poll_query_until('postgres', "SELECT decoded_lsn >= '$sent' FROM gymstream.status"), 'the decoder has sent more');
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'});
is(join(',', map { $_->{new}{note} } $listener->take(2)), 'waiting,meanwhile', 'both are told');
$notifying->finish;
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;

# synchronous_commit = off: nobody waits for the disk
$node->safe_psql('postgres', q{SET synchronous_commit = off; INSERT INTO booking VALUES (8, 'asynchronous')});
is(join(',', map { $_->{new}{note} } $listener->take(1)), 'asynchronous', 'an asynchronous commit is told of');

# more than a notification can carry
$node->safe_psql('postgres', q{INSERT INTO booking VALUES (9, repeat('x', 7000)), (10, repeat('x', 8000)), (11, repeat(E'\n', 4000))});
@events = $listener->take(3);
is(length($events[0]{new}{note}), 7000, 'a large event is whole');
is_deeply([ map { JSON::PP::decode_json($_->{payload}) } @events[1, 2] ],
	[ map { { topic => 'public.booking', position => $events[$_]{position}, action => 'insert', truncated => JSON::PP::true, key => { id => 9 + $_ } } } 1, 2 ],
	'a larger one says that it is truncated, and of which row it is');

# notify => 'position'
$node->safe_psql('postgres', q{CREATE SCHEMA "Gym"; CREATE TABLE "Gym"."Visit ""x""" (id int);
	SELECT gymstream.create_topic('"Gym"."Visit ""x"""'); INSERT INTO "Gym"."Visit ""x""" VALUES (1)});
my $positions = GymstreamListener->new($node, 'postgres', 'gymstream:"Gym"."Visit ""x"""' =~ s/"/""/gr);
$node->safe_psql('postgres', q{INSERT INTO "Gym"."Visit ""x""" VALUES (2)});
($event) = $positions->take(1);
is_deeply(JSON::PP::decode_json($event->{payload}), { topic => '"Gym"."Visit ""x"""', position => $event->{position} },
	'topic and position only');

# what is told changes with create_topic, for listeners that there are
$node->safe_psql('postgres', q{SELECT gymstream.create_topic('"Gym"."Visit ""x"""', notify => 'row'); INSERT INTO "Gym"."Visit ""x""" VALUES (3)});
($event) = $positions->take(1);
is_deeply($event->{new}, { id => 3 }, 'the rows, from now on');
$node->safe_psql('postgres', q{SELECT gymstream.create_topic('"Gym"."Visit ""x"""', notify => 'position'); INSERT INTO "Gym"."Visit ""x""" VALUES (4)});
($event) = $positions->take(1);
is(join(',', sort keys %{ JSON::PP::decode_json($event->{payload}) }), 'position,topic', 'and no longer');

# rows that have come under row-level security since are for nobody who merely listens
$node->safe_psql('postgres', q{CREATE TABLE secret (id int PRIMARY KEY); SELECT gymstream.create_topic('secret', notify => 'row');
	ALTER TABLE secret ENABLE ROW LEVEL SECURITY});
my $curious = GymstreamListener->new($node, 'postgres', 'gymstream:public.secret');
$node->safe_psql('postgres', q{INSERT INTO secret VALUES (42)});
($event) = $curious->take(1);
is_deeply(JSON::PP::decode_json($event->{payload}), { topic => 'public.secret', position => $event->{position} },
	'rows under row-level security are not sent');
$curious->close;
$positions->close;

# a table without a topic, and one whose topic was dropped, are silent
$node->safe_psql('postgres', q{CREATE TABLE quiet (id int); INSERT INTO quiet VALUES (1);
	SELECT gymstream.drop_topic('"Gym"."Visit ""x"""'); INSERT INTO "Gym"."Visit ""x""" VALUES (3);
	INSERT INTO booking VALUES (12, 'loud')});
is(join(',', map { $_->{new}{note} } $listener->take(1)), 'loud', 'only what has a topic');

# many transactions from several sessions: each once, in the order in which they became durable
$node->safe_psql('postgres', 'TRUNCATE booking; CREATE SEQUENCE number');
$listener->take(1);
my $script = $node->basedir . '/insert.sql';
append_to_file($script, "INSERT INTO booking VALUES (nextval('number'), repeat('y', 500));\n");
append_to_file("$script.off", "SET synchronous_commit = off;\nINSERT INTO booking VALUES (nextval('number'), 'off');\n");
$node->command_ok([ 'pgbench', '-n', '-c', '4', '-t', '500', '-f', $script, '-f', "$script.off", $node->connstr('postgres') ],
	'2,000 transactions from 4 sessions');
@events = $listener->take(2000);
is(scalar(@events), 2000, 'as many events');
is(join(',', sort { $a <=> $b } map { $_->{new}{id} } @events), join(',', 1 .. 2000), 'each exactly once');
my @in_order = sort { $a->{position} cmp $b->{position} } @events;
is(join(',', map { $_->{position} } @events), join(',', map { $_->{position} } @in_order), 'in commit order');

# a transaction far larger than a batch and than the queue between the workers
$node->safe_psql('postgres', q{TRUNCATE booking; INSERT INTO booking SELECT i, repeat('z', 500) FROM generate_series(1, 20000) i});
@events = $listener->take(20001);
is(scalar(@events), 20001, 'a large transaction arrives whole');
is(join(',', map { $_->{new}{id} } @events[1 .. 20000]), join(',', 1 .. 20000), 'in order');

# what is dropped before it was told of is skipped
$node->safe_psql('postgres', q{CREATE TABLE brief (id int)});
$node->safe_psql('postgres', q{SELECT gymstream.create_topic('brief', 'row')});
$node->safe_psql('postgres', q{INSERT INTO brief SELECT generate_series(1, 1000)});
$node->safe_psql('postgres', q{DROP TABLE brief});
$node->safe_psql('postgres', q{INSERT INTO booking VALUES (30000, 'still there')});
is(join(',', map { $_->{new}{note} } $listener->take(1)), 'still there', 'a dropped table disturbs nothing');

# a commit that waits for a synchronous standby is not told of before everybody sees it
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('synchronous_standby_names') = 'nobody'});
my ($in, $out) = ('', '');
my $stuck = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr('postgres'), '-c', q{INSERT INTO booking VALUES (30001, 'stuck')} ],
	'<', \$in, '>', \$out, '2>', \$out);
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'});
$node->safe_psql('postgres', q{SET synchronous_commit = local; INSERT INTO booking VALUES (30002, 'after stuck')});
ok($node->poll_query_until('postgres', q{SELECT waiting_for LIKE 'transaction % to become visible' FROM gymstream.status}),
	'status says what is waited for');
is(scalar($listener->wait_for(0)), 0, 'nothing is told meanwhile');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
is(join(',', map { $_->{new}{note} } $listener->take(2)), 'stuck,after stuck', 'then both, in order');
$stuck->finish;

is($node->safe_psql('postgres', q{SELECT skipped, problem IS NULL, waiting_for IS NULL FROM gymstream.status}), '0|t|t',
	'status finds nothing wrong');

$_->close for $listener, $writer;
$node->stop('fast');
done_testing();
