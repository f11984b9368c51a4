# gymstream groups, gymstream metrics, and what gymstream doctor says of consumer groups: the figures are those of the
# views, and each thing that may be wrong with a group is told.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamListener;
use GymstreamTest;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use Test::More;

delete $ENV{PGAPPNAME};
my $node = start_gymstream('groups', 'max_slot_wal_keep_size = 1GB');
my $database = $node->connstr('postgres');
my $folder = PostgreSQL::Test::Utils::tempdir();
sub sql { return $node->safe_psql('postgres', @_) }

sub says
{
	my ($command, $expected, $pattern, $name) = @_;
	my ($status, $out, $err) = client(split(/ /, $command), '-d', $database);

	is("$status $err", "$expected ", "$command: status $expected: $name");
	like($out, $pattern, "told: $name");
	return;
}

# A figure of gymstream metrics, by its name with labels.
sub figure
{
	my ($name) = @_;
	my ($status, $out) = client('metrics', '-d', $database);

	return $out =~ /^gymstream_\Q$name\E (\S+)$/m ? $1 : "status $status";
}

says('groups', 0, qr/^GROUP +EVENTS +MOST .*TOPICS\n$/, 'none');
says('doctor', 0, qr/^Nothing is wrong/m, 'none');
is((client('groups', '-d', $database, 'a', 'b'))[0], 2, 'too many arguments');
is((client('metrics', '-d', $database, 'a'))[0], 2, 'metrics has none');
like((client('groups', '-d', $database, 'nobody'))[2], qr/there is no group "nobody"/, 'no such group');

sql(q{CREATE TABLE task (id int PRIMARY KEY, note text); CREATE SCHEMA "odd ""x"; CREATE TABLE "odd ""x".other (id int PRIMARY KEY);
	SELECT gymstream.create_topic('task'), gymstream.create_topic('"odd ""x".other');
	SELECT gymstream.create_group('work', '{task}', partitions => 4, start => 'earliest', max_attempts => 1);
	SELECT gymstream.create_group('idle', ARRAY['"odd ""x".other'::regclass]);
	INSERT INTO task SELECT generate_series(1, 100)});
ok($node->poll_query_until('postgres', q{SELECT events = 100 FROM gymstream.groups WHERE group_name = 'work'}), 'a hundred events');

