# Each way in which two transactions can meet on a group, at each pair of isolation levels: one that both write, a new
# one, one that vanishes, one that they mark, one that they move rows to or take from; ended by COMMIT, ROLLBACK, in a
# savepoint that is released or undone, prepared and then committed or undone; with folds and a third transaction in
# between, which has a snapshot, reads and writes. Each writes rows of its own, so that nobody may wait or fail, but a
# SERIALIZABLE one for what it reads. After each step everyone sees rollups that equal their queries.
#
# Pairs of ways and levels are all tried, the rest is drawn from GYMSTREAM_SEED; more of it with GYMSTREAM_MINUTES.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use Test::More;
use Time::HiRes qw(time);

BEGIN { plan skip_all => 'needs DBD::Pg' unless eval { require DBI; require DBD::Pg; 1 }; }
use RandomSource qw(below pick);

my $seed = $ENV{GYMSTREAM_SEED} || 1;
my $end = time + 60 * ($ENV{GYMSTREAM_MINUTES} || 0);
my $node = start_gymstream('meetings', 'fsync = off', 'autovacuum = off', "lock_timeout = '60s'", 'gymstream.fold = off');

my %rollup = (
	sums => 'SELECT shop, count(*) AS n, sum(cents) AS cents, avg(cents::float8) AS average FROM sale GROUP BY shop',
	extremes => 'SELECT shop, min(cents) AS least, max(cents) AS most, count(member) AS n FROM sale GROUP BY shop',
	lists => q{SELECT shop, string_agg(member, ',' ORDER BY id) AS list, count(DISTINCT cents) AS n, sum(id) AS ids FROM sale GROUP BY shop},
	whole => 'SELECT count(*) AS n, sum(cents) AS cents, max(id) AS latest FROM sale',
	dear => 'SELECT shop % 2 AS side, count(*) AS n, min(member) AS first FROM sale WHERE cents > 20 GROUP BY shop % 2 HAVING count(*) > 1');
$node->safe_psql('postgres', 'CREATE TABLE sale (id int PRIMARY KEY, shop int, cents int, member text); CREATE INDEX ON sale (shop);');
$node->safe_psql('postgres', "SELECT gymstream.create_rollup('$_', \$query\$$rollup{$_}\$query\$)") for sort keys %rollup;
my $oracle = join ' UNION ALL ', map { my ($name, $query) = ($_, $rollup{$_});
	("SELECT '$name has', d::text FROM (SELECT * FROM $name EXCEPT ALL $query) d", "SELECT '$name lacks', d::text FROM ($query EXCEPT ALL SELECT * FROM $name) d") } sort keys %rollup;
my $folds = join ', ', map { "gymstream.fold_rollup('$_')" } sort keys %rollup;

# What each of the two does, with rows of its own: its ids are odd or even. Both have the same rows, else.
my %way = (
	same => sub { my ($s, $id) = @_; "INSERT INTO sale VALUES ($id, 1, " . below($s, 50) . ", 'new')" },
	new => sub { my ($s, $id) = @_; "INSERT INTO sale VALUES ($id, 9, " . below($s, 50) . ", 'new')" },
	vanish => sub { my ($s, $id, $mine) = @_; 'DELETE FROM sale WHERE id IN (' . (20 + $mine) . ', ' . (22 + $mine) . ')' },
	mark => sub { my ($s, $id, $mine) = @_; 'DELETE FROM sale WHERE id IN (' . (10 + $mine) . ', ' . (18 + $mine) . ')' },
	change => sub { my ($s, $id, $mine) = @_; 'UPDATE sale SET cents = ' . below($s, 50) . ' WHERE id = ' . (12 + $mine) },
	leave => sub { my ($s, $id, $mine) = @_; 'UPDATE sale SET shop = ' . pick($s, 2, 3, 9) . ' WHERE id = ' . (14 + $mine) },
	come => sub { my ($s, $id, $mine) = @_; 'UPDATE sale SET shop = 1, member = NULL WHERE id = ' . (30 + $mine) },
);
my @levels = ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE');

# Of shop 1 the rows are in the order of their values; shop 2 has two rows of each, shop 3 one.
my $rows = join ', ', (map { my $id = $_; "($id, 1, " . ($id - 5) . ", 'm$id')" } 10 .. 19), (map { "($_, 2, 30, 'm$_')" } 20 .. 23), '(30, 3, 25, NULL)', "(31, 3, 40, 'm31')";

sub connect_node
{
	my $dbh = DBI->connect('dbi:Pg:' . $node->connstr('postgres') =~ s/ /;/gr, '', '',
		{ AutoCommit => 1, RaiseError => 0, PrintError => 0, pg_server_prepare => 0 }) or die DBI->errstr;
	$dbh->do('SET jit = off');
	return $dbh;
}
my %dbh = map { $_ => connect_node() } qw(a b c fold check);

my ($prepared, $tried, $failures) = (0, 0, 0);
my %ending = (
	commit => sub { (@_, 'COMMIT') },
	rollback => sub { (@_, 'ROLLBACK') },
	undone => sub { my ($first, @more) = @_; ('SAVEPOINT s', $first, 'ORACLE', 'ROLLBACK TO s', @more, 'COMMIT') },
	released => sub { my ($first, @more) = @_; ('SAVEPOINT s', $first, 'RELEASE s', @more, 'COMMIT') },
	prepared => sub { my $name = 'p' . ++$prepared; (@_, "PREPARE TRANSACTION '$name'", "COMMIT PREPARED '$name'") },
	'prepared and undone' => sub { my $name = 'p' . ++$prepared; (@_, "PREPARE TRANSACTION '$name'", "ROLLBACK PREPARED '$name'") },
);

