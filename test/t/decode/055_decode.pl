# The output plugin in a walsender: lines, messages and positions; what a reader makes of events alone is the source's content.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use EventCopy;
use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use RandomChange;
use Test::More;

my $seed = $ENV{GYMSTREAM_SEED} // int(rand(1000000));
my $rounds = 2 * ($ENV{GYMSTREAM_MINUTES} // 1);
note("seed $seed");

my $node = start_gymstream('decode', 'fsync = off', 'logical_decoding_work_mem = 64kB', 'wal_sender_timeout = 10s');
my $files = 0;

# The server lets go of a slot some time after its reader has ended.
sub wait_for_slot { $node->poll_query_until('postgres', "SELECT NOT active FROM pg_replication_slots WHERE slot_name = '$_[0]'") }

# Read a slot up to a position, or until the reader is killed; gives the file.
sub start_reader
{
	my ($slot, $end, @options) = @_;
	my $file = $node->basedir . '/events.' . ++$files;
	my @command = ('pg_recvlogical', '-d', $node->connstr('postgres'), '--slot', $slot, '--start', '--no-loop', '-f', $file, '-F', '0', '-s', '1');
	push @command, '--endpos', $end if defined $end;
	push @command, map { ('-o', $_) } @options;
	return ($file, IPC::Run::start(\@command, '<', \undef, '>', '/dev/null', '2>', "$file.log"));
}

sub read_all
{
	my ($slot, @options) = @_;
	my ($file, $reader) = start_reader($slot, $node->safe_psql('postgres', 'SELECT pg_current_wal_lsn()'), @options);
	$reader->finish or diag(slurp_file("$file.log"));
	wait_for_slot($slot);
	return $file;
}

sub slot_create { $node->safe_psql('postgres', "SELECT pg_create_logical_replication_slot('$_[0]', 'gymstream')") }

# Each line is as doc/wire-format.schema.json says.
sub valid_lines
{
	my ($name, @read) = @_;
	my $schema = "$FindBin::Bin/../../../doc/wire-format.schema.json";
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ 'python3', "$FindBin::Bin/../../wire_format.py", $schema, @read ], '>', \$out, '2>', \$err);
	ok($ok, $name) or diag($out, $err);
}

# a message of no transaction is the first that a walsender has to show: no catalog can be read then
slot_create('quiet');
$node->safe_psql('postgres', q{SELECT pg_logical_emit_message(false, 'heartbeat', 'beat')});
$node->safe_psql('postgres', q{SELECT pg_switch_wal()});
like(slurp_file(read_all('quiet', 'format=debezium', 'messages=on')), qr/"op":"m".*"db":"postgres".*"prefix":"heartbeat"/s,
	"a message of no transaction comes first, in Debezium's format");
$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('quiet')});

# messages: many rows of a transaction in few of them, and the position behind the commit with the last
$node->safe_psql('postgres', 'CREATE TABLE simple (id int PRIMARY KEY, note text)');
slot_create('simple');
$node->safe_psql('postgres', q{INSERT INTO simple SELECT i, repeat('x', 100) FROM generate_series(1, 5000) i});
my $file = read_all('simple');
my @lines = split /\n/, slurp_file($file);
is(scalar(@lines), 5000, 'each event on a line');
is(scalar(grep { /^\{"action":"insert".*\}$/ } @lines), 5000, 'that is whole');
is(slurp_file(read_all('simple')), '', 'what was read is confirmed, without a mark of the commit');
$node->safe_psql('postgres', q{UPDATE simple SET note = 'y' WHERE id < 4; SELECT count(*) FROM pg_logical_slot_peek_changes('simple', NULL, NULL)});
my $rows = $node->safe_psql('postgres', q{SELECT data FROM pg_logical_slot_peek_changes('simple', NULL, NULL)}, replication => 'database');
is($rows, $node->safe_psql('postgres', q{SELECT data FROM pg_logical_slot_peek_changes('simple', NULL, NULL)}), 'a walsender that runs SQL');
is(scalar(split /\n/, $node->safe_psql('postgres', q{SELECT count(*) FROM pg_logical_slot_peek_changes('simple', NULL, NULL) GROUP BY lsn}, replication => 'database')), 3,
	'gives one event a row too');
like(slurp_file(read_all('simple', 'pretty-print')), qr/^(\{\n  "action": "update",\n.*?\n\}\n){3}\z/s, 'pretty over several lines');
$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('simple'); DROP TABLE simple});

