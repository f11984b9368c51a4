# Rollup events: the key, the delta, and the group's row as of that moment; events of a group may share one.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('rollup_events', 'fsync = off');

$node->safe_psql('postgres', q{
	CREATE TABLE booking (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, class_id int, day text, status text, price numeric, cents int);
	SELECT gymstream.create_rollup('by_class', $$SELECT class_id, count(*) AS attendance, sum(price) AS revenue, sum(cents) AS cents
		FROM booking WHERE status = 'booked' GROUP BY class_id$$);
	SELECT gymstream.create_rollup('by_class_day', $$SELECT class_id, day, count(*) AS n FROM booking GROUP BY class_id, day$$);
	SELECT gymstream.create_rollup('total', $$SELECT count(*) AS n, sum(cents) AS cents FROM booking$$);
});
$node->safe_psql('postgres', qq{SELECT gymstream.create_topic('$_', notify => 'row')}) for qw(by_class by_class_day total);

my $listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.by_class');
my $days = GymstreamListener->new($node, 'postgres', 'gymstream:public.by_class_day');
my $total = GymstreamListener->new($node, 'postgres', 'gymstream:public.total');

sub insert { return $node->safe_psql('postgres', "INSERT INTO booking (class_id, day, status, price, cents) VALUES $_[0]") }

insert(q{(7, 'mon', 'booked', 15.00, 1500)});
my ($event) = $listener->take(1);
is_deeply([ @$event{qw(topic action schema table)} ], [ 'public.by_class', 'rollup', 'public', 'by_class' ], 'a rollup event');
is_deeply($event->{key}, { class_id => 7 }, 'names the group');
is($event->{delta}{'count(*)'}, 1, 'says by how much it changed');
is_deeply($event->{row}, { class_id => 7, attendance => 1, revenue => 15, cents => 1500 }, 'and ends with the row');
like($event->{payload}, qr/,"row":\{"class_id":7,"attendance":1,"revenue":15\.00,"cents":1500\}\}$/, 'in the order of the columns');

# keys that are NULL, and no keys at all
($event) = $days->take(1);
is_deeply($event->{row}, { class_id => 7, day => 'mon', n => 1 }, 'two keys');
insert(q{(NULL, 'mon', 'booked', 1, 1), (7, NULL, 'booked', 1, 1), (NULL, NULL, 'booked', 1, 1), (8, E'it''s "quoted"\\n', 'booked', 1, 1)});
is_deeply([ sort map { JSON::PP->new->canonical->encode($_->{row}) } $days->take(4) ],
	[ '{"class_id":7,"day":null,"n":1}', '{"class_id":8,"day":"it\'s \"quoted\"\n","n":1}',
		'{"class_id":null,"day":"mon","n":1}', '{"class_id":null,"day":null,"n":1}' ], 'keys that are NULL');
my @totals = $total->take(2);
is_deeply([ $totals[-1]{key}, $totals[-1]{row} ], [ {}, { n => 5, cents => 1504 } ], 'a rollup of one group');
$listener->take(3);

# the last row of a group
$node->safe_psql('postgres', 'DELETE FROM booking WHERE class_id = 8');
($event) = $listener->take(1);
is_deeply([ $event->{key}, exists $event->{row}, $event->{row} ], [ { class_id => 8 }, 1, undef ], 'the row is null when the group is gone');
like($event->{payload}, qr/,"row":null\}$/, 'literally');
is($event->{delta}{'count(*)'}, -1, 'with its delta');

# what does not touch the rollup tells nothing of it; a rolled back delta neither
$node->safe_psql('postgres', q{UPDATE booking SET status = status; BEGIN; DELETE FROM booking; ROLLBACK});
insert(q{(9, 'mon', 'cancelled', 1, 1), (10, 'mon', 'booked', 2, 2)});
is(join(',', map { $_->{key}{class_id} } $listener->take(1)), '10', 'only what changes the rollup');

