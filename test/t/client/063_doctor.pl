# gymstream slots and gymstream doctor: what they show of a server that is well, and of each thing that may be wrong.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamTest;
use IPC::Run ();
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils ();
use Test::More;

delete $ENV{PGAPPNAME};
my $node = start_gymstream('doctor', "min_wal_size = '32MB'", "max_wal_size = '32MB'", 'autovacuum_freeze_max_age = 100000');
my $database = $node->connstr('postgres');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# Status and output; what goes wrong in the program itself is on standard error.
sub runs
{
	my ($status, $out, $err) = client(@_);

	is($err, '', "no complaint: @_");
	return ($status, $out);
}

sub says
{
	my ($command, $expected, $pattern, $name) = @_;
	my ($status, $out) = runs($command, '-d', $database);

	is($status, $expected, "$command: status $expected: $name");
	like($out, $pattern, "told: $name");
}

#
# Well
#

says('doctor', 0, qr/^Nothing is wrong with PostgreSQL \d+\S*.* and database "postgres"\.$/m, 'a server that is well');
my ($status, $out) = runs('doctor', '-d', $database, '--json');
is_deeply([ grep { $_->{level} ne 'note' } @{ decode_json($out)->{problems} } ], [], 'no problems as JSON');
says('slots', 0, qr/^SLOT +PLUGIN +DATABASE /m, 'without slots');
is((client('slots', 'x'))[0], 2, 'slots has no arguments');
is((client('doctor', 'x'))[0], 2, 'doctor has no arguments');
is((client('slots', '-h', '/nonexistent'))[0], 1, 'no server: status 1');

# An extension that was not updated.
sql('CREATE DATABASE older');
$node->safe_psql('older', q{CREATE EXTENSION gymstream VERSION '0.1'});
($status, $out) = runs('doctor', '-d', $node->connstr('older'));
is($status, 1, 'an older extension is a warning');
like($out, qr/^WARNING: the extension is of version 0\.1, .*\n +-> ALTER EXTENSION gymstream UPDATE;.*\n(NOTE: .*\n.*\n)*0 errors, 1 warning$/m, 'and nothing more is asked of it');
sql('DROP DATABASE older WITH (FORCE)');

#
# Slots
#

my $tail = spawn_client('tail', '-d', $database, '--slot', 'mine', '--create-slot');
ok(wait_until(sub { sql('SELECT count(*) FROM pg_replication_slots WHERE active') eq '1' }), 'a slot is read');
my $pid = sql('SELECT active_pid FROM pg_replication_slots');
says('slots', 0, qr/^mine +gymstream +postgres +reserved +.* $pid gymstream$/m, 'who reads it');
my $json = decode_json((runs('slots', '-d', $database, '--json'))[1]);
is_deeply($json->{problems}, [], 'nothing is wrong with it');
my $slot = $json->{slots}[0];
is_deeply([ @$slot{qw(slot_name plugin database active pid application_name wal_status)} ],
	[ 'mine', 'gymstream', 'postgres', JSON::PP::true, $pid, 'gymstream', 'reserved' ], 'the same as JSON');
ok(wait_until(sub { my $s = decode_json((runs('slots', '-d', $database, '--json'))[1])->{slots}[0];
	"$s->{lag_bytes} $s->{lag_seconds}" eq '0 0' }), 'with numbers, and nothing is left to be read');
my $watch = spawn_client('slots', '-d', $database, '--watch', '1');
shows($watch, 'out', qr/(^mine .*){2}/ms, '--watch shows it again and again');
$node->restart;
$watch->{out} = '';
shows($watch, 'out', qr/^mine /m, 'after a restart of the server too');
is(stop_client($watch, 'INT'), 0, 'until it is interrupted');
is(stop_client($tail, 'TERM'), 0, 'its reader ends');
says('slots', 0, qr/^mine .* nobody\b/m, 'nobody reads it');

sql(q{CREATE ROLE plain LOGIN; CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor});
($status, $out) = runs('slots', '-d', $database, '-U', 'plain');
is($status, 0, 'a role without privileges: status 0');
like($out, qr/^mine .*^NOTE: +your role does not see .*\n +-> GRANT pg_monitor TO plain;$/ms, 'it sees the slots, and is told what it does not see');
unlike((runs('slots', '-d', $database, '-U', 'monitor'))[1], qr/NOTE/, 'with that privilege it sees all');

sql('SELECT pg_logical_emit_message(false, $$x$$, $$x$$), pg_switch_wal()') for 1 .. 3;
says($_, 1, qr/^WARNING: replication slot "mine", which nobody reads, keeps \S+ MB of the .*, and nothing limits that; the disk has \S+ [MGT]B left\n +-> .*drop/m,
	'a slot that keeps much') for 'slots', 'doctor';
