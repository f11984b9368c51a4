# The demo's board: it proves what it showed, says so when it cannot, and leaves nothing running. Of demo.sh around it
# the private server is tried; that it installs and builds is tried by hand.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::Bin/../../..";
delete $ENV{PGAPPNAME};
my $node = start_gymstream('demo', 'fsync = off', 'max_connections = 40');
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';

like(qx{make -C "$top" PG_CONFIG=/nonexistent/pg_config 2>&1}, qr/postgresql-server-dev-NN.*PG_CONFIG=/, 'make without a server says what it needs');
is(system('make', '-s', '-C', $top, "PG_CONFIG=$pg_config", 'demo/board'), 0, 'the board builds');
$node->safe_psql('postgres', slurp("$top/demo/$_.sql")) for qw(schema rollups);

sub slurp
{
	open my $file, '<', $_[0] or die "$_[0]: $!";
	local $/;
	return <$file>;
}

sub start_board
{
	my ($out, @arguments) = @_;
	local $ENV{PG_CONFIG} = $pg_config;

	return IPC::Run::start([ "$top/demo/board", '-d', $node->connstr('postgres'), @arguments ],
		'<', \undef, '>', $out, '2>&1', IPC::Run::timeout(120));
}

sub others
{
	return $node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'});
}

# The private server is reached where the shell speaks of another one.
{
	local @ENV{qw(PGPORT PGHOSTADDR PGSERVICE PGUSER PGDATABASE PGOPTIONS)} = (1, '192.0.2.1', 'nosuch', 'nosuch', 'nosuch', '-c nosuch=1');
	local $ENV{PG_CONFIG} = $pg_config;
	my $answer = qx{bash -c '. "\$1/test/setup.sh"; dir=\$(setup_tmp); server_start "\$dir"; "\$(pg_bin)/psql" -XAtc "SHOW port"; server_stop "\$dir"; rm -r "\$dir"' - "$top" 2>&1};
	is($answer, "5432\n", 'a private server, whatever the environment says');
}

local $ENV{PGHOST} = $node->host;
local $ENV{PGPORT} = $node->port;
local $ENV{PGDATABASE} = 'postgres';

my $out = '';
my $board = start_board(\$out, '--seconds', '4', '--', "$top/demo/traffic.sh", '100');
$board->finish;
is($board->result(0), 0, 'it proves itself') or diag($out);
like($out, qr/^0:03  .*bookings\/s/m, 'a line a second without a terminal');
like($out, qr/^  ok     \Q$_\E /m, "proved: $_")
	for 'bookings made', 'events received', 'verify_rollup', 'board', 'overbooked', 'confirmed', 'latency';
unlike($out, qr/WRONG/, 'nothing is wrong');
like($out, qr/ confirmed by [23] workers, 1 killed  /, 'a worker was killed, and the others went on');
like($out, qr/^  ok     confirmed +[\d,]+ bookings, none twice; 1 worker killed meanwhile$/m, 'each booking is confirmed once');
ok(wait_until(sub { others() == 0 }), 'the traffic is gone');
is(differences($node), '', 'the rollups are exact');

$out = '';
$board = start_board(\$out, '--', "$top/demo/traffic.sh", '100');
ok(wait_until(sub { $board->pump_nb; $out =~ /^0:02/m }), 'without --seconds it goes on');
$board->signal('INT');
$board->finish;
is($board->result(0), 0, 'until it is interrupted, and proves itself then') or diag($out);

$out = '';
$board = start_board(\$out, '--seconds', '2', '--', 'false');
$board->finish;
is($board->result(0), 1, 'fails without bookings');
like($out, qr/^  WRONG  traffic +ended too early, with status 1$/m, 'and says that the traffic has ended');

SKIP:
{
	skip 'needs a pseudo-terminal', 1 unless eval { require IO::Pty; IO::Pty->new };
	local @ENV{qw(TERM COLUMNS LINES)} = ('xterm', 39, 24);
	my ($in, $screen) = ('', '');
	$board = IPC::Run::start([ "$top/demo/board", '-d', $node->connstr('postgres'), '--', 'sleep', '60' ], '<pty<', \$in, '>pty>', \$screen);
	ok(wait_until(sub { $board->pump_nb; $screen =~ /make this larger: 40 x 10/ }), 'a terminal that is too small is told');
	$board->kill_kill;
}

# Without root and without sudo nothing can be installed.
my $folder = PostgreSQL::Test::Utils::tempdir();
symlink $_, "$folder/" . ($_ =~ s{.*/}{}r) for grep { !m{/sudo$} } glob('/usr/bin/* /bin/*');
SKIP:
{
	skip 'needs dpkg and another user than root', 2 if $> == 0 || !-x "$folder/dpkg-query";
	$out = '';
	my $script = '. test/setup.sh && setup_missing() { echo something; } && setup_install';
	IPC::Run::run([ 'env', '-C', $top, "PATH=$folder", 'bash', '-c', $script, 'demo.sh' ], '<', \undef, '>', \$out, '2>&1');
	is($? >> 8, 1, 'setup ends where it may not install');
	like($out, qr/^demo\.sh: need root, or sudo, to install: something$/m, 'and says why');
}

$node->stop;
done_testing();
