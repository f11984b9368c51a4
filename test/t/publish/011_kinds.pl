# Kinds of topics and of notifications: partitioned tables, topics of no table, keys, channels by key, nothing at all; and
# wait_topic, which returns when what was committed has been told. As in 010_notify the server has lost its timers.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $no_timers = PostgreSQL::Test::Utils::tempdir() . '/no_timers.so';
system_or_bail('cc', '-shared', '-fPIC', '-o', $no_timers, "$FindBin::Bin/no_timers.c", '-ldl');
my $node = do
{
	local $ENV{LD_PRELOAD} = $no_timers;
	start_gymstream('kinds', 'fsync = off');
};
my $listener;

# What listeners get of some statements: a line an event.
sub told
{
	my ($sql, @members) = @_;

	$node->safe_psql('postgres', "$sql;");
	# what was committed is told by then, of all topics
	$listener->ask("CALL gymstream.wait_topic('waited', pg_current_wal_insert_lsn());");
	return join "\n", map { my $e = $_; join ' ', map { ref $e->{$_} ? JSON::PP->new->canonical->encode($e->{$_}) : $e->{$_} // '-' } @members }
		$listener->take(0);
}

$node->safe_psql('postgres', q{CREATE TABLE waited (id int PRIMARY KEY); SELECT gymstream.create_topic('waited')});

#
# Partitioned tables
#

$node->safe_psql('postgres', q{
	CREATE TABLE booking (id int, class_id int, note text, PRIMARY KEY (id, class_id)) PARTITION BY LIST (class_id);
	CREATE TABLE booking_1 PARTITION OF booking FOR VALUES IN (1);
	CREATE TABLE odd (dropped int, note text, class_id int NOT NULL, id int NOT NULL, PRIMARY KEY (id, class_id));
	ALTER TABLE odd DROP COLUMN dropped;
	ALTER TABLE booking ATTACH PARTITION odd FOR VALUES IN (2);
	CREATE TABLE booking_3 PARTITION OF booking FOR VALUES IN (3, 4, 5) PARTITION BY LIST (class_id);
	CREATE TABLE booking_3_3 PARTITION OF booking_3 FOR VALUES IN (3);
	SELECT gymstream.create_topic('booking', notify => 'row')});
$listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.booking');
my @row = qw(topic action table new old);
is(told(q{INSERT INTO booking VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')}, @row), join("\n",
	'public.booking insert booking {"class_id":1,"id":1,"note":"a"} -', 'public.booking insert booking {"class_id":2,"id":2,"note":"b"} -',
	'public.booking insert booking {"class_id":3,"id":3,"note":"c"} -'), 'rows of all partitions are events of the root');
like(told(q{INSERT INTO odd (id, class_id) VALUES (4, 2)}, 'payload'), qr/"new":\{"id":4,"class_id":2,"note":null\}/, 'with its columns in its order');
is(told(q{UPDATE booking SET class_id = 2 WHERE id = 1}, @row), join("\n", 'public.booking delete booking - {"class_id":1,"id":1}',
	'public.booking insert booking {"class_id":2,"id":1,"note":"a"} -'), 'a row that moves is deleted and inserted');
is(told(q{UPDATE booking SET note = 'x' WHERE id = 3; DELETE FROM booking WHERE id = 4}, qw(action new old)),
	qq(update {"class_id":3,"id":3,"note":"x"} -\ndelete - {"class_id":2,"id":4}), 'updates and deletes');

# partitions come and go, with their rows
is(told(q{CREATE TABLE booking_4 PARTITION OF booking_3 FOR VALUES IN (4)}, 'action'), 'changed', 'a new partition of a partition');
is(told(q{INSERT INTO booking VALUES (5, 4, 'new')}, @row), 'public.booking insert booking {"class_id":4,"id":5,"note":"new"} -', 'has rows');
$node->safe_psql('postgres', q{CREATE TABLE booking_5 (LIKE booking INCLUDING ALL); INSERT INTO booking_5 VALUES (6, 5, 'before')});
is(told(q{INSERT INTO booking_5 VALUES (7, 5, 'before'); ALTER TABLE booking_3 ATTACH PARTITION booking_5 FOR VALUES IN (5); UPDATE booking SET note = 'with it' WHERE id = 7},
	qw(action new)), qq(changed -\nupdate {"class_id":5,"id":7,"note":"with it"}), 'one that is attached');
is(told(q{BEGIN; INSERT INTO booking_5 VALUES (8, 5, 'last'); ALTER TABLE booking_3 DETACH PARTITION booking_5; INSERT INTO booking_5 VALUES (9, 5, 'too late'); COMMIT},
	qw(action new)), qq(insert {"class_id":5,"id":8,"note":"last"}\nchanged -), 'one that is detached');
is(told(q{ALTER TABLE booking DETACH PARTITION odd CONCURRENTLY}, 'action'), 'changed', 'and concurrently');
is(told(q{INSERT INTO odd (id, class_id) VALUES (10, 2)}, 'action'), '', 'has events of the root no more');
is(told(q{ALTER TABLE booking DETACH PARTITION booking_3}, 'action'), 'changed', 'a partition goes with its own');
is(told(q{INSERT INTO booking_4 VALUES (11, 4)}, 'action'), '', 'which are then no part of the root');
is(told(q{ALTER TABLE booking ATTACH PARTITION booking_3 FOR VALUES IN (3, 4, 5); INSERT INTO booking_4 VALUES (12, 4)}, 'action'), "changed\ninsert", 'and back');
is(told(q{DROP TABLE booking_4}, 'action'), 'changed', 'a partition of a partition is dropped');

# truncates: of a part, rows are left
is(told(q{TRUNCATE booking}, qw(action table)), 'truncate booking', 'the whole is truncated');
is(told(q{TRUNCATE booking_1}, 'action'), 'changed', 'a part of it is truncated');
is(told(q{TRUNCATE booking_3}, 'action'), 'changed', 'a part with parts');
is(told(q{BEGIN; TRUNCATE booking; INSERT INTO booking VALUES (1, 1); TRUNCATE booking_1; COMMIT}, 'action'), "truncate\ninsert\nchanged", 'the whole, then a part');
is(told(q{BEGIN; TRUNCATE booking_1; TRUNCATE booking; COMMIT}, 'action'), "truncate\nchanged", 'a part, then the whole');
is(told(q{BEGIN; SAVEPOINT a; TRUNCATE booking_1; ROLLBACK TO a; INSERT INTO booking VALUES (2, 1); COMMIT}, 'action'), 'insert', 'nothing of what is rolled back');

# partitions have topics of their own, and are renamed and altered
$node->safe_psql('postgres', q{SELECT gymstream.create_topic('booking_1', notify => 'key')});
$listener->ask('LISTEN "gymstream:public.booking_1";');
is(told(q{INSERT INTO booking VALUES (3, 1)}, qw(topic action table key)), qq(public.booking_1 insert - {"class_id":1,"id":3}\npublic.booking insert booking -),
	'a row is an event of each topic');
is(told(q{TRUNCATE booking}, qw(topic action)), "public.booking truncate\npublic.booking_1 truncate", 'as is a truncate');
is(told(q{SELECT gymstream.drop_topic('booking_1')}, qw(topic action)), 'public.booking_1 dropped', 'the partition has a topic no more');
is(told(q{ALTER TABLE booking_1 RENAME TO first; INSERT INTO booking VALUES (4, 1)}, qw(topic action table)), 'public.booking insert booking', 'a name of a partition is its own affair');
is(told(q{ALTER TABLE booking RENAME COLUMN note TO text; INSERT INTO booking VALUES (5, 1)}, qw(action new)), qq(changed -\ninsert {"class_id":1,"id":5,"text":null}), 'columns');
is(told(q{ALTER TABLE booking RENAME TO visit; INSERT INTO visit VALUES (6, 1)}, qw(topic action table)), "public.visit changed -\npublic.visit insert visit", 'the root has another name');
is(told(q{SELECT gymstream.create_topic('visit', notify => 'key'); UPDATE visit SET id = 7 WHERE id = 6}, qw(action key old_key)),
	'update {"class_id":1,"id":7} {"class_id":1,"id":6}', 'the key, before and now');
is(told(q{DROP TABLE visit}, qw(topic action)), 'public.visit dropped', 'it is dropped');
$listener->close;

#
# What notifications carry
#

$node->safe_psql('postgres', q{CREATE TABLE price (sku text, amount numeric, note text); ALTER TABLE price REPLICA IDENTITY FULL;
	SELECT gymstream.create_topic('price', notify => 'key', key => '{sku,amount}')});
$listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.price');
is(told(q{INSERT INTO price VALUES ('a', 1.50, 'x'), (NULL, 'NaN', NULL); UPDATE price SET note = 'y'; UPDATE price SET amount = 1.5; DELETE FROM price WHERE sku = 'a'}, 'payload')
	=~ s/"position":"[^"]*"/"position":""/gr, join("\n", map { qq({"topic":"public.price","position":"","action":$_}) }
	'"insert","key":{"sku":"a","amount":1.5}', '"insert","key":{"sku":null,"amount":"NaN"}', '"update","key":{"sku":"a","amount":1.5}',
	'"update","key":{"sku":null,"amount":"NaN"}', '"update","key":{"sku":"a","amount":1.5}',
	'"update","key":{"sku":null,"amount":1.5},"old_key":{"sku":null,"amount":"NaN"}', '"delete","key":{"sku":"a","amount":1.5}'),
	'a key looks alike whatever its values look like');
like(told(q{INSERT INTO price VALUES (repeat('k', 7000), 1)}, 'payload'), qr/"action":"insert","key":\{"sku":"k{7000}","amount":1\}\}$/, 'a long key');
like(told(q{INSERT INTO price VALUES (repeat('k', 9000), 1)}, 'payload'), qr/"action":"insert","truncated":true\}$/, 'one that has no room');
is(told(q{ALTER TABLE price REPLICA IDENTITY NOTHING; DELETE FROM price WHERE amount = 1}, qw(action key)), "delete -\ndelete -", 'a key that the server does not log is not known');
like(told(q{ALTER TABLE price REPLICA IDENTITY FULL; SELECT gymstream.alter_topic('price', notify => 'row'); INSERT INTO price VALUES ('long', 2, repeat('x', 9000))}, 'payload'),
	qr/"action":"insert","truncated":true,"key":\{"sku":"long","amount":2\}\}$/, 'a row that has no room has its key');
