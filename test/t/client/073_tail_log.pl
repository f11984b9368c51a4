# gymstream tail --from and --bookmark: what a topic's log has, and what comes after it, over a client that is killed, a
# server that crashes and is promoted from a standby, retention, a topic that is made anew. The table is the oracle: each
# change is there, and none twice but what a crash has repeated.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamTest;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

delete $ENV{PGAPPNAME};    # it would hide the program's own name
my $node = start_gymstream('tail_log', 'max_wal_senders = 10');
my $database = $node->connstr('postgres');
my $folder = PostgreSQL::Test::Utils::tempdir();
sub sql { return $node->safe_psql('postgres', @_) }
sub stored { return $node->poll_query_until('postgres', "SELECT count(*) = $_[1] FROM gymstream.read_topic('$_[0]', max_events => NULL)") }
sub events { return map { decode_json($_) } split /\n/, $_[0] }
sub ids { return join ' ', map { $_->{new} ? $_->{new}{id} : $_->{action} } events($_[0]) }

sql(q{CREATE TABLE booking (id int PRIMARY KEY, class_id int);
	CREATE TABLE "odd Name" (id int PRIMARY KEY);
	SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) AS n FROM booking GROUP BY 1');
	SELECT gymstream.create_topic('booking'), gymstream.create_topic('"odd Name"', notify => 'none'), gymstream.create_topic('by_class');
	INSERT INTO booking VALUES (1, 7), (2, 8); INSERT INTO booking VALUES (3, 7)});
ok(stored('booking', 3), 'there is a log');

# What is there: all of it, what is after a position or since a time, and lines as notifications have them.
my ($status, $out, $err) = client('tail', '-d', $database, '--from', 'earliest', '--until', 'now', 'booking');
is("$status $err", '0 ', 'read to the end');
is(ids($out), '1 2 3', 'all that is stored');
my @read = events($out);
is(join(' ', sort keys %{ $read[0] }), 'action commit_time key lsn new position schema table topic xid', 'the members of a line');
is("$read[2]{topic} $read[2]{action} $read[2]{key}{id}", 'public.booking insert 3', 'what they say');
is((client('tail', '-d', $database, '--from', 'latest', '--until', 'now', 'booking'))[1], '', 'from the latest: nothing');
is(ids((client('tail', '-d', $database, '--from', $read[0]{position}, '--until', 'now', 'booking'))[1]), '2 3', 'after a position');
is(ids((client('tail', '-d', $database, '--from', $read[2]{commit_time}, '--until', 'now', 'booking'))[1]), '3', 'since a time');
is(ids((client('tail', '-d', $database, '--from', 'yesterday', '--until', 'now', '-k', 'class_id=7', 'booking'))[1]), '1 3', 'of a key');
is(ids((client('tail', '-d', $database, '--from', 'earliest', '--count', '2', 'booking'))[1]), '1 2', 'so many');
like((client('tail', '-d', $database, '--from', 'earliest', '--until', 'now', 'by_class'))[1], qr/^\{"topic":"public.by_class","position":"[^"]+","action":"rollup".*"key":\{"class_id":7\}/m,
	'a rollup');
my $after = substr $read[0]{position}, 0, 34;
is(ids((client('tail', '-d', $database, '--from', $read[0]{position}, '--until', 'now', 'booking', 'booking'))[1]), '2 3 2 3',
	'a position for several topics');

