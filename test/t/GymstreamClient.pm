# GymstreamClient: running the program gymstream, to its end or in the background.
package GymstreamClient;

use strict;
use warnings;

use Exporter 'import';
use GymstreamTest;
use IPC::Run ();
use Test::More;

our @EXPORT = qw(client pump spawn_client shows stop_client);

sub value_of
{
	my ($option, @arguments) = @_;
	my ($at) = grep { $arguments[$_] eq $option } 0 .. $#arguments - 1;

	return defined $at ? $arguments[ $at + 1 ] : undef;
}

my %readers;	# in the background, of each slot

# The server lets go of a slot some time after its reader has ended, and until then nobody can use it. Waits for that, for
# the slot that these arguments name, unless somebody reads it. A server that cannot be asked holds nothing.
sub wait_for_slot
{
	my ($slot, $database) = (value_of('--slot', @_), value_of('-d', @_));

	return unless defined $slot && defined $database && !$readers{$slot};
	wait_until(sub {
		my ($active, $err) = ('', '');
		my $asked = IPC::Run::run([ 'psql', '-XAtq', '-d', $database, '-v', "slot=$slot" ],
			'<', \"SELECT active FROM pg_replication_slots WHERE slot_name = :'slot'", '>', \$active, '2>', \$err);
		return !$asked || $active !~ /t/;
	});
}

# Run to the end: status, standard output, standard error.
sub client
{
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'gymstream', @_ ], '<', \undef, '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	my $status = $? >> 8;
	wait_for_slot(@_);
	return ($status, $out, $err);
}

sub pump { $_[0]{handle}->pump_nb if $_[0]{handle}->pumpable }

# Start in the background; what it prints comes with pump.
sub spawn_client
{
	my %run = (out => '', err => '', arguments => [@_]);

	$readers{ value_of('--slot', @_) // '' }++;
	$run{handle} = IPC::Run::start([ 'gymstream', @_ ], '<', \undef, '>', \$run{out}, '2>', \$run{err});
	return \%run;
}

sub shows
{
	my ($run, $stream, $pattern, $name) = @_;

	ok(wait_until(sub { pump($run); $run->{$stream} =~ $pattern }), $name) or diag("$stream: $run->{$stream}");
}

# Its status; 128 and the signal's number where one ended it.
sub stop_client
{
	my ($run, $signal) = @_;
	my @arguments = @{ $run->{arguments} // [] };
	my $status;

	$run->{handle}->signal($signal) if $signal;
	$run->{handle}->finish;
	$status = $run->{handle}->full_result(0);
	$readers{ value_of('--slot', @arguments) // '' }--;
	wait_for_slot(@arguments) unless ($signal // '') eq 'KILL';
	return $status & 127 ? 128 + ($status & 127) : $status >> 8;
}

1;