like(told(q{INSERT INTO price VALUES (repeat('k', 9000), 2)}, 'payload'), qr/"action":"insert","truncated":true\}$/, 'where that has some');
is(told(q{SELECT gymstream.alter_topic('price', notify => 'none', retain => '1 day'); INSERT INTO price VALUES ('b', 2); TRUNCATE price; ALTER TABLE price ADD more int}, 'topic'),
	'', 'nothing is told where nothing is to be');
is(told(q{SELECT gymstream.alter_topic('price', notify => 'position'); INSERT INTO price VALUES ('c', 2)}, qw(topic action)), 'public.price -', 'until it is');
$listener->close;

# changes of a group that are told together
$node->safe_psql('postgres', q{CREATE TABLE visit (class_id numeric, member_id int);
	SELECT gymstream.create_rollup('per_class', 'SELECT class_id, count(*) AS visits FROM visit GROUP BY class_id');
	SELECT gymstream.create_topic('per_class', notify => 'key')});
$listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.per_class');
is(told(q{BEGIN; INSERT INTO visit VALUES (7.0, 1); INSERT INTO visit VALUES (7.00, 2); INSERT INTO visit VALUES (8, 1); COMMIT}, qw(action key merged)),
	qq(rollup {"class_id":7} 2\nrollup {"class_id":8} -), 'say how many they are');