# What is wrong is said at the start.
sql(q{CREATE ROLE stranger LOGIN; CREATE TABLE silent (id int PRIMARY KEY); SELECT gymstream.create_topic('silent', retain => '0')});
append_to_file("$folder/junk", "no bookmark at all\n");
for my $case (
	[ [ '--from', 'earliest', 'nothing' ], 1, qr/no table or rollup "nothing"/ ],
	[ [ '--from', 'earliest', 'gymstream_internal.topic' ], 1, qr/has no topic\nHINT:  SELECT gymstream.create_topic/ ],
	[ [ '--from', 'sometime', 'booking' ], 1, qr/invalid input syntax for type timestamp/ ],
	[ [ '--from', '0000000F/z', 'booking' ], 1, qr/invalid input syntax/ ],
	[ [ '--from', 'earliest', '-U', 'stranger', 'booking' ], 1, qr/permission denied for table booking/ ],
	[ [ '--from', 'earliest', 'silent' ], 1, qr/keeps no events.*\nHINT:  / ],
	[ [ '--bookmark', "$folder/junk", 'booking' ], 1, qr/"\S+junk" is no bookmark/ ],
	[ [ '--bookmark', "$folder/no/where", 'booking' ], 1, qr/could not write bookmark "\S+": No such file/ ],
	[ [ '--from', 'earliest' ], 2, qr/no topic is given/ ],
	[ [ '--bookmark', 'x', '--slot', 'y' ], 2, qr/"--bookmark" is for topics/ ],
	[ [ '--from', 'earliest', '--slot', 'y' ], 2, qr/invalid value "earliest" for option "--from": with "--slot"/ ],
	[ [ '--from', 'earliest', '--until', '0\/1', 'booking' ], 2, qr/invalid value/ ],
	[ [ '--from', 'earliest', '--until', '0/1', 'booking' ], 2, qr/"--until" needs "--slot"/ ],
	[ [ '--output', 'x', 'booking' ], 2, qr/"--output" needs "--slot" or "--from"/ ])
{
	my ($arguments, $expected, $message) = @$case;
	my ($got, undef, $said) = client('tail', '-d', $database, @$arguments);

	is($got, $expected, "@$arguments: status");
	like($said, $message, "@$arguments: told");
}

# A bookmark: each run goes on where the one before it has ended.
my @bookmark = ('--bookmark', "$folder/bookmark");
is(ids((client('tail', '-d', $database, @bookmark, '--from', 'earliest', '--until', 'now', 'booking', '"odd Name"'))[1]), '1 2 3', 'the first run');
like(slurp_file("$folder/bookmark"), qr/^[0-9A-F\/]{51} \d+ public\.booking\n- \d+ public\."odd Name"\n$/, 'the bookmark');
sql(q{INSERT INTO booking VALUES (4, 7); INSERT INTO "odd Name" VALUES (1)});
ok(stored('booking', 4) && stored('"odd Name"', 1), 'more');
is(ids((client('tail', '-d', $database, @bookmark, '--until', 'now', 'booking', '"odd Name"'))[1]), '4 1', 'the second run');
sql(q{ALTER TABLE "odd Name" RENAME TO plain; INSERT INTO plain VALUES (2)});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 2 FROM gymstream.read_topic('plain') WHERE action = 'insert'}), 'renamed');
like(ids((client('tail', '-d', $database, @bookmark, '--until', 'now', 'booking', 'plain'))[1]), qr/^(changed )?2$/, 'goes on under another name');
is(ids((client('tail', '-d', $database, '--bookmark', "$folder/new", '--until', 'now', 'booking'))[1]), '', 'without --from: from now on');
ok(-s "$folder/new", 'and that is kept');

# Live: a program that is killed, a server that crashes, a connection that ends; the file has each change in order.
my $live = spawn_client('tail', '-d', $database, @bookmark, '-s', '0.01', '--output', "$folder/live", 'booking', 'plain');
sub lines { return -e "$folder/live" ? split /\n/, slurp_file("$folder/live") : () }
sub has { my ($id) = @_; return grep { /"table":"booking".*"id":$id\b/ } lines() }
my $next = 5;
sub book { sql("INSERT INTO booking SELECT i, 7 FROM generate_series($next, $next + 9) i"); $next += 10; return $next - 1 }
sub arrives { my ($id, $what) = @_; ok(wait_until(sub { pump($live); has($id) }), $what) or diag($live->{err}); return }
arrives(book(), 'what comes is heard');
sql(q{INSERT INTO plain VALUES (3)});
ok(wait_until(sub { grep { /"table":"plain".*"id":3\b/ } lines() }), 'also where no notifications are sent');
stop_client($live, 'KILL');
book();
$live = spawn_client('tail', '-d', $database, @bookmark, '-s', '0.01', '--output', "$folder/live", 'booking', 'plain');
arrives($next - 1, 'a program that was killed, started again');
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gymstream'});
arrives(book(), 'a connection that was ended');
like($live->{err}, qr/connection lost, trying again: .*\n(.*\n)*gymstream: connected again/, 'both are told');
$node->stop('immediate');
$node->start;
arrives(book(), 'a server that crashed');
is(stop_client($live, 'TERM'), 0, 'a clean end');
my (%seen, @order);
for my $event (grep { $_->{table} eq 'booking' } map { decode_json($_) } lines())
{
	push @order, $event->{new}{id} unless $seen{ $event->{position} }++;
}
is("@order", join(' ', 5 .. $next - 1), 'each change, in the order of commits');
like(slurp_file("$folder/bookmark"), qr/^$_ /m, 'the bookmark is at the end') for sql(q{SELECT gymstream.last_position('booking')});

