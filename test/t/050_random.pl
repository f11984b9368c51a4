# Random statements from sessions that truly overlap, with savepoints, rollbacks, prepared transactions and all isolation
# levels. Inside transactions and whenever all is quiet, each rollup must equal its query, as rows and as text.
#
# GYMSTREAM_SEED chooses the statements (how they interleave is up to the machine), GYMSTREAM_MINUTES how long it runs.

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;

use GymstreamTest;
use IO::Select;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

BEGIN { plan skip_all => 'needs DBD::Pg' unless eval { require DBI; require DBD::Pg; 1 }; }
use DBD::Pg qw(PG_ASYNC);
use RandomStatement;

my $seed = $ENV{GYMSTREAM_SEED} || int(rand(2**31));
my $seconds = 60 * ($ENV{GYMSTREAM_MINUTES} || 0.5);
my $sessions = 6;
diag("seed $seed, $seconds s");

my $node = start_gymstream('random', 'fsync = off', "lock_timeout = '50ms'", "deadlock_timeout = '5s'");
my %rollup = RandomStatement::rollups();
$node->safe_psql('postgres', RandomStatement::schema());
$node->safe_psql('postgres', "SELECT gymstream.create_rollup('$_', \$query\$$rollup{$_}\$query\$)") for sort keys %rollup;
$node->safe_psql('postgres', "SELECT gymstream.create_topic('$_', notify => 'row')") for sort keys %rollup;

# One statement, so one snapshot, for all rollups: verify_rollup, and the same question asked without it, as text.
my $oracle = join ' UNION ALL ', map {
	my ($name, $query) = ($_, $rollup{$_});
	("SELECT '$name verify', v::text FROM gymstream.verify_rollup('$name') v",
		"(SELECT '$name has', r::text FROM $name r EXCEPT ALL SELECT '$name has', q::text FROM ($query) q)",
		"(SELECT '$name lacks', q::text FROM ($query) q EXCEPT ALL SELECT '$name lacks', r::text FROM $name r)")
} sort keys %rollup;

my $logfile = $PostgreSQL::Test::Utils::log_path . '/statements_of_random.log';
open my $log, '>', $logfile or die "could not open $logfile: $!";
my (@tail, %count, @session, @prepared, $broken);
my $truncated = 0;		# when a transaction with TRUNCATE ended last

sub note_down
{
	my ($session, $text) = @_;
	my $line = sprintf("%.3f s%s %s\n", time, $session->{number}, $text =~ s/\s+/ /gr);
	print $log $line;
	push @tail, $line;
	shift @tail if @tail > 60;
}

sub broken
{
	my ($session, $why) = @_;
	note_down($session, "BROKEN: $why");
	$broken //= "session $session->{number}: $why";
}

sub connect_session
{
	my ($session) = @_;
	$session->{dbh} = DBI->connect('dbi:Pg:' . $node->connstr('postgres') =~ s/ /;/gr, '', '',
		{ AutoCommit => 1, RaiseError => 0, PrintError => 0, pg_server_prepare => 0 }) or die DBI->errstr;
	$session->{dbh}->do("SET application_name = 'session $session->{number}'");
	$session->{dbh}->do("SET client_min_messages = error");
	@$session{qw(open failed level savepoints busy truncated)} = (0, 0, '', [], undef, 0);
}

# Errors that the source's own rows cause are part of life; what a rollup causes is not.
sub allowed
{
	my ($session, $state, $message) = @_;	# the message has its context with it
	my $kind = $session->{busy}{kind};
	# TRUNCATE locks the whole table, and those who wrote it before deadlock with each other
	my $truncating = time < $truncated + 0.2 || grep { $_->{truncated} } @session;

	return 1 if $state eq '23505' && $message =~ /"booking_pkey"/;
	return 1 if $state eq 'P0001' && $message =~ /on purpose/;
	if ($state eq '55P03')
	{
		return 1 if $message =~ /in relation "booking(_pkey)?"/;
		# the second to wait for a row is not told which; plain inserts meet no row of others
		return 1 if $message !~ /in relation/ && ($truncating || $kind !~ /insert|copy/);
	}
	return 1 if $state eq '40P01' && $truncating;
	if ($state eq '40001')
	{
		return 1 if $message =~ /read\/write dependencies/ && $session->{level} eq 'SERIALIZABLE';
		# again but for plain inserts; the trigger's update may find a version that others deleted
		return 1 if $message =~ /concurrent (update|delete)/ && $session->{level} =~ /REPEATABLE|SERIALIZABLE/
		  && ($kind !~ /insert|copy/ || $message =~ /rebook/);
	}
	# the row that ON CONFLICT met is invisible to the transaction's snapshot
	return 1 if $state eq '40001' && $kind eq 'upsert';
	return 0;
}

