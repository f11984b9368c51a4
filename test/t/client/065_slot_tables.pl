# gymstream tail --slot --table: the output plugin chooses the tables where it can, and the lines are those that the client
# chooses where it cannot.

use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::Bin/..";

use Encode qw(encode_utf8 decode_utf8);
use GymstreamClient;
use GymstreamTest;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use Test::More;

delete $ENV{PGAPPNAME};
my $node = start_gymstream('slot_tables', 'log_replication_commands = on');
my $copies = 0;

sub sql { return $node->safe_psql('postgres', $_[0]) }

# What a copy of a slot has up to now, and the plugin's options as the server saw them.
sub read_copy
{
	my ($slot, @options) = @_;
	my $copy = 'copy_' . $copies++;
	my $log = -s $node->logfile;

	sql("SELECT pg_copy_logical_replication_slot('$slot', '$copy')");
	my ($status, $out, $err) = client('tail', '-d', $node->connstr('postgres'), '--slot', $copy, '--until', 'now',
		'--allow-missing', map { encode_utf8($_) } @options);
	is($status, 0, "read: @options") or diag($err);
	sql("SELECT pg_drop_replication_slot('$copy')");
	my ($command) = slurp_file($node->logfile, $log) =~ /START_REPLICATION SLOT "$copy" LOGICAL \S+(.*)/;
	return ($out, decode_utf8($command));
}

