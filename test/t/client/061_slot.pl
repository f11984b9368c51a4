# gymstream tail --slot: all that a slot has, once; where to, what of it, and until when.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamTest;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use Test::More;

delete $ENV{PGAPPNAME};
my $node = start_gymstream('slot', 'wal_sender_timeout = 2s');
my $database = $node->connstr('postgres');
my $folder = PostgreSQL::Test::Utils::tempdir();
my @connect = ('tail', '-d', $database);

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub flushed { return sql('SELECT pg_current_wal_flush_lsn()') }
sub confirmed { return sql("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '$_[0]'") }
sub caught_up { return sql("SELECT confirmed_flush_lsn >= '$_[1]' FROM pg_replication_slots WHERE slot_name = '$_[0]'") eq 't' }
sub idle { return sql("SELECT NOT active FROM pg_replication_slots WHERE slot_name = '$_[0]'") eq 't' }

# The ids of the rows that lines are about.
sub ids { return [ map { decode_json($_)->{new}{id} } split /\n/, $_[0] ] }

# Read what there is now.
sub now { return client(@connect, @_, '--until', 'now') }

#
# The command line
#

for my $case (
	[ [ '--until', 'now', 'booking' ], 'option "--until" needs "--slot"' ],
	[ [ '--create-slot' ], 'option "--create-slot" needs "--slot"' ],
	[ [ '--slot', 's', 'booking' ], 'topics cannot be given with "--slot"' ],
	[ [ '--slot', 's', '--create-slot', '--drop-slot' ], 'cannot be used together' ],
	[ [ '--slot', 's', '--if-not-exists' ], 'needs "--create-slot"' ],
	[ [ '--slot', 's', '--output', 'f', '--exec', 'c' ], 'cannot be used together' ],
	[ [ '--slot', 's', '--rotate', '1h' ], 'option "--rotate" needs "--output"' ],
	[ [ '--slot', 's', '--restart' ], 'option "--restart" needs "--exec"' ],
	[ [ '--slot', 's', '--output', 'f', '--rotate', '10' ], 'invalid value "10" for option "--rotate"' ],
	[ [ '--slot', 's', '--output', 'f', '--rotate', '0MB' ], 'invalid value "0MB"' ],
	[ [ '--slot', 's', '--from', '1' ], 'invalid value "1" for option "--from"' ],
	[ [ '--slot', 's', '--until', '0/1x' ], 'invalid value "0/1x" for option "--until"' ],
	[ [ '--slot', 's', '--failover' ], 'option "--failover" needs "--create-slot"' ],
	[ [ '--slot', 's', '--allow-missing' ], 'option "--allow-missing" needs "--table" or "--key"' ],
	(map { [ [ '--slot', 's', '--status-interval', $_ ], qq{invalid value "$_" for option "--status-interval"} ] }
		'0', '0.001', '-1', '3601', '1e2', 'nan', ' 1', '0x1', '1s', ''),
	[ [ '--slot', 's', '--key', 'id' ], 'invalid value "id" for option "--key"' ])
{
	my ($arguments, $message) = @$case;
	my ($status, $out, $err) = client('tail', @$arguments);

	is($status, 2, "usage error: @$arguments");
	like($err, qr/\Q$message\E/, "told of: @$arguments");
}

#
# Making, reading and dropping
#

