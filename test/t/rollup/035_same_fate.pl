# The same transactions, step by step in the same order, on a table with rollups and on one without: each step must have
# the same fate, at every isolation level. So a SERIALIZABLE transaction fails where its source makes it fail, and nowhere
# else. In between all rollups are exact. GYMSTREAM_SEED chooses the transactions, GYMSTREAM_MINUTES how long it goes on.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use Test::More;
use Time::HiRes qw(time);

BEGIN { plan skip_all => 'needs DBD::Pg' unless eval { require DBI; require DBD::Pg; 1 }; }
use RandomSource qw(below pick);

my ($rounds, $sessions) = (150, 3);
my $seed = $ENV{GYMSTREAM_SEED} || 0;
my $seconds = 20 * ($ENV{GYMSTREAM_MINUTES} || 0);	# for each level
my $node = start_gymstream('fate', 'fsync = off', 'autovacuum = off', "lock_timeout = '60s'");
$node->safe_psql('postgres', q{
	CREATE TABLE plain (id int PRIMARY KEY, k int, price int, note text);
	CREATE TABLE rolled (id int PRIMARY KEY, k int, price int, note text);
	SELECT gymstream.create_rollup('by_k', 'SELECT k, count(*), sum(price) FROM rolled GROUP BY k');
	SELECT gymstream.create_rollup('total', 'SELECT count(*), avg(price) FROM rolled');
	SELECT gymstream.create_rollup('by_note', 'SELECT note, price % 7 = 0 AS seventh, count(*) FROM rolled GROUP BY 1, 2');
	SELECT gymstream.create_rollup('dear', 'SELECT k % 2, count(*) FROM rolled WHERE price > 50 GROUP BY k % 2');
});
# the same with partitions, written through the root, with rollups of the root and of a partition
$node->safe_psql('postgres', join '', map { qq{
	CREATE TABLE ${_}_parts (id int PRIMARY KEY, k int, price int, note text) PARTITION BY RANGE (id);
	CREATE TABLE ${_}_low PARTITION OF ${_}_parts FOR VALUES FROM (0) TO (4);
	CREATE TABLE ${_}_high PARTITION OF ${_}_parts FOR VALUES FROM (4) TO (1000);
} } qw(plain rolled));
$node->safe_psql('postgres', q{
	SELECT gymstream.create_rollup('parts_by_k', 'SELECT k, count(*), sum(price), max(price) FROM rolled_parts GROUP BY k');
	SELECT gymstream.create_rollup('parts_total', 'SELECT count(*), avg(price) FROM rolled_parts');
	SELECT gymstream.create_rollup('parts_low', 'SELECT k, count(*) FROM rolled_low GROUP BY k');
});
# aggregates that need more than counts and sums, as soon as they are known
for my $more ('SELECT k, min(price), max(price) FROM rolled GROUP BY k', q{SELECT k, string_agg(note, ',' ORDER BY note) FROM rolled GROUP BY k},
	'SELECT avg(price::float8), stddev(price) FROM rolled')
{
	$node->psql('postgres', "SELECT gymstream.create_rollup('more_' || (SELECT count(*) FROM gymstream_internal.rollup), \$query\$$more\$query\$)");
}

sub connect_node
{
	my $dbh = DBI->connect('dbi:Pg:' . $node->connstr('postgres') =~ s/ /;/gr, '', '',
		{ AutoCommit => 1, RaiseError => 0, PrintError => 0, pg_server_prepare => 0 }) or die DBI->errstr;
	$dbh->do("SET $_ = off") for qw(enable_seqscan jit);	# else each reader reads the table as a whole
	return $dbh;
}

my @dbh = map { connect_node() } 1 .. $sessions;
my $check = connect_node();
my $differences = 'SELECT r.rollup, v.difference, v.content FROM gymstream_internal.rollup r, gymstream.verify_rollup(r.rollup) v';