# The lines of all that are about a table, by its name or its schema's and its own.
sub lines_of
{
	my ($all, $name) = @_;

	return join '', map { "$_\n" } grep {
		my $event = decode_json($_);
		($event->{table} // '') eq $name || ($event->{schema} // '') . '.' . ($event->{table} // '') eq $name } split /\n/, $all;
}

sql(q{SELECT pg_create_logical_replication_slot('everything', 'gymstream');
	CREATE SCHEMA a; CREATE SCHEMA "a.b"; CREATE SCHEMA "é"; CREATE SCHEMA odd;
	CREATE TABLE t (i int); CREATE TABLE a.t (i int); CREATE TABLE a."b.c" (i int); CREATE TABLE "a.b".c (i int);
	CREATE TABLE "a.b.c" (i int); CREATE TABLE "é"."ü" (i int); CREATE TABLE "*" (i int); CREATE TABLE odd."*.*" (i int);
	CREATE TABLE odd." x,y\z' .""" (i int); CREATE TABLE ".t" (i int); CREATE TABLE "t." (i int);
	CREATE TABLE before (i int PRIMARY KEY); CREATE SCHEMA moved; CREATE TABLE moved.m (i int);
	CREATE TABLE root (i int PRIMARY KEY) PARTITION BY RANGE (i);
	CREATE TABLE low PARTITION OF root FOR VALUES FROM (0) TO (10); CREATE TABLE high PARTITION OF root FOR VALUES FROM (10) TO (20);
	CREATE TABLE booking (class int, price int);
	SELECT gymstream.create_rollup('by_class', 'SELECT class, sum(price) AS total FROM booking GROUP BY class')});
my $insert = q{DO $$
	DECLARE r regclass;
	BEGIN
		FOR r IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
			WHERE relkind = 'r' AND nspname !~ '^pg_|^information_schema|^gymstream' AND NOT relispartition
			AND relname !~ 'booking|partials' ORDER BY c.oid
		LOOP EXECUTE format('INSERT INTO %s VALUES (%s)', r, floor(random() * 1e9)); END LOOP;
	END$$;
	INSERT INTO booking VALUES (1, 10), (2, 20); INSERT INTO root VALUES (1), (11);
	SELECT pg_logical_emit_message(true, 'x', 'y');};
sql($insert);
sql(q{BEGIN; ALTER TABLE before RENAME TO after; INSERT INTO after VALUES (-1); ROLLBACK});
sql(q{UPDATE root SET i = i + 11 WHERE i = 1; TRUNCATE low; TRUNCATE root; TRUNCATE t, a.t});
sql(q{BEGIN; INSERT INTO before VALUES (-2); ALTER TABLE before RENAME TO after; INSERT INTO after VALUES (-3);
	ALTER SCHEMA moved RENAME TO there; INSERT INTO there.m VALUES (-4); ALTER TABLE a.t SET SCHEMA odd; COMMIT});
sql(q{ALTER VIEW by_class RENAME TO per_class});
sql($insert);
sql(q{TRUNCATE booking; DROP TABLE "a.b.c"; CREATE TABLE "a.b.c" (i int); INSERT INTO "a.b.c" VALUES (-5); DROP TABLE ".t"});
my $all = sql(q{SELECT data FROM pg_logical_slot_peek_changes('everything', NULL, NULL, 'include-schema-changes', 'on')});

#
# The plugin chooses
#

for my $name (
	qw(t public.t a.t odd.t a.b.c a.b é.ü ü odd.* * *.* before public.before after moved.m there.m m root low public.high booking
	by_class per_class public.per_class .t t. nothing), q{odd. x,y\z' ."}, q{ x,y\z' ."})
{
	my $expected = lines_of($all, $name);
	my ($out, $options) = read_copy('everything', '--table', $name);

	is($out, $expected, "the lines of $name");
	like($options, qr/^ \("include-schema-changes" 'on', "add-tables" '\*\./, 'chosen by the plugin');
	is($expected eq '' ? 1 : 0, scalar(grep { $_ eq $name } qw(a.b root nothing odd.*)), 'which are some, where it is a table');
}
my ($out, $options) = read_copy('everything', map { ('--table', $_) } qw(t after));
is($out, join('', map { "$_\n" } grep { lines_of($_, 't') . lines_of($_, 'after') } split /\n/, $all), 'the lines of several');
($out, $options) = read_copy('everything', qw(--table per_class --key class=2 -o include-xids=off -o actions=rollup));
is(scalar(() = $out =~ /^\{"action":"rollup".*"key":\{"class":2\}.*\n/mg), 1, 'with keys and other options');
unlike($out, qr/"xid"|"class":1/, 'which do what they do');
like($options, qr/^ \("include-xids" 'off', "actions" 'rollup', "include-schema-changes" 'on', "add-tables" '/, 'the plugin has the tables too');

#
# The client chooses
#

for my $case (
	[ 'marks', 't', qr/"begin"/, '-o', 'include-transaction' ],
	[ 'names of roots', 'low', qr/"truncate"/, '-o', 'publish-via-partition-root' ],
	[ 'names without schemas', 't', qr/^\{"action":"insert","table":"t"/, '-o', 'include-schemas=off' ],
	[ 'Debezium', 'public.t', qr/"op":"c"/, '-o', 'format=debezium' ])
{
	my ($what, $name, $pattern, @options) = @$case;
	my ($lines, $seen) = read_copy('everything', '--table', $name, @options);

	like($lines, $pattern, "$what: there are lines");
	unlike($lines, qr/"table":"after"/, "$what: not of other tables");
	unlike($seen, qr/add-tables/, "$what: the plugin has no tables");
}
($out) = read_copy('everything', '--table', 't', '-o', 'add-tables=*.t,*.after');
is($out, lines_of($all, 't'), "a list of tables of one's own");

# In an encoding that is not the client's.
sql(q{CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
$node->safe_psql('latin', q{SELECT pg_create_logical_replication_slot('latin', 'gymstream'); CREATE TABLE U&"\00e9" (i int)});
$node->safe_psql('latin', q{INSERT INTO U&"\00e9" VALUES (1)});
for my $name ('é', '€')
{
	my ($status, $lines, $err) = client('tail', '-d', $node->connstr('latin'), qw(--slot latin --until now --allow-missing --table), encode_utf8($name));
	is("$status$err", '0', encode_utf8("$name in LATIN1"));
	is($lines ne '', $name eq 'é', 'is there or not');
}

#
# DDL: whoever keeps a copy is told to read anew
#

sub tail_now { return client('tail', '-d', $node->connstr('postgres'), qw(--slot ddl --until now), @_) }
sql(q{SELECT pg_create_logical_replication_slot('ddl', 'gymstream'); CREATE TABLE one (i int PRIMARY KEY); CREATE TABLE two (i int PRIMARY KEY);
	INSERT INTO one VALUES (1)});
sql('ALTER TABLE one ADD COLUMN j int DEFAULT 7');
sql('ALTER TABLE two ADD COLUMN j int DEFAULT 7');
my ($status, $lines, $err) = tail_now(qw(--key i=5 --table one));
like($lines, qr/^\{"action":"changed","schema":"public","table":"one",[^\n]*\}\n$/, 'a line, also where a key is asked for');
is("$status$err", "0gymstream: rows of public.one printed so far may be out of date: changed\n", 'and a word to the user');
sql('ALTER TABLE two RENAME TO three');
sql('DROP TABLE one');
($status, $lines, $err) = tail_now();
is($err, "gymstream: rows of public.two printed so far may be out of date: changed\n"
	. "gymstream: rows of public.three printed so far may be out of date: changed\ngymstream: rows of public.one printed so far may be out of date: dropped\n", 'what was renamed, and dropped');
for my $option ('format=debezium', 'include_schema_changes=off', 'streaming=on')
{
	sql('ALTER TABLE three ADD COLUMN k int; ALTER TABLE three DROP COLUMN k');
	($status, $lines, $err) = tail_now('-o', $option);
	is("$status$lines$err", '0', "not with $option");
}
sql(q{SELECT pg_create_logical_replication_slot('of_others', 'test_decoding'); ALTER TABLE three ADD COLUMN l int});
($status, $lines, $err) = client('tail', '-d', $node->connstr('postgres'), qw(--slot of_others --until now));
unlike($err, qr/out of date|option/, 'nor is another plugin asked for it');

# What stops decoding in the middle of the stream is told, once, with what to do.
sql(q{CREATE TABLE four (i int PRIMARY KEY, t text); INSERT INTO four VALUES (1, repeat('long ', 3000))});
($status, $lines, $err) = tail_now(qw(-o unrendered=error -o max-event-size=8kB));
is($status, 1, 'an error while the server sends');
is(scalar(() = $err =~ /^gymstream: replication slot "ddl": [^\n]*8192 bytes\nHINT:  [^\n]+$/mg), 1, 'is told');
sql(q{SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name IN ('ddl', 'of_others')});

#
# What is not wanted is done with
#

my $run = spawn_client('tail', '-d', $node->connstr('postgres'), qw(--slot everything --allow-missing --table nothing --status-interval 1));
sql(q{INSERT INTO t SELECT generate_series(1, 100000)});
my $end = sql('SELECT pg_current_wal_flush_lsn()');
ok(wait_until(sub { pump($run);
	sql("SELECT confirmed_flush_lsn >= '$end' FROM pg_replication_slots WHERE slot_name = 'everything'") eq 't' }),
	'it is confirmed, though nothing of it is sent');
is(stop_client($run, 'TERM'), 0, 'the client ends cleanly');
is($run->{out} . $run->{err}, '', 'and had nothing to say');

$node->stop;
done_testing();
