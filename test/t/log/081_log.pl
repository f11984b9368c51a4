# A topic's log: a reader with a bookmark loses nothing where one that goes by a bigserial does; retention, beside readers at
# full speed; drop_topic, DROP TABLE, rename, owners; a standby, and its promotion; subscribers of all tables; dumps.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('log', 'fsync = off', 'autovacuum = off', 'max_wal_senders = 10', 'hot_standby_feedback = off');
my $writer = GymstreamListener->new($node, 'postgres');
sub sql { return $node->safe_psql('postgres', @_) }
sub stored { my ($topic, $count) = @_; return $node->poll_query_until('postgres', "SELECT coalesce(sum(events), 0) = $count FROM gymstream.topics WHERE relation = '$topic'::regclass") }
sub refused { my ($query, $pattern, $what) = @_; my $err; $node->psql('postgres', "\\set VERBOSITY verbose\n$query", stderr => \$err, on_error_stop => 0); like($err, $pattern, $what) }

# What everybody tries first: to remember the largest id that was seen. A transaction that began earlier commits later.
sql(q{CREATE TABLE booking (id bigserial PRIMARY KEY, class_id int, note text); SELECT gymstream.create_topic('booking')});
$writer->ask("BEGIN; INSERT INTO booking (class_id, note) VALUES (7, 'slow');");
sql(q{INSERT INTO booking (class_id, note) VALUES (7, 'fast')});
ok(stored('booking', 1), 'the fast one is in the log, though the slow one is open');
my @by_id = split /\n/, sql('SELECT id FROM booking WHERE id > 0 ORDER BY id');
my $bookmark = sql(q{SELECT position FROM gymstream.read_topic('booking')});
$writer->ask('COMMIT;');
ok(stored('booking', 2), 'both are, then');
push @by_id, split /\n/, sql("SELECT id FROM booking WHERE id > $by_id[-1] ORDER BY id");
is("@by_id", '2', 'a reader by id has lost the slow one');
is(sql("SELECT key->>'id', event->'new'->>'note' FROM gymstream.read_topic('booking', '$bookmark')"), '1|slow', 'a reader by position has not');

# retain_bytes: whole segments go, and readers at full speed are neither stopped nor wrong
sql(q{CREATE TABLE traffic (id int PRIMARY KEY, note text); SELECT gymstream.create_topic('traffic', retain_bytes => 1000000)});
my $fill = q{INSERT INTO traffic SELECT coalesce((SELECT max(id) FROM traffic), 0) + i, (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 8) WHERE i > 0) FROM generate_series(1, 400) i};
my $reader = $node->basedir . '/reader.sql';
append_to_file($reader, q{
SELECT read_all();
});
sql(q{CREATE FUNCTION read_all() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE holes bigint;
BEGIN
	SELECT coalesce(max(gymstream.position_offset(position)) - min(gymstream.position_offset(position)) + 1, 0) - count(*) INTO holes
	FROM gymstream.read_topic('traffic', max_events => NULL);
	IF holes <> 0 THEN
		RAISE '% holes', holes;
	END IF;
	RETURN holes;
EXCEPTION WHEN SQLSTATE 'GS002' THEN -- retention was faster than the reader, and says so
	RETURN 0;
END $$});
my ($text, $errors) = ('', '');
my $readers = IPC::Run::start([ 'pgbench', '-n', '-c', 3, '-T', 60, '-f', $reader, '-h', $node->host, '-p', $node->port, 'postgres' ], '>', \$text, '2>', \$errors);
sql($fill);
ok($node->poll_query_until('postgres', q{SELECT count(*) > 10 FROM gymstream.read_topic('traffic')}), 'there are events');
my $first = sql(q{SELECT position FROM gymstream.read_topic('traffic', max_events => 1)});
my $old = GymstreamListener->new($node, 'postgres');
$old->ask('BEGIN ISOLATION LEVEL REPEATABLE READ;');
my $seen = $old->ask("SELECT count(*) FROM gymstream.read_topic('traffic', max_events => NULL);");
ok(wait_until(sub { $readers->pump_nb; sql($fill); sql(q{SELECT gymstream.position_offset(first_position) > 1500 AND bytes < 1600000 FROM gymstream.topics WHERE relation = 'traffic'::regclass}) eq 't' }), 'retention has dropped what was first')
	or diag(sql('SELECT * FROM gymstream_internal.segment'));
$readers->pump_nb;
ok($readers->pumpable, 'readers go on');
$readers->kill_kill;
unlike($errors, qr/ERROR/, 'and have seen no hole') or diag(substr $errors, 0, 2000);
ok($seen > 0, 'a snapshot that is older has seen events');
refused("SELECT 1 FROM gymstream.read_topic('traffic', '$first')", qr/GS002.*no longer kept.*first event that is kept has the offset \d+/s, 'a bookmark past retention is an error with a code of its own');
$old->ask("SELECT count(*) FROM gymstream.read_topic('traffic', '$first');");
like($old->{err}, qr/no longer kept/, 'under the old snapshot too: never an empty answer');
undef $old;
is(sql(q{SELECT count(*) = 1 + max(gymstream.position_offset(position)) - min(gymstream.position_offset(position)) FROM gymstream.read_topic('traffic', max_events => NULL)}), 't', 'what is kept has no hole');

