# Random tables, rollups of random queries on them, and random statements: of one session alone, then of sessions that
# truly overlap, with savepoints, rollbacks, prepared transactions and all isolation levels. Inside transactions, after
# each statement of the one alone, and whenever all is quiet, each rollup must equal its query.
#
# GYMSTREAM_SEED chooses tables, queries and statements (how they interleave is up to the machine), GYMSTREAM_MINUTES how
# long it runs. It runs in rounds, the seed growing by one: what fails names the seed of its round. GYMSTREAM_AGAIN=1 runs
# each round with the same seed, and with a crash, for what does not fail each time.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

BEGIN { plan skip_all => 'needs DBD::Pg' unless eval { require DBI; require DBD::Pg; 1 }; }
use RandomDefinition;
use RandomSession;
use RandomSource;
use RandomStatement;

my $seed = $ENV{GYMSTREAM_SEED} || int(rand(2**31 - 10000));
my $again = $ENV{GYMSTREAM_AGAIN};
my $seconds = 60 * ($ENV{GYMSTREAM_MINUTES} || 0.5);
my ($sessions, $alone, $together) = (6, 100, 4);	# sessions, statements alone, seconds together
diag("seed $seed, $seconds s");

# A comparison of five rollups is a long query that reads little: compiling it takes seconds, running it milliseconds.
my $node = start_gymstream('random', 'fsync = off', 'jit = off', "lock_timeout = '50ms'", "deadlock_timeout = '5s'", "autovacuum_naptime = '1s'");
# An assertion of the server's own fails where VACUUM frees the places of a catalog's rows that a rolled back subtransaction had
# inserted, and the transaction uses them again (ReorderBufferBuildTupleCidHash); it needs no extension.
if ($node->safe_psql('postgres', 'SHOW debug_assertions') eq 'on')
{
	$node->append_conf('postgresql.conf', 'autovacuum = off');
	$node->reload;
}
my $logfile = $PostgreSQL::Test::Utils::log_path . '/statements_of_random.log';
RandomSession::log_to($logfile);
$node->safe_psql('postgres', RandomSource::types());
my $folds = $node->safe_psql('postgres', q{SELECT to_regprocedure('gymstream.fold_rollup(regclass)') IS NOT NULL}) eq 't';
my (%made, %refused, %checked, $invalid);

# Runs SQL that may fail. Gives what it selects, or undef and sets $state and $error.
my ($state, $error);
sub try_sql
{
	my ($dbh, $sql) = @_;
	my $sth = $dbh->prepare($sql, { pg_direct => 1 });
	my $ok = $sth && $sth->execute;
	($state, $error) = $ok ? ('00000', '') : ($dbh->state, $dbh->errstr);
	return undef unless $ok;
	return $sth->{NUM_OF_FIELDS} ? $sth->fetchall_arrayref : [];
}

# A refusal names what is refused and says what to do, under one of these codes. All else is a bug of either side.
sub is_refusal
{
	return 1 if $state =~ /^(0A000|42809|42P17)$/;
	RandomSession::broken('create_rollup', "$state $error");
	return 0;
}