# A command that reads: it gets again what it has not read.
sql(q{CREATE TABLE task (id int PRIMARY KEY); SELECT gymstream.create_topic('task'); INSERT INTO task SELECT generate_series(1, 5)});
ok(stored('task', 5), 'tasks');
my $command = "for i in 1 2; do read -r line && echo \"\$line\" >>$folder/tasks || exit 0; done; exit 3";
my $worker = spawn_client('tail', '-d', $database, '--bookmark', "$folder/task", '--from', 'earliest', '-s', '0.01', '--exec', $command, '--restart', 'task');
ok(wait_until(sub { pump($worker); -e "$folder/tasks" && slurp_file("$folder/tasks") =~ /"id":5\}/ }), 'a command that is started again') or diag($worker->{err});
stop_client($worker, 'TERM');
my %task = map { $_ => 1 } slurp_file("$folder/tasks") =~ /"new":\{"id":(\d+)\}/g;
is(join(' ', sort keys %task), '1 2 3 4 5', 'gets all of them');

# What is gone is told, loudly, and what is there is read.
sql(q{SELECT gymstream.alter_topic('booking', retain => '1 second')});
ok($node->poll_query_until('postgres', q{SELECT events = 0 FROM gymstream.topics WHERE relation = 'booking'::regclass}), 'nothing is kept any more');
sql(q{SELECT gymstream.alter_topic('booking', retain => '1 hour'); INSERT INTO booking VALUES (0, 1)});
ok(stored('booking', 1), 'but for one');
append_to_file("$folder/old", "$read[0]{position} 0 public.booking\n");
($status, $out, $err) = client('tail', '-d', $database, '--bookmark', "$folder/old", '--until', 'now', 'booking');
is($status, 0, 'past retention');
is(ids($out), 'missed 0', 'a line in its place, and what there is');
is((events($out))[0]{position}, $read[0]{position}, 'which says after which position');
like($err, qr/^gymstream: changes of public\.booking are missing after position $read[0]{position}: .*no longer kept/, 'and a word');

# A topic that is made anew while it is read.
$live = spawn_client('tail', '-d', $database, '--from', 'earliest', 'task');
shows($live, 'out', qr/"id":5\}/, 'reads');
sql(q{SELECT gymstream.drop_topic('task')});
shows($live, 'err', qr/public\.task cannot be read: .*has no topic/, 'a topic that is gone is told');
sql(q{SELECT gymstream.create_topic('task'); INSERT INTO task VALUES (6)});
shows($live, 'out', qr/"action":"missed".*\n(.*\n)*.*"id":6\}/, 'made anew: what may be missing is told, and it goes on');
shows($live, 'err', qr/changes of public\.task are missing after position/, 'on standard error too');
is(stop_client($live, 'INT'), 0, 'ends');

# A standby can be read too; promoted, it says that it has begun anew.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('tail_log_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$live = spawn_client('tail', '-d', $standby->connstr('postgres'), '--from', 'earliest', 'task');
sql(q{INSERT INTO task VALUES (7)});
shows($live, 'out', qr/"id":7\}/, 'a standby');
$node->stop('immediate');
$standby->promote;
ok($standby->poll_query_until('postgres', q{SELECT publisher_pid IS NOT NULL AND problem IS NULL FROM gymstream.status}), 'promoted');
$standby->safe_psql('postgres', q{INSERT INTO task VALUES (8)});
shows($live, 'out', qr/"action":"missed".*\n(.*\n)*.*"id":8\}/, 'goes on, and says what may be missing') or diag($live->{err});
is(scalar(() = $live->{out} =~ /"id":7\}/g), 1, 'nothing comes twice');
stop_client($live, 'TERM');
$standby->stop;
done_testing();
