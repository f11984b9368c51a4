# gymstream consume: commands that accept, reject, fail and hang; workers, commands, backends and the server that are killed.
# What a command has done stands in a file, a line an event: nothing is missing, what comes twice had not been acked, and
# of each key the order is right.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamTest;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use Test::More;

delete $ENV{PGAPPNAME};    # it would hide the program's own name
my $node = start_gymstream('consume');
my $database = $node->connstr('postgres');
my $folder = PostgreSQL::Test::Utils::tempdir();
sub sql { return $node->safe_psql('postgres', @_) }
sub slurp { return -e "$folder/$_[0]" ? slurp_file("$folder/$_[0]") : '' }
sub script { my ($name, $text) = @_; append_to_file("$folder/$name", "#!/bin/sh\n$text\n"); chmod 0755, "$folder/$name"; return "$folder/$name" }
sub done { my ($group) = @_; return $node->poll_query_until('postgres', "SELECT events + waiting = 0 FROM gymstream.groups WHERE group_name = '$group'") }
sub stored { my ($topic, $count) = @_; return $node->poll_query_until('postgres', "SELECT count(*) = $count FROM gymstream.read_topic('$topic', max_events => NULL)") }

sql(q{CREATE TABLE task (id int PRIMARY KEY, k int, note text);
	ALTER TABLE task REPLICA IDENTITY FULL;
	SELECT gymstream.create_topic('task', key => '{k}');
	SELECT gymstream.create_group('work', '{task}', start => 'earliest', max_attempts => 3, retry_delay => '10 milliseconds');
	SELECT gymstream.create_group('copy', '{task}', start => 'earliest');
	CREATE ROLE stranger LOGIN});

# What is wrong is said at the start.
for my $case (
	[ [], 2, qr/no group is given/ ], [ [ 'a', 'b' ], 2, qr/too many arguments/ ],
	[ [ '--exec', 'x', '--output', 'y', 'work' ], 2, qr/cannot be used together/ ],
	[ [ '--jobs', '2', 'work' ], 2, qr/"--jobs" needs "--exec"/ ], [ [ '--jobs', '0', '--exec', 'x', 'work' ], 2, qr/a whole number from 1/ ],
	[ [ 'nobody' ], 1, qr/group "nobody" does not exist/ ], [ [ '-U', 'stranger', 'work' ], 1, qr/permission denied|must be/ ],
	[ [ '-d', 'nowhere', 'work' ], 1, qr/does not exist|connection/ ])
{
	my ($arguments, $expected, $message) = @$case;
	my ($status, undef, $err) = client('consume', '-d', $database, @$arguments);

	is($status, $expected, "@$arguments: status");
	like($err, $message, "@$arguments: told");
}

# A command for each event.
sql(q{INSERT INTO task VALUES (1, 1, E'line\nbreak')});
ok(stored('task', 1), 'an event');
my $show = script('show', qq(cat >>$folder/shown; echo "\$GYMSTREAM_GROUP \$GYMSTREAM_TOPIC \$GYMSTREAM_ATTEMPT \$GYMSTREAM_EVENTS \$GYMSTREAM_POSITION" >>$folder/known));
my ($status, $out, $err) = client('consume', '-d', $database, '--exec', $show, '--drain', 'work');
is("$status $out$err", '0 ', 'drained');
my $event = decode_json(slurp('shown'));
is(join(' ', sort keys %$event), 'action attempt commit_time key lsn new position schema table topic xid', 'the members of an event');
is("$event->{topic} $event->{key}{k} $event->{new}{note}", "public.task 1 line\nbreak", 'what they say');
is(slurp('known'), "work public.task 1 1 $event->{position}\n", 'and the environment');
is((client('consume', '-d', $database, '--exec', $show, '--drain', 'work'))[0], 0, 'once more');
is(scalar(() = slurp('shown') =~ /\n/g), 1, 'it was acked');

# What its status says. An event that fails holds up those of its key, and no others.
my $judge = script('judge', qq!read -r line; id=\${line##*'"id":'}; id=\${id%%,*}
echo "\$id \$GYMSTREAM_ATTEMPT" >>$folder/judged
case \$id in
	12) exit 65 ;;
	13) test \$GYMSTREAM_ATTEMPT -ge 3 || exit 75 ;;
	14) exit 1 ;;
	15) test \$GYMSTREAM_ATTEMPT -ge 2 || kill -9 \$\$ ;;