# retain: by time
sql(q{SELECT gymstream.alter_topic('traffic', retain => '2 seconds')});
my $next = sql(q{SELECT gymstream.position_offset(gymstream.last_position('traffic')) + 1});
ok($node->poll_query_until('postgres', q{SELECT events = 0 FROM gymstream.topics WHERE relation = 'traffic'::regclass}), 'what is older than retain goes, all of it');
is(sql(q{SELECT gymstream.first_position('traffic') IS NULL, gymstream.position_offset(gymstream.last_position('traffic'))}), 't|' . ($next - 1), 'the log says what comes next');
my $empty = sql(q{SELECT gymstream.last_position('traffic')});
sql(q{SELECT gymstream.alter_topic('traffic', retain => '1 hour'); DELETE FROM traffic WHERE id = 1});
ok(stored('traffic', 1), 'another event');
is(sql("SELECT gymstream.position_offset(position), action, key FROM gymstream.read_topic('traffic', '$empty')"), "$next|delete|{\"id\": 1}", 'it has the next offset');

# nothing kept in between: the log says so
sql(q{SELECT gymstream.alter_topic('traffic', retain => '0')});
refused(q{SELECT * FROM gymstream.read_topic('traffic')}, qr/55000.*keeps no events/, 'a topic that keeps nothing');
sql(q{DELETE FROM traffic WHERE id = 2});
sql(q{SELECT gymstream.alter_topic('traffic', retain => '1 hour')});
sql(q{DELETE FROM traffic WHERE id = 3});
ok($node->poll_query_until('postgres', q{SELECT count(*) >= 2 FROM gymstream.read_topic('traffic') WHERE key IS NULL OR key->>'id' = '3'}), 'stored again');
is(sql(q{SELECT string_agg(action || coalesce(key::text, ''), ' ' ORDER BY gymstream.position_offset(position)) FROM gymstream.read_topic('traffic') WHERE key->>'id' IS DISTINCT FROM '1'}), 'reset delete{"id": 3}',
	'a reset stands where events were not stored');

# DDL: told in its place; the log goes with the topic
sql(q{ALTER TABLE booking ADD more int; ALTER TABLE booking RENAME TO reservation; INSERT INTO reservation (note) VALUES ('renamed')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 3 FROM gymstream.read_topic('reservation', max_events => NULL) WHERE action = 'changed' OR event->'new'->>'note' = 'renamed'}), 'changes of columns and of the name are told in the log');
sql(q{CREATE ROLE log_owner; GRANT CREATE ON SCHEMA public TO log_owner; ALTER TABLE reservation OWNER TO log_owner; SET ROLE log_owner; SELECT count(*) FROM gymstream.read_topic('reservation')});
my $segments = q{SELECT count(*) FROM pg_class WHERE relname LIKE 'log\_%' AND relkind = 't'};
my $oid = sql(q{SELECT 'reservation'::regclass::oid});
$writer->ask("BEGIN; SELECT gymstream.drop_topic('reservation');");
sql(q{INSERT INTO traffic VALUES (-1)});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM gymstream.read_topic('traffic', max_events => NULL) WHERE key->>'id' = '-1'}), 'a topic being dropped holds up nobody');
$writer->ask('COMMIT;');
refused(q{SELECT * FROM gymstream.read_topic('reservation')}, qr/42704.*has no topic/, 'dropped');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_class WHERE relname LIKE 'log\\_$oid\\_%'"), 'its log has gone');
sql(q{SELECT gymstream.create_topic('reservation'); INSERT INTO reservation (note) VALUES ('again')});
ok(stored('reservation', 1), 'made anew, it has a new log');
refused("SELECT * FROM gymstream.read_topic('reservation', '$bookmark')", qr/GS00[12]/, 'of which the old bookmark is none');
sql(q{DROP TABLE reservation});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM gymstream_internal.segment s WHERE s.topic <> 'traffic'::regclass OR closed IS NULL}), 'the log goes with the table')
	or diag(sql('SELECT * FROM gymstream_internal.segment'));

