# The examples: a dictionary of a rollup in another program is the rollup, over forged notifications, a connection that
# ends, a topic that is made anew and a restart of the server.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use IPC::Run ();
use JSON::PP ();
use Test::More;

my $folder = "$FindBin::Bin/../../../examples";
# where Debian and npm put libraries of node
local $ENV{NODE_PATH} = join ':', grep { $_ } $ENV{NODE_PATH}, '/usr/share/nodejs', '/usr/lib/node_modules';
my %examples = (
	'rollup_copy.py' => { run => ['/usr/bin/python3'], library => [ '-c', 'import psycopg2' ], package => 'python3-psycopg2' },
	'rollup_copy.js' => { run => ['node'], library => [ '-e', 'require("pg")' ], package => 'node-pg' });

my $node = start_gymstream('examples', 'fsync = off');
$node->safe_psql('postgres', q{
	CREATE TABLE booking (class_id int, level text, price numeric, span interval DEFAULT '1 day');
	INSERT INTO booking VALUES (1, 'a', 10), (1, 'b', 20), (2, 'a', 0.10);
	SELECT gymstream.create_rollup('attendance', 'SELECT class_id, level, span, count(*) AS n, sum(price) AS price FROM booking GROUP BY 1, 2, 3');
	SELECT gymstream.create_topic('attendance', notify => 'row')});

my $json = JSON::PP->new->canonical->allow_nonref;

# the rows as the example says, and as they are: both in one form and order
sub rows { return join ' ', sort map { $json->encode($_) } @{ $json->decode($_[0]) }; }
sub truth { return rows($node->safe_psql('postgres', q{SELECT coalesce(json_agg(r), '[]') FROM attendance r})); }

sub told
{
	my ($example) = @_;
	my $printed;

	$example->{run}->pump_nb;
	($printed) = ${ $example->{out} } =~ /.*^([^\n]+)\n/ms;
	return $printed ? rows($printed) : 'nothing';
}

sub agrees
{
	my ($example, $what) = @_;
	my $truth = truth();

	ok(wait_until(sub { told($example) eq $truth }), "$example->{name}: $what")
		or diag("shows ", told($example), "\nbut should ", $truth, "\n", ${ $example->{err} });
	return;
}

sub change { return $node->safe_psql('postgres', $_[0]); }

sub follow
{
	my ($name, @command) = @_;
	my ($out, $err) = ('', '');
	my $example = { name => $name, out => \$out, err => \$err };

	$example->{run} = IPC::Run::start(\@command, '<', \undef, '>', \$out, '2>', \$err);
	return $example;
}

for my $name (sort keys %examples)
{
	my @run = @{ $examples{$name}{run} };
	my $lines = () = PostgreSQL::Test::Utils::slurp_file("$folder/$name") =~ /\n/g;

	cmp_ok($lines, '<', 60, "$name is short");
	SKIP:
	{
		skip "$name needs $examples{$name}{package}", 1
			if system(qw(sh -c), 'exec "$@" 2>/dev/null', 'sh', @run, @{ $examples{$name}{library} }) != 0;
		my $where = $name =~ /js$/ ? 'postgresql:///postgres?host=' . $node->host . '&port=' . $node->port . '&user=' . getpwuid($>)
			: $node->connstr('postgres');
		my $example = follow($name, @run, "$folder/$name", $where, 'attendance');

		agrees($example, 'what there was');
		change(q{INSERT INTO booking VALUES (2, 'a', 0.2), (3, E'"\n', 7)});
		agrees($example, 'a new group, and one that has changed');
		change(q{DELETE FROM booking WHERE class_id = 1 AND level = 'b'});
		agrees($example, 'a group that is gone');
		my $forged = q({"topic":"public.attendance","position":"1/1/1","action":"rollup","key":{"class_id":2,"level":"a","span":"1 day"},"row":null});
		change(qq{NOTIFY "gymstream:public.attendance", '$forged'; INSERT INTO booking VALUES (3, 'c', 1)});
		agrees($example, 'others than the publisher are not heard');
		change(q{INSERT INTO booking VALUES (2, 'a', 1, '24:00')});
		change(q{DELETE FROM booking WHERE class_id = 2 AND span::text = '1 day'});
		agrees($example, 'a group whose key looks different');
		change(q{TRUNCATE booking; INSERT INTO booking VALUES (9, 'z', 1)});
		agrees($example, 'TRUNCATE');
		change(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
		change(q{INSERT INTO booking VALUES (4, 'lost', 1)});
		agrees($example, 'a connection that was lost');
		change(q{SELECT pg_terminate_backend(publisher_pid) FROM gymstream.status});
		change(q{INSERT INTO booking VALUES (5, 'other', 1)});
		agrees($example, 'another publisher');
		change(q{SELECT gymstream.drop_topic('attendance')});
		change(q{INSERT INTO booking VALUES (5, 'untold', 1); SELECT gymstream.create_topic('attendance', notify => 'row')});
		agrees($example, 'a topic that was made anew');
		$node->stop('immediate');
		$node->start;
		change(q{INSERT INTO booking VALUES (6, 'restarted', 1); DELETE FROM booking WHERE class_id = 4});
		agrees($example, 'a crash of the server');
		$node->restart;
		agrees($example, 'a restart of the server');
		change(q{INSERT INTO booking SELECT i % 50, 'many', i FROM generate_series(1, 500) i});
		agrees($example, 'many at a time');
		$example->{run}->kill_kill;
	}
}
is(differences($node), '', 'the rollup is exact');
$node->stop;
done_testing();