# Makes a rollup and compares it. True: made; false: refused, or the query itself cannot be run.
sub make_rollup
{
	my ($dbh, $name, $query) = @_;
	$dbh->do('SAVEPOINT making');
	if (!try_sql($dbh, "SELECT count(*) FROM ($query->{text}) q"))
	{
		RandomSession::note_down('query', "$state $error: $query->{text}");
		RandomSession::broken('query', "$error: $query->{text}") unless $error =~ /could not (implement|identify)/;
		$invalid++;
		$dbh->do('ROLLBACK TO making');
		return 0;
	}
	my $made = try_sql($dbh, "SELECT gymstream.create_rollup('$name', \$query\$$query->{text}\$query\$)");
	if ($made)
	{
		my $rows = try_sql($dbh, join ' UNION ALL ', RandomDefinition::differences($name, $query));
		if ($rows) { RandomSession::broken($name, "as made: $query->{text}: " . join('; ', map { join ' ', map { $_ // 'NULL' } @$_ } @$rows)) if @$rows }
		elsif ($error =~ /could not (implement|identify)/) { $made = undef; $invalid++ }	# types with hashing only, where they must be sorted
		else { RandomSession::broken($name, "$error: $query->{text}") }
	}
	elsif (is_refusal()) { RandomSession::note_down('refused', "$error: $query->{text}") }
	else { RandomSession::note_down('refused', $query->{text}) }
	$dbh->do('ROLLBACK TO making') unless $made;
	return $made;
}

#
# Each item of a query alone
#
my %accepted;
sub try_items
{
	my ($dbh) = @_;
	$dbh->begin_work;
	for my $how ('', qw(list range hash))
	{
		my $table = RandomSource::everything($how ? "probe_$how" : 'probe', $how);
		$dbh->do(RandomSource::create({ random => 5 }, $table, 60)) or die $dbh->errstr;
	}
	my $table = RandomSource::everything('probe');
	for my $item (RandomDefinition::items())
	{
		for my $query (RandomDefinition::trials($table, $item))
		{
			my $variant = $query->{variant};
			if (make_rollup($dbh, 'trial', $query)) { $accepted{$item}{$variant} = 1; $dbh->do('ROLLBACK TO making') }
			else { $refused{$item}{$variant} = $error =~ s/\n.*//sr }
		}
	}
	$dbh->rollback;
}

#
# Rounds
#
my @session = RandomSession::sessions(1, 0, $node);
try_items($session[0]{dbh});
for my $item (@RandomDefinition::settled)
{
	ok($accepted{$item} && !$refused{$item}, "accepted: $item")
	  or diag(map { "$_: $refused{$item}{$_}\n" } sort keys %{ $refused{$item} });
}
note('not accepted: ', join '; ', map { my $item = $_; "$item: " . join ', ', sort keys %{ $refused{$item} } } sort keys %refused);

# A table, one to five rollups of it, and what its sessions need to know.
sub prepare_round
{
	my ($s, $dbh) = @_;
	my @how = grep { $_ eq '' || $accepted{"table $_"} } '', '', qw(list range hash);
	my $round = { table => RandomSource::random_source($s, 't', RandomSource::pick($s, @how)), prepared => [], rollups => [], folds => $folds, script => '' };
	my $wanted = 1 + RandomSource::below($s, 5);
	my @parts;

	$round->{script} = RandomSource::create($s, $round->{table}, 30 + RandomSource::below($s, 170)) . RandomStatement::application($round->{table});
	$dbh->begin_work;
	$dbh->do($round->{script}) or die $dbh->errstr . $round->{script};
	for (1 .. 20)
	{
		my $query = RandomDefinition::random_query($s, $round->{table}, \%accepted);
		my $name = 'r' . (1 + @{ $round->{rollups} });
		if (!make_rollup($dbh, $name, $query)) { $made{refused}++; next }
		$made{$_}++ for @{ $query->{items} };
		push @{ $round->{rollups} }, $name;
		$round->{query}{$name} = $query->{text};
		push @parts, RandomDefinition::differences($name, $query);
		$round->{script} .= "SELECT gymstream.create_rollup('$name', \$query\$$query->{text}\$query\$);\n";
		last if @{ $round->{rollups} } == $wanted;
	}
	RandomSession::broken('definitions', 'no rollup could be made') unless @{ $round->{rollups} };
	$dbh->commit or die $dbh->errstr;
	$dbh->do("SELECT gymstream.create_topic('$_', notify => 'row')") for @{ $round->{rollups} };
	$round->{oracle} = join ' UNION ALL ', @parts;
	return $round;
}

sub run_alone
{
	my ($session, $round) = @_;
	local $session->{alone} = 1;
	for (1 .. $alone)
	{
		RandomSession::run($session, $round, RandomStatement::next_statement($session, $round));
		RandomSession::run($session, $round, 'oracle', $round->{oracle}) unless $session->{failed} || $RandomSession::broken;
		return if $RandomSession::broken;
	}
}

sub run_together
{
	my ($round, $end) = @_;
	while (time < $end && !$RandomSession::broken)
	{
		for my $session (grep { !$_->{busy} } @session)
		{
			RandomSession::send_statement($session, $round, RandomStatement::next_statement($session, $round));
		}
		RandomSession::serve($round);
	}
}

sub check_quiet
{
	my ($round, $when) = @_;
	return if $RandomSession::broken;
	RandomSession::quieten($round);
	RandomSession::note_down('check', $when);
	RandomSession::run($session[0], $round, 'oracle', $round->{oracle});
	$checked{$when}++;
}

sub end_round
{
	my ($round) = @_;
	for my $name (splice @{ $round->{prepared} })
	{
		RandomSession::run($session[0], $round, 'commit prepared', "COMMIT PREPARED '$name'");
		check_quiet($round, 'after a prepared transaction');
	}
	RandomSession::run($session[0], $round, 'rebuild', "SELECT gymstream.rebuild_rollup('$_')") for @{ $round->{rollups} };
	check_quiet($round, 'after rebuilding');
	RandomSession::run($session[0], $round, 'truncate', "TRUNCATE $round->{table}{name}");	# while others write it seldom can
	check_quiet($round, 'after truncating');
	$session[0]{dbh}->do('SET lock_timeout = 0');	# the publisher may be reading a rollup
	$session[0]{dbh}->do('DROP TABLE IF EXISTS t, class CASCADE') or RandomSession::broken('drop', $session[0]{dbh}->errstr);
	my $left = $session[0]{dbh}->selectrow_array('SELECT count(*) FROM gymstream_internal.rollup');
	RandomSession::broken('drop', "$left rollups are left") if $left;
}

my ($round, $rounds, $end) = (undef, 0, time + $seconds);
while ((time < $end || !$rounds) && !$RandomSession::broken)
{
	my $this = ($seed + ($again ? 0 : $rounds)) & 0x7fffffff;
	my $s = { random => $this };
	$rounds++;
	RandomSession::note_down('round', "seed $this");
	my $stage = sub { $RandomSession::where = "seed $this, round $rounds, $_[0]" };
	$stage->('making rollups');
	@session = RandomSession::sessions($sessions, $this, $node);
	$round = prepare_round($s, $session[0]{dbh});
	RandomSession::note_down('script', $round->{script});
	$stage->('one session alone');
	run_alone($session[0], $round) unless $RandomSession::broken;
	check_quiet($round, 'after one session alone');
	for (1 .. 2)
	{
		$stage->('all together');
		run_together($round, time + $together / 2);
		check_quiet($round, 'after all together');
	}
	if (($again || $rounds % 3 == 2) && !$RandomSession::broken)
	{
		$stage->('after a crash');
		RandomSession::quieten($round);
		$node->stop('immediate');
		$node->start;
		@session = RandomSession::sessions($sessions, $this, $node);
		check_quiet($round, 'after a crash');
	}
	$stage->('ending the round');
	end_round($round) unless $RandomSession::broken;
}

ok(!$RandomSession::broken, 'every rollup equals its query, and no statement fails on account of one')
  or diag("$RandomSession::broken\n\n", $round ? $round->{script} : '', "\nthe last statements:\n", @RandomSession::tail, "all of them: $logfile");
my %count = %RandomSession::count;
my @never = grep { !$count{$_} } RandomStatement::kinds();
my $statements = 0;
$statements += $_ for values %count;
ok($RandomSession::broken || $statements < 5000 || !@never, 'statements of every kind succeeded') or diag("never: @never");
diag("$rounds rounds, " . ($count{oracle} // 0) . ' comparisons');
note('statements: ', join ', ', map { "$_ $count{$_}" } sort keys %count);
note('checked: ', join ', ', map { "$_ $checked{$_}" } sort keys %checked);
note('rollups made of: ', join ', ', map { "$_ $made{$_}" } sort keys %made);
if ($RandomSession::broken)
{
	my ($rollup) = $RandomSession::broken =~ /\b(r\d) (?:has|lacks|near|verify)/;
	diag("in short: $_") for RandomSession::in_short($rollup ? "$rollup: $round->{query}{$rollup}" : ());
}
$node->stop;
done_testing();
