# Workers of a group that die at any moment: clients killed and stopped, backends terminated and killed, the server crashed;
# transactions rolled back, undone to savepoints, prepared and then committed or undone; polls of any size at each isolation
# level; the number of partitions changed meanwhile. Some events fail every time. In the end each event has had its effect
# once, those of a key in their order, and those that fail are dead letters.
#
# What is drawn comes from GYMSTREAM_SEED; GYMSTREAM_MINUTES makes it longer.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use POSIX qw(_exit WNOHANG);
use Test::More;
use Time::HiRes qw(sleep);

BEGIN { plan skip_all => 'needs DBD::Pg' unless eval { require DBI; require DBD::Pg; 1 }; }

my $seed = $ENV{GYMSTREAM_SEED} || 1;
srand $seed;
my $rounds = 60 * (1 + 4 * ($ENV{GYMSTREAM_MINUTES} || 0));
my ($keys, $workers) = (20, 4);
my $node = start_gymstream('group_torture', 'fsync = off', "lock_timeout = '60s'");

sub connect_node
{
	my ($name) = @_;
	return DBI->connect('dbi:Pg:' . $node->connstr('postgres') =~ s/ /;/gr . ";application_name=$name", '', '',
		{ AutoCommit => 1, RaiseError => 1, PrintError => 0, PrintWarn => 0, pg_server_prepare => 0 });
}

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE account (k int PRIMARY KEY, n int NOT NULL);
CREATE TABLE effect (s bigserial, k int, n int, worker text);
CREATE TABLE state (k int PRIMARY KEY, n int NOT NULL);
SELECT gymstream.create_topic('account');
SQL
$node->safe_psql('postgres', <<"SQL");
SELECT gymstream.create_group('torture', '{account}', partitions => 8, start => 'earliest', max_attempts => 7,
	retry_delay => '5 milliseconds', takeover => '1 second');
INSERT INTO account SELECT k, 0 FROM generate_series(1, $keys) k;
SQL

# Of some keys every fifth event can never be done.
sub is_poison { my ($k, $n) = @_; return $k <= 3 && $n % 5 == 4 }

#
# A worker: a process that polls for ever.
#

sub take_events
{
	my ($dbh, $name, $rows) = @_;
	for my $row (@$rows)
	{
		my ($k, $n) = @$row;
		next if $n == 0;
		die "cannot do $k/$n\n" if is_poison($k, $n);
		$dbh->do('INSERT INTO effect (k, n, worker) VALUES (?, ?, ?)', undef, $k, $n, $name);
	}
}

sub poll
{
	my ($dbh) = @_;
	return $dbh->selectall_arrayref(q{SELECT (event->'new'->>'k')::int, (event->'new'->>'n')::int
		FROM gymstream.poll_group('torture', ?)}, undef, (1, 3, 40)[rand 3]);
}

