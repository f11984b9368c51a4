# gymstream watch and tail say what is wrong: whatever keeps them from hearing of changes, or from reading, is told within
# seconds, what may have been missed is read again, and what others than the publisher have sent is passed over.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamListener;
use GymstreamTest;
use PostgreSQL::Test::Utils;
use Test::More;

delete $ENV{PGAPPNAME};
my $node = start_gymstream('truth', 'max_replication_slots = 4', "max_slot_wal_keep_size = '32MB'", "min_wal_size = '32MB'",
	"max_wal_size = '32MB'");
my $database = 'postgres';
my %runs;

sub sql { return $node->safe_psql($database, $_[0]) }
sub status { return sql("SELECT $_[0] FROM gymstream.status") }

# Both programs on the rollup, from when they listen.
sub start_both
{
	my ($name, $user) = @_;
	my $connect = $node->connstr($database) . ($user ? " user=$user" : '');

	%runs = (watch => spawn_client('watch', '-d', $connect, $name), tail => spawn_client('tail', '-d', $connect, $name));
	shows($runs{watch}, 'out', qr/^\Q$name\E: \d+ rows?$/m, "watch $name: it has read");
	ok(wait_until(sub { sql(q{SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE application_name = 'gymstream'
		AND query !~ 'before LISTEN' AND query ~ '^LISTEN|^EXECUTE|^SELECT gymstream.event_key|^SELECT s\.publisher_pid'}) eq '2' }), 'both listen');
}