sub send_statement
{
	my ($session, $kind, $sql) = @_;
	my $dbh = $session->{dbh};

	$session->{busy} = { kind => $kind, sql => $sql };
	$session->{truncated} = 1 if $kind eq 'truncate';
	if ($kind eq 'copy')
	{
		# the driver cannot copy asynchronously
		my ($command, @rows) = @$sql;
		$session->{busy}{sql} = join(' ', $command, @rows);
		my $ok = $dbh->do($command);
		if ($ok)
		{
			$dbh->pg_putcopydata("$_\n") for @rows;
			$ok = $dbh->pg_putcopyend;
		}
		return finish_statement($session, $ok);
	}
	if ($kind eq 'oracle')
	{
		$session->{sth} = $dbh->prepare($sql, { pg_async => PG_ASYNC });
		$session->{sth}->execute;
	}
	else
	{
		$dbh->do($sql, { pg_async => PG_ASYNC });
	}
}

sub finish_statement
{
	my ($session, $ok) = @_;
	my ($dbh, $busy) = @$session{qw(dbh busy)};
	my $state = $ok ? '00000' : $dbh->state;
	my $kind = $busy->{kind};

	note_down($session, "$state $kind: " . ($kind eq 'oracle' ? '...' : $busy->{sql}) . ($ok ? '' : ' -- ' . ($dbh->errstr // '')));
	$count{$ok ? $kind : "$kind failed"}++;
	if ($ok && $kind eq 'oracle')
	{
		my $rows = $session->{sth}->fetchall_arrayref;
		broken($session, "$session->{level}: " . join('; ', map { join(' ', @$_) } @$rows)) if @$rows;
	}
	broken($session, "unexpected error $state: " . ($dbh->errstr // ''))
	  if !$ok && !allowed($session, $state, $dbh->errstr // '');
	undef $session->{sth};
	$session->{busy} = undef;
	RandomStatement::done($session, $busy, $ok, \@prepared);
	if (!$session->{open} && $session->{truncated})
	{
		$session->{truncated} = 0;
		$truncated = time;
	}
}

# Serve answers that have come, waiting a little for the first.
sub serve
{
	my %by_socket = map { $_->{dbh}{pg_socket} => $_ } grep { $_->{busy} } @session;
	my $select = IO::Select->new(keys %by_socket);

	for my $socket ($select->can_read(0.01))
	{
		my $session = $by_socket{$socket};
		next unless $session->{dbh}->pg_ready;
		finish_statement($session, defined $session->{dbh}->pg_result);
	}
}

# All sessions end their transactions; some prepared ones may stay open.
sub quieten
{
	while (grep { $_->{busy} || $_->{open} } @session)
	{
		for my $session (grep { !$_->{busy} } @session)
		{
			send_statement($session, RandomStatement::ending($session)) if $session->{open};
		}
		serve();
	}
}

for my $number (1 .. $sessions)
{
	push @session, { number => $number, random => ($seed + 7919 * $number) & 0x7fffffff };
	connect_session($session[-1]);
}

my ($quiet_points, $end) = (0, time + $seconds);
while (time < $end && !$broken)
{
	my $pause = time + 2;
	while (time < $pause && !$broken)
	{
		for my $session (grep { !$_->{busy} } @session)
		{
			send_statement($session, RandomStatement::next_statement($session, $oracle, \@prepared));
		}
		serve();
	}
	quieten();
	send_statement($session[0], 'oracle', $oracle);
	serve() while $session[0]{busy};
	$quiet_points++;
}

while (@prepared && !$broken)
{
	my $name = shift @prepared;
	send_statement($session[0], 'commit prepared', "COMMIT PREPARED '$name'");
	serve() while $session[0]{busy};
	send_statement($session[0], 'oracle', $oracle);
	serve() while $session[0]{busy};
}
$_->{dbh}->disconnect for @session;
close $log;

ok(!$broken, 'every rollup equals its query, and no statement fails on account of one')
  or diag("seed $seed: $broken\nthe last statements:\n", @tail, "all of them: $logfile");
cmp_ok($quiet_points, '>', 0, "checked at $quiet_points quiet points and " . ($count{oracle} // 0) . ' times in all');
my @never = grep { !$count{$_} } RandomStatement::kinds();
ok($broken || $seconds < 20 || !@never, 'statements of every kind succeeded') or diag("never: @never");
note(join ', ', map { "$_ $count{$_}" } sort keys %count);

unless ($broken)
{
	$node->restart;
	is(differences($node), '', 'exact after a restart');
	$node->safe_psql('postgres', "SELECT gymstream.rebuild_rollup('$_')") for sort keys %rollup;
	is($node->safe_psql('postgres', $oracle), '', 'exact after rebuilding each rollup');
}
$node->stop;
done_testing();
