# The tables of a topic's log, in the hands of a superuser and of a bad disk: REINDEX CONCURRENTLY loses no event, the index
# cannot be dropped alone, and a log that is damaged is an error for who reads it, and for nobody else.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('log_damage', 'autovacuum = off', 'full_page_writes = off');
sub sql { return $node->safe_psql('postgres', @_) }
sub refused { my ($query, $pattern, $what) = @_; my $err; $node->psql('postgres', "\\set VERBOSITY verbose\n$query", stderr => \$err, on_error_stop => 0); like($err, $pattern, $what) }
sub stored { my ($topic, $count) = @_; return $node->poll_query_until('postgres', "SELECT coalesce(sum(events), 0) = $count FROM gymstream.topics WHERE relation = '$topic'::regclass") }
my $count = q{SELECT (SELECT count(*) FROM booking) = count(*) FROM gymstream.read_topic('booking', max_events => NULL)};

sql(q{CREATE TABLE booking (id int PRIMARY KEY, note text); SELECT gymstream.create_topic('booking');
	CREATE TABLE visit (id int PRIMARY KEY); SELECT gymstream.create_topic('visit')});
sql(q{INSERT INTO booking VALUES (1); INSERT INTO visit VALUES (1)});
ok(stored('booking', 1) && stored('visit', 1), 'two topics have a log');
my $log = sql(q{SELECT 'gymstream_internal.log_' || 'booking'::regclass::oid || '_1'});

# REINDEX waits for an old snapshot, with a new index that is ready. Events that come then are in both indexes.
my $old = GymstreamListener->new($node, 'postgres');
$old->ask('BEGIN ISOLATION LEVEL REPEATABLE READ;', 'SELECT count(*) FROM booking;');
my $reindex = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "REINDEX TABLE CONCURRENTLY $log" ]);
ok($node->poll_query_until('postgres', qq{SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE relid = '$log'::regclass AND phase = 'waiting for old snapshots'}), 'a new index waits for an old snapshot');
sql(q{INSERT INTO booking SELECT i FROM generate_series(2, 5) i});
ok(stored('booking', 5), 'events are stored meanwhile');
$old->ask('COMMIT;');
undef $old;
ok($reindex->finish, 'the new index takes the place of the old one');
sql(q{INSERT INTO booking SELECT i FROM generate_series(6, 9) i});
ok($node->poll_query_until('postgres', q{SELECT gymstream.position_offset(gymstream.last_position('booking')) = 9}), 'further events are stored');
is(sql($count), 't', 'and none of those is lost that came while the index was built');
is(sql(qq{SELECT count(*) FROM pg_index WHERE indrelid = '$log'::regclass AND indisvalid}), '1', 'there is one index again');

# What else a superuser may try
sql("VACUUM FULL $log; REINDEX TABLE $log;");
refused("DROP INDEX ${log}_index", qr/2BP01.*requires it/s, 'the index cannot be dropped alone');
sql(q{INSERT INTO booking VALUES (10)});
ok(stored('booking', 10), 'events are stored as before');
is(sql($count), 't', 'and read');

# The table of segments written anew: its rows are elsewhere then, and another topic's may be where one was. That the segment is
# closed by the same publisher is what the old place would be used for.
sql(q{CREATE TABLE moved (id int PRIMARY KEY); SELECT gymstream.create_topic('moved'); INSERT INTO moved VALUES (1)});
ok(stored('moved', 1), 'a third topic has a log');
my $publisher = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'gymstream publisher' AND datname = 'postgres'};
my $pid = sql($publisher);
sql(q{UPDATE gymstream_internal.segment SET bytes = bytes WHERE topic = 'moved'::regclass; VACUUM FULL gymstream_internal.segment;
	UPDATE gymstream_internal.segment SET bytes = bytes WHERE topic = 'visit'::regclass; VACUUM FULL gymstream_internal.segment});