# many deltas of one group: they add up to the row, and the last event is exact
$listener->wait_for(0);
$days->wait_for(0);
my $script = $node->basedir . '/insert.sql';
append_to_file($script, "INSERT INTO booking (class_id, day, status, price, cents) VALUES (77, 'tue', 'booked', 0.5, 1);\n");
$node->command_ok([ 'pgbench', '-n', '-c', '4', '-t', '500', '-f', $script, $node->connstr('postgres') ], '2,000 changes of one group');
sub sum_of { my ($name, @of) = @_; my $sum = 0; $sum += $_->{delta}{$name} for @of; return $sum }
ok(wait_until(sub { sum_of('count(*)', $listener->wait_for(1)) == 2000 }), 'the deltas of the events add up');
my @events = $listener->take(1);
is(sum_of('sum(cents)', @events), 2000, 'of each column');
is_deeply($events[-1]{row}, { class_id => 77, attendance => 2000, revenue => 1000, cents => 2000 }, 'the last event has the final row');
cmp_ok(scalar(@events), '<', 2000, 'changes of a group that come fast share events: ' . scalar(@events));
my ($rising, $last) = (1, 0);
for (@events)
{
	$rising &&= $_->{row}{attendance} >= $last;
	$last = $_->{row}{attendance};
}
ok($rising, 'rows only move forward');
is(join(',', map { $_->{position} } @events), join(',', sort map { $_->{position} } @events), 'in the order of positions');

# in one transaction: coalesced for certain, with the position of the last
$days->wait_for(0);
$node->safe_psql('postgres', q{DO $$ BEGIN FOR i IN 1 .. 10 LOOP
	INSERT INTO booking (class_id, day, status, price, cents) VALUES (78, 'tue', 'booked', 0.25, 1); END LOOP; END $$});
@events = $listener->take(1);
is(scalar(@events), 1, 'deltas of one group in one transaction become one event');
is($events[0]{delta}{'count(*)'}, 10, 'that carries their sum');
cmp_ok($events[0]{row}{revenue}, '==', 2.5, 'and the row');

# the read-back uses the index, however many groups there are
$node->safe_psql('postgres', q{INSERT INTO booking (class_id, day, status, price, cents)
	SELECT 1000 + i, 'wed', 'booked', 1, 1 FROM generate_series(1, 20000) i});
ok(wait_until(sub { $node->safe_psql('postgres', q{SELECT lag_bytes FROM gymstream.status}) eq '0' }), 'all of 20,000 groups were told');
$listener->wait_for(0);
is(scalar(grep { defined $_->{row} && $_->{row}{attendance} == 1 } $listener->take(20000)), 20000, 'each with its row');
my $scans = q{SELECT sum(seq_scan), sum(idx_scan) FROM pg_stat_user_tables WHERE relname LIKE 'by\_class%partials'};
ok(wait_until(sub { $node->safe_psql('postgres', $scans) =~ /\|(\d+)$/ && $1 >= 20000 }), 'the index was used');
my ($before) = split /\|/, $node->safe_psql('postgres', $scans);
insert(q{(1001, 'wed', 'booked', 1, 1), (NULL, 'wed', 'booked', 1, 1)});
is($listener->take(2), 2, 'two more events');
cmp_ok($before, '<', 100, 'and the partials were not read whole each time');

# a truncate, and a rollup that is renamed
$node->safe_psql('postgres', 'TRUNCATE booking');
is(join(',', map { $_->{action} } $listener->take(1)), 'truncate', 'a truncate of the source is one of the rollup');
$node->safe_psql('postgres', 'ALTER VIEW by_class RENAME TO "By Class"');
insert(q{(1, 'mon', 'booked', 1, 1)});
(undef, $event) = $listener->take(2);
is_deeply([ $event->{topic}, $event->{row}{attendance} ], [ 'public."By Class"', 1 ], 'a renamed rollup keeps its channel');
$node->safe_psql('postgres', 'ALTER VIEW "By Class" RENAME COLUMN class_id TO "Class"');
insert(q{(1, 'mon', 'booked', 1, 1)});
is_deeply([ map { [ $_->{action}, $_->{row}{Class}, $_->{row}{attendance} ] } $listener->take(2) ], [ [ 'changed', undef, undef ], [ 'rollup', 1, 2 ] ],
	'a renamed column too is read back');

