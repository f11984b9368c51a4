# What makes a listener read anew: notifications that were skipped, a slot that was lost, a relation that has changed, a topic
# that was dropped. Each is told, and positions never go back.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('reading_anew', 'fsync = off', 'max_slot_wal_keep_size = 64MB', 'min_wal_size = 32MB');
my $next = 1;

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub listen_to { return GymstreamListener->new($node, 'postgres', map { "gymstream:public.$_" } @_) }
sub insert { sql("INSERT INTO booking VALUES ($next)"); return $next++ }
sub ready { return $node->poll_query_until('postgres', 'SELECT lag_bytes = 0 FROM gymstream.status') }
sub actions { return join(',', map { $_->{action} // 'position' } @_) }
sub set { sql("ALTER SYSTEM SET $_[0]"); sql('SELECT pg_reload_conf()') }

sql(q{CREATE TABLE booking (id int); CREATE TABLE quiet (id int);
	SELECT gymstream.create_topic('booking', notify => 'row'); SELECT gymstream.create_topic('quiet', notify => 'row')});
my $listener = listen_to('booking', 'quiet');
insert();
my ($event) = $listener->take(1);
my @positions = ($event->{position});

# skipped notifications
set('gymstream.notify_queue_limit = 0');
ok(wait_until(sub { insert(); return sql('SELECT skipped > 0 FROM gymstream.status') eq 't' }), 'the queue is full');
ok(ready(), 'publishing goes on');
$listener->take(0);
my $skipped = sql('SELECT "position" FROM gymstream.incidents');
is(sql(q{SELECT problem LIKE '%queue is nearly full%', missed_at IS NOT NULL FROM gymstream.status}), 't|t', 'status says so');
set('gymstream.notify_queue_limit = 75');
($event) = $listener->take(1);
is_deeply(JSON::PP::decode_json($event->{payload}), { topic => 'public.booking', position => $skipped, action => 'missed' },
	'once there is room, listeners are told what they have missed, though nothing else happens');
push @positions, $event->{position};
insert();
my @events = $listener->take(1);
is(actions(@events), 'insert', 'once, and only on the topic that has missed something');
push @positions, $events[0]{position};
is(sql(q{SELECT problem IS NULL, missed_at IS NOT NULL FROM gymstream.status}), 't|t', 'status still says when');
is(sql(q{SELECT what FROM gymstream.incidents}), q{notifications were skipped, since the server's notification queue was nearly full},
	'the incidents say what');

# what a publisher that ends has not made good is left to the next one
set('gymstream.notify_queue_limit = 0');
ok(wait_until(sub { insert(); return sql('SELECT problem IS NOT NULL FROM gymstream.status') eq 't' }), 'full again');
$listener->take(0);
my $publisher = sql('SELECT publisher_pid FROM gymstream.status');
sql("SELECT pg_terminate_backend($publisher)");
ok($node->poll_query_until('postgres', "SELECT publisher_pid <> $publisher AND decoder_pid IS NOT NULL FROM gymstream.status"), 'another publisher');
sql('DROP TABLE quiet');
set('gymstream.notify_queue_limit = 75');
ok(wait_until(sub { scalar(grep { $_->{action} eq 'missed' && $_->{topic} eq 'public.booking' } $listener->wait_for(1)) }), 'it tells');
ok(wait_until(sub { scalar(grep { $_->{action} eq 'dropped' && $_->{topic} eq 'public.quiet' } $listener->wait_for(1)) }),
	'a topic that was dropped meanwhile is told as dropped');
@events = $listener->take(1);
push @positions, map { $_->{position} } grep { $_->{topic} eq 'public.booking' } @events;

# A relation that has changed: in its place.
sub changes
{
	my ($what, $sql, $topic) = @_;
	$topic //= 'public.booking';
	sql($sql);
	insert();
	my @got = $listener->take(2);
	is(actions(@got), 'changed,insert', "$what: listeners are told");
	is_deeply(JSON::PP::decode_json($got[0]{payload}), { topic => $topic, position => $got[0]{position}, action => 'changed' }, 'with topic and position');
	push @positions, map { $_->{position} } @got;
}
changes('a column added', 'ALTER TABLE booking ADD COLUMN note text');
changes('a column renamed', 'ALTER TABLE booking RENAME COLUMN note TO remark');
changes('another type', 'ALTER TABLE booking ALTER COLUMN remark TYPE varchar(40)');
changes('a column dropped', 'ALTER TABLE booking DROP COLUMN remark');
changes('another name', 'ALTER TABLE booking RENAME TO "Booking"; CREATE VIEW booking AS SELECT * FROM "Booking"', 'public."Booking"');
changes('the old name', 'DROP VIEW booking; ALTER TABLE "Booking" RENAME TO booking');
changes('another schema', 'CREATE SCHEMA gym; ALTER TABLE booking SET SCHEMA gym; CREATE VIEW booking AS SELECT * FROM gym.booking', 'gym.booking');
changes('the name of its schema', 'ALTER SCHEMA gym RENAME TO club', 'club.booking');
changes('the old name of it', 'ALTER SCHEMA club RENAME TO gym', 'gym.booking');
changes('the old schema', 'DROP VIEW booking; ALTER TABLE gym.booking SET SCHEMA public');
changes('rows written anew', 'ALTER TABLE booking ALTER COLUMN id TYPE int USING -id');
changes('a change among other things', 'BEGIN; ALTER TABLE booking ADD COLUMN a int; CREATE TABLE other (); CREATE TEMP TABLE t AS SELECT 1; COMMIT');
sql('ALTER TABLE booking DROP COLUMN a');
$listener->take(1);
sql(q{ANALYZE booking; VACUUM booking; CREATE INDEX ON booking (id); GRANT SELECT ON booking TO PUBLIC; COMMENT ON TABLE booking IS 'b';
	CREATE TEMP TABLE t (id int); BEGIN; ALTER TABLE booking ADD COLUMN x int; ROLLBACK; REINDEX TABLE booking; TRUNCATE booking});
insert();
is(actions($listener->take(2)), 'truncate,insert', 'what changes no row and no column is not told');

# a rollup
sql(q{SELECT gymstream.create_rollup('total', 'SELECT count(*) AS n FROM booking'); SELECT gymstream.create_topic('total')});
my $total = listen_to('total');
sql('ALTER VIEW total RENAME COLUMN n TO bookings');
is(actions($total->take(1)), 'changed', 'a column of a rollup renamed: told before anything else happens, also with positions alone');
sql('ALTER TABLE total_partials RENAME COLUMN "count(*)" TO bookings');
is(actions($total->take(1)), 'changed', 'a column of its partials renamed: its events name keys and deltas otherwise');
sql(q{SELECT gymstream.rebuild_rollup('total')});
is(actions($total->take(1)), 'changed', 'a rollup rebuilt: its groups may be others');
sql('DROP VIEW total');
is(actions($total->take(1)), 'dropped', 'a rollup dropped');
$total->close;

# a topic dropped, and the last one
sql(q{CREATE TABLE visit (id int); SELECT gymstream.create_topic('visit')});
my $visits = listen_to('visit');
sql(q{SELECT gymstream.drop_topic('visit')});
($event) = $visits->take(1);
is_deeply(JSON::PP::decode_json($event->{payload}), { topic => 'public.visit', position => $event->{position}, action => 'dropped' }, 'a topic dropped');
sql(q{BEGIN; SELECT gymstream.create_topic('visit'); SELECT gymstream.drop_topic('visit'); COMMIT});
sql(q{SELECT gymstream.create_topic('visit')});
sql(q{BEGIN; SELECT gymstream.drop_topic('visit'); SELECT gymstream.create_topic('visit'); COMMIT});
sql('INSERT INTO visit VALUES (1)');
is(actions($visits->take(1)), 'position', 'made again it is told of');
$_->take(0) for $visits, $listener;
insert();
$listener->take(1);
sql('DROP TABLE visit; DROP TABLE booking');
is(actions($visits->take(1)), 'dropped', 'a table dropped');
is(actions($listener->take(1)), 'dropped', 'so is the last one');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_replication_slots'), 'and the slot goes');
$visits->close;
sql(q{CREATE TABLE booking (id int); SELECT gymstream.create_topic('booking', notify => 'row')});
insert();
is(actions($listener->take(1)), 'insert', 'the first topic is not told of a reset');

# the slot lost: by its size, by hand
sub lost
{
	my ($what, @lose) = @_;
	my $epoch = sql('SELECT epoch FROM gymstream.status');
	my $reset_at = sql('SELECT reset_at FROM gymstream.status');

	sql(q{ALTER SYSTEM SET gymstream.fold = off}); # something to reload
	my ($publisher, $slot) = split /\|/, sql('SELECT publisher_pid, slot_name FROM gymstream.status');
	$_->($slot) for @lose;
	ok($node->poll_query_until('postgres', "SELECT reset_at IS DISTINCT FROM nullif('$reset_at', '')::timestamptz AND lag_bytes = 0 FROM gymstream.status"),
		"$what: status says so");
	my $id = insert();
	my @got;
	ok(wait_until(sub { @got = $listener->wait_for(1); return ($got[-1]{action} // '') eq 'insert' && $got[-1]{new}{id} == $id }), 'publishing goes on');
	@got = $listener->take(1);
	my ($reset) = grep { $_->{action} eq 'reset' } @got;
	is(actions(@got[-2, -1]), 'reset,insert', 'listeners are told before anything else');
	is_deeply(JSON::PP::decode_json($reset->{payload}), { topic => 'public.booking', position => $reset->{position}, action => 'reset' }, 'with a position');
	cmp_ok(sql('SELECT epoch FROM gymstream.status'), '>', $epoch, 'in a new epoch') unless $what =~ /advanced/;
	push @positions, map { $_->{position} } @got;
	is(sql(q{SELECT hint <> '' FROM gymstream.incidents WHERE what LIKE '%slot was made anew%'}), 't', 'the incidents say what to do');
}
# The decoder is kept away by a name: it cannot acquire a slot that somebody else has.
sub without_decoder
{
	my ($what) = @_;
	return sub {
		my ($slot) = @_;
		ok(wait_until(sub {
			sql('SELECT pg_terminate_backend(decoder_pid) FROM gymstream.status');
			return $node->psql('postgres', $what->($slot)) == 0;
		}), 'done while no decoder has it');
	};
}
lost('dropped by hand', without_decoder(sub { "SELECT pg_drop_replication_slot('$_[0]')" }));
lost('advanced by hand', without_decoder(sub {
	"INSERT INTO booking VALUES (0); SELECT pg_replication_slot_advance('$_[0]', pg_current_wal_lsn())" }));
my $invalidate = sub {
	my ($slot) = @_;
	my $decoder = sql('SELECT decoder_pid FROM gymstream.status');
	kill 'STOP', $decoder;
	for (1 .. 6)
	{
		sql(q{CREATE TABLE wal AS SELECT repeat(md5(i::text), 60) FROM generate_series(1, 20000) i; DROP TABLE wal; SELECT pg_switch_wal()});
	}
	my $end = time + 60;
	my $stopped = IPC::Run::start([ 'psql', '-Xqc', 'CHECKPOINT', $node->connstr('postgres') ]);
	ok(wait_until(sub { sql("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '$slot' AND wal_status = 'lost'") eq '1'
		|| sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $decoder AND backend_type LIKE 'gymstream%'") eq '0'
		|| (kill('CONT', $decoder), 0)[1] }), 'the slot is lost');
	kill 'CONT', $decoder;
	$stopped->finish;
};
lost('invalidated', $invalidate);

is(join(',', @positions), join(',', sort @positions), 'positions never go back');
$listener->close;
$node->stop('fast');
done_testing();
