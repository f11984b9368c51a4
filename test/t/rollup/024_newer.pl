# Statements, columns and constraints that older servers do not know: rollups are exact after them, or refuse them. What a
# server does not have is skipped.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use Test::More;

my $node = start_gymstream('newer', 'fsync = off');
my $version = int($node->safe_psql('postgres', 'SHOW server_version_num') / 10000);

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub error { return ($node->psql('postgres', $_[0]))[2] }

# Exact after the statement, which must change what the rollup shows, or must not.
sub exact
{
	my ($name, $rollup, $changes, $statement) = @_;
	my $shown = "SELECT md5(string_agg(r::text, chr(10) ORDER BY r::text)) FROM $rollup r";
	my $before = sql($shown);

	sql($statement);
	is(differences($node), '', "exact: $name");
	is($before eq sql($shown) ? 0 : 1, $changes, $changes ? 'and another one' : 'and the same');
}

sql(q{
	CREATE TABLE booking (id int PRIMARY KEY, class_id int, price int);
	CREATE INDEX ON booking (class_id);
	SELECT gymstream.create_rollup('attendance', 'SELECT class_id, count(*) AS n, sum(price) AS revenue FROM booking GROUP BY class_id');
	SELECT gymstream.create_rollup('extremes', 'SELECT class_id, min(price) AS least, max(price) AS most FROM booking GROUP BY class_id');
	INSERT INTO booking SELECT i, i % 5, i FROM generate_series(1, 50) i;
});
is(differences($node), '', 'exact');

SKIP:
{
	skip 'this server has no MERGE ... WHEN NOT MATCHED BY SOURCE', 2 if $version < 17;
	exact('MERGE of rows that have no match', 'attendance', 1, q{
		MERGE INTO booking b USING (VALUES (1), (2), (3), (100)) new(id) ON b.id = new.id
		WHEN MATCHED THEN UPDATE SET class_id = 9 WHEN NOT MATCHED THEN INSERT VALUES (new.id, 1, 1)
		WHEN NOT MATCHED BY SOURCE AND b.id < 20 THEN DELETE WHEN NOT MATCHED BY SOURCE THEN UPDATE SET price = price + 1
		RETURNING merge_action()});
}

SKIP:
{
	skip 'this server has no COPY ... ON_ERROR', 2 if $version < 17;
	exact('COPY that leaves out what is no row', 'attendance', 1,
		"COPY booking FROM stdin (ON_ERROR ignore);\n200\t1\t1\n201\tx\t1\n202\t3\t1\n\\.\n");
}

SKIP:
{
	skip 'this server has no virtual columns, and no constraints that are not enforced', 13 if $version < 18;
	sql(q{CREATE TABLE sale (k int, price int, twice int GENERATED ALWAYS AS (price * 2) VIRTUAL,
		thrice int GENERATED ALWAYS AS (price * 3) STORED);
		CREATE VIEW shown AS SELECT k, twice FROM sale;
		SELECT gymstream.create_rollup('sales', 'SELECT k, sum(thrice), sum(price * 2) AS twice FROM sale GROUP BY k')});
	for my $query ('k, sum(twice) FROM sale GROUP BY k', 'twice, count(*) FROM sale GROUP BY twice',
		'k, count(*) FROM sale WHERE twice > 3 GROUP BY k', 'k, count(*) FROM shown WHERE twice > 3 GROUP BY k')
	{
		like(error("SELECT gymstream.create_rollup('virtual', 'SELECT $query')"),
			qr/a rollup cannot have the virtual generated column "twice".*HINT:  Write its expression instead/s, "refused: $query");
	}
	exact('rows beside a virtual column', 'sales', 1, 'INSERT INTO sale (k, price) VALUES (1, 1), (2, 2)');
	exact('the expression of a virtual column', 'sales', 0, 'ALTER TABLE sale ALTER twice SET EXPRESSION AS (price * 20)');

	# a reference that is not enforced deletes nothing, until it is
	sql(q{CREATE TABLE member (id int PRIMARY KEY);
		CREATE TABLE visit (member int REFERENCES member ON DELETE CASCADE NOT ENFORCED, minutes int CHECK (minutes > 0) NOT ENFORCED);
		SELECT gymstream.create_rollup('visits', 'SELECT member, count(*), sum(minutes) FROM visit GROUP BY member');
		INSERT INTO member VALUES (1), (2); INSERT INTO visit VALUES (1, -10), (2, 20), (2, 30)});
	exact('a reference that is not enforced', 'visits', 0, 'DELETE FROM member WHERE id = 2');
	sql('INSERT INTO member VALUES (2); ALTER TABLE visit ALTER CONSTRAINT visit_member_fkey ENFORCED');
	exact('a reference that has come to be', 'visits', 1, 'DELETE FROM member WHERE id = 2');
	is(sql('TABLE visits'), '1|1|-10', 'which has deleted the rows');
}

SKIP:
{
	skip 'this server has no INSERT ... ON CONFLICT DO SELECT', 11 if $version < 19;
	my $rows = q{INSERT INTO booking VALUES (30, 77, 77), (301, 2, 5) ON CONFLICT (id)};

	exact('INSERT that shows what is there', 'attendance', 1, "$rows DO SELECT RETURNING *");
	exact('INSERT that shows what is there, and locks it', 'attendance', 0, "$rows DO SELECT FOR UPDATE WHERE booking.price > 0 RETURNING *");
	exact('INSERT that shows what another statement of its transaction wrote', 'attendance', 1, qq{BEGIN;
		SAVEPOINT s; INSERT INTO booking VALUES (302, 2, 5); $rows DO SELECT FOR SHARE RETURNING *;
		ROLLBACK TO s; INSERT INTO booking VALUES (303, 2, 5) ON CONFLICT (id) DO SELECT RETURNING *; COMMIT});
	exact('COPY that takes nulls for what is no number', 'attendance', 1,
		"COPY booking FROM stdin (ON_ERROR set_null);\n400\t1\tx\n401\tx\t1\n\\.\n");
	sql('ALTER TABLE booking ADD CONSTRAINT cheap CHECK (price < 10) NOT ENFORCED');
	exact('a check that is not enforced', 'attendance', 1, 'INSERT INTO booking VALUES (500, 1, 1000)');
	like(error('ALTER TABLE booking ALTER CONSTRAINT cheap ENFORCED'), qr/violated/, 'nor can be');
}

is(sql('SELECT string_agg(problem, chr(10)) FROM gymstream.rollups'), '', 'nothing is missing');
$node->stop('fast');
done_testing();
