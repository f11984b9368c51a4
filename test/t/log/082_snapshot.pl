# Snapshot and stream without a gap: the rows that a transaction sees are what the events up to snapshot_position have made,
# exactly, while many others write; for a table and for a rollup.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('snapshot', 'autovacuum = off');
$node->safe_psql('postgres', q{
	CREATE TABLE booking (id bigserial PRIMARY KEY, class_id int);
	SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
	SELECT gymstream.create_topic('booking'), gymstream.create_topic('attendance')});
my $script = $node->basedir . '/traffic.sql';
append_to_file($script, "\\set class random(0, 4)\nINSERT INTO booking (class_id) VALUES (:class);\n");
my ($text, $errors) = ('', '');
my $traffic = IPC::Run::start([ 'pgbench', '-n', '-c', 8, '-T', 600, '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ], '>', \$text, '2>', \$errors);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 100 FROM booking'), 'traffic flows');

my @taken;
my $again = 0;
while (@taken < 60 && $again < 5000)
{
	my ($out, $err);
	$traffic->pump_nb;
	$node->psql('postgres', q{BEGIN ISOLATION LEVEL REPEATABLE READ;
		SELECT gymstream.position_offset(gymstream.snapshot_position('booking')) || ' ' || gymstream.position_offset(gymstream.snapshot_position('attendance'));
		SELECT count(*) || ' ' || sum(id) FROM booking; SELECT string_agg(class_id || ':' || n, ',' ORDER BY class_id) FROM attendance; COMMIT},
		stdout => \$out, stderr => \$err);
	if ($err =~ /has no position in the topic/) { $again++; next; }
	push @taken, [ split /[\n]/, $out ];
}
$traffic->kill_kill;
is(scalar @taken, 60, 'snapshots with a position') or diag("$again without");
note("$again snapshots had none, and were taken again");
$node->safe_psql('postgres', q{CREATE TABLE logged AS SELECT gymstream.position_offset(position) AS o, (event->'new'->>'id')::bigint AS id FROM gymstream.read_topic('booking', max_events => NULL);
	CREATE TABLE counted AS SELECT gymstream.position_offset(position) AS o, (key->>'class_id')::int AS class_id, (event->'delta'->>'count(*)')::int AS n
		FROM gymstream.read_topic('attendance', max_events => NULL)});
my $wrong = 0;
for (@taken)
{
	my ($positions, $rows, $groups) = @$_;
	my ($booking, $attendance) = split / /, $positions;
	$wrong++ if $node->safe_psql('postgres', "SELECT count(*) || ' ' || sum(id) FROM logged WHERE o <= $booking") ne $rows;
	$wrong++ if $node->safe_psql('postgres', "SELECT string_agg(class_id || ':' || n, ',' ORDER BY class_id) FROM (SELECT class_id, sum(n) AS n FROM counted WHERE o <= $attendance GROUP BY 1) q") ne $groups;
}
is($wrong, 0, 'each has exactly the rows and groups that the events up to its position have made');

my $stderr;
$node->psql('postgres', q{SELECT gymstream.snapshot_position('booking')}, stderr => \$stderr);
like($stderr, qr/needs a transaction that has one snapshot/, 'in READ COMMITTED it is refused');
$node->psql('postgres', q{BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO booking (class_id) VALUES (1); SELECT gymstream.snapshot_position('booking')}, stderr => \$stderr);
like($stderr, qr/cannot be called in a transaction that has written/, 'and where something was written');
is($node->safe_psql('postgres', q{BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM gymstream.read_topic('booking', gymstream.snapshot_position('booking'))}), 0, 'nothing is later than a snapshot taken at rest');
$node->stop;
done_testing();
