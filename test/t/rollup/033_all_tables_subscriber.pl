# A publication of all tables: what rollups and topics are made of is not told to its subscribers, with or without the
# extension, whatever is done with rollups. A subscriber made from a schema-only dump has the rollups, exact.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = start_gymstream('publisher', 'fsync = off');
my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init;
$plain->append_conf('postgresql.conf', "fsync = off\nwal_retrieve_retry_interval = 100ms\n");
$plain->start;
my $copy = start_gymstream('copy', 'fsync = off', 'wal_retrieve_retry_interval = 100ms');

# This one subscribes before there is any rollup, and has nothing of gymstream.
my $tables = q{
	CREATE TABLE booking (id int PRIMARY KEY, class_id int, price numeric, note text);
	CREATE TABLE visit (id int PRIMARY KEY, day int) PARTITION BY RANGE (id);
	CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (0) TO (100);
	CREATE TABLE visit_2 PARTITION OF visit FOR VALUES FROM (100) TO (1000)};
$publisher->safe_psql('postgres', "DROP EXTENSION gymstream; $tables; CREATE PUBLICATION everything FOR ALL TABLES");
$plain->safe_psql('postgres', $tables);
my $connection = $publisher->connstr . ' dbname=postgres';
$plain->safe_psql('postgres', "CREATE SUBSCRIPTION plain CONNECTION '$connection' PUBLICATION everything");
$plain->wait_for_subscription_sync($publisher, 'plain');
$publisher->safe_psql('postgres', 'CREATE EXTENSION gymstream');

sub is_copied
{
	my ($what, @subscribers) = @_;
	for my $subscriber ($plain, @subscribers)
	{
		my $name = $subscriber->name;
		$publisher->wait_for_catchup($name);
		for my $table ('booking', 'visit')
		{
			my $rows = "SELECT * FROM $table ORDER BY id";
			is($subscriber->safe_psql('postgres', $rows), $publisher->safe_psql('postgres', $rows), "$what: $name has the rows of $table");
		}
		is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM pg_subscription WHERE subenabled'), 1, "$what: $name goes on");
	}
	is(differences($publisher), '', "$what: the publisher's rollups are exact");
	is(differences($_), '', "$what: the subscriber's rollups are exact") for @subscribers;
}

my $create = q{
	SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) AS n, sum(price) AS revenue, min(price), max(note) FROM booking GROUP BY class_id');
	SELECT gymstream.create_rollup('by_note', 'SELECT note, count(*) AS n FROM booking GROUP BY note');
	SELECT gymstream.create_rollup('by_day', 'SELECT day, count(*) AS n FROM visit GROUP BY day')};
my $write = q{
	INSERT INTO booking SELECT coalesce((SELECT max(id) FROM booking), 0) + i, i % 5, i, repeat(i::text, 3000) FROM generate_series(1, 40) i;
	UPDATE booking SET class_id = class_id + 1, price = price + 1 WHERE id % 3 = 0;
	BEGIN; SAVEPOINT s; UPDATE booking SET price = price * 2 WHERE id % 4 = 1; ROLLBACK TO s; UPDATE booking SET price = price * 3 WHERE id % 4 = 1;
	SAVEPOINT s; DELETE FROM booking WHERE id % 7 = 0; RELEASE s; COMMIT;
	INSERT INTO visit SELECT i, i % 3 FROM generate_series(90, 110) i ON CONFLICT DO NOTHING;
	UPDATE visit SET day = day + 1 WHERE id % 2 = 0};

$publisher->safe_psql('postgres', $create);
is_copied('made');
$publisher->safe_psql('postgres', $write);
is_copied('written');
$publisher->safe_psql('postgres', q{SELECT gymstream.create_topic('by_class', 'row'), gymstream.create_topic('booking'); SELECT gymstream.create_topic('booking', 'row')});
$publisher->safe_psql('postgres', $write);
is_copied('published');

# groups with several partials, folded
my $open = $publisher->background_psql('postgres');
$open->query_safe(q{BEGIN; INSERT INTO booking VALUES (5000, 1, 1, 'x')});
$publisher->safe_psql('postgres', q{INSERT INTO booking VALUES (5001, 1, 1, 'x'), (5002, 2, 1, 'x')});
$open->query_safe('COMMIT');
$open->quit;
$publisher->safe_psql('postgres', q{SELECT gymstream.fold_rollup('by_class'), gymstream.fold_rollup('by_note')});
$publisher->safe_psql('postgres', q{SELECT gymstream.rebuild_rollup('by_class'), gymstream.rebuild_rollup('by_day')});
$publisher->safe_psql('postgres', 'VACUUM FULL by_class_partials');
$publisher->safe_psql('postgres', $write);
is_copied('folded and rebuilt');

# a subscriber from the schema: what it copies of partials is not counted
my $dump = "$PostgreSQL::Test::Utils::tmp_check/schema.sql";
$publisher->command_ok([ 'pg_dump', '-s', '-d', $publisher->connstr('postgres'), '--no-publications', '-f', $dump ], 'the schema was dumped');
$copy->safe_psql('postgres', 'DROP EXTENSION gymstream');
$copy->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $copy->connstr('postgres'), '-f', $dump ], 'and restored');
$copy->safe_psql('postgres', "CREATE SUBSCRIPTION copy CONNECTION '$connection' PUBLICATION everything");
$copy->wait_for_subscription_sync($publisher, 'copy');
is_copied('copied', $copy);
is($copy->safe_psql('postgres', 'SELECT class_id, n FROM by_class ORDER BY 1'), $publisher->safe_psql('postgres', 'SELECT class_id, n FROM by_class ORDER BY 1'), 'with all rows');
is($copy->safe_psql('postgres', 'SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL'), '', 'nothing is amiss');
$publisher->safe_psql('postgres', $write);
is_copied('goes on', $copy);

$publisher->safe_psql('postgres', 'TRUNCATE booking; TRUNCATE visit_1');
$publisher->safe_psql('postgres', $write);
is_copied('truncated', $copy);
$publisher->safe_psql('postgres', q{
	ALTER TABLE visit DETACH PARTITION visit_2;
	ALTER TABLE visit ATTACH PARTITION visit_2 FOR VALUES FROM (100) TO (1000);
	REVOKE ALL ON booking FROM PUBLIC;
	SELECT gymstream.drop_topic('by_class');
	SELECT gymstream.drop_rollup('by_note');
	DROP VIEW by_class});
$publisher->safe_psql('postgres', $write);
is_copied('dropped', $copy);

# nothing of it is decoded by anybody's plugin
$publisher->safe_psql('postgres', "SELECT pg_create_logical_replication_slot('look', 'test_decoding')");
$publisher->safe_psql('postgres', q{SELECT gymstream.create_rollup('again', 'SELECT note, count(*) AS n, max(note) FROM booking GROUP BY note');
	SELECT gymstream.create_topic('again')});
$publisher->safe_psql('postgres', $write);
$publisher->safe_psql('postgres', q{SELECT gymstream.rebuild_rollup('again'); SELECT gymstream.drop_rollup('again')});
is($publisher->safe_psql('postgres', q{SELECT DISTINCT substring(encode(data, 'escape') FROM '^table [^:]*') FROM pg_logical_slot_get_binary_changes('look', NULL, NULL)
	WHERE encode(data, 'escape') ~ '^table' ORDER BY 1}), "table public.booking\ntable public.visit_1\ntable public.visit_2", 'only what the application has');
$publisher->safe_psql('postgres', "SELECT pg_drop_replication_slot('look')");

$_->stop for $plain, $copy, $publisher;
done_testing();
