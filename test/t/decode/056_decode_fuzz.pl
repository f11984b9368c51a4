# The output plugin under what nobody would ask of it: option strings at random, in a walsender too, tables that are
# altered while they are decoded. Each either works or is refused with an error that says what is wrong; the server stays up.
# Text of any bytes, in any encoding, is what escaping it byte by byte gives.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use PostgreSQL::Test::Utils;
use RandomChange;
use Test::More;

my $seed = $ENV{GYMSTREAM_SEED} // int(rand(1000000));
note("seed $seed");
srand($seed);

my $node = start_gymstream('decode_fuzz', 'fsync = off', 'logical_decoding_work_mem = 64kB');
$node->safe_psql('postgres', $RandomChange::setup . q{
	CREATE PUBLICATION fuzz_all FOR ALL TABLES;
	CREATE PUBLICATION fuzz_rows FOR TABLE plain WHERE (id > 3), root, wide (id, part) WITH (publish_via_partition_root);
	SELECT pg_create_logical_replication_slot('fuzz', 'gymstream', false, true)});

# what there is to decode: changes and DDL of all kinds, and messages
my $random = RandomChange->new($seed);
my $script = $node->basedir . '/changes';
append_to_file($script, join('', map { $random->transaction(1) } 1 .. 80));
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $node->connstr('postgres'), '-f', $script ], 'changes');
$node->safe_psql('postgres', q{SELECT pg_logical_emit_message(t, 'p', m) FROM unnest('{t,f}'::bool[]) t, unnest(ARRAY['\x00ff', '\x'::bytea]) m;
	BEGIN; INSERT INTO plain (id) VALUES (-1); PREPARE TRANSACTION 'fuzz'; ROLLBACK PREPARED 'fuzz'; DROP TABLE full_identity});

my @names = qw(actions add-msg-prefixes add-tables include-tables batch decimal.handling.mode filter-msg-prefixes filter-tables exclude-tables format
	format-version include-lsn include-origin include-pk include-schema-changes include-schemas include-timestamp include-transaction provide.transaction.metadata include-types
	include-xids messages include-messages numeric-data-types-as-string origin only-local pretty-print publication-names publish-via-partition-root
	schemas.enable skip-output streaming stream-changes topic.prefix two-phase json-data-types-as-string max-event-size missing-tables unrendered);
my @switches = grep { /^(batch|include-(?!tables)|json|messages|numeric|only|pretty|publish|schemas|streaming|two)/ } @names;
my %values = (
	actions => [ 'insert', 'insert,update', 'delete,truncate,rollup', 'message' ], 'add-tables' => [ '*.*', 'public.*', '*.plain,*.root' ], 'filter-tables' => [ '*.wide', 'none.*' ],
	format => [qw(json debezium)], 'decimal.handling.mode' => [qw(precise string double)], origin => [qw(any none)], 'topic.prefix' => [ 'x', 'é"' ],
	'publication-names' => [ 'fuzz_all', 'fuzz_rows', 'fuzz_rows,no_such', '"odd ""name"' ], 'add-msg-prefixes' => ['p'], 'format-version' => ['1'], 'max-event-size' => [ '8kB', '1023MB', '70000' ],
	'missing-tables' => [qw(error ignore)], unrendered => [qw(event error)]);

my @noise = ('a', 'z', '.', ',', '*', '\\', '"', "'", ' ', '-', '_', "\n", '%s', '%n', '{', 'é', '0', 'on', 'x' x 300);

sub some { return $_[ int(rand(@_)) ] }
sub noise { return join '', map { some(@noise) } 0 .. int(rand(12)) }
sub mangle { my ($text) = @_; substr($text, int(rand(length($text) + 1)), int(rand(3))) = noise() if rand() < 0.5; return $text }

# Options that are right, or nearly, or not at all.
sub options
{
	my ($valid) = @_;
	my %seen;
	my @options;
	for (0 .. int(rand(7)))
	{
		my $name = $valid ? some(@switches, keys %values) : some(@names);
		my $value = exists $values{$name} && rand() < 0.8 ? some(@{ $values{$name} }) : some(qw(on off true 0));
		next if $valid && ($seen{$name}++ || exists $values{$name} && !grep { $_ eq $value } @{ $values{$name} });
		push @options, $valid ? ($name, $value) : (rand() < 0.9 ? $name : mangle($name), rand() < 0.6 ? $value : mangle(noise()));
	}
	return @options;
}

