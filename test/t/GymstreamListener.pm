# GymstreamListener: a session that LISTENs, and the notifications it has got, in their order.
package GymstreamListener;

use strict;
use warnings;

use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

sub new
{
	my ($class, $node, $database, @channels) = @_;
	my $self = bless { in => '', out => '', err => '', got => [], asked => 0 }, $class;

	$self->{psql} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($database) ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err});
	$self->ask(map { qq(LISTEN "$_";) } @channels);
	return $self;
}

# Run commands; returns what they print once they are done. Collects what has been notified so far.
sub ask
{
	my ($self, @commands) = @_;
	my $mark = 'done <' . ++$self->{asked} . '>';
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	$self->{in} .= join("\n", @commands, "SELECT 1 WHERE false;", "\\echo $mark", '');
	until (substr($self->{out}, -length("$mark\n")) eq "$mark\n") # the last that is printed; before it there may be much
	{
		my $had = length $self->{out};

		$self->{psql}->pump_nb;
		die "a listener does not answer: $self->{err}" if time > $end || !$self->{psql}->pumpable;
		sleep 0.002 if length $self->{out} == $had;
	}
	my @printed;
	for my $line (split /\n/, $self->{out})
	{
		if ($line =~ /^Asynchronous notification "(.*?)" with payload "(.*)" received from/)
		{
			my $event = JSON::PP->new->decode($2);
			push @{ $self->{got} }, { %$event, channel => $1, payload => $2 };
		}
		elsif ($line ne $mark) { push @printed, $line; }
	}
	$self->{out} = '';
	return join "\n", @printed;
}

# All that came, once there are so many; what came until a time limit otherwise.
sub wait_for
{
	my ($self, $count) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	$self->ask();
	while (@{ $self->{got} } < $count && time < $end)
	{
		sleep 0.01;
		$self->ask();
	}
	return @{ $self->{got} };
}

# Forget what came; returns it.
sub take
{
	my ($self, $count) = @_;
	my @got = $self->wait_for($count);

	$self->{got} = [];
	return @got;
}

sub close
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	return $self->{psql}->finish;
}

1;
