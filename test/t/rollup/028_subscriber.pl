# A logical subscriber: its apply worker writes rows straight into tables and fires only what fires always. Rollups there are
# exact, also of partitioned tables, whether changes come for the root or for partitions, and while rows move between these.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my @names = qw(wide other);
my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->append_conf('postgresql.conf', "fsync = off\n");
$publisher->start;
my $subscriber = start_gymstream('subscriber', 'fsync = off');

# of wide the changes come for the root, of other for the partitions of the publisher, which are named the same
my $tables = join '', map { qq{
	CREATE TABLE $_ (id int, k int, v int, note text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
	CREATE TABLE ${_}_1 PARTITION OF $_ FOR VALUES FROM (0) TO (100);
	CREATE TABLE ${_}_2 PARTITION OF $_ FOR VALUES FROM (100) TO (200);
} } @names;
$publisher->safe_psql('postgres', $tables . q{
	CREATE TABLE plain (id int PRIMARY KEY, k int, v int, note text);
	CREATE PUBLICATION roots FOR TABLE wide, plain WITH (publish_via_partition_root = true);
	CREATE PUBLICATION leaves FOR TABLE other;
	INSERT INTO wide SELECT i, i % 5, i, 'x' FROM generate_series(0, 150) i;
	INSERT INTO other SELECT * FROM wide;
	INSERT INTO plain SELECT * FROM wide});

# the subscriber has other partitions of wide, and columns in another order
$subscriber->safe_psql('postgres', q{
	CREATE TABLE wide (note text, gone int, v int, id int, k int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
	ALTER TABLE wide DROP COLUMN gone;
	CREATE TABLE wide_a (id int NOT NULL, v int, k int, note text);
	ALTER TABLE wide ATTACH PARTITION wide_a FOR VALUES FROM (0) TO (50);
	CREATE TABLE wide_b PARTITION OF wide FOR VALUES FROM (50) TO (1000) PARTITION BY HASH (id);
	CREATE TABLE wide_b_0 PARTITION OF wide_b FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE wide_b_1 PARTITION OF wide_b FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	CREATE TABLE other (id int, v int, note text, k int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
	CREATE TABLE other_1 PARTITION OF other FOR VALUES FROM (0) TO (100);
	CREATE TABLE other_2 PARTITION OF other FOR VALUES FROM (100) TO (200);
	CREATE TABLE plain (id int PRIMARY KEY, k int, v int, note text)});
for my $name (qw(wide wide_b other other_1 plain))
{
	$subscriber->safe_psql('postgres', qq{
		SELECT gymstream.create_rollup('${name}_sums', 'SELECT k, count(*), sum(v), min(v) FROM $name GROUP BY k');
		SELECT gymstream.create_rollup('${name}_notes', 'SELECT k, array_agg(note ORDER BY note) FROM $name GROUP BY k')});
}

# a trigger of the subscriber's application sees rollups exact
$subscriber->safe_psql('postgres', q{
	CREATE TABLE wrong (seen text);
	CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
	BEGIN
		INSERT INTO wrong SELECT r.rollup || v::text FROM gymstream_internal.rollup r, gymstream.verify_rollup(r.rollup) v;
		RETURN NULL;
	END $$;
	CREATE TRIGGER look AFTER INSERT OR UPDATE OR DELETE ON wide FOR EACH ROW EXECUTE FUNCTION look();
	CREATE TRIGGER look AFTER INSERT OR UPDATE OR DELETE ON other_1 FOR EACH ROW EXECUTE FUNCTION look();
	CREATE TRIGGER look AFTER INSERT OR UPDATE OR DELETE ON plain FOR EACH ROW EXECUTE FUNCTION look();
	ALTER TABLE wide ENABLE ALWAYS TRIGGER look;
	ALTER TABLE other_1 ENABLE ALWAYS TRIGGER look;
	ALTER TABLE plain ENABLE ALWAYS TRIGGER look});

my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION $_ CONNECTION '$connection' PUBLICATION $_") for qw(roots leaves);
$subscriber->wait_for_subscription_sync($publisher, $_) for qw(roots leaves);
is(differences($subscriber), '', 'exact once the tables were copied');
is($subscriber->safe_psql('postgres', 'SELECT sum(count) FROM wide_sums'), 151, 'with their rows');

for my $sql ('INSERT INTO TABLE VALUES (151, 1, 1, NULL), (152, 9, 2, NULL)', 'UPDATE TABLE SET v = v + 1 WHERE id % 3 = 0',
	q{UPDATE TABLE SET note = 'y' WHERE id % 4 = 0}, 'UPDATE TABLE SET k = k + 1, note = NULL WHERE id BETWEEN 40 AND 60', 'UPDATE TABLE SET id = id + 110 WHERE id IN (45, 84)',
	'UPDATE TABLE SET id = id - 110 WHERE id IN (155, 194)', 'DELETE FROM TABLE WHERE id % 7 = 0',
	'BEGIN; SAVEPOINT s; DELETE FROM TABLE; ROLLBACK TO s; INSERT INTO TABLE VALUES (0, 1, 1, NULL); DELETE FROM TABLE WHERE id = 0; COMMIT')
{
	$publisher->safe_psql('postgres', $sql =~ s/TABLE/$_/gr) for 'plain', @names;
	$publisher->wait_for_catchup($_) for qw(roots leaves);
	is(differences($subscriber), '', "exact: $sql");
}
for my $name ('plain', @names)
{
	my $rows = "SELECT id, k, v, note FROM $name ORDER BY id";
	is($subscriber->safe_psql('postgres', $rows), $publisher->safe_psql('postgres', $rows), "$name has the publisher's rows");
}
$publisher->safe_psql('postgres', "TRUNCATE $_") for 'other_1', 'wide', 'plain';
$publisher->wait_for_catchup($_) for qw(roots leaves);
is(differences($subscriber), '', 'exact after TRUNCATE of the root and of a partition');
is($subscriber->safe_psql('postgres', 'SELECT (SELECT count(*) FROM wide_sums), (SELECT count(*) FROM other_1), (SELECT count(*) > 0 FROM other_2)'),
	'0|0|t', 'which has come');
is($subscriber->safe_psql('postgres', 'TABLE wrong'), '', 'nor did triggers see any that was not');

$subscriber->stop;
$publisher->stop;
done_testing();