esac!);
sql(q{INSERT INTO task VALUES (11, 1), (12, 2), (13, 3), (14, 4), (15, 5), (21, 1), (22, 2), (23, 3), (24, 4), (25, 5)});
my $run = spawn_client('consume', '-d', $database, '--exec', $judge, 'work');
ok(done('work'), 'all are dealt with') or diag($run->{err});
is(stop_client($run, 'INT'), 0, 'a clean end');
my %judged;
my $text = slurp('judged');
push @{ $judged{ $1 % 10 } }, "$1/$2" while $text =~ /(\d+) (\d+)\n/g;
is("@{$judged{1}}", '11/1 21/1', 'accepted');
is("@{$judged{2}}", '12/1 22/1', 'rejected: once, and the next of its key follows');
is("@{$judged{3}}", '13/1 13/2 13/3 23/1', 'tried again until it is accepted, before the next of its key');
is("@{$judged{4}}", '14/1 14/2 14/3 24/1', 'tried as often as the group allows');
is("@{$judged{5}}", '15/1 15/2 25/1', 'a command that is killed has failed');
is(sql(q{SELECT event->'new'->>'id', attempts, cause FROM gymstream.dead_letter ORDER BY 1}),
	"12|1|the command ended with status 65\n14|3|the command ended with status 1", 'the dead letters say why');
like($run->{err}, qr/^gymstream: event [0-9A-F\/]+ of public\.task, attempt 2: the command ended with status 75$/m, 'each failure is told');

# Batches: a failed one comes again, an event at a time.
my $batches = script('batches', qq(cat >$folder/batch; echo "\$GYMSTREAM_EVENTS" >>$folder/sizes; ! grep -q '"id":33,' $folder/batch));
sql(q{SELECT gymstream.discard_events('work'); INSERT INTO task SELECT i, 1 FROM generate_series(31, 35) i});
ok(stored('task', 16), 'five at a time');
$run = spawn_client('consume', '-d', $database, '--exec', $batches, '--batch', '5', 'work');
ok(done('work'), 'done');
stop_client($run, 'TERM');
like(slurp('sizes'), qr/^5\n1\n/, 'the batch, then its first event alone');
is(sql(q{SELECT event->'new'->>'id' FROM gymstream.dead_letter}), 33, 'the one that fails is found');

