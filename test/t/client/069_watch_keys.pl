# gymstream watch shows one row for a group, also where equal values of its key look different: what it has read, what
# events say, and what the rollup shows later on are one row.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamTest;
use Test::More;

delete $ENV{PGAPPNAME};
my $node = start_gymstream('keys');
my $database = $node->connstr('postgres');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# type, a value, one that is equal, the key as events have it
my @kinds = (
	[ 'citext', 'Abc', 'aBC', 'abc' ], [ 'numeric', '1.0', '1.00', '1' ], [ 'interval', '24:00', '1 day', '1 day' ],
	[ 'jsonb', '{"a":1.0}', '{"a":1.00}', '{"a": 1}' ], [ 'numrange', '[1.0,2)', '[1,2)', '[1,2)' ],
	[ 'price', '(1.0,x)', '(1.00,x)', '(1,x)' ], [ 'jsonb[]', '{1.0}', '{1}', '{1}' ]);

plan skip_all => 'the extension citext is missing'
	if sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'}) eq '0';
sql(q{CREATE EXTENSION citext; CREATE TYPE price AS (amount numeric, note text);
	CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)});
for my $i (0 .. $#kinds)
{
	sql(qq{CREATE TABLE t$i (id int, k $kinds[$i][0], v int); INSERT INTO t$i VALUES (1, '$kinds[$i][1]', 10);
		SELECT gymstream.create_rollup('r$i', 'SELECT k, sum(v) AS s FROM t$i GROUP BY k'); SELECT gymstream.create_topic('r$i', 'row')});
}
my $watch = spawn_client('watch', '-d', $database, map { "r$_" } 0 .. $#kinds);
for my $i (0 .. $#kinds)
{
	my ($type, $one, $other, $key) = @{ $kinds[$i] };
	my $row = qr/^r$i k=\Q$key\E: /m;

	shows($watch, 'out', qr/^r$i: 1 row$/m, "$type: what there is");
	sql("INSERT INTO t$i VALUES (2, '$other', 1)");
	shows($watch, 'out', qr/${row}[^\n]*s 10 -> 11$/m, "$type: an equal key is the same row");
	sql("DELETE FROM t$i WHERE id = 1");
	shows($watch, 'out', qr/${row}[^\n]*s 11 -> 1$/m, "$type: it stays so when it looks different");
	sql("DELETE FROM t$i");
	shows($watch, 'out', qr/${row}?gone$/m, "$type: and goes as one");
	sql("INSERT INTO t$i VALUES (3, '$one', 5)");
	shows($watch, 'out', qr/${row}new, s 5$/m, "$type: and comes back");
	is(scalar(() = $watch->{out} =~ /^r$i .*: new/mg), 1, "$type: never two rows");
}

# where the keys of a group have nothing in common that can be shown, and where a JSON null is no other null
sql(q{CREATE TABLE loose (k text COLLATE nocase, doc jsonb, v int); INSERT INTO loose VALUES ('Abc', NULL, 1), ('x', 'null', 2), ('x', NULL, 3);
	SELECT gymstream.create_rollup('loosely', 'SELECT k, sum(v) AS s FROM loose WHERE k <> ''x'' GROUP BY k');
	SELECT gymstream.create_rollup('docs', 'SELECT doc, sum(v) AS s FROM loose WHERE k = ''x'' GROUP BY doc');
	SELECT gymstream.create_topic('loosely', 'row'); SELECT gymstream.create_topic('docs', 'row')});
my $loose = spawn_client('watch', '-d', $database, 'loosely', 'docs');
shows($loose, 'out', qr/^loosely: 1 row$/m, 'a collation that is not deterministic');
shows($loose, 'out', qr/^docs: 2 rows$/m, 'nulls of two kinds');
sql(q{INSERT INTO loose VALUES ('aBC', NULL, 10)});
shows($loose, 'out', qr/^loosely: read again, 1 row/m, 'the rollup is read again');
sql(q{INSERT INTO loose VALUES ('x', NULL, 10)});
shows($loose, 'out', qr/^docs doc=null: s 3 -> 13$/m, 'the null');
sql(q{INSERT INTO loose VALUES ('x', 'null', 10)});
shows($loose, 'out', qr/^docs: read again, 2 rows/m, 'the JSON null');
unlike($loose->{out}, qr/: new/, 'no row comes twice');

# a rollup whose groups are others, after a function was replaced and it was rebuilt
sql(q{CREATE FUNCTION bucket(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 10'; CREATE TABLE counted (v int);
	INSERT INTO counted VALUES (5), (15); SELECT gymstream.create_rollup('buckets', 'SELECT bucket(v) AS k, count(*) AS n FROM counted GROUP BY 1');
	SELECT gymstream.create_topic('buckets', 'row')});
my $rebuilt = spawn_client('watch', '-d', $database, 'buckets');
shows($rebuilt, 'out', qr/^buckets: 2 rows$/m, 'a rollup over a function');
sql(q{CREATE OR REPLACE FUNCTION bucket(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 100'; SELECT gymstream.rebuild_rollup('buckets')});
shows($rebuilt, 'out', qr/^buckets: read again, 1 row \(changed\)$/m, 'is read again when it is rebuilt');

is(stop_client($_, 'TERM'), 0, 'SIGTERM ends it cleanly') for $watch, $loose, $rebuilt;
is(differences($node), '', 'the rollups are exact');
$node->stop;
done_testing();