# Steps of some sessions: [ session, SQL on a table named TABLE ]. No step meets a row that an open transaction holds.
sub schedule
{
	my ($s, $level) = @_;
	my ($fresh, %holds, @open, @steps) = (100);
	for my $session (map { below($s, $sessions) } 1 .. 24)
	{
		if (!$open[$session]) { push @steps, [ $session, "BEGIN ISOLATION LEVEL $level" ]; $open[$session] = 1; next }
		my $dice = below($s, 10);
		my $id = 1 + below($s, 6);
		if ($dice < 2)
		{
			push @steps, [ $session, pick($s, 'COMMIT', 'COMMIT', 'ROLLBACK') ];
			$open[$session] = 0;
			delete $holds{$_} for grep { $holds{$_} == $session } keys %holds;
		}
		elsif ($dice < 5) { push @steps, [ $session, pick($s, "SELECT price FROM TABLE WHERE id = $id", "SELECT sum(price) FROM TABLE WHERE id BETWEEN $id AND $id + 3") ] }
		elsif ($dice < 6) { $fresh++; push @steps, [ $session, "INSERT INTO TABLE VALUES ($fresh, $fresh % 3, $fresh, 'new')" ] }
		elsif (($holds{$id} // $session) == $session)
		{
			$holds{$id} = $session;
			push @steps, [ $session, pick($s, "UPDATE TABLE SET price = price + 1 WHERE id = $id",
				"INSERT INTO TABLE VALUES ($id, 1, 7, 'again') ON CONFLICT (id) DO UPDATE SET price = excluded.price, note = 'met'",
				"UPDATE TABLE SET k = (k + 1) % 3 WHERE id = $id",
				"UPDATE TABLE SET note = 'same' WHERE id = $id", "UPDATE TABLE SET note = note || 'x' WHERE id = $id",
				"DELETE FROM TABLE WHERE id = $id") ];
		}
	}
	push @steps, map { [ $_, 'COMMIT' ] } grep { $open[$_] } 0 .. $sessions - 1;
	return @steps;
}

# The fate of each step on one of the tables.
sub fates
{
	my ($table, @steps) = @_;
	my @fates;
	$check->do("TRUNCATE $table");
	$check->do("INSERT INTO $table SELECT i, i % 3, i * 10, 'old' FROM generate_series(1, 12) i");
	for my $step (@steps)
	{
		my ($session, $sql) = ($step->[0], $step->[1] =~ s/\bTABLE\b/$table/r);
		my $dbh = $dbh[$session];
		my $ok = $sql =~ /^SELECT/ ? $dbh->selectall_arrayref($sql) : $dbh->do($sql);
		push @fates, defined $ok ? ref $ok ? join(',', map { $_->[0] // 'NULL' } @$ok) : 'done' : $dbh->state;
		if ($sql =~ /^(COMMIT|ROLLBACK)/ && $table =~ /^rolled/)
		{
			my $wrong = $check->selectall_arrayref($differences);
			return (@fates, 'inexact: ' . join '; ', map { join ' ', @$_ } @$wrong) if @$wrong;
		}
	}
	return @fates;
}

for my $run (map { my $level = $_; map { [ $level, $_ ] } '', '_parts' } 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	my ($level, $parts) = @$run;
	my ($different, $failures) = ('', 0);
	my $end = time + $seconds;
	for (my $round = 1; $round <= $rounds / ($parts ? 3 : 1) || time < $end; $round++)
	{
		my @steps = schedule({ random => ($seed + $round * 1000003) & 0x7fffffff }, $level);
		my @plain = fates("plain$parts", @steps);
		my @rolled = fates("rolled$parts", @steps);
		$failures += grep { $_ eq '40001' } @plain;
		next if "@plain" eq "@rolled";
		diag("in short: $level, seed $seed, round $round");
		$different = join "\n", "round $round", map { "session $steps[$_][0]: $steps[$_][1] -- $plain[$_] | $rolled[$_]" } 0 .. $#steps;
		last;
	}
	is($different, '', "$level: the same fates" . ($parts && ', with partitions'));
	cmp_ok($failures, $level eq 'READ COMMITTED' ? '==' : '>', 0, "$level: $failures steps failed for the sake of the source");
}
cmp_ok($check->selectrow_array('SELECT count(*) FROM gymstream_internal.rollup'), '>=', 10, 'rollups there were');
$_->disconnect for @dbh, $check;
$node->stop;
done_testing();
