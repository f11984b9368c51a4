# The program gymstream: its command line, its errors, what it prints and draws, and that it comes back after the server
# was gone.

use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamTest;
use IPC::Run ();
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use Test::More;

delete $ENV{PGAPPNAME};    # it would hide the program's own name
my $node = start_gymstream('client');
my $database = $node->connstr('postgres');

# The server processes of clients, and of these the ones that listen already.
sub clients { return split /\n/, $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'gymstream'}) }
sub listeners
{
	return split /\n/, $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity
		WHERE application_name = 'gymstream' AND state = 'idle' AND query !~ 'before LISTEN'
		AND query ~ '^LISTEN|^EXECUTE|^SELECT gymstream.event_key|^SELECT s\.publisher_pid'});
}

# Start in the background, and wait until it listens.
sub start_client
{
	my %before = map { $_ => 1 } clients();
	my $run = spawn_client(@_);

	ok(wait_until(sub { pump($run); grep { !$before{$_} } listeners() }), "listens: $_[0] $_[-1]");
	return $run;
}

#
# The command line
#

for my $command ([], ['watch'], ['tail'], ['consume'], ['groups'], ['metrics'])
{
	my ($status, $out, $err) = client(@$command, '--help');

	is($status, 0, "@$command --help succeeds");
	like($out, qr/Usage:\n  gymstream/, "@$command --help says how to use it");
	is($err, '', "@$command --help has no errors");
}
my $version = slurp_file("$FindBin::Bin/../../../gymstream.control") =~ /^default_version = '(.*)'/m ? $1 : 'none';
is((client('--version'))[1], "gymstream $version\n", 'the version is the one of gymstream.control');