is(told(q{SELECT gymstream.alter_topic('per_class', notify => 'row'); BEGIN; INSERT INTO visit VALUES (7, 1); INSERT INTO visit VALUES (7, 1); INSERT INTO visit VALUES (7, 1); COMMIT},
	qw(action merged row)), 'rollup 3 {"class_id":7,"visits":5}', 'with rows');
is(told(q{SELECT gymstream.alter_topic('per_class', notify => 'position'); BEGIN; INSERT INTO visit VALUES (7, 1); INSERT INTO visit VALUES (7, 1); COMMIT},
	qw(action merged key)), '- 2 -', 'and without');

# channels by key
$node->safe_psql('postgres', q{SELECT gymstream.alter_topic('per_class', notify => 'key', channel_by => '{class_id}')});
my $seven = $node->safe_psql('postgres', q{SELECT gymstream.topic_channel('per_class', '{"class_id": "7.000"}')});
is($seven, 'gymstream:public.per_class#7', 'a group has a channel');
$listener->ask(qq(LISTEN "$seven";));
is(told(q{INSERT INTO visit VALUES (8, 1), (7, 1), (9, 1)}, qw(channel key)), qq($seven {"class_id":7}), 'on which its changes are told, and no others');
is(told(q{TRUNCATE visit}, qw(channel action)), 'gymstream:public.per_class truncate', 'what is of no key is told on the channel of the topic');
$listener->close;

$node->safe_psql('postgres', q{CREATE TABLE seat (id int PRIMARY KEY, class_id int, note text); ALTER TABLE seat REPLICA IDENTITY FULL;
	SELECT gymstream.create_topic('seat', notify => 'key', channel_by => '{class_id,note}')});
$listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.seat',
	map { $node->safe_psql('postgres', "SELECT gymstream.topic_channel('seat', '$_')") } '{"class_id": 1, "note": "a"}', '{"class_id": 2, "note": "two words"}');
is(told(q{INSERT INTO seat VALUES (1, 1, 'a'), (2, 1, 'b'); UPDATE seat SET id = 3 WHERE id = 1; UPDATE seat SET note = 'c' WHERE id = 2}, qw(channel action key)),
	qq(gymstream:public.seat#1,a insert {"id":1}\ngymstream:public.seat#1,a update {"id":3}), 'a row stays on its channel');
like(told(q{UPDATE seat SET class_id = 2, note = 'two words' WHERE id = 3}, qw(channel action key)),
	qr/^gymstream:public.seat#~[0-9a-f]{16} update \{"id":3\}\ngymstream:public.seat#1,a update \{"id":3\}$/, 'a row that leaves it is told on both');
like(told(q{DELETE FROM seat WHERE id = 3}, qw(channel action)), qr/^gymstream:public.seat#~[0-9a-f]{16} delete$/, 'and is deleted on the new one');
is(told(q{INSERT INTO seat VALUES (5, 1, 'a'); ALTER TABLE seat REPLICA IDENTITY DEFAULT; UPDATE seat SET note = 'b' WHERE id = 5; DELETE FROM seat}, qw(channel action)),
	join("\n", 'gymstream:public.seat#1,a insert', ('gymstream:public.seat update') x 1, ('gymstream:public.seat delete') x 2), 'what is not known is told on the channel of the topic');
is(told(q{ALTER TABLE seat ENABLE ROW LEVEL SECURITY; INSERT INTO seat VALUES (7, 1, 'a')}, qw(channel action)),
	"gymstream:public.seat -", 'with row-level security no values are in names');
is(told(q{DROP TABLE seat}, qw(channel action)), 'gymstream:public.seat dropped', 'marks are told on the channel of the topic');
$listener->close;

#
# Topics of no table
#

$node->safe_psql('postgres', q{SELECT gymstream.create_event_topic('mail', notify => 'row', channel_by => '{key}')});
$listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.mail#anna', 'gymstream:public.mail');
is(told(q{BEGIN; SELECT gymstream.publish_event('mail', 'anna', '{"n": 1}', '{"h": true}'); SAVEPOINT a; INSERT INTO mail VALUES ('anna', '2'); ROLLBACK TO a;
	SELECT gymstream.publish_event('mail', 'bob', '3'); INSERT INTO mail VALUES ('anna', '4'); COMMIT}, qw(channel action new)),
	join("\n", 'gymstream:public.mail#anna event {"headers":{"h":true},"key":"anna","value":{"n":1}}', 'gymstream:public.mail#anna event {"headers":null,"key":"anna","value":4}'),
	'events are told of a key');
is(told(q{BEGIN; INSERT INTO mail VALUES ('anna', '5'); PREPARE TRANSACTION 'mail'}, 'new'), '', 'not before a prepared transaction');
is(told(q{COMMIT PREPARED 'mail'}, 'new'), '{"headers":null,"key":"anna","value":5}', 'is committed');
like(told(q{INSERT INTO mail VALUES ('anna', to_jsonb(repeat('x', 9000)))}, 'payload'), qr/"action":"event","truncated":true,"key":\{"key":"anna"\}\}$/, 'one that has no room has its key');
is(told(q{SELECT gymstream.alter_topic('mail', notify => 'key'); INSERT INTO mail VALUES ('anna', '6')}, qw(action key)), 'event {"key":"anna"}', 'the key alone');
is(told(q{BEGIN; INSERT INTO mail VALUES ('anna', '7'); DROP TABLE mail; COMMIT}, qw(action)), 'dropped', 'of what is dropped meanwhile nothing is left to tell');
$listener->close;

# dumped and restored with their triggers, and their topics
$node->safe_psql('postgres', q{SELECT gymstream.create_event_topic('"Post"', notify => 'key', retain => '2 days')});
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'a dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-f', $dump ], 'is restored');
is($node->safe_psql('copy', q{SELECT notify, retain, key_columns FROM gymstream.topics WHERE relation = '"Post"'::regclass}), 'key|2 days|{key}', 'the topic');
my $restored = GymstreamListener->new($node, 'copy', 'gymstream:public."Post"' =~ s/"/""/gr);
ok($node->poll_query_until('copy', 'SELECT lag_bytes IS NOT NULL FROM gymstream.status'), 'its workers');
$node->safe_psql('copy', q{INSERT INTO "Post" VALUES ('a')});
is(($restored->take(1))[0]{key}{key}, 'a', 'and the trigger');
is($node->safe_psql('copy', 'SELECT count(*) FROM "Post"'), 0, 'which keeps no row');
$restored->close;

#
# Waiting: what was committed is told when it returns, whatever becomes of the workers
#

# Workers that end are started again by a timer, and so in another server.
$node->stop;
$node = start_gymstream('waiting', 'fsync = off');
$node->safe_psql('postgres', q{CREATE TABLE mine (id int PRIMARY KEY); SELECT gymstream.create_topic('mine', notify => 'key')});
my $waiter = GymstreamListener->new($node, 'postgres', 'gymstream:public.mine');
my $late = 0;
for my $id (1 .. 60)
{
	$waiter->ask("INSERT INTO mine VALUES ($id);");
	$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type IN ('gymstream publisher', 'gymstream decoder')}) if $id % 10 == 5;
	$waiter->ask(q{CALL gymstream.wait_topic('mine');});
	$late++ unless grep { $_->{key}{id} == $id } @{ $waiter->{got} };
}
is($late, 0, 'what a session has committed is told when its wait is over');

