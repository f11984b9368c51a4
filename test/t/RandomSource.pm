# RandomSource: takes random numbers and gives a table of the random test: its columns, how it is made, and values for
# it. Values are such that the server's own answer does not depend on the order of rows: floats are multiples of powers
# of two, small enough that every sum of them is exact.
package RandomSource;

use strict;
use warnings;

use Exporter 'import';
our @EXPORT_OK = qw(below pick quoted random_source everything);

# Each holder of {random} has random numbers of its own.
sub below	# a number from 0 to n - 1
{
	my ($s, $n) = @_;
	$s->{random} = ($s->{random} * 1103515245 + 12345) & 0x7fffffff;
	return ($s->{random} >> 8) % $n;
}

sub pick { my ($s, @of) = @_; return $of[ below($s, scalar @of) ]; }

sub quoted { my ($value) = @_; return defined $value ? "'$value'" : 'NULL' }

sub day { my ($s) = @_; return sprintf('2026-%02d-%02d', 1 + below($s, 3), 1 + below($s, 28)) }

# Columns by name: type, and what gives a value. "same": whether values that are equal also look the same.
our %column = (
	k => { type => 'integer', same => 1, value => sub { below($_[0], 6) } },
	i2 => { type => 'smallint', same => 1, value => sub { below($_[0], 20) - 5 } },
	i4 => { type => 'integer', same => 1, value => sub { below($_[0], 8) ? below($_[0], 400) - 50 : pick($_[0], 0, 7, 2000000000) } },
	i8 => { type => 'bigint', same => 1, value => sub { below($_[0], 30) ? below($_[0], 10) : pick($_[0], '9223372036854775807', '-9223372036854775808') } },
	nu => { type => 'numeric', same => 0, value => \&numeric },
	nc => { type => 'numeric(10,2)', same => 1, value => sub { below($_[0], 2000) / 4 - 100 } },
	f4 => { type => 'real', same => 1, value => sub { below($_[0], 40) ? below($_[0], 4000) / 8 : pick($_[0], qw(NaN Infinity)) } },
	f8 => { type => 'double precision', same => 1,
		value => sub { below($_[0], 40) ? below($_[0], 100000) / 1024 - 20 : pick($_[0], qw(NaN Infinity -Infinity)) } },
	f => { type => 'double precision', same => 1, value => sub { below($_[0], 1000) / 8 } },
	tx => { type => 'text', same => 1, value => sub { pick($_[0], '', 'a', 'A', 'b', 'yoga', 'Yoga', 'spin', "o''clock", 'x' x 300) } },
	tc => { type => 'text COLLATE "und-x-icu"', same => 1, value => sub { pick($_[0], 'a', 'A', 'b', 'ä', 'Z', 'z') } },
	ci => { type => 'text COLLATE caseless', same => 0, value => sub { pick($_[0], 'a', 'A', 'b', 'B', 'Z') } },
	vc => { type => 'varchar(8)', same => 1, value => sub { pick($_[0], 'north', 'south', '') } },
	bo => { type => 'boolean', same => 1, value => sub { pick($_[0], 't', 'f') } },
	da => { type => 'date', same => 1, value => \&day },
	ts => { type => 'timestamp', same => 1, value => sub { my ($s) = @_; day($s) . ' 1' . below($s, 10) . ':30' } },
	tz => { type => 'timestamptz', same => 1, value => sub { my ($s) = @_; day($s) . ' 1' . below($s, 10) . ':30+00' } },
	iv => { type => 'interval', same => 0, value => sub { pick($_[0], '1 hour', '1 mon', '30 days', '-00:00:01.5', '1 day 2 hours', '24:00') } },
	mo => { type => 'money', same => 1, value => sub { below($_[0], 4000) / 4 - 100 } },
	uu => { type => 'uuid', same => 1, value => sub { sprintf '00000000-0000-0000-0000-%012d', below($_[0], 5) } },
	en => { type => 'mood', same => 1, value => sub { pick($_[0], qw(calm keen tired)) } },
	dm => { type => 'positive', same => 1, value => sub { 1 + below($_[0], 5) } },
	js => { type => 'jsonb', same => 1, value => sub { pick($_[0], '{"a": 1}', '{"a": 2, "b": [1]}', '[]', 'null', '"s"') } },
	ar => { type => 'integer[]', same => 1, value => sub { pick($_[0], '{}', '{1}', '{1,2}', '{NULL,3}', '{2}') } },
	ra => { type => 'int4range', same => 1, value => sub { my $n = below($_[0], 9); pick($_[0], "[$n," . ($n + 3) . ')', 'empty') } },
	cm => { type => 'place', same => 1, value => sub { pick($_[0], '(1,a)', '(2,b)', '(2,)') } },
	fz => { type => 'double precision', same => 0, value => sub { pick($_[0], '0', '-0', '1', 'NaN') } },
	jn => { type => 'jsonb', same => 0, value => sub { pick($_[0], '1', '1.0', '1.00', '{"a": 2}', '{"a": 2.0}') } },
	xi => { type => 'xid', same => 1, value => sub { below($_[0], 4) } },
	ge => { type => 'integer', same => 1, generated => 'i4 / 3' },
	note => { type => 'text', same => 1, value => sub { 'note ' . below($_[0], 1000) } },
);