# The same figures everywhere.
my $most = sql(q{SELECT max(events) FROM gymstream.group_lag WHERE group_name = 'work'});
says('groups', 0, qr/^work +100 +$most +\S+ kB +\d+ s +0 +0 +0 +task$/m, 'a group');
says('groups idle', 0, qr/^GROUP.*\nidle +0 .*\n$/, 'one of them');
says('groups --partitions work', 0, qr/^work +public\.task +3 +1 +\d+ .*$/m, 'its partitions');
my ($status, $out) = client('groups', '-d', $database, '--json', '--partitions', 'work');
my $json = decode_json($out);
is("$json->{groups}[0]{events} $json->{groups}[0]{most_events} " . @{ $json->{partitions} }, "100 $most 4", 'as JSON');
is_deeply($json->{problems}, [], 'nothing is wrong');
is(figure('consumergroup_lag_sum{consumergroup="work"}'), 100, 'metrics: a sum');
is(figure('consumergroup_lag_max{consumergroup="work"}'), $most, 'and the most');
my $lag = 0;
$lag += figure(qq(consumergroup_lag{consumergroup="work",topic="public.task",partition="$_"})) for 0 .. 3;
is($lag, 100, 'by partition');
is(figure('topic_partition_current_offset{topic="public.task",partition="0"}'), 101, 'of a topic');
is(figure('topic_partition_oldest_offset{topic="public.task",partition="0"}'), 1, 'and its start');
is(figure('up'), 1, 'it is up');
is(figure('publishing'), 1, 'and well');
is(figure('consumergroup_lag_sum{consumergroup="idle"}'), 0, 'nothing is 0');
like((client('metrics', '-d', $database))[1], qr/topic="\\"odd \\"\\"x\\"\.other"/, 'a name with quotes');
is((client('metrics', '-d', $database, '--output', "$folder/gymstream.prom"))[0], 0, 'into a file');
like(slurp_file("$folder/gymstream.prom"), qr/^# HELP gymstream_up .*\n# TYPE gymstream_up gauge\ngymstream_up 1\n/, 'which has all of it');
my %types;
for my $line (split /\n/, slurp_file("$folder/gymstream.prom"))
{
	if ($line =~ /^# TYPE (\S+) (gauge|counter)$/) { ok(!$types{$1}++, "$1 stands in one place"); }
	elsif ($line !~ /^# HELP \S+ \S/) { like($line, qr/^(\w+)(\{\w+="(\\.|[^"\\])*"(,\w+="(\\.|[^"\\])*")*\})? -?[\d.e+]+$/, 'a line'); }
}
like((client('metrics', '-d', $database, '--output', '/nonexistent/x'))[2], qr/could not write "\/nonexistent\/x": No such file/, 'a file that cannot be');

# A worker: who it is.
my $worker = GymstreamListener->new($node, 'postgres');
$worker->ask('BEGIN;');
$worker->ask(q{SELECT count(*) FROM gymstream.poll_group('work', 10);});
is(figure('consumergroup_members{consumergroup="work"}'), 1, 'a worker');
my $pid = $worker->ask('SELECT pg_backend_pid();') =~ /(\d+)/ ? $1 : '?';
says('groups --partitions work', 0, qr/^work .* $pid$/m, 'which has a partition');
$worker->ask('ROLLBACK;');

# What is wrong.
says('groups --warn 0 work', 1, qr/^WARNING: nobody works for group "work": 100 events wait, .*\n +-> start a worker, such as gymstream consume GROUP/m, 'nobody works')
	if wait_until(sub { sql(q{SELECT oldest < now() - interval '1 second' FROM gymstream.groups WHERE group_name = 'work'}) eq 't' });
sql(q{SELECT gymstream.pause_group('work')});
says('groups --warn 0', 0, qr/^NOTE: +group "work" is paused, and 100 events wait for it$/m, 'paused');
sql(q{SELECT gymstream.resume_group('work')});
is((client('consume', '-d', $database, '--exec', 'exit 65', '--drain', 'work'))[0], 0, 'all are rejected');
says('groups', 1, qr/^WARNING: group "work" has 100 dead letters\n +-> see gymstream\.dead_letter for the causes; then SELECT gymstream\.replay_events\('work'\)/m, 'dead letters');
says('doctor', 1, qr/^WARNING: group "work" has 100 dead letters$/m, 'so says the doctor');
is(figure('consumergroup_dead_letters{consumergroup="work"}'), 100, 'counted');
sql(q{SELECT gymstream.discard_events('work')});
# anybody may name a group, and whoever runs what is shown runs that and no more
sql(q{SELECT gymstream.create_group('x''); DROP TABLE task; --', '{task}'); SELECT gymstream.pause_group('x''); DROP TABLE task; --');
	INSERT INTO task VALUES (0); CALL gymstream.wait_topic('task')});
says('groups', 0, qr/SELECT gymstream\.resume_group\('x''\); DROP TABLE task; --'\);$/m, 'a name that would be a statement');
sql(q{SELECT gymstream.drop_group('x''); DROP TABLE task; --'); SELECT gymstream.seek_group('work', 'latest')});
says('doctor', 0, qr/^Nothing is wrong/m, 'well again');
sql(q{SELECT gymstream.alter_topic('task', retain => '8 seconds'); INSERT INTO task SELECT generate_series(101, 110)});
ok(wait_until(sub { (client('doctor', '-d', $database))[1] =~ /^(WARNING:|ERROR: ) group "work" is \d+ s behind, and its topics keep events for 8 s$/m }), 'one that will lose events');
sql(q{SELECT gymstream.alter_topic('task', retain => '1 hour'); SELECT gymstream.seek_group('work', 'latest'); SELECT gymstream.drop_topic('"odd ""x".other')});
says('groups', 1, qr/^WARNING: group "idle" has no topic any more: /m, 'a topic that is gone');

# As a stranger: what the views show to anyone, and no more is needed.
sql(q{CREATE ROLE stranger LOGIN});
is((client('metrics', '-d', $database, '-U', 'stranger'))[0], 0, 'metrics need no rights');

# It shows it again and again.
my $watch = spawn_client('groups', '-d', $database, '--watch', '1');
shows($watch, 'out', qr/GROUP(.|\n)*GROUP/, 'shown again');
stop_client($watch, 'INT');
$node->stop;
done_testing();