# minima, and values that only the group's rows give
$node->safe_psql('postgres', q{CREATE TABLE sale (id int PRIMARY KEY, shop int, member text, cents int);
	SELECT gymstream.create_rollup('sales', $$SELECT shop, min(cents) AS least, max(member) AS last, count(DISTINCT member) AS members,
		array_agg(cents ORDER BY id) AS all_cents FROM sale GROUP BY shop$$);
	SELECT gymstream.create_topic('sales', 'row')});
my $sales = GymstreamListener->new($node, 'postgres', 'gymstream:public.sales');
$node->safe_psql('postgres', q{BEGIN; INSERT INTO sale VALUES (1, 1, 'ann', 30); INSERT INTO sale VALUES (2, 1, 'bob', 10);
	INSERT INTO sale VALUES (3, 1, 'bob', 20); COMMIT});
@events = $sales->take(1);
is(scalar(@events), 1, 'extremes of one group in one transaction become one event');
is_deeply($events[0]{delta}, { 'count(*)' => 3, 'min(cents) in' => 10, 'max(member) in' => 'bob', changed => JSON::PP::true() },
	'that carries the least and the greatest');
is_deeply($events[0]{row}, { shop => 1, least => 10, last => 'bob', members => 2, all_cents => '{30,10,20}' }, 'and the row, of a marked group');
$node->safe_psql('postgres', q{DELETE FROM sale WHERE id = 2});
($event) = $sales->take(1);
is_deeply([ @{ $event->{row} }{qw(least members)} ], [ 20, 2 ], 'also when the minimum is gone');
$sales->close;
$node->safe_psql('postgres', 'DROP TABLE sale CASCADE');

# bits: deltas of counts add up, those of bit_xor are exclusive or
$node->safe_psql('postgres', q{CREATE TABLE flag (k int, s smallint, b bigint);
	SELECT gymstream.create_rollup('flags', 'SELECT k, bit_or(s) AS some, bit_and(s) AS every, bit_xor(b) AS odd FROM flag GROUP BY k');
	SELECT gymstream.create_topic('flags', 'row')});
my $flags = GymstreamListener->new($node, 'postgres', 'gymstream:public.flags');
$node->safe_psql('postgres', 'BEGIN; INSERT INTO flag VALUES (1, 5, 5); INSERT INTO flag VALUES (1, -4, 6); COMMIT');
@events = $flags->take(1);
is_deeply([ map { $_->{delta} } @events ], [ { 'count(*)' => 2, 'count(s)' => 2, 'bits(s)' => [ 1, 0, 2, 1 ], 'count(b)' => 2, 'bit_xor(b)' => 3 } ],
	'the numbers of values that have each bit, in one event');
is_deeply($events[0]{row}, { k => 1, some => -3, every => 4, odd => 3 }, 'and the row');
$flags->close;
$node->safe_psql('postgres', 'DROP TABLE flag CASCADE');

# keys of which there are no arrays, or whose arrays fall apart
$node->safe_psql('postgres', q{CREATE TYPE pair AS (a int, b text); CREATE TABLE shaped (a int[], p pair);
	SELECT gymstream.create_rollup('shapes', 'SELECT a, p, count(*) AS n FROM shaped GROUP BY a, p'); SELECT gymstream.create_topic('shapes', 'row')});
