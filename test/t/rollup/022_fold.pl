# The folder: groups that were busy have one partial soon after, by a worker that comes and goes by itself; and by the
# writers themselves where there is no worker.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('fold', 'fsync = off', 'autovacuum = off');

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub parts { return sql("SELECT count(*) FROM $_[0]_partials WHERE " . ($_[1] // 'true')) }
sub one_each { return $node->poll_query_until('postgres', "SELECT count(*) = count(DISTINCT class_id) FROM $_[0]_partials") }
sub gone { return $node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'gymstream folder'}) }

# A session of its own, which runs statements one after the other.
sub session
{
	my ($in, $out) = ('', '');
	my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>&1');
	return { run => $run, in => \$in, out => \$out, n => 0 };
}

sub ask
{
	my ($session, $statements) = @_;
	my $end = 'done ' . ++$session->{n};
	${ $session->{in} } .= "$statements;\n\\echo $end\n";
	return wait_until(sub { $session->{run}->pump_nb; return ${ $session->{out} } =~ /^\Q$end\E$/m });
}

# As many partials of a group as there are sessions that hold it at the same time.
sub compete
{
	my ($class, @who) = @_;
	ask($_, "BEGIN; INSERT INTO booking VALUES ($class, 10)") for @who;
	ask($_, 'COMMIT') for @who;
}

sql('CREATE TABLE booking (class_id int, price int)');
sql(q{SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) AS n, sum(price) AS revenue FROM booking GROUP BY class_id')});
sql(q{SELECT gymstream.create_rollup('broken', 'SELECT class_id, sum(price) AS revenue FROM booking GROUP BY class_id')});
sql('INSERT INTO booking SELECT i % 10, i FROM generate_series(1, 100) i');
ok(gone(), 'with nothing to fold there is no folder');

# idle groups
my @sessions = map { session() } 1 .. 6;
compete(1, @sessions);
ok(one_each('by_class'), 'a group that was busy has one partial soon after');
ok(one_each('broken'), 'in each rollup');
ok($node->poll_query_until('postgres', 'SELECT folded >= 2 FROM gymstream.status'), 'status counts it');
compete(50, @sessions);
ok(one_each('by_class'), 'a new group, too, made by sessions that do not see each other');
is(differences($node), '', 'exact');
ok(gone(), 'the folder has gone');

# what somebody holds is left alone
my ($holder, @others) = @sessions;
ask($holder, 'BEGIN; INSERT INTO booking VALUES (2, 10)');
compete(2, @others);
ok($node->poll_query_until('postgres', 'SELECT count(*) = 2 FROM by_class_partials WHERE class_id = 2'),
	'what an open transaction holds is left, the rest folded');
ok(ask($others[0], 'INSERT INTO booking VALUES (2, 10)'), 'and nobody waits');
ask($holder, 'COMMIT');
ok(one_each('by_class'), 'folded as well once it has ended');
is(differences($node), '', 'exact');

# who has seen the group before neither fails by the folding nor sees it
ask($holder, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM by_class');
compete(3, @others);
ok(one_each('by_class'), 'folded under somebody\'s snapshot');
ask($holder, 'INSERT INTO booking VALUES (3, 10); DELETE FROM booking WHERE class_id = 4; ' .
	q{SELECT 'differs', * FROM gymstream.verify_rollup('by_class'); COMMIT});
unlike(${ $holder->{out} }, qr/ERROR|differs/, 'who writes on without an error');
ok(one_each('by_class'), 'folded');
is(differences($node), '', 'exact');

# prepared: whoever commits it knows nothing of its partials
ask($holder, 'BEGIN; INSERT INTO booking VALUES (5, 10)');
sql(q{BEGIN; INSERT INTO booking VALUES (5, 10); PREPARE TRANSACTION 'p'});
ask($holder, 'COMMIT');
is(parts('by_class', 'class_id = 5'), 1, 'one of two partials is prepared');
sql(q{COMMIT PREPARED 'p'});
ok(one_each('by_class'), 'folded after COMMIT PREPARED');

# the same of groups that it marks: one that was there, with one partial, and a new one
sql(q{SELECT gymstream.create_rollup('prices', 'SELECT class_id, count(DISTINCT price) AS n FROM booking GROUP BY class_id')});
sql(q{BEGIN; INSERT INTO booking VALUES (5, 11), (51, 11); PREPARE TRANSACTION 'p'});
compete(3, @others);
ok(one_each('by_class'), 'the folder has looked');
sql(q{COMMIT PREPARED 'p'});
ok($node->poll_query_until('postgres', q{SELECT marked = 0 FROM gymstream_internal.count_rollup('prices')}), 'computed after COMMIT PREPARED');
is(differences($node), '', 'exact');
sql('DROP VIEW prices');

# a rollup that cannot be folded does not stop the others, and status tells
sql('ALTER EVENT TRIGGER gymstream_ddl DISABLE; ALTER TABLE broken_partials DISABLE TRIGGER ALL');
sql('ALTER TABLE broken_partials ALTER COLUMN "count(*)" DROP NOT NULL');
ask($holder, 'BEGIN; INSERT INTO booking VALUES (6, 10)');
compete(6, $others[0]);
sql(q{UPDATE broken_partials SET "count(*)" = NULL WHERE class_id = 6 AND "count(*)" = 1});
ask($holder, 'COMMIT');
ok(one_each('by_class'), 'one rollup is folded');
ok($node->poll_query_until('postgres', q{SELECT last_error LIKE 'null in the partials%' FROM gymstream.status}), 'the other fails, and status says why');
is(parts('broken', 'class_id = 6'), 2, 'it stays as it is');
sql(q{SELECT gymstream.rebuild_rollup('broken')});
is(differences($node), '', 'exact');

# a rollup that is gone before it is folded
sql(q{SELECT gymstream.create_rollup('brief', 'SELECT class_id, sum(price + 1) AS revenue FROM booking GROUP BY class_id')});
compete(6, @others);
sql('DROP VIEW brief');
ok(gone(), 'nothing is left of a rollup that was dropped');

# killed on its way: the next one finds what it has left
ask($holder, 'BEGIN; INSERT INTO booking VALUES (7, 10)');
compete(7, @others);
ok($node->poll_query_until('postgres', 'SELECT folder_pid IS NOT NULL FROM gymstream.status'), 'a folder is there');
sql('SELECT pg_terminate_backend(folder_pid) FROM gymstream.status');
ask($holder, 'COMMIT');
ok(one_each('by_class'), 'a terminated folder has a successor');

# a crash
ask($holder, 'BEGIN; INSERT INTO booking VALUES (8, 10)');
compete(8, @others);
ask($holder, 'COMMIT');
$node->stop('immediate');
$node->start;
ok(one_each('by_class'), 'after a crash too');
is(differences($node), '', 'exact');

# the bound: as many partials as there were transactions at a time
sub configure
{
	my ($line) = @_;
	$node->append_conf('postgresql.conf', $line);
	$node->reload;
}
configure('gymstream.fold = off');
ok(gone(), 'turned off');
my $script = $node->basedir . '/load.sql';
append_to_file($script, "BEGIN ISOLATION LEVEL :level;\nSELECT FROM by_class;\nINSERT INTO booking VALUES (1, 1), (2, 1);\nEND;\n");
for my $level ('READ COMMITTED', 'REPEATABLE READ')
{
	$node->command_ok([ 'pgbench', '-n', '-c', 8, '-t', 100, '-D', "level=$level", '-f', $script, $node->connstr('postgres') ], "load in $level");
	cmp_ok(parts('by_class', 'class_id = 1'), '<=', 8, 'no more partials than sessions');
}
is(differences($node), '', 'exact');
@sessions = map { session() } 1 .. 4;
compete(9, @sessions);
is(parts('by_class', 'class_id = 9'), 4, 'nobody folds');
configure('gymstream.fold = on');
ok(one_each('by_class'), 'turned on again: folded');

# a database can be dropped while its folder is there
$node->safe_psql('postgres', 'CREATE DATABASE gym');
$node->safe_psql('gym', q{CREATE EXTENSION gymstream; CREATE TABLE booking (k int);
	SELECT gymstream.create_rollup('r', 'SELECT k, count(*) AS n FROM booking GROUP BY k');
	BEGIN; INSERT INTO booking VALUES (1); PREPARE TRANSACTION 'a'});
$node->safe_psql('gym', q{INSERT INTO booking VALUES (1)});
ok($node->poll_query_until('gym', 'SELECT folder_pid IS NOT NULL FROM gymstream.status'), 'a folder in a database');
$node->safe_psql('gym', q{ROLLBACK PREPARED 'a'});
$node->safe_psql('postgres', 'ALTER DATABASE gym RENAME TO studio');
$node->safe_psql('postgres', 'DROP DATABASE studio');
ok(gone(), 'which goes with it');

# without the preload the sessions fold what they left, a transaction later
$_->{run}->kill_kill for @sessions;
configure("shared_preload_libraries = ''");
$node->restart;
@sessions = map { session() } 1 .. 4;
compete(9, @sessions);
is(parts('by_class', 'class_id = 9'), 4, 'nobody folds at once');
ask($_, 'INSERT INTO booking VALUES (1, 1)') for @sessions;
ok(one_each('by_class'), 'a transaction later they do');
is(differences($node), '', 'exact');

$_->{run}->kill_kill for @sessions;
$node->stop;
done_testing();