# The steps of one of the two: its way, perhaps another one, and an end.
sub steps_of
{
	my ($s, $mine, $way, $level) = @_;
	my @acts = $way{$way}->($s, 100 + $mine, $mine);
	push @acts, $way{same}->($s, 102 + $mine, $mine) if below($s, 2);
	my $ending = pick($s, sort keys %ending);
	return ("BEGIN ISOLATION LEVEL $level", below($s, 2) ? 'SNAPSHOT' : (), map { $_, /^(INSERT|UPDATE|DELETE)/ && below($s, 2) ? 'ORACLE' : () } $ending{$ending}->(@acts));
}

# All steps in one order, each [ who, SQL ].
sub schedule
{
	my ($s, $ways, $levels) = @_;
	my %steps = (a => [ steps_of($s, 0, $ways->[0], $levels->[0]) ], b => [ steps_of($s, 1, $ways->[1], $levels->[1]) ]);
	$steps{c} = [ 'BEGIN ISOLATION LEVEL ' . pick($s, @levels), 'ORACLE', 'ORACLE', "INSERT INTO sale VALUES (200, " . pick($s, 1, 2, 9) . ", 3, 'c')", 'ORACLE', 'COMMIT' ] if below($s, 2);
	$steps{fold} = [ map { $folds } 0 .. below($s, 3) ] if below($s, 3);
	my @all;
	while (my @who = grep { @{ $steps{$_} } } sort keys %steps)
	{
		my $who = pick($s, @who);
		my $sql = shift @{ $steps{$who} };
		push @all, [ $who, $who eq 'fold' ? "SELECT $sql" : $sql ];
	}
	return @all;
}

# Runs a step. Gives what is wrong, and notes a transaction that has failed: whether it is still open.
my %failed;
sub run_step
{
	my ($who, $sql, $level) = @_;
	my $dbh = $dbh{$who};
	if ($failed{$who})
	{
		return '' if $failed{$who} eq 'ended' || $sql !~ /^(COMMIT$|ROLLBACK$|PREPARE)/;
		$dbh->do('ROLLBACK');
		$failed{$who} = 'ended';
		return '';
	}
	return check($who) if $sql eq 'ORACLE';
	$sql = 'SELECT FROM pg_class LIMIT 0' if $sql eq 'SNAPSHOT';
	return '' if defined $dbh->do($sql);
	return $dbh->errstr unless $dbh->state eq '40001' && ($level // '') eq 'SERIALIZABLE';
	$failures++;
	$failed{$who} = $sql =~ /^(COMMIT|PREPARE)/ ? 'ended' : 'open';
	return '';
}

sub check
{
	my ($who) = @_;
	my $wrong = $dbh{$who}->selectall_arrayref($oracle);
	if (!$wrong && $dbh{$who}->state eq '40001') { $failed{$who} = 'open'; return '' }
	return $dbh{$who}->errstr unless $wrong;
	return join '; ', map { join ' ', map { $_ // 'NULL' } @$_ } @$wrong;
}

# One meeting. Gives what went wrong, with the steps, or nothing.
sub meet
{
	my ($s, $ways, $levels) = @_;
	my (%level, @said);
	%failed = ();
	$tried++;
	$dbh{check}->do('TRUNCATE sale');
	$dbh{check}->do("INSERT INTO sale VALUES $rows");
	$dbh{check}->do("SELECT $folds") if below($s, 2);
	for my $step (schedule($s, $ways, $levels))
	{
		my ($who, $sql) = @$step;
		$level{$who} = $1 if $sql =~ /LEVEL (.*)/;
		push @said, "$who: $sql";
		my $wrong = run_step($who, $sql, $level{$who});
		$wrong ||= check('check') if $sql =~ /^(COMMIT|ROLLBACK|PREPARE)/ || $who eq 'fold';
		return join "\n", @said, $wrong if $wrong;
	}
	$dbh{fold}->do("SELECT $folds");
	my $left = $dbh{check}->selectrow_array("SELECT string_agg(format('%s: %s', r.rollup, n), ', ') FROM gymstream_internal.rollup r, gymstream_internal.count_rollup(r.rollup) n WHERE n.partials > n.groups OR n.marked > 0");
	my $wrong = check('check') || ($left ? "not folded: $left" : '');
	return $wrong ? join "\n", @said, $wrong : '';
}

sub end_all
{
	$_->do('ROLLBACK') for @dbh{qw(a b c)};
	$dbh{check}->do("ROLLBACK PREPARED '$_->[0]'") for @{ $dbh{check}->selectall_arrayref('SELECT gid FROM pg_prepared_xacts') };
}

$_->do('SET client_min_messages = error') for values %dbh;
my $round = 0;
do
{
	for my $first (@levels)
	{
		for my $second (@levels)
		{
			my $what = '';
			for my $pair (map { my $one = $_; map { [ $one, $_ ] } sort keys %way } sort keys %way)
			{
				my $s = { random => ($seed + 7919 * ++$round) & 0x7fffffff };
				below($s, 2) for 1 .. 3;
				$what = meet($s, $pair, [ $first, $second ]) or next;
				diag("in short: seed $seed, meeting $round, @$pair, $first and $second: " . $what =~ s/.*\n//sr);
				end_all();
				last;
			}
			is($what, '', "$first and $second: all ways to meet");
		}
	}
} while (time < $end);
note("$tried meetings, $failures statements failed for what their transaction had read");
$_->disconnect for values %dbh;
$node->stop;
done_testing();