my $shapes = GymstreamListener->new($node, 'postgres', 'gymstream:public.shapes');
$node->safe_psql('postgres', q{INSERT INTO shaped VALUES ('{1,2}', '(1,x)'), ('{1,2}', '(1,x)'), ('{3}', NULL), (NULL, '(,)')});
is(join(' ', sort map { join('|', map { $_ // '-' } @{ $_->{row} }{qw(a p n)}) } $shapes->take(3)), '-|(,)|1 {1,2}|(1,x)|2 {3}|-|1', 'keys of arrays and rows');
$shapes->close;

# a rollup that does not show its key: nobody can tell which row is the group's
$node->safe_psql('postgres', q{SELECT gymstream.create_rollup('hidden', 'SELECT count(*) AS n FROM booking GROUP BY class_id');
	SELECT gymstream.create_topic('hidden', 'row')});
my $hidden = GymstreamListener->new($node, 'postgres', 'gymstream:public.hidden');
insert(q{(1, 'mon', 'booked', 1, 1)});
($event) = $hidden->take(1);
is_deeply([ $event->{delta}{'count(*)'}, exists $event->{row} ], [ 1, '' ], 'a rollup without its key: an event without a row');
$hidden->close;
$node->safe_psql('postgres', 'DROP VIEW hidden');
$listener->take(1);

# values of a key that are equal and differ name one group: in every event, with a row or without, by the same key
$node->safe_psql('postgres', q{CREATE TABLE likeness (k numeric, f float8, i interval, c char(3), a numeric[], v int);
	SELECT gymstream.create_rollup('alike', 'SELECT k, f, i, a, count(*) AS n FROM likeness GROUP BY k, f, i, a');
	SELECT gymstream.create_topic('alike', 'row');
	SELECT pg_create_logical_replication_slot('alike', 'gymstream')});
my $alike = GymstreamListener->new($node, 'postgres', 'gymstream:public.alike');
my @alike = (q{1.0, '0', '1 day', 'a', '{1.0,2}'}, q{1.00, '-0', '24:00', 'a', '{1,2.00}'}, q{1.000, '0', '1 day', 'a', '{1,2}'});
$node->safe_psql('postgres', "INSERT INTO likeness VALUES ($_)") for @alike;
$node->safe_psql('postgres', "DELETE FROM likeness WHERE k::text = '$_'") for qw(1.0 1.00 1.000);
ok(wait_until(sub { my @got = $alike->wait_for(1); return exists $got[-1]{row} && !defined $got[-1]{row} }), 'the group has come and gone');
my @keys = map { $_->{payload} =~ /"key":(\{.*?\}),"delta"/ } $alike->take(1);
is_deeply([ @keys[0, -1] ], [ ('{"k":1,"f":0,"i":"1 day","a":"{1,2}"}') x 2 ], 'by one key');
is(scalar(grep { $_ ne $keys[0] } @keys), 0, 'in all events');
is($node->safe_psql('postgres', q{SELECT count(*), count(DISTINCT data::json -> 'key' ->> 'k') FROM pg_logical_slot_get_changes('alike', NULL, NULL)
	WHERE data LIKE '%"action":"rollup"%"alike"%'}), '6|1', 'in those of a slot too');
$node->safe_psql('postgres', "BEGIN; INSERT INTO likeness VALUES ($alike[0]); INSERT INTO likeness VALUES ($alike[1]); COMMIT");
my ($both) = $alike->take(1);
is_deeply([ $both->{delta}{'count(*)'}, $both->{row}{n} ], [ 2, 2 ], 'their deltas are added up');
$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('alike'); DROP TABLE likeness CASCADE});
$alike->close;

# a lock on the rollup alone does not hold up what else is published for long
$node->safe_psql('postgres', q{CREATE TABLE other (id int); SELECT gymstream.create_topic('other', 'row')});
my $others = GymstreamListener->new($node, 'postgres', 'gymstream:public.other');
my $locker = GymstreamListener->new($node, 'postgres');
$locker->ask('BEGIN;', 'ALTER VIEW "By Class" SET (security_barrier = false);');
insert(q{(1, 'mon', 'booked', 1, 1)});
$node->safe_psql('postgres', 'INSERT INTO other VALUES (1)');
is_deeply([ map { $_->{new}{id} } $others->take(1) ], [ 1 ], 'a locked rollup does not hold up other topics');
($event) = $listener->take(1);
is_deeply([ $event->{delta}{'count(*)'}, exists $event->{row} ], [ 1, '' ], 'its event comes without the row');
$locker->ask('ROLLBACK;');
$locker->close;
$others->close;

# the row is read with the rights of the rollup's owner; where that fails, the event comes without it
$node->safe_psql('postgres', q{CREATE ROLE trainer; GRANT CREATE ON SCHEMA public TO trainer; SET ROLE trainer;
	CREATE TABLE visit (gym int);
	SELECT gymstream.create_rollup('visits', 'SELECT gym, count(*) AS n FROM visit GROUP BY gym');
	SELECT gymstream.create_topic('visits', 'row')});
my $visits = GymstreamListener->new($node, 'postgres', 'gymstream:public.visits');
$node->safe_psql('postgres', 'INSERT INTO visit VALUES (1)');
is_deeply([ map { $_->{row} } $visits->take(1) ], [ { gym => 1, n => 1 } ], 'read as the owner');
$node->safe_psql('postgres', 'REVOKE ALL ON visits FROM trainer; INSERT INTO visit VALUES (1)');
($event) = $visits->take(1);
is_deeply([ $event->{delta}{'count(*)'}, exists $event->{row} ], [ 1, '' ], 'without the right the event has no row');
is($node->safe_psql('postgres', q{SELECT sqlstate, what FROM gymstream.incidents WHERE relation = 'visits'::regclass}),
	"42501|an event was told without the group's row", 'which the incidents say');
$node->safe_psql('postgres', 'GRANT SELECT ON visits TO trainer; INSERT INTO visit VALUES (1)');
is_deeply([ map { $_->{row} } $visits->take(1) ], [ { gym => 1, n => 3 } ], 'with it again it has one');
$visits->close;

# what a function of an owner sets in the publisher ends with the reading
$node->safe_psql('postgres', q{SET ROLE trainer;
	CREATE FUNCTION spoil(n bigint) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ DECLARE old text := current_setting('work_mem'); BEGIN
		PERFORM set_config('work_mem', '77MB', false); RETURN old; END $$;
	CREATE TABLE lesson (gym int);
	SELECT gymstream.create_rollup('lessons', 'SELECT gym, spoil(count(*)) AS work_mem FROM lesson GROUP BY gym');
	SELECT gymstream.create_topic('lessons', 'row')});
my $lessons = GymstreamListener->new($node, 'postgres', 'gymstream:public.lessons');
$node->safe_psql('postgres', 'INSERT INTO lesson VALUES (1)');
my ($work_mem) = map { $_->{row}{work_mem} } $lessons->take(1);
$node->safe_psql('postgres', 'INSERT INTO lesson VALUES (1)');
is_deeply([ map { $_->{row}{work_mem} } $lessons->take(1) ], [ $work_mem ], 'settings do not stay');
isnt($work_mem, '77MB', 'as they were');
$lessons->close;

# dropped with events on the way
$node->safe_psql('postgres', q{INSERT INTO booking (class_id) SELECT i FROM generate_series(1, 5000) i; DROP VIEW by_class_day CASCADE});
insert(q{(2, 'mon', 'booked', 1, 1)});
$listener->wait_for(1);
ok(wait_until(sub { grep { ($_->{key}{class_id} // 0) == 2 } $listener->wait_for(1) }), 'a rollup dropped meanwhile disturbs nothing');

is($node->safe_psql('postgres', q{SELECT skipped, problem IS NULL FROM gymstream.status}), '0|t', 'all is well');
$_->close for $listener, $days, $total;
# a table that is written anew while a row is about to be read back: an older snapshot sees nothing of it any more
$node->safe_psql('postgres', q{
	CREATE TABLE sale (k int, price int);
	CREATE INDEX ON sale (k);
	SELECT gymstream.create_rollup('cheapest', 'SELECT k, min(price) AS least, count(*) AS n FROM sale GROUP BY k');
	INSERT INTO sale VALUES (1, 5), (1, 7), (1, 9);
	SELECT gymstream.create_topic('cheapest', notify => 'row')});
my $cheapest = GymstreamListener->new($node, 'postgres', 'gymstream:public.cheapest');
my $rewriter = GymstreamListener->new($node, 'postgres');
my $publisher = $node->safe_psql('postgres', 'SELECT publisher_pid FROM gymstream.status');
kill 'STOP', $publisher;
$node->safe_psql('postgres', 'DELETE FROM sale WHERE price = 5');
$rewriter->ask('BEGIN;', 'ALTER TABLE sale ADD COLUMN luck float DEFAULT random();');
kill 'CONT', $publisher;
$rewriter->ask("DO \$\$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE pid = $publisher AND NOT granted) LOOP PERFORM pg_sleep(0.001); END LOOP; END \$\$;",
	'COMMIT;');
is_deeply(($cheapest->take(1))[0]{row}, { k => 1, least => 7, n => 2 }, 'the row is read from the table as it is once it can be read');

$node->stop('fast');
done_testing();
