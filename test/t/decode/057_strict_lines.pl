# Every line is read by strict parsers, whatever is in it, and means what the database has.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{GYMSTREAM_SEED} // int(rand(1000000));
note("seed $seed");
srand($seed);

my $node = start_gymstream('strict', 'fsync = off');

sub some { return $_[ int(rand(@_)) ] }

# what is hard to read: half a surrogate pair, numbers beyond a double, deep nesting, and what only looks like that
my @strings = ('', 'x', '\ud800', '\udc00', '\ud83c\udfcb', '\ud83c\ud83c\udfcb', '\ud83c\n', '\u0000', '\\\\ud800', '\\\\\\\\ud83c', '\"', "\x7f", '\uffff', '\ufdd0', 'é🏋', '[' x 200, '1e999', '7' x 400, '\/', '\b\f\t\r\n', '\uD83C\uDFCB');
my @numbers = ('0', '-0', '1e5000', '-1e309', '1e308', '1E307', '1.5e+306', '1e-400', '1e-99999', '0e99999', '9' x 308, '9' x 309, '-' . '1' x 400, '1' x 400 . 'e-200', '0.' . '3' x 5000, '1' x 4301,
	'12345678901234567890.12345678901234567890', '1e22', '100e306', '1000e306');

sub space { return rand() < 0.1 ? some(' ', "\n", "\t", "\r\n", ' ' x 20) : '' }

sub hostile
{
	my ($depth) = @_;
	my $kind = rand();
	return '"' . join('', map { some(@strings) } 0 .. int(rand(3))) . '"' if $kind < 0.35;
	return some(@numbers) if $kind < 0.6;
	return some('null', 'true', 'false') if $kind < 0.7 || $depth > 5;
	return '[' . join(',', map { space() . hostile($depth + 1) . space() } 1 .. int(rand(4))) . ']' if $kind < 0.85;
	return '{' . join(',', map { space() . "\"k$_" . some('', '', 'é', '\ud83c\udfcb', '\ud800') . '":' . hostile($depth + 1) } 1 .. int(rand(4))) . '}';
}

sub nested
{
	my ($levels) = @_;
	my $object = rand() < 0.5;
	return ($object ? '{"a":' : '[') x $levels . '1' . ($object ? '}' : ']') x $levels;
}

my @documents = ((map { '"' . $_ . '"' } @strings), @numbers, 'null', " \n\tnull ", '"null"', (map { nested($_) } 1, 50, 99, 100, 101, 120, 126, 128, 250, 256, 500, 1023, 1500, 3000), map { space() . hostile(0) . space() } 1 .. 300 * ($ENV{GYMSTREAM_MINUTES} // 1));

$node->safe_psql('postgres', q{
	CREATE TABLE t (id serial PRIMARY KEY, j json, b jsonb, n numeric, x text);
	CREATE TABLE refused (document text);
	SELECT pg_create_logical_replication_slot('strict', 'gymstream');
	CREATE FUNCTION try(document text, c text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE format('INSERT INTO t (%I) VALUES ($1::%s)', c, (SELECT atttypid::regtype FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = c)) USING document;
	EXCEPTION WHEN OTHERS THEN INSERT INTO refused VALUES (document);
	END $$;});
my $file = $node->basedir . '/documents.sql';
append_to_file($file, join('', "INSERT INTO t DEFAULT VALUES;\n", map { my $d = $_; map { "SELECT try(convert_from('\\x" . unpack('H*', $d) . "', 'UTF8'), '$_');\n" } qw(j b x), $d =~ /^-?[0-9]/ ? 'n' : () } @documents));
$node->command_ok([ 'psql', '-Xq', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $file ], 'documents, in each type that takes them');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE j IS NOT NULL'), '>=', @documents - 5, 'json takes nearly all');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE b IS NOT NULL'), '>', 100, 'jsonb many');

# an event's column with a value, and its text
my $expected = $node->basedir . '/expected';
append_to_file($expected, $node->safe_psql('postgres', q{
	SELECT CASE WHEN j IS NOT NULL THEN json_build_array('j', 'json', j::text) WHEN b IS NOT NULL THEN json_build_array('b', 'json', b::text)
		WHEN n IS NOT NULL THEN json_build_array('n', 'number', n::text) ELSE json_build_array('x', 'text', x) END FROM t ORDER BY id}) . "\n");
for my $format ([], [ 'format=debezium' ], [ 'json-data-types-as-string' ])
{
	my $events = $node->basedir . '/events.' . join('', @$format);
	my @command = ('pg_recvlogical', '-d', $node->connstr('postgres'), '--slot', 'strict', '--start', '--no-loop', '-f', $events, '-F', '0', '-s', '0', '-o', 'filter-tables=*.refused',
		'--endpos', $node->safe_psql('postgres', 'SELECT pg_current_wal_lsn()'));
	# nothing is confirmed: each reads all
	$node->command_ok([ 'psql', '-Xqc', "SELECT pg_copy_logical_replication_slot('strict', 'copy')", '-o', '/dev/null', $node->connstr('postgres') ], 'a slot of its own');
	s/^strict$/copy/ for @command;
	$node->command_ok([ @command, map { ('-o', $_) } @$format ], "lines @$format");
	$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('copy')});
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ 'python3', "$FindBin::Bin/../../strict_lines.py", $events, @$format ? () : $expected ], '>', \$out, '2>', \$err);
	ok($ok, "read by all strict parsers, and the same: @$format " . join(' ', split(/\n/, $ok ? $out : ''))) or diag("seed $seed\n", $out, $err);
}

$node->stop('fast');
done_testing();