# A file, and a pipe.
($status, $out, $err) = client('consume', '-d', $database, '--drain', '--output', "$folder/file", 'copy');
is("$status $err", '0 ', 'into a file');
is(join(' ', sort { $a <=> $b } slurp('file') =~ /"new":\{"id":(\d+)/g), '1 11 12 13 14 15 21 22 23 24 25 31 32 33 34 35', 'all of them');
sql(q{INSERT INTO task VALUES (41, 1)});
ok(stored('task', 17), 'another one');
like((client('consume', '-d', $database, '--drain', 'copy'))[1], qr/^\{"topic":"public.task",.*"id":41,.*\}\n$/, 'to standard output');
is((client('consume', '-d', $database, '--exec', 'true', '--drain', 'work'))[0], 0, 'the other group too');

# A command that takes longer than silent workers may: the worker is not silent. The first signal lets it end.
sql(q{SELECT gymstream.alter_group('work', takeover => '5 seconds', max_attempts => 100); INSERT INTO task VALUES (51, 1)});
my $hold = script('hold', qq(read -r line; echo "begins \$\$ \$GYMSTREAM_ATTEMPT" >>$folder/held; while ! test -e $folder/go; do sleep 0.02; done; echo ends >>$folder/held));
$run = spawn_client('consume', '-d', $database, '--exec', $hold, 'work');
ok(wait_until(sub { slurp('held') =~ /begins/ }), 'a command that takes long');
my $asked = q{SELECT coalesce(max(query_start), '-infinity') FROM pg_stat_activity WHERE query ~ '^SELECT setting FROM' AND application_name = 'gymstream'};
for (1 .. 3)
{
	my $before = sql($asked);
	ok($node->poll_query_until('postgres', "SELECT ($asked) > '$before'"), 'its worker lives');
}
$run->{handle}->signal('TERM');
append_to_file("$folder/go", '');
is(stop_client($run), 0, 'ends after what it was at');
like(slurp('held'), qr/^begins \d+ 1\nends\n$/, 'which was done once');
ok(done('work'), 'and acked');
unlink "$folder/go", "$folder/held";

# Killed, both of them: another worker takes the event over. The command of a killed worker ends with it.
sql(q{INSERT INTO task VALUES (52, 1)});
$run = spawn_client('consume', '-d', $database, '--exec', $hold, 'work');
ok(wait_until(sub { slurp('held') =~ /begins \d+ 1\n/ }), 'a command at work');
my ($command) = slurp('held') =~ /begins (\d+)/;
my $other = spawn_client('consume', '-d', $database, '--exec', $hold, 'work');
stop_client($run, 'KILL');
ok(wait_until(sub { (() = slurp('held') =~ /begins/g) >= 2 }), 'taken over') or diag($other->{err});
SKIP:
{
	skip 'needs Linux', 1 if $^O ne 'linux';
	ok(wait_until(sub { !kill 0, $command }), 'the command has ended with its worker');
}
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gymstream'});
ok(wait_until(sub { pump($other); (() = slurp('held') =~ /begins/g) >= 3 }), 'begun again where the transaction was lost') or diag($other->{err});
append_to_file("$folder/go", '');
ok(done('work'), 'done in the end');
is(stop_client($other, 'TERM'), 0, 'a clean end');
is(scalar(() = slurp('held') =~ /ends/g), 1, 'to its end once');

# A command that hangs.
sql(q{SELECT gymstream.alter_group('work', takeover => '5 minutes', max_attempts => 1); SELECT gymstream.discard_events('work'); INSERT INTO task VALUES (53, 1)});
$run = spawn_client('consume', '-d', $database, '--exec', "exec sleep 1000", '--timeout', '0.2', 'work');
shows($run, 'err', qr/attempt 1: the command took longer than 0\.2 seconds/, 'a command that hangs is ended');
ok(done('work'), 'its event has failed');
stop_client($run, 'TERM');
is(sql(q{SELECT cause FROM gymstream.dead_letter}), 'the command took longer than 0.2 seconds', 'for that reason');

# Several workers, and everything that can be killed.
sql(q{SELECT gymstream.alter_group('work', max_attempts => 100); SELECT gymstream.discard_events('work')});
my $many = script('many', qq(read -r line; id=\${line##*'"id":'}; echo "\${id%%,*}" >>$folder/many.ids));
my @jobs = ('consume', '-d', $database, '--exec', $many, '--jobs', '4', 'work');
$run = spawn_client(@jobs);
my $last = 1000;
sub add { sql("INSERT INTO task SELECT i, i % 7 FROM generate_series($last + 1, $last + 40) i"); $last += 40; return }
sub children { my ($pid) = @_; return split ' ', `pgrep -P $pid` }
sub arrives { my ($what) = @_; my $id = $last; ok(wait_until(sub { pump($run); slurp('many.ids') =~ /^$id$/m }), $what) or diag($run->{err}); return }
add();
arrives('several at once');
my $leader = $run->{handle}{KIDS}[0]{PID};
my @before = children($leader);
is(scalar(@before), 4, 'four workers');
add();
kill 'KILL', $before[0];
arrives('one is killed');
ok(wait_until(sub { my @now = children($leader); @now == 4 && !grep { $_ == $before[0] } @now }), 'and another one started');
add();
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gymstream'});
arrives('their backends are ended');
add();
$node->stop('immediate');
$node->start;
arrives('the server crashes');
my @workers = children($leader);
stop_client($run, 'KILL');
ok(wait_until(sub { !grep { kill 0, $_ } @workers }), 'workers do not outlive the program');
add();
$run = spawn_client(@jobs);
arrives('started again');
ok(done('work'), 'all are dealt with') or diag(sql('SELECT * FROM gymstream.group_lag WHERE events + waiting > 0'), $run->{err});
is(stop_client($run, 'TERM'), 0, 'a clean end');
my (%seen, %order);
for my $id (split /\n/, slurp('many.ids')) { push @{ $order{ $id % 7 } }, $id unless $seen{$id}++ }
is(scalar(keys %seen), $last - 1000, 'each event was done');
is(join(' ', map { "@{$order{$_}}" } 0 .. 6), join(' ', map { my $k = $_; join ' ', grep { $_ % 7 == $k } 1001 .. $last } 0 .. 6), 'in order by key');

# A group that is dropped.
$run = spawn_client('consume', '-d', $database, '--exec', 'true', 'work');
ok(wait_until(sub { sql(q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^CALL gymstream.wait_group'}) > 0 }), 'waits');
sql(q{SELECT gymstream.drop_group('work')});
shows($run, 'err', qr/group "work" does not exist/, 'a group that was dropped is told');
is(stop_client($run), 1, 'and ends the program');
$node->stop;
done_testing();
