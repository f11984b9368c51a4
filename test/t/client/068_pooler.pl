# gymstream watch and tail through PgBouncer: where it keeps a connection for a session they work, and where it shares them they
# say that no notification arrives.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my ($program) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'needs pgbouncer' unless $program;

delete $ENV{PGAPPNAME};
my $node = start_gymstream('pooler');
$node->safe_psql('postgres', q{CREATE TABLE booking (id serial PRIMARY KEY, class_id int);
	SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) AS n FROM booking GROUP BY class_id');
	SELECT gymstream.create_topic('by_class', notify => 'row')});

my $folder = $node->host;    # a socket's path may not be long
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $server = 'host=' . $node->host . ' port=' . $node->port . ' dbname=postgres';
append_to_file("$folder/pooler.ini", join("\n", '[databases]',
	(map { "$_ = $server pool_mode=$_" } qw(session transaction statement)), "one = $server pool_mode=transaction pool_size=1",
	'[pgbouncer]', 'listen_addr =', "listen_port = $port", "unix_socket_dir = $folder", 'auth_type = any', ''));
my $user = $node->safe_psql('postgres', 'SELECT current_user');
{
	my $file = slurp_file("$folder/pooler.ini") =~ s/(pool_mode=\w+)/$1 user=$user/gr;
	unlink "$folder/pooler.ini";
	append_to_file("$folder/pooler.ini", $file);
}
my $log = '';
my $pooler = IPC::Run::start([ $program, "$folder/pooler.ini" ], '<', \undef, '>', \$log, '2>&1');
ok(wait_until(sub { $pooler->pump_nb; -S "$folder/.s.PGSQL.$port" }), 'PgBouncer runs') or diag($log);
sub through { return ('-d', "host=$folder port=$port user=$user dbname=$_[0]") }

my %runs = (watch => spawn_client('watch', through('session'), 'by_class'), tail => spawn_client('tail', through('session'), 'by_class'));
shows($runs{watch}, 'out', qr/^by_class: 0 rows$/m, 'a connection for a session: watch reads');
ok(wait_until(sub { pump($runs{tail}); $node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity
	WHERE application_name = 'gymstream' AND query ~ '^LISTEN "gymstream|^SELECT s\.publisher_pid'}) eq '2' }), 'both listen')
	or diag($runs{tail}{err}, $node->safe_psql('postgres', q{SELECT query FROM pg_stat_activity WHERE application_name = 'gymstream'}));
$node->safe_psql('postgres', q{INSERT INTO booking (class_id) VALUES (7)});
shows($runs{watch}, 'out', qr/^by_class class_id=7: new, n 1$/m, 'and hears');
shows($runs{tail}, 'out', qr/"n":1\}/, 'tail hears too');
is(stop_client($_, 'TERM'), 0, 'SIGTERM ends it cleanly') for values %runs;

my %shared;
for my $mode ('transaction', 'one', 'statement')
{
	$shared{"$mode $_"} = spawn_client($_, through($mode), 'by_class') for 'watch', 'tail';
}
for my $case (sort keys %shared)
{
	is(stop_client($shared{$case}), 1, "connections that are shared ($case): status 1");
	like($shared{$case}{err}, qr/^gymstream: notifications do not arrive: a connection pooler is in between.*\nHINT:  Connect to the server itself/,
		'and says why');
}
$pooler->kill_kill;
$node->stop;
done_testing();