my ($refused, $shown, @strange) = (0, 0);
for my $i (1 .. 100 * ($ENV{GYMSTREAM_MINUTES} // 1))
{
	my @given = options($i % 2);
	my $list = join ', ', map { my $o = $_; $o =~ s/\$q\$//g; "\$q\$$o\$q\$" } @given;
	# a transaction that is shown on several lines is one JSON value all the same
	my ($status, $out, $err) = $node->psql('postgres', q{SET client_min_messages = error; SELECT count(*), count(data::jsonb) FROM pg_logical_slot_peek_changes('fuzz', NULL, NULL} .
		($list ? ", $list" : '') . ')', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	if ($status == 0) { $shown++ }
	elsif ($err =~ /ERROR:  (22023|0A000|42601|22021|42P01|54000): .*(of output plugin gymstream|column lists|options|invalid byte sequence|longer than)/s) { $refused++ }
	else { push @strange, join(' | ', @given) . " -> $err" }
}
is(join("\n", @strange), '', "options at random are taken or refused, and what comes is JSON (seed $seed)");
cmp_ok($shown, '>', 20, "$shown taken");
cmp_ok($refused, '>', 20, "$refused refused");

# in a walsender, whose reader gives them as they are
my @lost;
for (1 .. 15)
{
	my @given = options(rand() < 0.7);
	my @command = ('pg_recvlogical', '-d', $node->connstr('postgres'), '--slot', 'fuzz', '--start', '--no-loop', '-f', '/dev/null', '-s', '0',
		'--endpos', $node->safe_psql('postgres', 'SELECT pg_current_wal_lsn()'));
	for (my $i = 0; $i < @given; $i += 2) { push @command, '-o', "$given[$i]=$given[$i + 1]" }
	$node->safe_psql('postgres', q{INSERT INTO plain (id) SELECT max(id) + 1 FROM plain; UPDATE root SET a = a + 1});
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run(\@command, '>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	# the server lets go of a slot some time after its reader has ended
	$node->poll_query_until('postgres', q{SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'fuzz'});
	push @lost, "@given -> $err" unless $ok || $err =~ /ERROR:  .*(output plugin|longer than|syntax error|column lists|two_phase|zero-length|unterminated|invalid byte sequence)/s;
}
is(join("\n", @lost), '', 'a walsender takes or refuses them too');

# text at random: special bytes dense and rare, lengths around those of blocks and pieces, beside escaping it byte by byte
my %escapes = ("\b" => '\b', "\t" => '\t', "\n" => '\n', "\f" => '\f', "\r" => '\r', '"' => '\"', '\\' => '\\\\');
my $utf8 = qr/[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}/;
my @odd = map { my $c = $_; utf8::encode($c); $c } "\xe9", "\x{7ff}", "\x{20ac}", "\x{d7ff}", "\x{ffff}", "\x{10000}", "\x{10ffff}";

sub unit { return sprintf '\\u%04x', $_[0] }

sub code_point
{
	my ($c) = @_;
	return unit(0xfffd) unless utf8::decode($c) && length($c) == 1;
	$c = ord($c);
	return $c < 0x10000 ? unit($c) : unit(0xd800 + ($c - 0x10000 >> 10)) . unit(0xdc00 + ($c - 0x10000 & 0x3ff));
}

sub beyond_ascii
{
	my ($encoding, $text) = @_;
	$text =~ s/([\x80-\xff])/unit(ord($1))/ge if $encoding eq 'LATIN1';
	$text =~ s/($utf8|[\x80-\xff])/code_point($1)/ge if $encoding eq 'SQL_ASCII';
	return $text;
}

sub text_of
{
	my ($encoding, $bytes) = @_;
	my ($dense, $rare) = (rand() ** 3, rand() < 0.5 ? 0 : rand() ** 3);
	return join '', map { rand() < $dense ? chr(1 + int(rand(127))) : rand() >= $rare ? some('a' .. 'z') : $encoding eq 'UTF8' ? some(@odd) : $encoding eq 'LATIN1' || rand() < 0.2 ?
		chr(0x80 + int(rand(128))) : some(@odd) } 1 .. $bytes;
}

sub space { return join '', map { some("\n", "\r", "\t", ' ') } 1 .. int(rand(4)) }

for my $encoding (qw(UTF8 LATIN1 SQL_ASCII))
{
	my $database = lc "text_$encoding";
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($database, q{CREATE TABLE t (id int, body text, doc json)});
	$node->safe_psql($database, qq{SELECT pg_create_logical_replication_slot('$database', 'gymstream')});
	my ($sql, @expected) = ('');
	for my $id (1 .. 300)
	{
		my $body = text_of($encoding, int(rand(some(20, 40, 100, 600, 1200))));
		my $doc = '[' . join(',', map { my $item = text_of($encoding, int(rand(some(1, 40)))); $item =~ tr/\x01-\x1f"\\//d; space() . qq("$item") . space() } 0 .. int(rand(20))) . ']';
		$sql .= "INSERT INTO t VALUES ($id, " . join(', ', map { "convert_from('\\x" . unpack('H*', $_) . "', '$encoding')" } $body, $doc) . "::json);\n";
		$body =~ s/([\x01-\x1f"\\\x7f])/$escapes{$1} \/\/ unit(ord($1))/ge;
		$doc =~ tr/\n\r/  /;
		push @expected, qq({"id":$id,"body":") . beyond_ascii($encoding, $body) . '","doc":' . beyond_ascii($encoding, $doc) . '}}';
	}
	my $file = $node->basedir . "/$database.sql";
	append_to_file($file, $sql);
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-f', $file ], "$encoding: texts");
	# psql leaves some characters out
	my @lines = map { pack('H*', $_) } split /\n/, $node->safe_psql($database, qq{SELECT encode(convert_to(data, '$encoding'), 'hex') FROM pg_logical_slot_get_changes('$database', NULL, NULL)});
	my @wrong = grep { $lines[$_] !~ /"new":\Q$expected[$_]\E\z/ } 0 .. $#expected;
	is(scalar(@lines), 300, "$encoding: an event each");
	is(scalar(@wrong), 0, "$encoding: as byte by byte (seed $seed)") or diag("$expected[$wrong[0]]\n$lines[$wrong[0]]");
}

# altered and dropped while they are decoded by somebody who is behind
$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('fuzz'); SELECT pg_create_logical_replication_slot('fuzz', 'gymstream')});
my $ddl = $node->basedir . '/ddl.sql';
append_to_file($ddl, q{
	\set n random(1, 5)
	CREATE TABLE IF NOT EXISTS brief:client_id (id int PRIMARY KEY, a text);
	BEGIN;
	INSERT INTO brief:client_id VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET a = excluded.a || 'y';
	ALTER TABLE brief:client_id ADD COLUMN IF NOT EXISTS c:n numeric DEFAULT 1.5;
	UPDATE brief:client_id SET a = a || 'z';
	ALTER TABLE brief:client_id DROP COLUMN c:n;
	ALTER TABLE brief:client_id REPLICA IDENTITY FULL;
	DELETE FROM brief:client_id;
	END;
	DROP TABLE brief:client_id;
});
my ($out, $err) = ('', '');
my $reader = IPC::Run::start([ 'pg_recvlogical', '-d', $node->connstr('postgres'), '--slot', 'fuzz', '--start', '--no-loop', '-f', $node->basedir . '/read', '-s', '1', '-o', 'include-types', '-o',
	'publication_names=fuzz_all,fuzz_rows' ], '>', \$out, '2>', \$err);
$node->command_ok([ 'pgbench', '-n', '-c', '3', '-t', '40', '-f', $ddl, $node->connstr('postgres') ], 'tables are made, altered and dropped');
my $end = $node->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
ok(wait_until(sub { $node->safe_psql('postgres', "SELECT confirmed_flush_lsn >= '$end' FROM pg_replication_slots WHERE slot_name = 'fuzz'") eq 't' }), 'all of it is read') or diag($err);
$reader->kill_kill(grace => 0);
my %actions;
my $read = slurp_file($node->basedir . '/read');
$actions{$1}++ while $read =~ /"action":"(\w+)","schema":"public","table":"brief\d"/g;
is_deeply(\%actions, { insert => 120, update => 120, delete => 120 }, 'each change once');

$node->stop('fast');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|terminated by exception/, 'the server did not crash');
done_testing();