# an event that has no room in memory is told without what is too long, and nothing stops; who asks for an error gets one that
# says whose it is and how to go on, which helps
$node->safe_psql('postgres', q{CREATE TABLE huge (id int PRIMARY KEY, body text, "array" numeric[]); SELECT gymstream.create_topic('huge', notify => 'row')});
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_replication_slots WHERE plugin = 'gymstream' AND confirmed_flush_lsn IS NOT NULL});
slot_create('huge');
$node->safe_psql('postgres', q{INSERT INTO huge VALUES (1, repeat(chr(1), 190000000), array_fill(1e131071::numeric, ARRAY[10000])); INSERT INTO huge VALUES (2, 'small')});
my $huge = q{pg_logical_slot_peek_changes('huge', NULL, NULL, 'include-timestamp', 'off', 'include-lsn', 'off', 'include-xids', 'off'};
my @told = ('{"action":"insert","schema":"public","table":"huge","new":{"id":1},"unrendered":{"code":"54000","message":"event would be longer than 1072693248 bytes","columns":["body","array"]}}',
	'{"action":"insert","schema":"public","table":"huge","new":{"id":2,"body":"small","array":null}}');
is($node->safe_psql('postgres', "SELECT data FROM $huge)"), join("\n", @told), 'what is longer than 1 GB is told without it');
$node->command_ok([ 'psql', '-Xqc', q{SELECT pg_copy_logical_replication_slot('huge', 'huge_walsender')}, '-o', '/dev/null', $node->connstr('postgres') ], 'another slot');
is(slurp_file(read_all('huge_walsender', 'include-timestamp=off', 'include-lsn=off', 'include-xids=off')), join("\n", @told) . "\n", 'by a walsender too');
my (undef, undef, $error) = $node->psql('postgres', "SELECT data FROM $huge, 'unrendered', 'error')", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($error, qr/ERROR:  54000: .*HINT:  Set the option "unrendered" to "event".*CONTEXT:  row of table "public.huge", transaction \d+/s, 'an error where that is asked for');
my ($way) = $error =~ /(SELECT pg_replication_slot_advance\('huge', '[0-9A-F\/]+'\))/;
$node->safe_psql('postgres', $way // '');
is($node->safe_psql('postgres', "SELECT data FROM $huge, 'unrendered', 'error')"), $told[1], 'the hint leads past it, and no further');
my $after = $node->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
ok($node->poll_query_until('postgres', qq{SELECT confirmed_flush_lsn >= '$after' FROM pg_replication_slots WHERE plugin = 'gymstream' AND slot_name !~ 'huge'}), 'a topic goes on');
$node->safe_psql('postgres', q{SELECT gymstream.drop_topic('huge'); SELECT pg_drop_replication_slot('huge'); SELECT pg_drop_replication_slot('huge_walsender'); DROP TABLE huge});

# wrong options end the reader with an error that says so
slot_create('options');
for my $case ([ 'no-such', 'unknown option "no-such"' ], [ 'add-tables=x', 'invalid value "x" for option "add-tables"' ])
{
	my ($log, $reader) = start_reader('options', undef, $case->[0]);
	$reader->finish;
	wait_for_slot('options');
	like(slurp_file("$log.log"), qr/\Q$case->[1]\E/, "option $case->[0]");
}
$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('options')});

# random changes, read while they are made by readers that are killed, and over a restart of the server
$node->safe_psql('postgres', $RandomChange::setup);
$node->command_ok([ 'pgbench', '-i', '-q', $node->connstr('postgres') ], 'what people run: pgbench');
my @copies = (
	{ slot => 'whole', options => [ 'streaming=off' ] },
	{ slot => 'streamed', options => [ 'streaming=on' ] },
	{ slot => 'as_root', options => [ 'publish-via-partition-root=on' ] });
for my $copy (@copies)
{
	push @{ $copy->{options} }, 'include-transaction', 'messages', 'include-pk', 'add-msg-prefixes=ddl';
	$copy->{copy} = EventCopy->new($node, $copy->{slot}, $RandomChange::setup);
	$copy->{files} = [];
	$node->command_ok([ 'pgbench', '-i', '-q', $node->connstr($copy->{slot}) ], "$copy->{slot}: begins with the same tables");
	slot_create($copy->{slot});
}
my $random = RandomChange->new($seed);
for my $round (1 .. $rounds)
{
	my @readers;
	for my $copy (@copies)
	{
		my ($read, $reader) = start_reader($copy->{slot}, undef, @{ $copy->{options} });
		push @{ $copy->{files} }, $read;
		push @readers, $reader;
	}
	my $script = $node->basedir . "/changes.$round";
	append_to_file($script, join('', map { $random->transaction($round > 1) } 1 .. 50));
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $node->connstr('postgres'), '-f', $script ], "round $round: changes");
	$node->command_ok([ 'pgbench', '-n', '-c', '2', '-t', '50', $node->connstr('postgres') ], "round $round: pgbench");
	if ($round == 2) { $node->stop('immediate'); $node->start }
	$_->kill_kill(grace => 0) for @readers;
	$node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_replication_slots WHERE active AND slot_name IN (' . join(',', map { "'$_->{slot}'" } @copies) . ')');
}
push @{ $_->{files} }, read_all($_->{slot}, @{ $_->{options} }) for @copies;
my @tables = (@RandomChange::tables, qw(pgbench_accounts pgbench_branches pgbench_tellers pgbench_history));
my $content = EventCopy::content($node, 'postgres', @tables);
for my $copy (@copies)
{
	$copy->{copy}->take_file($_) for @{ $copy->{files} };
	is(EventCopy::content($node, $copy->{slot}, @tables), $content, "$copy->{slot}: the copy is exact, after $copy->{copy}{applied} transactions (seed $seed)");
	valid_lines("$copy->{slot}: all lines are as the schema says", @{ $copy->{files} });
}
cmp_ok(scalar(grep { /stream_start/ } map { split /\n/, slurp_file($_) } @{ $copies[1]{files} }), '>', 3, 'transactions were streamed');

$node->stop('fast');
done_testing();