sub work_once
{
	my ($dbh, $name) = @_;
	my $draw = rand;

	# the statement does the work: it computes with what others have written
	if ($draw < 0.1)
	{
		$dbh->do(q{WITH e AS MATERIALIZED (SELECT (event->'new'->>'k')::int AS k, (event->'new'->>'n')::int AS n
				FROM gymstream.poll_group('torture', 1)), i AS (INSERT INTO effect (k, n, worker) SELECT k, n, 'one' FROM e WHERE n > 0)
			SELECT 1 / (NOT (k <= 3 AND n % 5 = 4))::int FROM e});
		return 1;
	}
	$dbh->do('BEGIN ISOLATION LEVEL ' . ('READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')[rand 4]);
	my $rows;
	if ($draw < 0.2)
	{
		$dbh->do('SAVEPOINT s');
		take_events($dbh, $name, poll($dbh));
		$dbh->do('ROLLBACK TO s');
	}
	$rows = poll($dbh);
	take_events($dbh, $name, $rows);
	if ($draw > 0.8 && $draw < 0.88)
	{
		$dbh->do('SAVEPOINT t');
		take_events($dbh, $name, poll($dbh));
		$dbh->do('ROLLBACK TO t');
	}
	if ($draw < 0.3) { my $more = poll($dbh); take_events($dbh, $name, $more); }
	sleep 0.005 if rand() < 0.3;
	if ($draw > 0.95) { $dbh->do('ROLLBACK'); }
	elsif ($draw > 0.88)
	{
		my $id = "torture_${name}_" . int(rand 1e9);
		$dbh->do("PREPARE TRANSACTION '$id'");
		$dbh->do((rand() < 0.5 ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$id'");
	}
	else { $dbh->do('COMMIT'); }
	return scalar @$rows;
}

sub be_worker
{
	my ($name) = @_;
	srand;
	my $dbh;
	my $parent = getppid;
	# one that was left behind ends
	while (getppid == $parent)
	{
		eval {
			$dbh = connect_node($name) unless $dbh && $dbh->ping;
			$dbh->do("CALL gymstream.wait_group('torture', '1 second')") unless work_once($dbh, $name);
			1;
		} or eval { $dbh->do('ROLLBACK') if $dbh };
	}
}

my %worker;
sub start_worker
{
	my ($number) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) { eval { be_worker("w$number") }; _exit(0); }
	$worker{$number} = $pid;
}

sub kill_worker
{
	my ($number) = @_;
	kill 'KILL', $worker{$number};
	waitpid $worker{$number}, 0;
}

#
# What happens to them.
#

my $admin = connect_node('admin');
my %did;
sub again { wait_until(sub { $admin = connect_node('admin') unless eval { $admin->do('SELECT 1') }; 1 }) or die 'cannot connect' }

my %act = (
	'client killed' => sub { my $n = int rand $workers; kill_worker($n); start_worker($n) },
	'client stopped' => sub { my $n = int rand $workers; kill 'STOP', $worker{$n}; sleep 1.5; kill 'CONT', $worker{$n} },
	'backend terminated' => sub {
		$admin->do('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ?', undef, 'w' . int rand $workers) },
	'backend killed' => sub {
		my ($pid) = $admin->selectrow_array('SELECT pid FROM pg_stat_activity WHERE application_name = ?', undef, 'w' . int rand $workers);
		kill 'KILL', $pid if $pid; again() },
	'server crashed' => sub { $node->stop('immediate'); $node->start; again() },
	# what is prepared holds it up
	'partitions changed' => sub { $admin->do("SET lock_timeout = '1s'"); $admin->do("SELECT gymstream.alter_group('torture', partitions => ?)", undef, 1 + int rand 16) },
);
my @draws = (('client killed') x 6, 'client stopped', ('backend terminated') x 6, 'backend killed', 'server crashed', ('partitions changed') x 3);

sub publish
{
	my ($dbh) = @_;
	for (1 .. 20)
	{
		my $k = 1 + int rand $keys;
		$dbh->do('BEGIN');
		$dbh->do('UPDATE account SET n = n + 1 WHERE k = ?', undef, $k) for 1 .. 1 + int rand 3;
		$dbh->do(rand() < 0.1 ? 'ROLLBACK' : 'COMMIT');
	}
}

start_worker($_) for 0 .. $workers - 1;
for my $round (1 .. $rounds)
{
	eval { publish($admin); 1 } or again();
	my $what = $draws[rand @draws];
	$did{$what}++;
	eval { $act{$what}->(); 1 } or again();
}
note join ', ', map { "$_ $did{$_}" } sort keys %did;

# What was left prepared is finished, one way or the other.
sub finish_prepared
{
	my $ids = $admin->selectcol_arrayref("SELECT gid FROM pg_prepared_xacts WHERE gid ~ '^torture_' AND prepared < now() - interval '1 second'");
	eval { $admin->do((rand() < 0.5 ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$_'") } for @$ids;
}
my $done = wait_until(sub {
	again();
	finish_prepared();
	my ($left) = $admin->selectrow_array(
		"SELECT (SELECT sum(n) FROM account) - (SELECT count(*) FROM effect) - (SELECT count(*) FROM gymstream.dead_letter)");
	return $left <= 0;
});
ok($done, 'all events are done') or diag($node->safe_psql('postgres', 'SELECT * FROM gymstream.group_lag; SELECT * FROM gymstream_internal.group_event ORDER BY topic, event_offset; SELECT * FROM gymstream.status'));
kill_worker($_) for keys %worker;

is($node->safe_psql('postgres', q{SELECT k, n, count(*) FROM effect GROUP BY 1, 2 HAVING count(*) > 1}), '', 'no effect twice');
is($node->safe_psql('postgres', q{SELECT a.k, g FROM account a, generate_series(1, a.n) g
	WHERE NOT (a.k <= 3 AND g % 5 = 4) AND NOT EXISTS (SELECT FROM effect e WHERE e.k = a.k AND e.n = g)}), '', 'none is missing');
is($node->safe_psql('postgres', q{SELECT * FROM (SELECT k, n, lag(n) OVER (PARTITION BY k ORDER BY s) AS before FROM effect) o
	WHERE n <= before}), '', 'in order by key');
is($node->safe_psql('postgres', q{SELECT (event->'new'->>'k')::int AS k, (event->'new'->>'n')::int AS n FROM gymstream.dead_letter
	EXCEPT ALL SELECT k, g FROM account, generate_series(1, n) g WHERE k <= 3 AND g % 5 = 4}), '', 'dead letters are those that fail');
is($node->safe_psql('postgres', q{SELECT k, g FROM account, generate_series(1, n) g WHERE k <= 3 AND g % 5 = 4
	EXCEPT ALL SELECT (event->'new'->>'k')::int, (event->'new'->>'n')::int FROM gymstream.dead_letter}), '', 'and all of them');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/TRAP:|PANIC:/, 'the server has not complained');
$node->stop;
done_testing();
