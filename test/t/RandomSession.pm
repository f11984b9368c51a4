# RandomSession: sessions that truly overlap: takes statements, sends each without waiting for the one before to be
# answered in another session, and says what was no ordinary fate of a statement. Knows which errors the source's own
# rows may cause; what a rollup causes is never one of them.
package RandomSession;

use strict;
use warnings;

use DBD::Pg qw(PG_ASYNC);
use DBI;
use IO::Select;
use Time::HiRes qw(time);

use RandomStatement;

our (%count, @tail, $broken);
our $where = '';	# seed and stage, for who must say what failed
my ($log, @session, @in_short);
my $locked = 0;		# when a transaction that locks whole tables ended last

sub log_to { my ($file) = @_; open $log, '>', $file or die "could not open $file: $!" }

sub note_down
{
	my ($who, $text) = @_;
	my $line = sprintf("%.3f %s %s\n", time, $who, $text =~ s/\s+/ /gr);
	print $log $line;
	push @tail, $line;
	shift @tail if @tail > 60;
}

# What is wrong, and of which statement. The first to be found counts.
sub broken
{
	my ($who, $why, $statement) = @_;
	note_down($who, "BROKEN: $why");
	return if $broken;
	$broken = "$who: $why";
	@in_short = ("where: $where, $who", $statement ? "statement: $statement" : (), "what: $why");
}

# The same in few lines that are not long, for the end of a log. More lines may be given.
sub in_short { return map { my $line = s/\s+/ /gr =~ s/(.)\1{20,}/$1$1.../gr; length $line > 700 ? substr($line, 0, 697) . '...' : $line } @in_short, @_ }

sub connect_session
{
	my ($session, $node) = @_;
	$session->{dbh} = DBI->connect('dbi:Pg:' . $node->connstr('postgres') =~ s/ /;/gr, '', '',
		{ AutoCommit => 1, RaiseError => 0, PrintError => 0, pg_server_prepare => 0 }) or die DBI->errstr;
	$session->{dbh}->do("SET application_name = '$session->{name}'");
	$session->{dbh}->do("SET client_min_messages = error");
	@$session{qw(open failed level savepoints busy locks)} = (0, 0, 'READ COMMITTED', [], undef, 0);
}

# Sessions 0 .. n - 1, whose random numbers come from the seed.
sub sessions
{
	my ($n, $seed, $node) = @_;
	$_->{dbh}->disconnect for @session;
	@session = map { { name => "s$_", random => ($seed + 7919 * $_) & 0x7fffffff } } 0 .. $n - 1;
	connect_session($_, $node) for @session;
	return @session;
}

sub allowed
{
	my ($session, $round, $state, $message) = @_;	# the message has its context with it
	my ($kind, $sql) = @{ $session->{busy} }{qw(kind sql)};
	my $table = $round->{table};
	# TRUNCATE and rebuilding lock the whole table, and those who wrote it before deadlock with each other: while this
	# statement was on its way somebody did
	my $locking = $session->{busy}{sent} <= $locked || grep { $_->{locks} } @session;
	my $plain = $kind =~ /^(insert|copy)$/ && !$table->{cascades};	# meets no row of others

	return 1 if $state eq '23505' && $message =~ /constraint "(class|$table->{name})\w*_(pkey|id_k_key)"/;
	return 1 if $state eq '23503' && $table->{cascades};
	return 1 if $state eq '23514' && $message =~ /violates partition constraint/ && $table->{partitioned};
	return 1 if $state eq '0A000' && $message =~ /would appear in a different partition/ && $table->{partitioned} eq 'list';	# ON CONFLICT DO UPDATE SET k
	# of the partitions that its query need not look at
	return 1 if $state eq '24000' && $message =~ /FOR UPDATE.* reference to table/ && $kind eq 'cursor' && $table->{partitioned};
	return 1 if $state eq 'P0001' && $message =~ /on purpose/;
	# a snapshot shows a row that others have deleted since beside one of the same key that this transaction inserted
	return 1 if $state eq '21000' && $kind eq 'nested' && $session->{level} ne 'READ COMMITTED';
	return 1 if $state eq '27000' && $kind eq 'nested' && $message =~ /already modified/;
	if ($state eq '55P03')
	{
		return 1 if $message =~ /in relation "(class|$table->{name})(_pkey|_id_k_key|_p\w*)?"/ || $kind =~ /^(truncate|rebuild|partition)$/;
		# the second to wait for a row is not told which
		return 1 if $message !~ /in relation/ && ($locking || !$plain);
	}
	return 1 if $state eq '40P01' && ($locking || $table->{cascades});
	if ($state eq '40001')
	{
		return 1 if $message =~ /read\/write dependencies/ && $session->{level} eq 'SERIALIZABLE';
		return 1 if $message =~ /moved to another partition/ && $table->{partitioned};
		# again but for plain inserts; the trigger's update may find a version that others deleted
		return 1 if $message =~ /concurrent (update|delete)/ && $session->{level} =~ /REPEATABLE|SERIALIZABLE/
		  && (!$plain || $message =~ /rebook/);
		# the row that ON CONFLICT met is invisible to the transaction's snapshot
		return 1 if $kind =~ /^(upsert|chain|nested|block)$/ && $session->{level} ne 'READ COMMITTED';
	}
	return 0;
}

