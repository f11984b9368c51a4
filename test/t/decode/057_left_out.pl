# Publications of all tables that leave some out (PostgreSQL 19): these have no events, and their partitions have none.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use Test::More;

my $node = start_gymstream('left_out', 'fsync = off');

sub sql { return $node->safe_psql('postgres', $_[0]) }

plan skip_all => 'no publication of this server leaves tables out' if sql('SHOW server_version_num') < 190000;

# the tables of the events that a publication lets through
sub shown
{
	my ($publication, $function) = @_;
	return sql("SELECT string_agg(data::json ->> 'table', ',' ORDER BY data::json ->> 'table') FROM pg_logical_slot_"
		. ($function // 'peek') . "_changes('left_out', NULL, NULL, 'publication-names', '$publication')");
}

my $changes = 'INSERT INTO kept VALUES (1, 1); INSERT INTO secret VALUES (1, 1); INSERT INTO open VALUES (1, 1); INSERT INTO closed VALUES (1, 1)';
sql(q{
	CREATE TABLE kept (id int PRIMARY KEY, n int);
	CREATE TABLE secret (id int PRIMARY KEY, n int);
	CREATE TABLE open (id int, n int) PARTITION BY RANGE (id);
	CREATE TABLE open_1 PARTITION OF open FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
	CREATE TABLE open_1_1 PARTITION OF open_1 DEFAULT;
	CREATE TABLE closed (id int, n int) PARTITION BY RANGE (id);
	CREATE TABLE closed_1 PARTITION OF closed FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
	CREATE TABLE closed_1_1 PARTITION OF closed_1 DEFAULT;
	CREATE PUBLICATION most FOR ALL TABLES EXCEPT (TABLE secret, closed);
	CREATE PUBLICATION roots FOR ALL TABLES EXCEPT (TABLE secret, closed) WITH (publish_via_partition_root = true);
	CREATE PUBLICATION every FOR ALL TABLES;
	CREATE PUBLICATION one FOR TABLE closed;
	SELECT pg_create_logical_replication_slot('left_out', 'gymstream')});
sql($changes);
is(shown('most'), 'kept,open_1_1', 'partitions go with their root');
is(shown('roots'), 'kept,open', 'also where they stand under its name');
is(shown('every'), 'closed_1_1,kept,open_1_1,secret', 'one that leaves nothing out');
is(shown('most,one'), 'closed_1_1,kept,open_1_1', 'what one leaves out another may have');
is(shown('most,every', 'get'), 'closed_1_1,kept,open_1_1,secret', 'in either order');

# as it is when a change is made, within one run of a reader
sql($changes =~ s/1, 1/2, 2/gr);
sql('DROP PUBLICATION most; CREATE PUBLICATION most FOR ALL TABLES EXCEPT (TABLE kept)');
sql($changes =~ s/1, 1/3, 3/gr);
is(sql(q{SELECT string_agg((data::json ->> 'table') || (data::json -> 'new' ->> 'id'), ',' ORDER BY data::json ->> 'table', data::json -> 'new' ->> 'id')
	FROM pg_logical_slot_get_changes('left_out', NULL, NULL, 'publication-names', 'most')}),
	'closed_1_13,kept2,open_1_12,open_1_13,secret3', 'a publication says what it said when the change was made');

# rollups of what is left out are relations of their own
sql(q{SELECT gymstream.create_rollup('sums', 'SELECT id, sum(n) FROM secret GROUP BY id')});
sql('INSERT INTO secret VALUES (10, 1)');
is(shown('roots', 'get'), 'sums', 'a rollup is published with all tables');
$node->stop('fast');
done_testing();