sub stop_both
{
	is(stop_client($runs{$_}, 'TERM'), 0, "SIGTERM ends $_ cleanly") for sort keys %runs;
	ok(wait_until(sub { sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gymstream'}) eq '0' }), 'both are gone');
}

# Both say it.
sub told
{
	my ($pattern, $name) = @_;

	shows($runs{$_}, 'err', $pattern, "$_: $name") for sort keys %runs;
}

# Forget what was printed until now.
sub forget
{
	pump($_), @$_{qw(out err)} = ('', '') for values %runs;
}

# What watch has on its screen is what it said last of each group.
sub watch_shows { shows($runs{watch}, 'out', @_) }

sub make
{
	sql(q{CREATE TABLE IF NOT EXISTS booking (id serial PRIMARY KEY, class_id int, price numeric)});
	sql(q{SELECT gymstream.create_rollup('by_class', 'SELECT class_id, count(*) AS n, sum(price) AS total FROM booking GROUP BY class_id')});
	sql(q{SELECT gymstream.create_topic('by_class', notify => 'row')});
}

make();
sql(q{INSERT INTO booking (class_id, price) VALUES (7, 1), (8, 2)});
ok($node->poll_query_until($database, 'SELECT lag_bytes = 0 FROM gymstream.status'), 'all is published');
start_both('by_class');

#
# The topic and its relation
#

sql(q{SELECT gymstream.drop_topic('by_class')});
told(qr/^gymstream: "by_class" has no topic any more\nHINT:  SELECT gymstream\.create_topic/m, 'a topic is dropped');
sql(q{INSERT INTO booking (class_id, price) VALUES (7, 10)});
sql(q{SELECT gymstream.create_topic('by_class', notify => 'row')});
told(qr/^gymstream: all is well again$/m, 'it is made again');
watch_shows(qr/^by_class: read again, 2 rows \(its topic was made anew\)$/m, 'and read again');
shows($runs{tail}, 'err', qr/^gymstream: changes of public\.by_class may be missing: its topic was made anew$/m, 'tail says why');
forget();
sql(q{INSERT INTO booking (class_id, price) VALUES (7, 100)});
watch_shows(qr/^by_class class_id=7: n 2 -> 3, total 11 -> 111$/m, 'with what was not heard');
shows($runs{tail}, 'out', qr/"total":111/, 'tail hears it too');

# Between two looks: nothing is told on the way, and nothing is missed.
forget();
sql(q{BEGIN; SELECT gymstream.drop_topic('by_class'); SELECT gymstream.create_topic('by_class', notify => 'row');
	INSERT INTO booking (class_id, price) VALUES (7, 1000); COMMIT});
watch_shows(qr/^by_class: read again, 2 rows \(its topic was made anew\)$/m, 'dropped and made again at once');
forget();
sql(q{INSERT INTO booking (class_id, price) VALUES (7, 10000)});
watch_shows(qr/^by_class class_id=7: n 4 -> 5, total 1111 -> 11111$/m, 'nothing is missed');

forget();
sql(q{ALTER VIEW by_class RENAME COLUMN total TO revenue});
watch_shows(qr/^by_class: read again, 2 rows \(its columns have changed\)$/m, 'a column that is renamed');
forget();
sql(q{ALTER VIEW by_class RENAME COLUMN revenue TO takings; INSERT INTO booking (class_id, price) VALUES (8, 1)});
watch_shows(qr/^by_class: read again, 2 rows/m, 'and one with a change');
forget();
sql(q{INSERT INTO booking (class_id, price) VALUES (8, 1)});
watch_shows(qr/^by_class class_id=8: n \d -> 3, takings \d -> 4$/m, 'has its new name');

forget();
sql(q{ALTER VIEW by_class RENAME TO renamed; INSERT INTO booking (class_id, price) VALUES (8, 6)});
watch_shows(qr/^by_class class_id=8: n 3 -> 4, takings 4 -> 10$/m, 'a rollup that is renamed is followed');
sql(q{ALTER VIEW renamed RENAME TO by_class});

forget();
sql(q{DROP VIEW by_class});
told(qr/^gymstream: "by_class" was dropped$/m, 'a rollup that is dropped');
make();
told(qr/^gymstream: all is well again$/m, 'and made again');
watch_shows(qr/^by_class: read again, 2 rows \(.*\)$/m, 'is read again');
forget();
sql(q{INSERT INTO booking (class_id, price) VALUES (8, 5)});
watch_shows(qr/^by_class class_id=8: n 4 -> 5, total 10 -> 15$/m, 'and followed');

forget();
sql(q{DROP VIEW by_class; CREATE TABLE by_class (i int PRIMARY KEY); SELECT gymstream.create_topic('by_class', notify => 'row')});
shows($runs{watch}, 'err', qr/^gymstream: by_class cannot be read: it is not a rollup$/m, 'something else of that name');
sql(q{DROP TABLE by_class});
make();
watch_shows(qr/^by_class: read again, 2 rows \(.*\)$/m, 'and the rollup again');

#
# What the publisher reads runs functions of owners. They must not speak with its voice.
#

forget();
sql(q{CREATE ROLE mallory; CREATE SCHEMA mallory AUTHORIZATION mallory});
sql(q{SET ROLE mallory; CREATE TABLE mallory.own (k int PRIMARY KEY);
	CREATE FUNCTION mallory.speak(k int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_notify('gymstream:public.by_class', '{"topic":"public.by_class","position":"1","action":"rollup",'
			|| '"key":{"class_id":7},"row":{"class_id":7,"n":666,"total":666}}');
		RETURN k;
	END$$;
	SELECT gymstream.create_rollup('mallory.loud', 'SELECT k, mallory.speak(count(*)::int) AS n FROM mallory.own GROUP BY k');
	SELECT gymstream.create_topic('mallory.loud', notify => 'row')});
my $heard = spawn_client('tail', '-d', $node->connstr($database), '--count', '1', 'mallory.loud');
ok(wait_until(sub { pump($heard); sql(q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^LISTEN .*mallory'}) eq '1' }), 'listens');
sql(q{INSERT INTO mallory.own VALUES (1)});
is(stop_client($heard), 0, 'an event of the rollup comes');
like($heard->{out}, qr/"n":1\}/, 'with what the function gives');
sql(q{INSERT INTO booking (class_id, price) VALUES (8, 0)});
shows($runs{tail}, 'out', qr/"class_id":8,"n":6,/, 'one of another rollup');
unlike($runs{tail}{out} . $runs{watch}{out}, qr/666/, 'and none that the function has sent');
sql(q{DROP OWNED BY mallory CASCADE; DROP ROLE mallory});

#
# Rights
#

stop_both();
sql(q{CREATE ROLE reader LOGIN; GRANT SELECT ON by_class TO reader});
start_both('by_class', 'reader');
sql(q{REVOKE SELECT ON by_class FROM reader});
shows($runs{watch}, 'err', qr/^gymstream: you may not read "by_class"\nHINT:  GRANT SELECT ON public\.by_class TO reader;$/m,
	'a right that is revoked');
sql(q{GRANT SELECT ON by_class TO reader});
shows($runs{watch}, 'err', qr/^gymstream: all is well again$/m, 'and granted again');
sql(q{INSERT INTO booking (class_id, price) VALUES (9, 5)});
watch_shows(qr/^by_class class_id=9: new, n 1, total 5$/m, 'goes on');
pump($runs{tail});
is($runs{tail}{err}, '', 'tail, which reads no table, does not mind');
stop_both();

#
# What cannot be read is not a lost connection
#

sql(q{SELECT gymstream.create_rollup('ratio',
	'SELECT class_id, 12 / sum(price) AS r FROM booking WHERE class_id > 100 GROUP BY class_id');
	SELECT gymstream.create_topic('ratio', notify => 'position'); INSERT INTO booking VALUES (901, 101, 1)});
start_both('ratio');
sql(q{INSERT INTO booking VALUES (902, 101, 1)});
watch_shows(qr/^ratio: read again, 1 row$/m, 'a rollup that can be read');
sql(q{INSERT INTO booking VALUES (903, 101, -2)});
shows($runs{watch}, 'err', qr/^gymstream: ratio cannot be read: division by zero$/m, 'a rollup that cannot be read');
unlike($runs{watch}{err}, qr/connection/, 'is not a lost connection');
forget();
sql(q{DELETE FROM booking WHERE id = 903});
watch_shows(qr/^ratio: read again, 1 row/m, 'and is read when it can be');
unlike($runs{watch}{err}, qr/connection/, 'on the same connection');
stop_both();
sql(q{DROP VIEW ratio; DELETE FROM booking WHERE class_id = 101});

#
# The workers
#

start_both('by_class');
my $since = status('publisher_since');
sql(q{SELECT pg_terminate_backend(publisher_pid) FROM gymstream.status});
watch_shows(qr/^by_class: read again, 3 rows \((the publisher was started anew|the workers were not ready)\)$/m, 'a publisher that is started anew');
ok(wait_until(sub { status(q{lag_bytes IS NOT NULL}) eq 't' }), 'it is ready');
isnt(status('publisher_since'), $since, 'it has a time of its own');
cmp_ok(sql("SELECT '" . status('publisher_since') . "'::timestamptz > '$since'"), 'eq', 't', 'a later one');
forget();
sql(q{INSERT INTO booking (class_id, price) VALUES (9, 5)});
watch_shows(qr/^by_class(: read again| class_id=9: n 1 -> 2)/m, 'and heard again');

# One that hangs
my $decoder = status('decoder_pid');
kill 'STOP', $decoder;
sql(q{INSERT INTO booking (class_id, price) VALUES (9, 5)});
told(qr/^gymstream: nothing is published: the workers run, and do not get on$/m, 'a decoder that hangs');
kill 'CONT', $decoder;
told(qr/^gymstream: all is well again$/m, 'and goes on');

# One whose slot is lost
forget();
$decoder = status('decoder_pid');
kill 'STOP', $decoder;
sql(q{INSERT INTO booking (class_id, price) VALUES (9, 700)});
sql(q{CREATE TABLE bulk (t text)});
sql(q{INSERT INTO bulk SELECT repeat(i::text, 1000) FROM generate_series(1, 20000) i; SELECT pg_switch_wal()}) for 1 .. 4;
my $checkpoint = IPC::Run::start([ 'psql', '-Xq', '-d', $node->connstr($database), '-c', 'CHECKPOINT' ], '<', \undef, '>', \my $ignored, '2>&1');
ok(wait_until(sub { $checkpoint->pump_nb;
	sql("SELECT pg_terminate_backend($decoder)"); kill 'CONT', $decoder;
	sql(q{SELECT count(*) FROM pg_replication_slots WHERE wal_status = 'lost'}) eq '1' || status('decoder_pid') ne $decoder }),
	'a slot that is lost');
$checkpoint->finish;
ok(wait_until(sub { status(q{lag_bytes IS NOT NULL AND problem IS NULL}) eq 't' }), 'heals');
watch_shows(qr/^by_class: read again, 3 rows \((the publisher was started anew|the workers were not ready)\)$/m, 'and all is read again');
forget();
sql(q{INSERT INTO booking (class_id, price) VALUES (9, 7)});
watch_shows(qr/^by_class class_id=9: n 4 -> 5, total 715 -> 722$/m, 'with what was never published');

# No room for a slot
sql(q{SELECT gymstream.drop_topic('by_class')});
ok(wait_until(sub { sql('SELECT count(*) FROM pg_replication_slots') eq '0' }), 'its slot is gone');
sql(qq{SELECT pg_create_physical_replication_slot('taken$_')}) for 1 .. 4;
forget();
sql(q{SELECT gymstream.create_topic('by_class', notify => 'row')});
told(qr/^gymstream: nothing is published: .*(all replication slots are in use|will be started again)/m, 'workers that cannot start');
sql(qq{SELECT pg_drop_replication_slot('taken$_')}) for 1 .. 4;
told(qr/^gymstream: all is well again$/m, 'and can again');
watch_shows(qr/^by_class: read again, \d+ rows/m, 'and all is read again');
ok(wait_until(sub {
	sql(q{INSERT INTO booking (class_id, price) VALUES (8, 2)});
	pump($runs{watch});
	$runs{watch}{out} =~ /^by_class class_id=8: n \d+ -> \d+/m }), 'until there is no reason left to read');

# The server process of the client hangs, while the client asks whether all is well
forget();
my @stopped = split /\n/, sql(q{SELECT pid FROM pg_stat_activity WHERE application_name = 'gymstream'});
kill 'STOP', @stopped;
# watch may be reading rows, for which it waits as long as that takes: tail reads none
shows($runs{tail}, 'err', qr/^gymstream: the server does not answer$/m, 'a server that does not answer');
kill 'CONT', @stopped;
shows($runs{tail}, 'err', qr/^gymstream: all is well again$/m, 'and answers again');

# The extension
forget();
sql(q{DROP EXTENSION gymstream CASCADE});
told(qr/^gymstream: database "postgres" does not have the extension gymstream any more$/m, 'an extension that is dropped');
sql(q{CREATE EXTENSION gymstream});
make();
told(qr/^gymstream: all is well again$/m, 'and made again');
forget();
sql(q{INSERT INTO booking (class_id, price) VALUES (9, 7)});
watch_shows(qr/^by_class(: read again| class_id=9: n 5 -> 6)/m, 'and heard');
stop_both();

#
# Whose notifications these are. The view is made to name a session of ours as the publisher, so that it can be started,
# stopped and replaced by another one with the same process id.
#

sql(q{CREATE DATABASE fake});
$database = 'fake';
sql(q{CREATE EXTENSION gymstream});
make();
ok(wait_until(sub { status(q{lag_bytes IS NOT NULL}) eq 't' }), 'the workers are ready');
sql(q{INSERT INTO booking (class_id, price) VALUES (7, 1)});
my $publisher = GymstreamListener->new($node, $database, 'nothing');
my $forger = GymstreamListener->new($node, $database, 'nothing');
my ($pid) = $publisher->ask('SELECT pg_backend_pid();');
sql(qq{CREATE TABLE public.named AS SELECT $pid AS pid, '2026-01-01 00:00:00+00'::timestamptz AS since, 0::bigint AS skipped});
sql(q{GRANT SELECT ON public.named TO PUBLIC});
my $columns = sql(q{SELECT string_agg(CASE attname WHEN 'publisher_pid' THEN '(SELECT pid FROM public.named) AS publisher_pid'
	WHEN 'publisher_since' THEN '(SELECT since FROM public.named) AS publisher_since'
	WHEN 'skipped' THEN '(SELECT skipped FROM public.named) AS skipped' ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
	FROM pg_attribute WHERE attrelid = 'gymstream.status'::regclass AND attnum > 0});
my $definition = sql(q{SELECT pg_get_viewdef('gymstream.status'::regclass)}) =~ s/^.*?(FROM .*?);?$/$1/sr;
sql("CREATE OR REPLACE VIEW gymstream.status AS SELECT $columns $definition");
start_both('by_class');

# A notification of the topic by one of the two, as if the group had so many rows.
sub send_as
{
	my ($session, $n, $action) = @_;

	$action //= qq{"action":"rollup","key":{"class_id":7},"row":{"class_id":7,"n":$n,"total":1}};
	$session->ask(qq{SELECT pg_notify('gymstream:public.by_class', \$\${"topic":"public.by_class","position":"$n",$action}\$\$);});
}

send_as($forger, 31);
send_as($publisher, 32);
watch_shows(qr/^by_class class_id=7: n 1 -> 32$/m, 'what the publisher sends is shown');
shows($runs{tail}, 'out', qr/"n":32/, 'tail shows it too');
unlike($runs{tail}{out} . $runs{watch}{out}, qr/31/, 'what others send is not');
told(qr/^gymstream: passed over 1 notification that the publisher has not sent$/m, 'which is told');

# A session that gets the process id of a publisher that has ended, while there is none.
forget();
sql(q{UPDATE named SET pid = NULL});
send_as($publisher, 33);
ok(wait_until(sub { pump($_) for values %runs; 1 }) && sql('SELECT pg_sleep(0)') eq '', 'somebody with the process id of a publisher that has ended');
told(qr/^gymstream: nothing is published/m, 'it is told that there is none');
sql(qq{UPDATE named SET pid = $pid, since = '2026-01-01 00:00:00.000001+00'});
watch_shows(qr/^by_class: read again, 1 row \(.*\)$/m, 'and another one has come, with the same process id');
unlike($runs{tail}{out} . $runs{watch}{out}, qr/33/, 'what was sent in between is not shown');

# The same, between two looks: the notification comes with the change of the status.
forget();
$publisher->ask('BEGIN;', q{UPDATE named SET since = '2026-01-01 00:00:00.000002+00';});
send_as($publisher, 34);
$publisher->ask('COMMIT;');
watch_shows(qr/^by_class: read again, 1 row \(the publisher was started anew\)$/m, 'a process id that is used again');
shows($runs{tail}, 'err', qr/^gymstream: changes of public\.by_class may be missing: the publisher was started anew$/m, 'tail says so');
unlike($runs{tail}{out} . $runs{watch}{out}, qr/34/, 'what was sent before it was seen is not shown');
send_as($publisher, 35);
watch_shows(qr/^by_class class_id=7: n 1 -> 35$/m, 'what it sends then is');

# What tells that something was missed
for my $action ('missed', 'reset', 'changed', 'dropped', 'never heard of')
{
	forget();
	send_as($publisher, 36, qq{"action":"$action"});
	watch_shows(qr/^by_class: read again, 1 row \($action\)$/m, "an event that says \"$action\"");
	shows($runs{tail}, 'err', qr/^gymstream: changes of public\.by_class may be missing: $action$/m, 'tail says so');
	shows($runs{tail}, 'out', qr/"action":"$action"/, 'and prints it');
	send_as($publisher, 37);
	watch_shows(qr/^by_class class_id=7: n 1 -> 37$/m, 'it goes on');
}
forget();
sql(q{UPDATE named SET skipped = 1});
watch_shows(qr/^by_class: read again, 1 row \(notifications were skipped, .*\)$/m, 'notifications that were skipped');
forget();
send_as($publisher, 38, q{"action":"rollup","key":{"class_id":7},"row":{"class_id":7,"m":1,"total":1}});
watch_shows(qr/^by_class: read again, 1 row$/m, 'columns that are not those that were read');
send_as($publisher, 39);
send_as($publisher, 40, q{"action":"rollup","key":{"class":7},"row":null});
watch_shows(qr/^by_class class_id=7: n 1 -> 39\nby_class: read again, 1 row$/m, 'the same of a key');
stop_both();
$_->close for $publisher, $forger;

#
# A standby
#

$database = 'postgres';
my ($status, $out, $err);
$node->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('truth_standby');
$standby->init_from_backup($node, 'standby', has_streaming => 1);
$standby->start;
ok(wait_until(sub { $standby->safe_psql('postgres', q{SELECT to_regclass('by_class')}) ne '' }), 'a standby has it');
($status, $out, $err) = client('watch', '-d', $standby->connstr('postgres'), 'by_class');
is($status, 1, 'a standby: status 1');
like($err, qr/^gymstream: cannot execute LISTEN during recovery$/m, 'told');

# The client knows both servers, and goes to the one that can be written.
my $both = 'host=' . join(',', $node->host, $standby->host) . ' port=' . join(',', $node->port, $standby->port) .
	' dbname=postgres target_session_attrs=read-write';
$runs{watch} = spawn_client('watch', '-d', $both, 'by_class');
watch_shows(qr/^by_class: 3 rows$/m, 'watch with both servers');
$node->stop('immediate');
shows($runs{watch}, 'err', qr/connection lost/, 'the primary is gone');
$standby->promote;
shows($runs{watch}, 'err', qr/connected again/, 'and the standby promoted');
watch_shows(qr/^by_class: read again, 3 rows \(connected again\)$/m, 'it is read again');
$standby->safe_psql('postgres', q{INSERT INTO booking (class_id, price) VALUES (4242, 1)});
watch_shows(qr/4242: new|read again, 4 rows/m, 'and followed');
is(stop_client($runs{watch}, 'TERM'), 0, 'SIGTERM ends it');
$standby->stop('immediate');
done_testing();