for my $case (
	[ [], 'no command' ], [ ['fly'], 'unknown command "fly"' ], [ ['tail'], 'no topic' ], [ ['watch'], 'no rollup' ],
	[ [ 'tail', '--foo', 'x' ], 'unknown option "--foo"' ], [ [ 'watch', '-Z' ], 'unknown option "-Z"' ],
	[ [ 'tail', '-n', '0', 'x' ], 'invalid value "0" for option "--count": it takes a whole number above zero' ],
	[ [ 'tail', '-S', 'x', '--rotate', '1' ], 'option "--rotate": it takes a size, such as 100MB' ],
	[ [ 'slots', '--warn', '1' ], 'option "--warn": it takes a size, such as 10GB' ],
	[ [ 'tail', '-h' ], 'option "-h" needs a value' ], [ [ 'tail', '--help=1' ], 'option "--help" takes no value' ])
{
	my ($arguments, $message) = @$case;
	my ($status, $out, $err) = client(@$arguments);

	is($status, 2, "usage error: @$arguments");
	like($err, qr/^gymstream.*\Q$message\E.*\nTry "gymstream/, "told of: @$arguments");
}

#
# What is wrong on the server
#

$node->safe_psql('postgres', q{
	CREATE TABLE booking (id int PRIMARY KEY, class_id int, price numeric, note text);
	SELECT gymstream.create_rollup('by_class',
		'SELECT class_id, count(*) AS n, sum(price) AS total FROM booking GROUP BY class_id');
	SELECT gymstream.create_rollup('unheard', 'SELECT count(*) FROM booking');
	SELECT gymstream.create_topic('booking', notify => 'row');
	SELECT gymstream.create_topic('by_class', notify => 'row')});
$node->safe_psql('postgres', 'CREATE DATABASE bare');
$node->safe_psql('postgres', 'CREATE DATABASE older');
$node->safe_psql('older', q{CREATE EXTENSION gymstream VERSION '0.1'});

for my $case (
	[ 'no server', [ 'tail', '-h', '/nonexistent', 'booking' ], qr/connection to server .* failed/ ],
	[ 'no database', [ 'tail', '-d', $node->connstr('nowhere'), 'booking' ], qr/database "nowhere" does not exist/ ],
	[ 'no extension', [ 'tail', '-d', $node->connstr('bare'), 'x' ],
		qr/does not have the extension.*\nHINT:  CREATE EXTENSION/ ],
	[ 'an older extension', [ 'tail', '-d', $node->connstr('older'), 'x' ],
		qr/the extension gymstream of database "older" is older.*\nHINT:  ALTER EXTENSION gymstream UPDATE;/ ],
	[ 'no relation', [ 'tail', '-d', $database, 'nothing' ], qr/no table or rollup "nothing"/ ],
	[ 'bad name', [ 'tail', '-d', $database, 'a b' ], qr/invalid name syntax|no table or rollup/ ],
	[ 'no topic', [ 'watch', '-d', $database, 'unheard' ],
		qr/"unheard" has no topic\nHINT:  SELECT gymstream.create_topic\('unheard', notify => 'row'\);/ ],
	[ 'no rollup', [ 'watch', '-d', $database, 'booking' ], qr/"booking" is not a rollup/ ])
{
	my ($name, $arguments, $message) = @$case;
	my ($status, $out, $err) = client(@$arguments);

	is($status, 1, "$name: status 1");
	like($err, $message, "$name: told");
	is($out, '', "$name: nothing on standard output");
}

#
# tail
#

my $tail = start_client('tail', '-d', $database, '--count', '4', 'booking', 'by_class');
$node->safe_psql('postgres', q{INSERT INTO booking VALUES (1, 7, 12.50, E'line\nbreak "quoted" \\\\ \u00e9')});
$node->safe_psql('postgres', q{BEGIN; INSERT INTO booking VALUES (99, 7, 1, 'never'); ROLLBACK});
my $head = '{"topic":"public.booking","position":"1"';    # anyone may send anything
my @odd = ('junk', '[]', '{}', "$head,\n\"n\":1}", "$head}\"x", "$head,\"key\":[]}", "$head,\"row\":1}",
	"$head,\"row\":{\"n\":1,\"n\":1}}", "$head,\"row\":{\"n\":\"\\u0000\"}}", "$head,\"x\":" . '[' x 7000,
	"$head,\"x\":" . '{"x":' x 1000 . '1' . '}' x 1001);
$node->safe_psql('postgres',
	join '', map { "SELECT pg_notify(channel, '$_') FROM gymstream_internal.topic WHERE relation = 'booking'::regclass;" } @odd);
$node->safe_psql('postgres', q{DELETE FROM booking WHERE id = 1});
$tail->{handle}->finish;
is($tail->{handle}->result(0), 0, 'tail ends after --count events');
my @events = map { decode_json($_) } split /\n/, $tail->{out};
is_deeply([ map { "$_->{topic} $_->{action}" } @events ],
	[ 'public.booking insert', 'public.by_class rollup', 'public.booking delete', 'public.by_class rollup' ],
	'each event is a line, in order');
my $passed = 0;
$passed += $_ for $tail->{err} =~ /^gymstream: passed over (\d+) notifications? that the publisher has not sent$/mg;
is($passed, scalar(@odd), 'and what others have sent is passed over, which is told');
is($events[0]{new}{note}, "line\nbreak \"quoted\" \\ \x{e9}", 'a value with every kind of escape');
is_deeply($events[1]{row}, { class_id => 7, n => 1, total => 12.5 }, "the group's row");
is($events[3]{row}, undef, 'a group that is gone');

my $first = '';
my %before = map { $_ => 1 } clients();
my $pipe = IPC::Run::start([ 'gymstream', 'tail', '-d', $database, 'booking' ], '|', [ 'head', '-n', '1' ],
	'>', \$first, IPC::Run::timeout(120));
wait_until(sub { grep { !$before{$_} } listeners() });
$node->safe_psql('postgres', q{INSERT INTO booking VALUES (1, 7, 12.50, NULL)});
$pipe->finish;
like($first, qr/^\{.*\}\n$/, 'tail ends when its reader does');

#
# watch, without a terminal
#

$node->safe_psql('postgres', q{
	CREATE SCHEMA "Odd ""s";
	CREATE TABLE "Odd ""s"."t able" ("Key \ k" text, flag bool, at timestamptz, big numeric);
	INSERT INTO "Odd ""s"."t able" VALUES (E'new\nline', true, '2026-01-02 03:04:05+02', 1);
	SELECT gymstream.create_rollup('"Odd ""s"."r ollup"', $$
		SELECT "Key \ k", flag, at, sum(big) AS "su""m" FROM "Odd ""s"."t able" GROUP BY "Key \ k", flag, at $$);
	SELECT gymstream.create_topic('"Odd ""s"."r ollup"', notify => 'row')});
my $watch = start_client('watch', '-d', $database, 'by_class', '"Odd ""s"."r ollup"');
shows($watch, 'out', qr/^by_class: 1 row$/m, 'says what it begins with');
$node->safe_psql('postgres', q{INSERT INTO booking VALUES (2, 7, 0.25, NULL), (3, 8, 1, NULL)});
shows($watch, 'out', qr/^by_class class_id=7: n 1 -> 2, total 12.50 -> 12.75$/m, 'a changed group');
shows($watch, 'out', qr/^by_class class_id=8: new, n 1, total 1$/m, 'a new group');
$node->safe_psql('postgres', q{DELETE FROM booking WHERE id = 3; INSERT INTO booking VALUES (4, NULL, NULL, NULL)});
shows($watch, 'out', qr/^by_class class_id=8: gone$/m, 'a group that is gone');
shows($watch, 'out', qr/^by_class class_id=null: new, n 1, total null$/m, 'a null key');
$node->safe_psql('postgres',
	q{INSERT INTO booking VALUES (5, 9, 12345678901234567890123456789.00000000000000000001, NULL)});
shows($watch, 'out', qr/class_id=9: new, n 1, total 12345678901234567890123456789\.00000000000000000001$/m,
	'a numeric to its last digit');
$node->safe_psql('postgres', q{INSERT INTO "Odd ""s"."t able" SELECT "Key \ k", flag, at, 2 FROM "Odd ""s"."t able"});
shows($watch, 'out', qr/^"Odd ""s"."r ollup" Key \\ k=new line flag=true at=2026-01-02 01:04:05\+00: su"m 1 -> 3$/m,
	'strange names, and a key of several types found again');
$node->safe_psql('postgres', q{SELECT pg_notify(channel, 'junk') FROM gymstream_internal.topic; TRUNCATE booking});
shows($watch, 'out', qr/^by_class: emptied$/m, 'a truncated source');
$node->safe_psql('postgres', q{INSERT INTO "Odd ""s"."t able" VALUES ('big', NULL, NULL, 10::numeric ^ 8500)});
shows($watch, 'out', qr/^"Odd ""s"."r ollup": read again, 2 rows$/m, 'read again where a row is too large to be sent');

$node->safe_psql('postgres', q{SELECT gymstream.create_topic('unheard', notify => 'position')});
my $position = start_client('watch', '-d', $database, 'unheard');
$node->safe_psql('postgres', q{INSERT INTO booking VALUES (1, 1, 1, NULL)});
shows($position, 'out', qr/^unheard: read again, 1 row$/m, 'read again where notifications carry positions only');
is(stop_client($position, 'INT'), 0, 'SIGINT ends it cleanly');

#
# The server restarts
#

$tail = start_client('tail', '-d', $database, 'by_class');
$node->safe_psql('postgres', q{INSERT INTO booking VALUES (900, 9, 1, NULL)});
shows($tail, 'out', qr/"key":\{"class_id":9\}/, 'tail is at work');
$node->restart;
shows($_, 'err', qr/connection lost, trying again: .+\n.*connected again; /, 'comes back') for $tail, $watch;
$node->safe_psql('postgres', q{INSERT INTO booking VALUES (2, 1, 1, NULL)});
shows($watch, 'out', qr/^by_class class_id=1: n 1 -> 2/m, 'watch goes on');
shows($tail, 'out', qr/"key":\{"class_id":1\}/, 'tail goes on');
is(stop_client($watch, 'TERM'), 0, 'SIGTERM ends watch cleanly');
is(stop_client($tail, 'TERM'), 0, 'SIGTERM ends tail cleanly');

#
# watch, on a terminal
#

SKIP:
{
	skip 'needs a pseudo-terminal', 12 unless eval { require IO::Pty; IO::Pty->new };
	my ($in, $out) = ('', '');
	local $ENV{TERM} = 'xterm-256color';
	local $ENV{LC_ALL} = 'C.UTF-8';
	my $screen = IPC::Run::start([ 'gymstream', 'watch', '-d', $database, 'by_class' ], '<pty<', \$in, '>pty>', \$out);

	ok(wait_until(sub { $screen->pump_nb; $out =~ /class_id/ }), 'draws a table');
	$node->safe_psql('postgres', q{INSERT INTO booking VALUES (77, 424242, 1, NULL)});
	ok(wait_until(sub { $screen->pump_nb; $out =~ /424242/ }), 'in which a new group appears');
	$in = 'q';
	$screen->finish;
	is($screen->result(0), 0, 'q quits');
	like($out, qr/\e\[\?1049l/, 'and gives the terminal back');

	# What is waited for, and what is wrong
	local $ENV{COLUMNS} = 80;
	local $ENV{LINES} = 24;
	my $locker = IPC::Run::start([ 'psql', '-Xq', '-d', $database ], '<', \my $commands, '>', '/dev/null');
	$commands = "BEGIN; LOCK TABLE by_class IN ACCESS EXCLUSIVE MODE;\n";
	ok(wait_until(sub { $locker->pump_nb; $node->safe_psql('postgres', q{SELECT count(*) FROM pg_locks
		WHERE mode = 'AccessExclusiveLock' AND relation = 'by_class'::regclass}) eq '1' }), 'a rollup is locked');
	($in, $out) = ('', '');
	$screen = IPC::Run::start([ 'gymstream', 'watch', '-d', $database, 'by_class' ], '<pty<', \$in, '>pty>', \$out);
	ok(wait_until(sub { $screen->pump_nb; $out =~ /  reading, 0 s.*[^\d;\[]1/s }), 'that it is being read is shown, and for how long');
	$in = 'q';
	$screen->finish;
	is($screen->result(0), 0, 'q quits that too');
	$locker->finish;

	$node->safe_psql('postgres', q{CREATE TABLE wide (first text, second text, third text, n int);
		INSERT INTO wide VALUES (repeat('long ', 50), repeat('long ', 50), 'short', 987654321);
		SELECT gymstream.create_rollup('by_text', 'SELECT first, second, third, sum(n) AS n FROM wide GROUP BY 1, 2, 3');
		SELECT gymstream.create_topic('by_text', notify => 'row')});
	($in, $out) = ('', '');
	$screen = IPC::Run::start([ 'gymstream', 'watch', '-d', $database, 'by_text' ], '<pty<', \$in, '>pty>', \$out);
	ok(wait_until(sub { $screen->pump_nb; $out =~ /987654321/ }), 'long texts leave room for figures');
	like($out, qr/long [long ]*\xe2\x80\xa6.*long [long ]*\xe2\x80\xa6.*short.*987654321/s, 'and are cut with a sign');
	unlike($out, qr/\xc2\xbb/, 'nothing is beyond the edge');
	$node->safe_psql('postgres', q{SELECT gymstream.drop_topic('by_text')});
	ok(wait_until(sub { $screen->pump_nb; $out =~ /not live.*has no topic any more.*HINT/s }), 'what is wrong is shown');
	$node->safe_psql('postgres', q{SELECT gymstream.create_topic('by_text', notify => 'row')});
	ok(wait_until(sub { $screen->pump_nb; $out =~ /not live.*\xe2\x97\x8f.*live/s }), 'and when it is over');
	$in = 'q';
	$screen->finish;
}

$node->stop;
done_testing();