$slot = decode_json((runs('slots', '-d', $database, '--json'))[1])->{slots}[0];
cmp_ok($slot->{lag_seconds} // 0, '>', 0, 'and since when it was not read');
utime time, time - 2 * 86400, $_ for glob($node->data_dir . '/pg_wal/0*');
like((runs('slots', '-d', $database))[1], qr/^mine .* 2 d 0 h .*^NOTE: +nobody has read replication slot "mine" for 2 d 0 h\n +-> if it is not/ms,
	'a forgotten slot');
my ($keeps) = (runs('slots', '-d', $database, '--warn', '1MB'))[1] =~ /^WARNING: (.*) keeps/m;
is($keeps, 'replication slot "mine", which nobody reads,', '--warn says how much is much');
is((runs('slots', '-d', $database, '--warn', '1GB'))[0], 0, 'or not much');
is((client('slots', '-d', $database, '--warn', '1'))[0], 2, 'a size needs a unit');
$node->append_conf('postgresql.conf', "max_slot_wal_keep_size = '2000TB'");
$node->reload;
says($_, 1, qr/^WARNING: the disk of the write-ahead log has \S+ [MGT]B left, and replication slot "mine" may keep \d\.\d PB more$/m,
	'a limit beyond the disk') for 'slots', 'doctor';
sql(q{CREATE UNLOGGED TABLE burnt (a int); DO $$BEGIN FOR i IN 1..100001 LOOP
	BEGIN INSERT INTO burnt VALUES (1); EXCEPTION WHEN others THEN RAISE; END; END LOOP; END$$});
says($_, 1, qr/^WARNING: replication slot "mine" has held vacuum back for 10\d{4} transactions/m, 'a slot that holds vacuum back')
	for 'slots', 'doctor';
$node->append_conf('postgresql.conf', "max_slot_wal_keep_size = '200MB'\nmax_wal_size = '10GB'");
$node->reload;
ok(wait_until(sub { sql('SHOW max_slot_wal_keep_size') eq '200MB' }), 'a limit is set');
ok(wait_until(sub {
	sql('SELECT pg_logical_emit_message(false, $$x$$, $$x$$), pg_switch_wal()');
	sql('SELECT safe_wal_size < 40 * 1024 * 1024 FROM pg_replication_slots') eq 't' }), 'which is near');
says('slots', 1, qr/^WARNING: replication slot "mine" keeps \d+ MB, and is lost after \S+ MB more$/m, 'a slot in danger');
sql('SELECT pg_logical_emit_message(false, $$x$$, $$x$$), pg_switch_wal()') for 1 .. 4;
says('slots', 1, qr/^ERROR: +replication slot "mine" keeps .*, more than the limit: the next checkpoint makes it lost$/m, 'in more danger');
ok(wait_until(sub { sql('CHECKPOINT'); sql('SELECT wal_status FROM pg_replication_slots') eq 'lost' }), 'it is lost');
says($_, 1, qr/^ERROR: +replication slot "mine" is lost/m, 'a lost slot') for 'slots', 'doctor';
my @lost = client('tail', '-d', $database, '--slot', 'mine');
is($lost[0], 1, 'which cannot be read');
like($lost[2], qr/slot "mine": .+\nHINT:  /, 'told');
sql(q{SELECT pg_drop_replication_slot('mine')});
sql(q{SELECT pg_create_physical_replication_slot('physical')});
says('slots', 0, qr/^physical +\(physical\) .* nobody\b/m, 'a physical slot');
my %receiver = (out => '', err => '');
$receiver{handle} = IPC::Run::start([ 'pg_receivewal', '-d', $database, '-S', 'physical', '-D', PostgreSQL::Test::Utils::tempdir() ],
	'>', \$receiver{out}, '2>', \$receiver{err});
ok(wait_until(sub { sql('SELECT active FROM pg_replication_slots') eq 't' }), 'it is read');
says('slots', 0, qr/^physical +\(physical\) +reserved .* \d+ pg_receivewal$/m, 'by whom');
stop_client(\%receiver, 'INT');
ok(wait_until(sub { sql('SELECT active FROM pg_replication_slots') eq 'f' }), 'no more');
ok(wait_until(sub { sql('SELECT pg_logical_emit_message(false, $$x$$, $$x$$), pg_switch_wal()'); sql('CHECKPOINT');
	sql('SELECT wal_status FROM pg_replication_slots') eq 'lost' }), 'it is lost');
says('slots', 1, qr/^ERROR: +replication slot "physical" is lost.*\n.*give its standby the log from an archive/m, 'a lost physical slot');
sql(q{SELECT pg_drop_replication_slot('physical')});

#
# The database and who asks
#

sql(q{CREATE DATABASE bare; });
($status, $out) = runs('doctor', '-d', $node->connstr('bare'));
is($status, 1, 'no extension: status 1');
like($out, qr/^ERROR: +database "bare" does not have the extension gymstream\n +-> CREATE EXTENSION gymstream;$/m, 'told');
($status, $out) = runs('doctor', '-d', $database, '-U', 'plain');
is($status, 1, 'a role that cannot replicate: status 1');
like($out, qr/^WARNING: you cannot read slots: .*\n +-> ALTER ROLE plain REPLICATION;/m, 'told');
like($out, qr/^0 errors, 1 warning$/m, 'and no more, though it sees less');

sql(q{CREATE TABLE anonymous (a int); SELECT gymstream.create_topic('anonymous'); CREATE TABLE fine (a int PRIMARY KEY);
	SELECT gymstream.create_topic('fine'); CREATE TABLE counted (a int);
	SELECT gymstream.create_rollup('total', 'SELECT count(*) FROM counted'); ALTER TABLE counted REPLICA IDENTITY FULL;
	CREATE TABLE "Odd" (a int); CREATE TABLE indexed (a int CONSTRAINT gone UNIQUE NOT NULL);
	ALTER TABLE indexed REPLICA IDENTITY USING INDEX gone; CREATE TABLE appended (a int);
	CREATE PUBLICATION appends FOR TABLE appended WITH (publish = 'insert')});
ok(wait_until(sub { sql('SELECT problem IS NULL FROM gymstream.status') eq 't' }), 'topics are published');
my $topic = qr/^WARNING: table anonymous has a topic and no replica identity: .*\n +-> .* ALTER TABLE anonymous REPLICA IDENTITY FULL;\n/m;
says('doctor', 1, qr/$topic(NOTE.*\n.*\n)*0 errors, 1 warning$/m, 'a topic of a table without a replica identity');
sql(q{ALTER TABLE indexed DROP CONSTRAINT gone; DROP TABLE burnt; DROP PUBLICATION appends; ALTER TABLE appended ADD PRIMARY KEY (a);
	CREATE PUBLICATION everything FOR ALL TABLES});
says('doctor', 1, qr/^(ERROR: +UPDATE or DELETE of table (anonymous|"Odd"|indexed) fails: .*\n.*\n){3}$topic/m, 'such tables in a publication');
for my $table ('"Odd"', 'indexed')
{
	my ($refused, $out, $err) = $node->psql('postgres', "UPDATE $table SET a = 1");
	like($err, qr/does not have a replica identity/, "so it is with $table");
}
is($node->psql('postgres', 'INSERT INTO counted VALUES (1); UPDATE counted SET a = 2; DELETE FROM counted'), 0, 'but not with a rollup');
sql(q{DROP PUBLICATION everything; ALTER TABLE anonymous REPLICA IDENTITY FULL});

#
# The server's settings
#

if (has_setting('output_plugin_libraries'))
{
	$node->append_conf('postgresql.conf', "output_plugin_libraries = 'pgoutput'");
	$node->reload;
	says('doctor', 1, qr/^ERROR: +output_plugin_libraries does not have gymstream/m, 'an output plugin that is not allowed');
	$node->append_conf('postgresql.conf', "output_plugin_libraries = 'pgoutput, gymstream'");
}
sql(q{SELECT gymstream.drop_topic('anonymous'), gymstream.drop_topic('fine')});
ok(wait_until(sub { sql('SELECT count(*) FROM pg_replication_slots') eq '0' }), 'no slot is left');
$node->append_conf('postgresql.conf', "max_replication_slots = 2");
$node->reload;
says('doctor', 1, qr/^WARNING: the configuration has a new value for max_replication_slots/m, 'a restart is due');
# where decoding turns itself on with the first slot, less than replica is too little
my $low = sql(q{SELECT count(*) FROM pg_settings WHERE name = 'effective_wal_level'}) ? 'minimal' : 'replica';
if ($low eq 'minimal')
{
	$node->append_conf('postgresql.conf', 'wal_level = replica');
	$node->restart;
	unlike((runs('doctor', '-d', $database))[1], qr/wal_level/, 'replica is enough');
}
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_stat_statements'\nwal_level = $low\nmax_wal_senders = 0");
$node->restart;
says('doctor', 1, qr/\AERROR: +wal_level is $low.*\n.*\nERROR: +shared_preload_libraries does not have gymstream.*\n +-> .* = pg_stat_statements, gymstream;/,
	'a server that is not set up, the most important first');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'gymstream'\nwal_level = logical\nmax_wal_senders = 10");
$node->restart;
sql(q{SELECT pg_create_physical_replication_slot('a')});
says('doctor', 1, qr/^WARNING: max_replication_slots is 2, and 1 is in use: there is room for one more only\n.*-> ALTER SYSTEM SET max_replication_slots = 10;/m,
	'little room');
sql(q{SELECT pg_create_physical_replication_slot('b')});
says('doctor', 1, qr/^ERROR: +max_replication_slots is 2, and 2 are in use: there is no room for one more$/m, 'no room');

$node->stop;
done_testing();