sql(q{CREATE TABLE booking (id int PRIMARY KEY, class_id int, note text);
	CREATE TABLE other (id int PRIMARY KEY, class_id text);
	SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id')});

my ($status, $out, $err) = now('--slot', 'one');
is($status, 1, 'a slot that is not there: status 1');
like($err, qr/slot "one": there is no such replication slot\nHINT:  With --create-slot/, 'told');
is((now('--slot', 'one', '--create-slot'))[0], 0, 'it is made, and read up to now');
($status, $out, $err) = now('--slot', 'one', '--create-slot');
is($status, 1, 'made again: status 1');
like($err, qr/replication slot "one" already exists/, 'told');
is((now('--slot', 'one', '--create-slot', '--if-not-exists'))[0], 0, 'unless it may be there');
($status, $out, $err) = now('--slot', 'One', '--create-slot');
like($err, qr/"One" contains invalid character\nHINT:  Replication slot names/, 'the server\'s hints are told too');

sql(q{INSERT INTO booking SELECT i, 7, 'x' FROM generate_series(1, 3) i});
my $expected = sql(q{SELECT data FROM pg_logical_slot_peek_changes('one', NULL, NULL)}) . "\n";
($status, $out, $err) = now('--slot', 'one');
is($out, $expected, 'the lines are those that SQL shows');
is($err, '', 'without a word');
is((now('--slot', 'one'))[1], '', 'and they come once');
sql(q{INSERT INTO other VALUES (4, 'x')});
($status, $out, $err) = client(@connect, '--slot', 'one', '--count', '1');
is_deeply(ids($out), [4], '--count counts');
is((now('--slot', 'one'))[1], '', 'and what was counted does not come again');
sql(q{INSERT INTO other SELECT i, 'x' FROM generate_series(5001, 8000) i});
($status, $out, $err) = client(@connect, '--slot', 'one', '--count', '2500');
is_deeply(ids($out), [ 5001 .. 7500 ], '--count in the middle of a transaction');
($status, $out) = now('--slot', 'one');
is_deeply(ids($out), [ 5001 .. 8000 ], 'which comes again, and whole');
sql(q{INSERT INTO other VALUES (8001), (8002), (8003)});
is_deeply(ids((client(@connect, '--slot', 'one', '--count', '2'))[1]), [ 8001, 8002 ], 'the same in the middle of a message');
is_deeply(ids((now('--slot', 'one'))[1]), [ 8001 .. 8003 ], 'whole again');
sql(q{INSERT INTO other VALUES (5, 'x')});
($status, $out) = now('--slot', 'one', '-o', 'include-transaction=on', '-o', 'include-xids=off');
like($out, qr/"begin".*\n.*"insert".*\n.*"commit"/, 'options go to the plugin');
unlike($out, qr/"xid"/, 'and their values');
($status, $out, $err) = now('--slot', 'one', '-o', 'nonsense');
is($status, 1, 'what the plugin refuses is status 1');
like($err, qr/unknown option "nonsense" of output plugin gymstream\nHINT:  The options are/, 'told, with its hint');
is((client(@connect, '--slot', 'two', '--create-slot', '--two-phase', '--until', 'now'))[0], 0, 'with two-phase commit');
is(sql(q{SELECT two_phase FROM pg_replication_slots WHERE slot_name = 'two'}), 't', 'it has it');
is((client(@connect, '--slot', 'two', '--drop-slot'))[0], 0, 'dropped');
($status, $out, $err) = client(@connect, '--slot', 'two', '--create-slot', '--failover', '--until', 'now');
if (sql('SHOW server_version_num') >= 170000)
{
	is("$status$err", '0', 'with failover');
	is(sql(q{SELECT failover FROM pg_replication_slots WHERE slot_name = 'two'}), 't', 'it has it');
}
else
{
	is($status, 1, 'with failover, which this server does not have');
	like($err, qr/^gymstream: .*failover.*\nHINT:  PostgreSQL 17 and later/, 'told');
	client(@connect, '--slot', 'two', '--create-slot', '--until', 'now');
}
is((client(@connect, '--slot', 'two', '--drop-slot'))[0], 0, 'dropped again');
is(sql(q{SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'two'}), '0', 'it is gone');
is((client(@connect, '--slot', 'two', '--drop-slot'))[0], 1, 'dropped again: status 1');

#
# Names that nothing bears: a typo would match no event, and confirm all of them
#

sub pending { return sql(q{SELECT count(*) FROM pg_logical_slot_peek_changes('one', NULL, NULL)}) }

sql(q{INSERT INTO booking VALUES (9001, 7, 'pending')});
my $pending = pending();
cmp_ok($pending, '>', 0, 'there is something to read');
sql(q{CREATE UNLOGGED TABLE unlogged (id int); CREATE VIEW plain AS SELECT * FROM booking});
for my $case (
	[ [ '-t', 'bookings' ], 'there is no table or rollup "bookings"' ], [ [ '-t', 'Booking' ], 'no table or rollup "Booking"' ],
	[ [ '-t', 'booking', '-t', 'nothing.booking' ], 'no table or rollup "nothing.booking"' ],
	[ [ '-t', q{it's \\ "odd"} ], q{no table or rollup "it's \\ "odd""} ], [ [ '-t', 'unlogged' ], '"unlogged" whose changes' ],
	[ [ '-t', 'plain' ], '"plain" whose changes' ], [ [ '-t', 'pg_class' ], '"pg_class" whose changes' ],
	[ [ '-t', 'by_class_partials' ], '"by_class_partials" whose changes' ],
	[ [ '-k', 'clas_id=7' ], 'no table that is wanted has the column "clas_id"' ],
	[ [ '-t', 'other', '-k', 'note=x' ], 'no table that is wanted has the column "note"' ],
	[ [ '-k', 'note=x', '-k', 'n=1' ], 'no table that is wanted has the columns "note", "n"' ])
{
	my ($arguments, $message) = @$case;

	($status, $out, $err) = now('--slot', 'one', @$arguments);
	is($status, 1, "a name that nothing bears: @$arguments");
	like($err, qr/^gymstream: .*\Q$message\E.*\nHINT:  With --allow-missing /, 'is told');
}
is(pending(), $pending, 'and nothing is confirmed');
($status, $out, $err) = now('--slot', 'three', '--create-slot', '-t', 'bookings');
is(sql(q{SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'three'}), '0', 'nor is a slot made');
sql(q{INSERT INTO booking VALUES (9077, 77, 'named')});
for my $arguments ([ '-t', 'public.booking' ], [ '-t', 'by_class', '-k', 'class_id=77' ], [ '-k', 'note=named' ],
	[ '-t', 'booking', '-t', 'by_class', '-k', 'class_id=77' ], [ '-t', 'booking', '-t', 'bookings', '--allow-missing' ])
{
	sql(q{SELECT pg_copy_logical_replication_slot('one', 'copy_1')});
	($status, $out, $err) = now('--slot', 'copy_1', @$arguments);
	is("$status$err", '0', "names that are there: @$arguments");
	like($out, qr/77/, 'and their events');
	client(@connect, '--slot', 'copy_1', '--drop-slot');
}

#
# Lines of which nobody can tell whether they are wanted
#

($status, $out, $err) = now('--slot', 'one', '-t', 'booking', '-o', 'pretty-print');
is($status, 1, 'filters on lines that are no events: status 1');
like($err, qr/a line is no event, so that --table and --key cannot choose: "\{"\nHINT: /, 'told');
is($out, '', 'nothing is printed');
cmp_ok(pending(), '>', $pending, 'and nothing is confirmed');
sql(q{SELECT pg_create_logical_replication_slot('foreign', 'test_decoding'); INSERT INTO booking VALUES (9008, 7, 'x')});
($status, $out, $err) = now('--slot', 'foreign', '-t', 'booking');
is($status, 1, 'filters on the slot of another plugin: status 1');
like($err, qr/slot "foreign": its output plugin is test_decoding.*\nHINT: /, 'told');
like((now('--slot', 'foreign'))[1], qr/^table public\.booking: INSERT/m, 'without filters it is read');
client(@connect, '--slot', 'foreign', '--drop-slot');
now('--slot', 'one');

#
# JSON that no C string, no floating point number and no recursion can hold
#

my $deep = 3000;
my @values = ('"\\\\u0000"', '"a\\\\u0000\\\\"b"', '{"\\\\u0000":"\\\\u0000"}', '["\\\\u0000"]', '"\\\\ud800"', '1e5000', '-0', "1\t", qq{ [1,\r\n{"a" :\t2}] },
	'[' x $deep . ']' x $deep, '{"a":' x 300 . '1' . '}' x 300, '{"a":1,"a":2}', '"\\\\u2028 \\\\u00e9 \\\\/"', 'null', '""', '{}');
sql(q{CREATE TABLE odd (id int PRIMARY KEY, value json); SELECT gymstream.create_topic('odd', notify => 'row')});
my $heard = spawn_client(@connect, 'odd');
ok(wait_until(sub { pump($heard); sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gymstream' AND query ~ 'LISTEN'}) }),
	'it listens');
for my $i (0 .. $#values)
{
	(my $value = $values[$i]) =~ s/\\\\/\\/g;
	sql("INSERT INTO odd VALUES ($i, \$json\$$value\$json\$)");
	sql(q{SELECT pg_copy_logical_replication_slot('one', 'copy_2')});
	($status, $out, $err) = now('--slot', 'copy_2', '-k', "id=$i", '-t', 'odd');
	is("$status$err", '0', 'odd JSON is read: ' . substr($value, 0, 20));
	like($out, qr/\A\{.*"new":\{"id":$i,[^\n]*\}\n\z/, 'by its key, and alone');
	client(@connect, '--slot', 'copy_2', '--drop-slot');
}
shows($heard, 'out', qr/"id":$#values,/, 'topics have them too');
is(stop_client($heard, 'TERM'), 0, 'the listener ends');
is(scalar(() = $heard->{out} =~ /\n/g), scalar(@values), 'none is passed over') or diag($heard->{err});
($status, $out, $err) = now('--slot', 'one', '-t', 'odd', '-k', 'value="\\u0000"');
is(scalar(() = $out =~ /"id":0,/g), 1, 'a text that no C string can hold is found as it is written');
is(scalar(() = $out =~ /\n/g), 1, 'and no other');
sql(q{SELECT gymstream.drop_topic('odd')});
ok(wait_until(sub { sql(q{SELECT count(*) FROM pg_replication_slots WHERE slot_name ~ '^gymstream'}) eq '0' }), 'the topic is gone');

#
# A slot that somebody else reads is waited for, and so is a connection that does not come about yet
#

my $reader = spawn_client(@connect, '--slot', 'one');
ok(wait_until(sub { !idle('one') }), 'a slot is read');
my $waiting = spawn_client(@connect, '--slot', 'one');
shows($waiting, 'err', qr/^gymstream: replication slot "one": trying again: .* is active for PID \d+$/m, 'a second reader waits');
is(stop_client($waiting, 'TERM'), 0, 'SIGTERM ends the wait cleanly');
my $id = 9020;
for my $where ([], [ '--output', "$folder/waiting" ], [ '--exec', "cat >$folder/waiting" ])
{
	$id++;
	$waiting = spawn_client(@connect, '--slot', 'one', '--count', '1', @$where);
	shows($waiting, 'err', qr/trying again/, "a second reader waits: @$where");
	stop_client($reader, 'KILL');
	sql("INSERT INTO other VALUES ($id, 'x')");
	is(stop_client($waiting), 0, 'and reads when the first one is gone');
	is_deeply(ids($waiting->{out} || slurp_file("$folder/waiting")), [$id], 'what there is');
	unlink "$folder/waiting";
	$reader = spawn_client(@connect, '--slot', 'one');
	ok(wait_until(sub { !idle('one') }), 'the slot is read again');
}
is(stop_client($reader, 'TERM'), 0, 'SIGTERM ends the reader cleanly');

#
# From and until: whole transactions, wherever their changes stand in the log
#

sql(q{BEGIN; INSERT INTO other VALUES (12, 'changed before, committed after'); PREPARE TRANSACTION 'straddle'});
sql(q{INSERT INTO other VALUES (10, 'before')});
my $middle = flushed();
sql(q{INSERT INTO other VALUES (11, 'after')});
sql(q{COMMIT PREPARED 'straddle'});
my $end = flushed();
sql(q{INSERT INTO other VALUES (13, 'later')});
($status, $out) = client(@connect, '--slot', 'one', '--until', $middle);
is_deeply(ids($out), [10], '--until stops between transactions');
($status, $out) = client(@connect, '--slot', 'one', '--until', $middle);
is_deeply(ids($out), [], 'again: nothing more');
sql(q{SELECT pg_copy_logical_replication_slot('one', 'copy_0')});
($status, $out) = client(@connect, '--slot', 'copy_0', '--until', $end);
is_deeply(ids($out), [ 11, 12 ], 'and goes on with the next, in the order of commits');
client(@connect, '--slot', 'copy_0', '--drop-slot');
($status, $out, $err) = client(@connect, '--slot', 'one', '--from', '0/1', '--until', $end);
is($status, 1, '--from before what is confirmed: status 1');
like($err, qr/cannot be read again/, 'told');
($status, $out) = now('--slot', 'one', '--from', $end);
is_deeply(ids($out), [13], '--from passes over what was before');

$middle = decode_json($out)->{lsn};
sql(q{INSERT INTO other VALUES (14, 'x')});
$out = sql(q{SELECT data FROM pg_logical_slot_peek_changes('one', NULL, NULL)});
($status, $out) = client(@connect, '--slot', 'one', '--until', decode_json($out)->{lsn});
is_deeply(ids($out), [14], 'an event\'s own lsn includes it');
sql(q{INSERT INTO other VALUES (15, 'x'), (16, 'x')});
$out = sql(q{SELECT data FROM pg_logical_slot_peek_changes('one', NULL, NULL) LIMIT 1});
sql(q{INSERT INTO other VALUES (17, 'x')});
($status, $out) = client(@connect, '--slot', 'one', '-o', 'batch=off', '--until', decode_json($out)->{lsn});
is_deeply(ids($out), [ 15, 16 ], 'when more follows too');
is_deeply(ids((now('--slot', 'one'))[1]), [17], 'and it does not come again');

#
# Filters
#

sql(q{CREATE SCHEMA far; CREATE TABLE far.other (id int PRIMARY KEY, class_id int); INSERT INTO far.other VALUES (20, 7);
	ALTER TABLE other REPLICA IDENTITY FULL;
	INSERT INTO other VALUES (21, 7), (22, 8); UPDATE other SET class_id = 9 WHERE id = 21; TRUNCATE other;
	INSERT INTO booking VALUES (23, 8, NULL), (24, 7, NULL)});
sql(qq{SELECT pg_copy_logical_replication_slot('one', 'copy_$_')}) for 1 .. 9;
my $actions = sub { return join ' ', map { my $e = decode_json($_); ($e->{table} // '') . ":$e->{action}" } split /\n/, $_[0] };
is($actions->((now('--slot', 'copy_1', '--table', 'public.other'))[1]),
	'other:insert other:insert other:update other:truncate', 'one table');
is($actions->((now('--slot', 'copy_2', '--table', 'other', '--key', 'class_id=7'))[1]),
	'other:insert other:insert other:update other:truncate', 'a key in tables of a name: old and new row, and truncate');
is($actions->((now('--slot', 'copy_3', '--table', 'by_class', '--key', 'class_id=8'))[1]), 'by_class:rollup', "a rollup's group");
is($actions->((now('--slot', 'copy_4', '--key', 'class_id=8', '--key', 'id=23'))[1]), 'other:truncate booking:insert',
	'several keys: all of them');
is($actions->((now('--slot', 'copy_5', '-o', 'include-transaction', '--table', 'far.other'))[1]) =~ s/^(\S+) .* /$1 ... /r,
	':begin ... :commit', 'the marks of transactions');
is_deeply([ map { decode_json($_)->{op} } split /\n/,
	(now('--slot', 'copy_6', '-o', 'format=debezium', '--table', 'public.other', '--key', 'class_id=7'))[1] ],
	[qw(c u t)], "the same in Debezium's format");
my $payloads = sub { return join ' ', map { my $e = decode_json($_)->{payload}; $e->{op} // $e->{status} } split /\n/, $_[0] };
my @schemas = ('-o', 'format=debezium', '-o', 'schemas.enable=on');
is($payloads->((now('--slot', 'copy_7', @schemas, '--table', 'public.other', '--key', 'class_id=7'))[1]), 'c u t', 'with their schemas');
is($payloads->((now('--slot', 'copy_8', @schemas, '-o', 'messages=on', '--key', 'class_id=8', '--key', 'id=23'))[1]), 't c',
	'a key in them, and no messages');
is($payloads->((now('--slot', 'copy_9', @schemas, '-o', 'include-transaction', '--table', 'far.other'))[1]) =~ s/^(\S+ c) .* /$1 ... /r,
	'BEGIN c ... END', 'and the marks');
is((now('--slot', "copy_$_"))[1], '', 'what was not wanted is done with') for 1 .. 2;
client(@connect, '--slot', "copy_$_", '--drop-slot') for 1 .. 9;
now('--slot', 'one');

# Another plugin's messages hold what they hold, more than one line too.
sql(q{SELECT pg_create_logical_replication_slot('foreign', 'test_decoding'); INSERT INTO booking VALUES (30, 1, E'a\nb')});
($status, $out) = now('--slot', 'foreign');
like($out, qr/^table public\.booking: INSERT: .* note\[text\]:'a\nb'\n/m, 'a message of several lines');
client(@connect, '--slot', 'foreign', '--drop-slot');
now('--slot', 'one');

#
# Files
#

my $file = "$folder/events.json";
sql(q{INSERT INTO other SELECT i, 'y' FROM generate_series(101, 130) i});
is((now('--slot', 'one', '--output', $file))[0], 0, 'to a file');
is_deeply(ids(slurp_file($file)), [ 101 .. 130 ], 'all are there');
sql(q{INSERT INTO other VALUES (131, 'y')});
append_to_file($file, '{"action":"ins');
($status, $out, $err) = now('--slot', 'one', '--output', $file);
like($err, qr/cut off 14 bytes of a half line/, 'a half line that a crash has left is told of');
is_deeply(ids(slurp_file($file)), [ 101 .. 131 ], 'and gone');

sql(q{INSERT INTO other SELECT i, 'y' FROM generate_series(132, 160) i});
is((now('--slot', 'one', '--output', $file, '--rotate', '2kB'))[0], 0, 'with rotation by size');
my @files = (sort { (split /\./, $a)[3] // 0 <=> (split /\./, $b)[3] // 0 } glob("$file.*"));
cmp_ok(scalar(@files), '>', 2, 'there are several files');
is(scalar(grep { slurp_file($_) !~ /\A(\{.*\}\n)+\z/ } @files, $file), 0, 'of whole lines');
is(scalar(grep { -s $_ > 6000 } @files, $file), 0, 'not too large');
is_deeply([ sort { $a <=> $b } map { @{ ids(slurp_file($_)) } } @files, $file ], [ 101 .. 160 ], 'in which all are, once');

unlink glob("$folder/*");
my $run = spawn_client(@connect, '--slot', 'one', '--output', $file, '--rotate', '1s', '--status-interval', '0.2');
sql(q{INSERT INTO other VALUES (161, 'y')});
ok(wait_until(sub { (my @old = glob("$file.*")) == 1 }), 'with rotation by time, when nothing comes too');
sql(q{INSERT INTO other VALUES (162, 'y')});
ok(wait_until(sub { (my @old = glob("$file.*")) == 2 }), 'again and again');
is(stop_client($run, 'TERM'), 0, 'SIGTERM ends it cleanly');
is((now('--slot', 'one'))[1], '', 'with all confirmed');
is((now('--slot', 'one', '--output', "$folder/nothing/there"))[0], 1, 'a file that cannot be: status 1');

#
# Commands
#

sql(q{INSERT INTO other SELECT i, 'z' FROM generate_series(201, 230) i});
($status, $out) = now('--slot', 'one', '--exec', 'cat; echo end');
is($status, 0, 'to a command');
like($out, qr/"id":230.*\nend\n\z/s, 'which reads all, and is waited for');
sql(q{INSERT INTO other SELECT i, 'z' FROM generate_series(231, 233) i});
($status, $out, $err) = client(@connect, '--slot', 'one', '--exec', 'read line; echo "$line"; exit 3');
is($status, 1, 'a command that fails: status 1');
like($err, qr/the command ended with status 3/, 'told');
($status, $out) = now('--slot', 'one');
is_deeply(ids($out), [ 231 .. 233 ], 'its transaction comes again');
($status, $out, $err) = now('--slot', 'one', '--exec', 'kill -9 $$');
like($err, qr/the command was ended by signal 9/, 'a command that is killed') if $err ne '';

# One line a run of the command: it is started again for each of these transactions.
sql(join ';', map { "INSERT INTO other VALUES ($_, 'r')" } 241 .. 244);
my $lines = "$folder/lines";
$run = spawn_client(@connect, '--slot', 'one', '-o', 'batch=off', '--restart', '--exec',
	"while read -r line; do echo \"\$line\" >>$lines; case \$line in *24[13]*) kill -9 \$\$;; esac; done");
ok(wait_until(sub { -s $lines && slurp_file($lines) =~ /"id":244/ }), 'a command that dies is started again');
is(stop_client($run, 'INT'), 0, 'SIGINT ends it cleanly');
my %seen;
is_deeply([ grep { !$seen{$_}++ } @{ ids(slurp_file($lines)) } ], [ 241 .. 244 ], 'and has all, in order');
like($run->{err}, qr/trying again: the command was ended by signal 9\n.*reading on/, 'which is told');

# One that reads nothing for longer than the server waits for an answer.
sql(q{INSERT INTO other SELECT i, repeat('slow', 1000) FROM generate_series(1001, 2000) i});
$run = spawn_client(@connect, '--slot', 'one', '--exec', "sleep 5; cat >$lines");
$end = flushed();
ok(wait_until(sub { pump($run); caught_up('one', $end) }), 'a slow reader');
is(stop_client($run, 'TERM'), 0, 'is waited for');
is($run->{err}, '', 'and the connection holds');
is_deeply(ids(slurp_file($lines)), [ 1001 .. 2000 ], 'it has all, once');

# A pipe: what its reader has not read is not done with.
sql(q{INSERT INTO other SELECT i, 'p' FROM generate_series(2001, 2010) i});
sql(q{INSERT INTO other VALUES (2011, 'p')});
system("gymstream tail -d '$database' --slot one | { read -r line; exec sleep 2; } 2>/dev/null");
ok(wait_until(sub { idle('one') }), 'ends when its reader does');
($status, $out) = now('--slot', 'one');
is_deeply(ids($out), [ 2001 .. 2011 ], 'what was not read comes again');

#
# Progress
#

sql(q{INSERT INTO other SELECT i, repeat('x', 2000) FROM generate_series(3001, 5000) i});
($status, $out, $err) = now('--slot', 'one', '--progress', '--output', '/dev/null');
like($err, qr/^gymstream: [\d.]+ MB of [\d.]+ MB \(100%\), [\d.]+ .?B\/s, 0 B behind$/m, 'a progress line');

$node->stop;
done_testing();