sub numeric
{
	my ($s) = @_;
	return pick($s, qw(NaN Infinity -Infinity)) unless below($s, 60);
	return pick($s, '0', '0.000', '1', '1.0', '1.00', '2.5', '-2.50', '0.0001', '-17.125', '12345678901234567890.123456789', '1e30', '-1e30', '99999');
}

# What the tables share, once for a database.
sub types
{
	return q{
		CREATE TYPE mood AS ENUM ('calm', 'keen', 'tired');
		CREATE DOMAIN positive AS integer CHECK (value > 0);
		CREATE TYPE place AS (x integer, y text);
		CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE FUNCTION band(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n / 50';
		CREATE FUNCTION halved(n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN n / 2; END';
		CREATE FUNCTION add_square(bigint, integer) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 + $2::bigint % 1000 * ($2 % 1000)';
		CREATE AGGREGATE squares(integer) (SFUNC = add_square, STYPE = bigint, INITCOND = 0);
		CREATE FUNCTION near(a double precision, b double precision) RETURNS boolean LANGUAGE sql IMMUTABLE AS
			'SELECT a IS NOT DISTINCT FROM b OR coalesce(abs(a - b) <= 1e-9 * greatest(abs(a), abs(b), 1000), false)';
	};
}

# A table with some of the columns, or all. Partitioned: by 'list' of k, by 'range' or 'hash' of id, or '' for no.
sub random_source
{
	my ($s, $name, $partitioned, $all) = @_;
	my @optional = grep { !/^(k|i4|note)$/ } sort keys %column;
	my @columns = ('k', 'i4', grep { $all || below($s, 100) < 45 } @optional);
	my %not_null = map { $_ => 1 } grep { !$all && !below($s, 4) } @columns;
	return {
		name => $name, partitioned => $partitioned, columns => [ @columns, 'note' ], not_null => \%not_null,
		key => $partitioned eq 'list' ? 'id, k' : 'id', cascades => $partitioned eq '' && !$all && !below($s, 4), dropped => !below($s, 3),
	};
}

sub everything { return random_source({ random => 1 }, $_[0], $_[1] // '', 1) }

sub stored { my ($table) = @_; return grep { !$column{$_}{generated} } @{ $table->{columns} } }	# columns that a statement may set

sub column_text
{
	my ($table, $name) = @_;
	my $column = $column{$name};
	my $text = "$name $column->{type}";
	$text .= " GENERATED ALWAYS AS ($column->{generated}) STORED" if $column->{generated};
	$text .= ' NOT NULL' if $table->{not_null}{$name} && !$column->{generated};
	$text .= ' REFERENCES class ON UPDATE CASCADE ON DELETE ' . ($table->{not_null}{k} ? 'CASCADE' : 'SET NULL')
	  if $name eq 'k' && $table->{cascades};
	return $text;
}

sub partitions
{
	my ($table) = @_;
	my $name = $table->{name};
	my %bounds = (
		list => [ 'FOR VALUES IN (0, 1, NULL)', 'FOR VALUES IN (2, 3)', 'DEFAULT' ],
		range => [ 'FOR VALUES FROM (MINVALUE) TO (200)', 'FOR VALUES FROM (200) TO (5000)', 'DEFAULT' ],
		hash => [ map { "FOR VALUES WITH (MODULUS 3, REMAINDER $_)" } 0 .. 2 ]);
	my @bounds = @{ $bounds{ $table->{partitioned} } };
	return map { { name => "${name}_p$_", bounds => $bounds[ $_ - 1 ] } } 1 .. 3;
}

sub leaves { my ($table) = @_; return map { "$table->{name}_p$_" } qw(1 2_0 2_1 3) }

# SQL that makes the table, with some rows. One partition has its columns in another order, and one has partitions itself.
sub create
{
	my ($s, $table, $rows) = @_;
	my ($name, $how) = @$table{qw(name partitioned)};
	my @lines = map { column_text($table, $_) } @{ $table->{columns} };
	my $sql = $table->{cascades} ? "CREATE TABLE class (k integer PRIMARY KEY);\nINSERT INTO class SELECT generate_series(0, 5);\n" : '';

	$sql .= "CREATE TABLE $name (id integer, " . ($table->{dropped} ? 'gone text, ' : '') . join(', ', @lines) .
	  ($how eq 'list' ? ', UNIQUE (id, k))' : ', PRIMARY KEY (id))') . ($how ? " PARTITION BY $how (" . ($how eq 'list' ? 'k' : 'id') . ')' : '') . ";\n";
	$sql .= "ALTER TABLE $name DROP COLUMN gone;\n" if $table->{dropped};
	if ($how)
	{
		my ($a, $b, $c) = partitions($table);
		$sql .= "CREATE TABLE $a->{name} (" . join(', ', reverse(@lines), 'id integer' . ($how eq 'list' ? '' : ' NOT NULL')) . ");\n"
		  . "ALTER TABLE $name ATTACH PARTITION $a->{name} $a->{bounds};\n"
		  . "CREATE TABLE $b->{name} PARTITION OF $name $b->{bounds} PARTITION BY HASH (id);\n"
		  . join('', map { "CREATE TABLE $b->{name}_$_ PARTITION OF $b->{name} FOR VALUES WITH (MODULUS 2, REMAINDER $_);\n" } 0, 1)
		  . "CREATE TABLE $c->{name} PARTITION OF $name $c->{bounds};\n";
	}
	# what vacuum cuts off it locks as a whole
	$sql .= join '', map { "ALTER TABLE $_ SET (vacuum_truncate = off);\n" } $how ? leaves($table) : $name;
	$sql .= "CREATE VIEW ${name}_v AS SELECT * FROM $name WHERE i4 IS DISTINCT FROM 33;\n";
	$sql .= "INSERT INTO $name (" . names($table) . ') VALUES ' . join(', ', map { '(' . join(', ', row($s, $table, $_)) . ')' } 1 .. $rows) . ";\n" if $rows;
	return $sql;
}

# What statements write: the columns and a row of values, as literals.
sub names { my ($table) = @_; return join ', ', 'id', stored($table) }

sub value
{
	my ($s, $table, $name) = @_;
	return undef if !$table->{not_null}{$name} && !below($s, 7);
	return $column{$name}{value}->($s);
}

sub row { my ($s, $table, $id) = @_; return ($id, map { quoted(value($s, $table, $_)) } stored($table)) }

sub type { my ($name) = @_; return $name eq 'id' ? 'integer' : $column{$name}{type} =~ s/ COLLATE.*//r }

1;
