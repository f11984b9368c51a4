# REPACK, and CONCURRENTLY (PostgreSQL 19): a source that is written anew beside its writers leaves its rollups exact, and
# readers of its changes get each one once. Partials are written anew like other tables, and never beside their writers.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use EventCopy;
use GymstreamListener;
use GymstreamTest;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('repack', 'fsync = off', "autovacuum = off");

sub sql { return $node->safe_psql('postgres', $_[0]) }

if (sql(q{SELECT count(*) FROM pg_settings WHERE name = 'max_repack_replication_slots'}) == 0)
{
	plan skip_all => 'this server has no REPACK';
}

my $tables = q{
	CREATE TABLE booking (id bigint PRIMARY KEY, class_id int, price int, note text);
	CREATE INDEX ON booking (class_id);
};
sql($tables . q{
	SELECT gymstream.create_rollup('sums', 'SELECT class_id, count(*) AS n, sum(price) AS revenue FROM booking GROUP BY class_id');
	SELECT gymstream.create_rollup('extremes', 'SELECT class_id, min(price) AS least, max(price) AS most FROM booking GROUP BY class_id');
	SELECT gymstream.create_rollup('notes', 'SELECT class_id, string_agg(note, chr(44) ORDER BY id) AS notes FROM booking GROUP BY class_id');
	SELECT gymstream.create_topic('sums', 'row'), gymstream.create_topic('extremes', 'row'), gymstream.create_topic('booking', 'position');
	SELECT pg_create_logical_replication_slot('copy', 'gymstream');
	INSERT INTO booking SELECT i, i % 7, i, 'note ' || i FROM generate_series(1, 2000) i});

#
# Beside writers
#

my $writer = $node->basedir . '/writer.sql';
append_to_file($writer, q{
\set id random(1, 1000000000)
\set class random(0, 6)
\set price random(1, 3000)
\set old random(1, 2000)
BEGIN;
INSERT INTO booking VALUES (:id, :class, :price, repeat('x', :price)) ON CONFLICT DO NOTHING;
SAVEPOINT s;
DELETE FROM booking WHERE id = (SELECT id FROM booking WHERE class_id = :class ORDER BY price LIMIT 1);
ROLLBACK TO s;
UPDATE booking SET price = :price, class_id = :class WHERE id = :old;
DELETE FROM booking WHERE id = (SELECT max(id) FROM booking WHERE class_id = :class AND id > 2000);
END;
});
my $listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.sums', 'gymstream:public.extremes');
my ($out, $err) = ('', '');
my $pgbench = IPC::Run::start([ 'pgbench', '-n', '-c', 3, '-t', 150, '--max-tries', 1, '-f', $writer,
	'-h', $node->host, '-p', $node->port, 'postgres' ], '>', \$out, '2>', \$err);
my $repacked = 0;
while ($pgbench->pumpable)
{
	$pgbench->pump_nb;
	my ($status, undef, $error) = $node->psql('postgres', 'REPACK (CONCURRENTLY) booking');
	$status == 0 ? $repacked++ : diag($error);
}
ok($pgbench->finish, 'the writers end well') or diag($err);
cmp_ok($repacked, '>', 0, 'the source was written anew beside them') and note("$repacked times");
is(differences($node), '', 'its rollups are exact');

# all its changes, and no others
ok($node->poll_query_until('postgres', 'SELECT lag_bytes = 0 FROM gymstream.status'), 'all is told');
my %last;
$listener->ask();
$last{ $_->{channel} }{ $_->{key}{class_id} } = $_->{row} for @{ $listener->{got} };
for my $name (qw(sums extremes))
{
	my %rows = map { $_->{class_id} => $_ } map { JSON::PP::decode_json($_) } split /\n/, sql("SELECT row_to_json(r) FROM $name r");
	is_deeply($last{"gymstream:public.$name"}, \%rows, "listeners know $name as it is");
}
my $copy = EventCopy->new($node, 'copy', $tables);
my $file = $node->basedir . '/events';
append_to_file($file, sql(q{SELECT data FROM pg_logical_slot_get_changes('copy', NULL, NULL, 'include-transaction', 'on',
	'include-pk', 'on', 'add-tables', 'public.booking')}) . "\n");
$copy->take_file($file);
is(EventCopy::content($node, 'copy', 'booking'), EventCopy::content($node, 'postgres', 'booking'), 'a copy made of its events is the same');

#
# Older snapshots
#

# To a snapshot that is older the table is empty: the rollup says what the table had. What that transaction adds is right.
my $old = GymstreamListener->new($node, 'postgres');
$old->ask('BEGIN ISOLATION LEVEL REPEATABLE READ;', 'SELECT 1 FROM pg_class LIMIT 1;');
sql('REPACK (CONCURRENTLY) booking');
is($old->ask('SELECT count(*) FROM booking;'), 0, 'to an older snapshot the table is empty');
is($old->ask('SELECT sum(n) FROM sums;'), sql('SELECT count(*) FROM booking'), 'and the rollup is not');
$old->ask(q{INSERT INTO booking VALUES (-1, 3, -1, 'late');}, 'COMMIT;');
is(differences($node), '', 'what it wrote is in the rollups');
sql(q{SELECT gymstream.fold_rollup(rollup) FROM gymstream.rollups});
is(differences($node), '', 'and still is once they are folded');

#
# Partials
#

for my $partials (qw(sums_partials extremes_partials notes_partials))
{
	my (undef, undef, $error) = $node->psql('postgres', "REPACK (CONCURRENTLY) $partials");
	like($error, qr/ERROR:  cannot execute REPACK \(CONCURRENTLY\) on relation "$partials"/, "$partials cannot be written anew beside writers");
}
# a writer goes on with the partials it has found before
my $stays = GymstreamListener->new($node, 'postgres');
for my $turn (1 .. 3)
{
	$stays->ask("INSERT INTO booking VALUES (-10 - $turn, 3, 1, 'x');", "DELETE FROM booking WHERE id = -9 - $turn;");
	sql($turn == 1 ? 'REPACK sums_partials' : $turn == 2 ? 'REPACK sums_partials USING INDEX sums_partials_class_id_idx' : 'REPACK');
}
$stays->ask("INSERT INTO booking VALUES (-20, 3, 1, 'x');");
is(differences($node), '', 'alone they can');
is(sql('SELECT string_agg(problem, chr(10)) FROM gymstream.rollups'), '', 'nothing is missing');

$_->close for $listener, $old, $stays;
$node->stop('fast');
done_testing();