# A statement, or a COPY with its rows, as text.
sub said { my ($sql) = @_; return ref $sql ? join(' \n ', $sql->[0] . ';', @$sql[ 1 .. $#$sql ]) : $sql }

sub send_statement
{
	my ($session, $round, $kind, $sql) = @_;
	my $dbh = $session->{dbh};

	$session->{busy} = { kind => $kind, sql => $sql, sent => time };
	$session->{said} = $sql if $kind ne 'oracle';
	$session->{locks} = 1 if $kind =~ /^(truncate|rebuild|partition)$/;
	if ($kind eq 'copy')
	{
		# the driver cannot copy asynchronously
		my ($command, @rows) = @$sql;
		my $ok = $dbh->do($command);
		if ($ok)
		{
			$dbh->pg_putcopydata("$_\n") for @rows;
			$ok = $dbh->pg_putcopyend;
		}
		return finish_statement($session, $round, $ok);
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
	my ($session, $round, $ok) = @_;
	my ($dbh, $busy, $name) = @$session{qw(dbh busy name)};
	my $state = $ok ? '00000' : $dbh->state;
	my $kind = $busy->{kind};

	note_down($name, "$state $kind: " . ($kind eq 'oracle' ? '...' : said($busy->{sql})) . ($ok ? '' : ' -- ' . ($dbh->errstr // '')));
	$count{$ok ? $kind : "$kind failed"}++;
	if ($ok && $kind eq 'oracle')
	{
		my $rows = $session->{sth}->fetchall_arrayref;
		broken($name, "$session->{level}: " . join('; ', map { join(' ', map { $_ // 'NULL' } @$_) } @$rows[ 0 .. ($#$rows > 9 ? 9 : $#$rows) ]),
			said($session->{said})) if @$rows;
	}
	broken($name, "$session->{level}: unexpected error $state: " . ($dbh->errstr // '') . " in $kind", said($busy->{sql}))
	  if !$ok && !allowed($session, $round, $state, $dbh->errstr // '');
	undef $session->{sth};
	$session->{busy} = undef;
	RandomStatement::done($session, $busy, $ok, $round->{prepared});
	if (!$session->{open} && $session->{locks})
	{
		$session->{locks} = 0;
		$locked = time;
	}
}

# Serve answers that have come, waiting a little for the first.
sub serve
{
	my ($round) = @_;
	my %by_socket = map { $_->{dbh}{pg_socket} => $_ } grep { $_->{busy} } @session;
	my $select = IO::Select->new(keys %by_socket);

	for my $socket ($select->can_read(0.01))
	{
		my $session = $by_socket{$socket};
		next unless $session->{dbh}->pg_ready;
		finish_statement($session, $round, defined $session->{dbh}->pg_result);
	}
}

# One statement of one session, and its answer.
sub run
{
	my ($session, $round, $kind, $sql) = @_;
	send_statement($session, $round, $kind, $sql);
	serve($round) while $session->{busy};
}

# All sessions end their transactions; some prepared ones may stay open.
sub quieten
{
	my ($round) = @_;
	while (grep { $_->{busy} || $_->{open} } @session)
	{
		for my $session (grep { !$_->{busy} } @session)
		{
			send_statement($session, $round, RandomStatement::ending($session)) if $session->{open};
		}
		serve($round);
	}
}

1;
