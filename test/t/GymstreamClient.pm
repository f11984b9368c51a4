# GymstreamClient: running the program gymstream, to its end or in the background.
package GymstreamClient;

use strict;
use warnings;

use Exporter 'import';
use GymstreamTest;
use IPC::Run ();
use Test::More;

our @EXPORT = qw(client pump spawn_client shows stop_client);

# Run to the end: status, standard output, standard error.
sub client
{
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'gymstream', @_ ], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return ($? >> 8, $out, $err);
}

sub pump { $_[0]{handle}->pump_nb if $_[0]{handle}->pumpable }

# Start in the background; what it prints comes with pump.
sub spawn_client
{
	my %run = (out => '', err => '');

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
	my $status;

	$run->{handle}->signal($signal) if $signal;
	$run->{handle}->finish;
	$status = $run->{handle}->full_result(0);
	return $status & 127 ? 128 + ($status & 127) : $status >> 8;
}

1;
