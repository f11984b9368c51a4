# RandomChange: transactions of random changes to tables of many kinds, with savepoints, rollbacks and DDL. The DDL is also
# written as a logical message, so that who has the events alone can follow.
package RandomChange;

use strict;
use warnings;

our @tables = qw(plain wide full_identity other_identity toasted north south);

our $setup = q{
CREATE TYPE mood AS ENUM ('sad', 'so "so"', 'glad');
CREATE TYPE pair AS (a int, b text);
CREATE TABLE plain (id int PRIMARY KEY, a int, b text);
CREATE TABLE wide (id bigint, part text, b bool, i2 int2, f4 float4, f8 float8, n numeric, d date, ts timestamp, tz timestamptz, t time, iv interval,
	u uuid, by bytea, j json, jb jsonb, e mood, p pair, ai int[], at text[], r int4range, bits varbit, c char(5), twice int GENERATED ALWAYS AS (i2 * 2) STORED, PRIMARY KEY (part, id));
CREATE TABLE full_identity (a int, b text, j json);
ALTER TABLE full_identity REPLICA IDENTITY FULL;
CREATE TABLE other_identity (id int, code text NOT NULL, a int, PRIMARY KEY (id));
CREATE UNIQUE INDEX other_identity_code ON other_identity (code);
ALTER TABLE other_identity REPLICA IDENTITY USING INDEX other_identity_code;
CREATE TABLE toasted (id int PRIMARY KEY, big text, small int, large bytea);
ALTER TABLE toasted ALTER big SET STORAGE external;
CREATE TABLE root (id int, region text, a int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE north (a int, region text NOT NULL, id int NOT NULL);
ALTER TABLE root ATTACH PARTITION north FOR VALUES IN ('n');
CREATE TABLE south PARTITION OF root FOR VALUES IN ('s');
};

sub new
{
	my ($class, $seed) = @_;
	srand($seed);
	return bless { id => 0, column => 0, depth => 0 }, $class;
}

sub pick { return $_[ int(rand(@_)) ] }
sub text { return pick(q{''}, q{'x'}, q{E'a"b\\\\c\\n\\t\\x01'}, q{'é€🏋'}, 'NULL', q{repeat('xy', 50)}) }

# of type json, some of it no parser's friend
sub json
{
	return '(' . pick(q{E'{"a" :\\n [1, "\\\\u00e9"]}'}, q{'null'}, q{'"null"'}, q{'"\ud800"'}, q{'[1e5000]'}, q{repeat('[', 150)::text || repeat(']', 150)}, q{repeat('7', 400)}, 'NULL') . ')';
}
sub jsonb { return '(' . pick(q{'{"a": [1.50, null, "x\"y"]}'}, q{'null'}, q{'[null]'}, q{'1e400'}, q{repeat('[', 120)::text || repeat(']', 120)}, 'NULL') . ')' }

my @ddl = (
	sub { my $c = 'added' . ++$_[0]{column}; return "ALTER TABLE plain ADD $c int DEFAULT " . int(rand(9)) },
	sub { return $_[0]{column} > 1 ? 'ALTER TABLE plain DROP added' . ($_[0]{column}-- - 0) : 'ALTER TABLE plain ALTER b SET STORAGE external' },
	sub { return 'ALTER TABLE plain ALTER b TYPE varchar(1000)' },
	sub { return 'ALTER TABLE plain ALTER b TYPE text' },
	sub { return 'ALTER TABLE full_identity ADD tmp text; ALTER TABLE full_identity DROP tmp' },
);

my @changes = (
	sub { my $i = ++$_[0]{id}; "INSERT INTO plain (id, a, b) SELECT $i * 1000 + i, i, " . text() . ' FROM generate_series(1, ' . pick(1, 1, 5, 300) . ') i' },
	sub { 'UPDATE plain SET a = a + 1, b = ' . text() . ' WHERE id % 7 = ' . int(rand(7)) },
	sub { my $i = ++$_[0]{id}; "UPDATE plain SET id = $i * 1000 + 500 + id % 400 WHERE id = (SELECT max(id) FROM plain)" },
	sub { 'DELETE FROM plain WHERE id % 11 = ' . int(rand(11)) },
	sub {
		my $i = ++$_[0]{id};
		"INSERT INTO wide VALUES ($i, " . pick(q{'p'}, q{'q"'}) . ', ' . join(', ', map { rand() < 0.2 ? 'NULL' : $_ } pick('true', 'false'), int(rand(65536)) - 32768,
			pick(q{'NaN'}, q{'-Infinity'}, '1.5e-30', 'random()'), pick(q{'Infinity'}, '-0.0', 'random() * 1e300'), pick(q{'NaN'}, '-0.0010', '12345678901234567890.1234567890', '1e100'),
			pick(q{'infinity'}, q{'0044-03-15 BC'}, q{'2024-02-29'}, q{'20000-01-01'}), pick(q{'-infinity'}, 'clock_timestamp()', q{'0001-01-01 BC'}), 'clock_timestamp()', q{'23:59:59.999999'},
			pick(q{'1 mon -3 days 04:00:00.5'}, q{'-1 year'}), 'gen_random_uuid()', pick(q{''}, q{'\x00ff'}, q{decode(md5(random()::text), 'hex')}), json() . '::json', jsonb() . '::jsonb', pick(q{'sad'}, q{'so "so"'}), pick(q{'(1,"a, ""b""")'}, q{'(,)'}), pick(q{'{}'}, q{'{NULL,1}'}, q{'[2:3]={1,2}'}), q{ARRAY['a,b', NULL, '{"}', '\']},
			pick(q{'empty'}, q{'[1,5)'}, q{'(,)'}), pick(q{''}, q{'10101'}), q{'ab'}) . ')' },
	sub { 'UPDATE wide SET i2 = NULL, n = n + 1, jb = ' . jsonb() . '::jsonb WHERE id % 3 = ' . int(rand(3)) },
	sub { 'DELETE FROM wide WHERE id % 5 = ' . int(rand(5)) },
	sub { 'INSERT INTO full_identity SELECT i % 3, ' . text() . ', ' . json() . '::json FROM generate_series(1, 3) i' },
	sub { 'UPDATE full_identity SET a = ' . pick('NULL', 'a + 1') . ', b = ' . text() . ' WHERE a = ' . int(rand(4)) },
	sub { 'DELETE FROM full_identity WHERE a IS NULL OR a = ' . int(rand(4)) },
	sub { my $i = ++$_[0]{id}; "INSERT INTO other_identity VALUES ($i, 'c$i', 0)" },
	sub { 'UPDATE other_identity SET id = id + 1000000, a = a + 1 WHERE id % 9 = ' . int(rand(9)) . ' AND id < 1000000' },
	sub { q{UPDATE other_identity SET code = code || 'x' WHERE length(code) < 20 AND id % 8 = } . int(rand(8)) },
	sub { 'DELETE FROM other_identity WHERE id % 13 = ' . int(rand(13)) },
	sub { my $i = ++$_[0]{id}; "INSERT INTO toasted VALUES ($i, repeat(" . pick("'x'", "'é'", q{E'\\\\n'}) . ', ' . pick(10, 3000, 20000) . "), 0, decode(repeat(md5('$i'), " . pick(1, 500) . "), 'hex'))" },
	sub { 'UPDATE toasted SET small = small + 1 WHERE id % 3 = ' . int(rand(3)) },
	sub { 'UPDATE toasted SET big = big || big WHERE length(big) < 40000 AND id % 5 = ' . int(rand(5)) },
	sub { my $i = ++$_[0]{id}; "INSERT INTO root VALUES ($i, " . pick("'n'", "'s'") . ', 1)' },
	sub { 'UPDATE root SET a = a + 1, region = ' . pick("'n'", "'s'", 'region') . ' WHERE id % 4 = ' . int(rand(4)) },
	sub { 'DELETE FROM root WHERE id % 6 = ' . int(rand(6)) },
	sub { rand() < 0.1 ? 'TRUNCATE ' . pick('plain', 'wide, full_identity', 'toasted', 'root', 'south') : 'SELECT' },
);

# One transaction as SQL.
sub transaction
{
	my ($self, $with_ddl) = @_;
	my @statements = 'BEGIN';
	my @columns = ($self->{column});

	for (1 .. 1 + int(rand(8)))
	{
		my $dice = rand();
		if ($dice < 0.12) { push @statements, 'SAVEPOINT s' . scalar(@columns); push @columns, $self->{column} }
		elsif ($dice < 0.2 && @columns > 1) { $self->{column} = pop @columns; push @statements, 'ROLLBACK TO s' . scalar(@columns) }
		elsif ($dice < 0.24 && @columns > 1) { pop @columns; push @statements, 'RELEASE s' . scalar(@columns) }
		elsif ($dice < 0.3 && $with_ddl)
		{
			my $command = pick(@ddl)->($self);
			push @statements, $command, "SELECT pg_logical_emit_message(true, 'ddl', \$ddl\$$command\$ddl\$)";
		}
		else { push @statements, pick(@changes)->($self) }
	}
	if (rand() < 0.15) { $self->{column} = $columns[0]; push @statements, 'ROLLBACK' }
	else { push @statements, 'COMMIT' }
	return join(";\n", @statements) . ";\n";
}

1;