# it holds no snapshot meanwhile, and waits for who is told last
my ($pid) = split /\n/, $waiter->ask('SELECT pg_backend_pid();');
my $publisher = $node->safe_psql('postgres', 'SELECT publisher_pid FROM gymstream.status');
kill 'STOP', $publisher;
$waiter->{in} .= "BEGIN;\nINSERT INTO mine VALUES (100);\nCOMMIT;\nBEGIN;\nCALL gymstream.wait_topic('mine');\nCOMMIT;\n";
$waiter->{psql}->pump_nb;
ok($node->poll_query_until('postgres', "SELECT wait_event_type = 'Extension' AND backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE pid = $pid"),
	'a waiting session has no snapshot');
kill 'CONT', $publisher;
$waiter->ask;
ok((grep { $_->{key}{id} == 100 } @{ $waiter->{got} }), 'it is woken once it is told');
$waiter->{got} = [];

# a cancel ends the wait, and leaves nothing behind
$waiter->{in} .= "CALL gymstream.wait_topic('mine', 'FFFFFFFF/0');\n";
$waiter->{psql}->pump_nb;
ok($node->poll_query_until('postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = $pid AND wait_event_type = 'Extension'"), 'a wait');
$waiter->ask;
like($waiter->{err}, qr/canceling statement/, 'is canceled');
$waiter->ask('INSERT INTO mine VALUES (101);', q{CALL gymstream.wait_topic('mine');});
is(join(',', map { $_->{key}{id} } $waiter->take(0)), 101, 'the next one is as good');
$waiter->close;

#
# Servers that cannot publish say so to whoever would
#

$node->safe_psql('postgres', q{SELECT gymstream.create_event_topic('mail')});
$node->append_conf('postgresql.conf', q{shared_preload_libraries = ''});
$node->restart;
for my $case ([ q{INSERT INTO mail VALUES ('a')}, qr/gymstream is not in "shared_preload_libraries"/ ],
	[ q{SELECT gymstream.publish_event('mail', 'a', '1')}, qr/gymstream is not in "shared_preload_libraries"/ ],
	[ q{SELECT gymstream.create_event_topic('other')}, qr/gymstream is not in "shared_preload_libraries"/ ],
	[ q{CALL gymstream.wait_topic('mine', '0/1')}, qr/gymstream is not in "shared_preload_libraries"/ ])
{
	my ($sql, $error) = @$case;
	my (undef, undef, $err) = $node->psql('postgres', $sql);
	like($err, $error, "without the library: $sql");
}
$node->stop;
$node = start_gymstream('minimal', 'fsync = off', 'wal_level = minimal', 'max_wal_senders = 0');
$node->safe_psql('postgres', q{CREATE TABLE mail (key text, value jsonb, headers jsonb);
	CREATE TRIGGER gymstream_publish BEFORE INSERT ON mail FOR EACH ROW EXECUTE FUNCTION gymstream_internal.publish_row()});
for my $sql (q{INSERT INTO mail VALUES ('a')}, q{SELECT gymstream.publish_event('mail', 'a', '1')}, q{SELECT gymstream.create_event_topic('other')})
{
	my (undef, undef, $err) = $node->psql('postgres', $sql);
	like($err, qr/"wal_level" is too low for topics/, "without a log to decode: $sql");
}

$node->stop;
done_testing();
