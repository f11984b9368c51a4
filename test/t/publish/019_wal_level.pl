# Where logical decoding turns itself on with the first slot (PostgreSQL 19), wal_level = replica is enough for topics.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use Test::More;

my $node = start_gymstream('wal_level', 'fsync = off', 'wal_level = replica');
my $next = 1;

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub status { return sql("SELECT $_[0] FROM gymstream.status") }
sub ready { return $node->poll_query_until('postgres', 'SELECT lag_bytes = 0 FROM gymstream.status') }
sub turned_off { return $node->poll_query_until('postgres', q{SELECT wal_level = 'replica' FROM gymstream.status}) }

if (sql(q{SELECT count(*) FROM pg_settings WHERE name = 'effective_wal_level'}) == 0)
{
	plan skip_all => 'this server needs wal_level = logical for topics';
}

sql(q{CREATE TABLE booking (id int PRIMARY KEY, class int NOT NULL);
	SELECT gymstream.create_rollup('attendance', 'SELECT class, count(*) AS n FROM booking GROUP BY class')});
is(status('wal_level, problem IS NULL'), 'replica|t', 'a server without slots has nothing to decode, and nothing is wrong');
sql('INSERT INTO booking VALUES (0, 0)');

# transactions that are older than the first slot: one that has written, one that has only read, one that has only begun
my ($wrote, $read, $begun) = map { GymstreamListener->new($node, 'postgres') } 1 .. 3;
$wrote->ask('BEGIN;', 'INSERT INTO booking VALUES (-1, 1);');
$read->ask('BEGIN ISOLATION LEVEL REPEATABLE READ;', 'SELECT count(*) FROM booking;');
$begun->ask('BEGIN;');
my (undef, undef, $notice) = $node->psql('postgres',
	q{SELECT gymstream.create_topic('booking', 'row'), gymstream.create_topic('attendance', 'row')});
like($notice, qr/will be published once/, 'the slot waits for a transaction that has written');
my $listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.booking', 'gymstream:public.attendance');
$wrote->ask('INSERT INTO booking VALUES (-2, 1);', 'COMMIT;');
ok(ready(), 'the first topic turns decoding on');
is(status('wal_level, problem IS NULL'), 'logical|t', 'and status says so');
is(sql('SHOW wal_level'), 'replica', 'beside a setting that stays');
$read->ask('INSERT INTO booking VALUES (1, 2);', 'COMMIT;');
$begun->ask('INSERT INTO booking VALUES (2, 2);', 'COMMIT;');
sql('INSERT INTO booking VALUES (3, 2)');
# events of a group may share a notification
ok(wait_until(sub { $listener->ask(); grep { $_->{channel} =~ /attendance/ && $_->{row}{n} == 3 } @{ $listener->{got} } }), 'of rollups too');
my @events = grep { $_->{channel} =~ /booking/ && $_->{new} } @{ $listener->{got} };
is(join(',', map { $_->{new}{id} } @events), '1,2,3', 'all that began to write since then is told');
is(differences($node), '', 'they are exact');

# a restart knows it from the slot
$node->restart;
ok(ready(), 'decoding goes on after a restart');
is(status('wal_level'), 'logical', 'as before');
$listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.booking');
sql('INSERT INTO booking VALUES (4, 2)');
is(($listener->take(1))[0]{new}{id}, 4, 'a row is told');
$node->stop('immediate');
$node->start;
ok(ready(), 'and after a crash');

# the last topic turns it off, the next one on again; sessions that stay follow
my $stays = GymstreamListener->new($node, 'postgres');
$stays->ask('INSERT INTO booking VALUES (5, 2);');
for my $turn (1 .. 3)
{
	sql(q{SELECT gymstream.drop_topic('booking'), gymstream.drop_topic('attendance')}) if $turn == 1;
	sql(q{SELECT gymstream.drop_topic('attendance')}) if $turn > 1;
	ok(turned_off(), 'the last topic takes it with it');
	$stays->ask("INSERT INTO booking VALUES (${turn}0, 3);");
	sql(q{SELECT gymstream.create_topic('attendance', 'row')});
	ok(ready(), 'and the next one turns it on again');
	$listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.attendance');
	$stays->ask("INSERT INTO booking VALUES (${turn}1, 3);");
	is(($listener->take(1))[0]{row}{n}, 2 * $turn, 'a session that stayed is told of');
}
is(differences($node), '', 'the rollup is exact');

# a slot of one's own, without topics
sql(q{SELECT gymstream.drop_topic('attendance')});
ok(turned_off(), 'off');
sql(q{SELECT pg_create_logical_replication_slot('mine', 'gymstream')});
$stays->ask('INSERT INTO booking VALUES (100, 4);');
like(sql(q{SELECT string_agg(data, ' ') FROM pg_logical_slot_get_changes('mine', NULL, NULL)}), qr/"attendance"/,
	'a slot of one\'s own has deltas of rollups');
$node->stop('fast');
done_testing();