my $others = q{SELECT md5(string_agg(s::text, ' ' ORDER BY s::text)) FROM gymstream_internal.segment s WHERE topic <> 'moved'::regclass};
my $before = sql($others);
sql(q{SELECT gymstream.alter_topic('moved', retain => '0'); INSERT INTO moved VALUES (2)});
ok($node->poll_query_until('postgres', q{SELECT closed IS NOT NULL FROM gymstream_internal.segment WHERE topic = 'moved'::regclass}), 'its segment is closed');
is(sql($others), $before, 'and no other one');
is(sql($publisher), $pid, 'by the publisher that was there before');
sql('DROP TABLE moved');

# A damaged batch. Batches that are alike begin with how they are packed, behind the last column that is a number.
sub damage
{
	my ($file, $nth, $change) = @_;
	my $bytes = slurp_file($file);
	my $lower = unpack 'x12 v', $bytes;
	my $items = ($lower - 24) / 4;
	my $item = unpack 'V', substr $bytes, 24 + 4 * ($nth < 0 ? $items + $nth : $nth), 4;
	my $at = $item & 0x7fff;

	$at += unpack 'C', substr $bytes, $at + 22, 1;
	$change->(\$bytes, $at);
	open my $out, '>:raw', $file or die "$file: $!";
	print $out $bytes;
	close $out;
	return;
}
sub with_damage
{
	my ($nth, $change) = @_;
	my $file = $node->data_dir . '/' . sql("CHECKPOINT; SELECT pg_relation_filepath('$log')");

	$node->stop;
	damage($file, $nth, $change);
	$node->start;
	return;
}

SKIP: {
	skip 'pages have checksums here: all damage is found by the server', 9 if sql('SHOW data_checksums') eq 'on';

	# columns: first 8, part 4, count 4, epoch 8, lsn 8, index 8, newest 8, size 4, body
	with_damage(0, sub { my ($bytes, $at) = @_; substr($$bytes, $at + 48, 4) = pack 'l', 2_000_000_000 });
	refused(q{SELECT count(*) FROM gymstream.read_topic('booking')}, qr/XX001.*events from offset 1 on cannot be read/s, 'a batch that says that it is huge is damaged');
	refused(q{SELECT count(*) FROM gymstream.topics}, qr/WARNING:.*log of topic \d+ is damaged/s, 'the view of all topics warns');
	is(sql(q{SELECT string_agg(relation::regclass || ' ' || coalesce(events::text, '?'), ', ' ORDER BY relation) FROM gymstream.topics}), 'booking ?, visit 1', 'and shows the others');
	sql(q{INSERT INTO booking VALUES (11); INSERT INTO visit VALUES (2)});
	ok(stored('visit', 2), 'they go on');
	ok($node->poll_query_until('postgres', q{SELECT gymstream.position_offset(gymstream.last_position('booking')) = 11}), 'and the damaged one, too');

	# The end of the log: what comes next is not known.
	with_damage(-1, sub { my ($bytes, $at) = @_; substr($$bytes, $at + 12, 4) = pack 'l', -2_000_000_000 });
	sql(q{INSERT INTO booking VALUES (12); INSERT INTO visit VALUES (3)});
	ok(stored('visit', 3), 'a log whose end is damaged stops no other topic');
	ok($node->poll_query_until('postgres', q{SELECT gymstream.position_offset(gymstream.last_position('booking')) > 1000000000}), 'nor its own: it goes on with offsets that nothing can have had');
	my $position = sql(q{SELECT gymstream.last_position('booking')});
	sql(q{INSERT INTO booking VALUES (13)});
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM gymstream.read_topic('booking', '$position') WHERE key->>'id' = '13'"), 'and is read on after that');
	refused(q{SELECT count(*) FROM gymstream.read_topic('booking')}, qr/XX001.*cannot be read.*HINT:.*last_position/s, 'who reads what is damaged is told what to do');
}
$node->stop;
done_testing();
