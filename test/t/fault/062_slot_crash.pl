# gymstream tail --slot to files, killed at random, and its connection and the server too: nothing is missing, everything
# is in the order of commits, and only what was not confirmed came again.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

delete $ENV{PGAPPNAME};
my $seed = $ENV{GYMSTREAM_SEED} // int(rand(2**31));
srand($seed);
note("seed $seed");

my $node = start_gymstream('slot_crash');
my $folder = PostgreSQL::Test::Utils::tempdir();
my $file = "$folder/events";

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub slot { return sql("SELECT $_[0] FROM pg_replication_slots WHERE slot_name = 's'") }

# Positions as numbers.
sub lsn { my ($high, $low) = split m{/}, $_[0]; return hex($high) * 2**32 + hex($low) }

# All files, oldest first: their suffixes are a time and, within a second, a number.
sub files
{
	my %order = map { my ($time, $number) = /\.(\d+T\d+Z)(?:\.(\d+))?$/; ($_ => sprintf('%s.%06d', $time, $number // 1)) } glob("$file.*");
	return ((sort { $order{$a} cmp $order{$b} } keys %order), -e $file ? $file : ());
}

sub file_count { my @files = files(); return scalar(@files) }
sub lines { return map { split /\n/, slurp_file($_) } files() }

sub start
{
	return spawn_client('tail', '-d', $node->connstr('postgres'), '--slot', 's', '--output', $file, '--rotate', '100kB', @_);
}

sub start_writers
{
	my $script = "$folder/write.sql";

	append_to_file($script, q{
		\set n random(1, 20)
		BEGIN;
		INSERT INTO event (note) SELECT repeat('x', :n) FROM generate_series(1, :n);
		UPDATE event SET note = 'y' WHERE id = (SELECT max(id) FROM event WHERE note <> 'y' AND id % 7 = 0);
		END;
	}) unless -e $script;
	return IPC::Run::start([ 'pgbench', '-n', '-c', 3, '-R', 100, '-T', 600, '-f', $script, $node->connstr('postgres') ],
		'<', \undef, '>', '/dev/null', '2>', "$folder/writers");
}

sql(q{CREATE TABLE event (id bigserial PRIMARY KEY, note text)});
my $client = start('--create-slot');
ok(wait_until(sub { slot('active') eq 't' }), 'it reads');

#
# Killed again and again, at whatever it does
#

my $writers = start_writers();
my @repeated_below;    # where a run began, what had been confirmed by then
for my $round (1 .. 8)
{
	my $bytes = -s $file // 0;
	my $before = file_count();
	my $more = 1 + int(rand(100_000));

	my $confirmed = slot('confirmed_flush_lsn');
	ok(wait_until(sub { slot('confirmed_flush_lsn') ne $confirmed }), "it confirms, round $round") if $round % 2;
	wait_until(sub { file_count() > $before || (-s $file // 0) > $bytes + $more });
	is(stop_client($client, 'KILL'), 128 + 9, "killed, round $round");
	ok(wait_until(sub { slot('active') eq 'f' }), 'the server has noticed') if $round % 2;
	if ($round % 2)
	{
		my @lines = lines();
		push @repeated_below, [ scalar(@lines), lsn(slot('confirmed_flush_lsn')) ];
	}
	$client = start();    # in the other rounds while the server still holds the slot for the one that is dead
}

# Its connection, while it goes on
for (1 .. 3)
{
	ok(wait_until(sub { slot('active') eq 't' }), 'it reads');
	sql(q{SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 's'});
	shows($client, 'err', qr/trying again: .*terminat.*\n.*reading on\n/, 'a lost connection comes back');
	$client->{err} = '';
}
$writers->kill_kill;

#
# The server
#

for my $mode ('fast', 'immediate')
{
	$writers = start_writers();
	my $bytes = -s $file // 0;
	my $before = file_count();
	wait_until(sub { file_count() > $before || (-s $file // 0) > $bytes + 1000 });
	$node->stop($mode);
	$node->start;
	shows($client, 'err', qr/trying again: .+\n.*reading on\n/, "goes on after the server was stopped: $mode");
	$client->{err} = '';
	$writers->finish;
}

my $end = sql('SELECT pg_current_wal_insert_lsn()');
ok(wait_until(sub { slot("confirmed_flush_lsn >= '$end'") eq 't' }), 'all is confirmed');
is(stop_client($client, 'TERM'), 0, 'it ends cleanly');

#
# What came
#

my @events = map {
	/^\{"action":"(\w+)",.*"lsn":"(.*?)".*"new":\{"id":(\d+),.*\}\}$/ or die "no event: $_";
	{ action => $1, at => lsn($2), id => $3, text => $_ }
} lines();
my %seen;
my @first = grep { !$seen{ $_->{text} }++ } @events;
my $disorder = grep { $first[ $_ - 1 ]{at} > $first[$_]{at} } 1 .. $#first;
is($disorder, 0, 'in the order of commits');
my %inserted = map { $_->{id} => 1 } grep { $_->{action} eq 'insert' } @first;
is(join(',', sort { $a <=> $b } keys %inserted), join(',', split /\n/, sql('SELECT id FROM event ORDER BY id')), 'nothing is missing, and nothing else is there');
my %updated = map { $_->{id} => 1 } grep { $_->{action} eq 'update' } @first;
is(scalar(keys %updated), sql(q{SELECT count(*) FROM event WHERE note = 'y'}), 'of updates too');
for my $run (@repeated_below)
{
	my ($from, $confirmed) = @$run;
	is(scalar(grep { $_->{at} < $confirmed } @events[ $from .. $#events ]), 0, 'what was confirmed did not come again');
}
note(sprintf '%d events, %d of them again, in %d files', scalar(@events), scalar(@events) - scalar(@first), file_count());

$node->stop;
done_testing();