# no command writes a segment, no dump and no publication has it
my $segment = sql(q{SELECT segment::regclass FROM gymstream_internal.segment WHERE closed IS NULL LIMIT 1});
refused("DELETE FROM $segment", qr/42809.*cannot change TOAST relation/, 'no command writes a segment');
refused("DROP TABLE $segment", qr/42809/, 'nor drops it');
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'dumped');
unlike(slurp_file($dump), qr/log_\d|gymstream_internal\.segment/, 'a dump has nothing of the log');
sql('CREATE PUBLICATION everything FOR ALL TABLES');
is(sql(q{SELECT count(*) FROM pg_publication_tables WHERE tablename LIKE 'log\_%'}), 0, 'a publication of all tables has nothing of it');
my $plain = start_gymstream('plain', 'fsync = off');
$plain->safe_psql('postgres', 'CREATE TABLE traffic (id int PRIMARY KEY, note text)');
$plain->safe_psql('postgres', q{CREATE SUBSCRIPTION everything CONNECTION '} . $node->connstr . q{ dbname=postgres' PUBLICATION everything});
$plain->wait_for_subscription_sync($node, 'everything');
sql(q{INSERT INTO traffic VALUES (-2)});
$node->wait_for_catchup('everything');
is($plain->safe_psql('postgres', q{SELECT count(*) FROM traffic WHERE id = -2}), 1, 'a subscriber of all tables goes on');
$plain->safe_psql('postgres', 'ALTER SUBSCRIPTION everything REFRESH PUBLICATION');
$plain->stop;

# What one event has keeps nobody from the next: a key that jsonb cannot hold, a row that is too long
$node->safe_psql('postgres', q{CREATE DATABASE ascii ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0});
$node->safe_psql('ascii', q{CREATE EXTENSION gymstream; CREATE TABLE word (w text PRIMARY KEY); SELECT gymstream.create_topic('word')});
$node->safe_psql('ascii', q{SET client_encoding = 'SQL_ASCII'; INSERT INTO word VALUES (E'\\351'), (E'\\\\u0000'), ('last')});
ok($node->poll_query_until('ascii', q{SELECT count(*) = 3 FROM gymstream.read_topic('word')}), 'keys that are no text are read on over');
is($node->safe_psql('ascii', q{SELECT string_agg(coalesce(key->>'w', 'null'), ' ' ORDER BY gymstream.position_offset(position)) FROM gymstream.read_topic('word')}), 'null \u0000 last', 'and are null');
$node->safe_psql('ascii', q{SELECT gymstream.drop_topic('word')});
sql(q{INSERT INTO traffic VALUES (-10, repeat('x', 17000000)), (-11, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 30000) i)), (-12, 'short')});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 3 FROM gymstream.read_topic('traffic', max_events => NULL) WHERE (key->>'id')::int BETWEEN -12 AND -10}), 'long rows');
is(sql(q{SELECT string_agg(coalesce(event->>'truncated', (event->'new'->>'note' = note)::text), ' ' ORDER BY id DESC)
	FROM gymstream.read_topic('traffic', max_events => NULL) e JOIN traffic ON id = (key->>'id')::int WHERE id BETWEEN -12 AND -10}), 'true true true', 'are stored whole, or with their key alone');

# a standby: reads the same; promoted, it has another epoch, says so in the log, and takes no bookmark of before
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('log_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
sql(q{DELETE FROM traffic WHERE id BETWEEN 10 AND 20});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 11 FROM gymstream.read_topic('traffic', max_events => NULL) WHERE (key->>'id')::int BETWEEN 10 AND 20}), 'stored');
$node->wait_for_catchup($standby);
my $all = q{SELECT md5(string_agg(t::text, '' ORDER BY gymstream.position_offset(position))) FROM gymstream.read_topic('traffic', max_events => NULL) t};
is($standby->safe_psql('postgres', $all), sql($all), 'a standby reads the same');
$bookmark = $standby->safe_psql('postgres', q{SELECT gymstream.last_position('traffic')});
$node->stop('immediate');
$standby->promote;
ok($standby->poll_query_until('postgres', q{SELECT action = 'reset' FROM gymstream.read_topic('traffic', max_events => NULL) ORDER BY gymstream.position_offset(position) DESC LIMIT 1}), 'promoted, its log begins the new epoch with a reset');
my $stderr;
$standby->psql('postgres', "\\set VERBOSITY verbose\nSELECT * FROM gymstream.read_topic('traffic', '$bookmark')", stderr => \$stderr, on_error_stop => 0);
like($stderr, qr/GS001.*is of epoch \d+, and the log of "public.traffic" of epoch \d+/, 'a bookmark of another epoch is an error with a code of its own');
$standby->safe_psql('postgres', q{DELETE FROM traffic WHERE id = 21});
ok($standby->poll_query_until('postgres', q{SELECT count(*) = 1 FROM gymstream.read_topic('traffic', max_events => NULL) WHERE key->>'id' = '21'}), 'and it goes on');
is($standby->safe_psql('postgres', q{SELECT count(*) = 1 + max(gymstream.position_offset(position)) - min(gymstream.position_offset(position)) FROM gymstream.read_topic('traffic', max_events => NULL)}), 't', 'without a hole in the offsets');
$standby->stop;
done_testing();
