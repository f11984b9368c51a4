# ALTER EXTENSION UPDATE from 0.1 with rollups and topics in use: they go on, exact, in the sessions that there are; and the
# database is then what one with the new version from the start is, for pg_dump too.

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;

use GymstreamListener;
use GymstreamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('upgrade', 'gymstream.fold = off', 'fsync = off');
my $version = $node->safe_psql('postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'gymstream'});

sub run { my ($database, $sql) = @_; return $node->safe_psql($database, $sql); }

$node->safe_psql('postgres', 'CREATE ROLE reader; CREATE ROLE intruder');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(old fresh);
run('old', q{CREATE EXTENSION gymstream VERSION '0.1'});
run('fresh', 'CREATE EXTENSION gymstream');

# all kinds of states, keys whose index is on a hash, partitions, and what users build on rollups
for my $database (qw(old fresh))
{
	run($database, q{
		CREATE TABLE booking (id serial, class_id int, price numeric, weight float8, length interval, flags int, fee money, tags jsonb);
		CREATE TABLE visit (id int, class_id int, price numeric, weight float8) PARTITION BY RANGE (id);
		CREATE TABLE visit_0 PARTITION OF visit FOR VALUES FROM (0) TO (1000);
		CREATE TABLE visit_1 PARTITION OF visit DEFAULT PARTITION BY LIST (class_id);
		CREATE TABLE visit_1_0 PARTITION OF visit_1 DEFAULT;
		CREATE INDEX ON booking (class_id);
		SELECT gymstream.create_rollup('sums', 'SELECT class_id, count(*) AS n, sum(price) AS price, avg(weight) AS weight, sum(length) AS length,
			bit_or(flags) AS flags, sum(fee) AS fee, stddev(price) AS spread, corr(weight, flags) AS corr FROM booking GROUP BY class_id');
		SELECT gymstream.create_rollup('marked', 'SELECT class_id, min(price), max(weight), count(DISTINCT flags) AS kinds, string_agg(price::text, '','' ORDER BY price::text) AS list
			FROM booking GROUP BY class_id HAVING count(*) > 1');
		SELECT gymstream.create_rollup('tagged', 'SELECT tags, count(*) AS n FROM booking GROUP BY tags');
		SELECT gymstream.create_rollup('visits', 'SELECT class_id, count(*) AS n, sum(weight) AS weight, min(price), count(DISTINCT price) AS prices FROM visit GROUP BY class_id');
		SELECT gymstream.create_rollup('visits_0', 'SELECT class_id, sum(price), max(price) FROM visit_0 GROUP BY class_id');
		SELECT gymstream.create_rollup('going', 'SELECT count(*) FROM booking');
		SELECT gymstream.create_topic('sums', notify => 'row');
		SELECT gymstream.create_topic('booking');
		SELECT gymstream.create_topic('visit_0', notify => 'row');
		CREATE VIEW dear AS SELECT s.class_id, s.price, m.min FROM sums s JOIN marked m USING (class_id) WHERE s.price > 10;
		CREATE VIEW overview AS SELECT rollup, source, problem FROM gymstream.rollups;
		CREATE MATERIALIZED VIEW kept AS SELECT * FROM visits;
		GRANT SELECT ON sums, dear TO reader});
}

my $write = q{
	INSERT INTO booking (class_id, price, weight, length, flags, fee, tags) SELECT i % 3, i / 4.0, i * 0.1, make_interval(days => i, mins => i), i, i::money,
		jsonb_build_object('t', i % 4) FROM generate_series(1, 20) i;
	DELETE FROM booking WHERE id % 7 = 2;
	UPDATE booking SET class_id = class_id + 1, price = price * 2 WHERE id % 5 = 1;
	INSERT INTO visit SELECT i * 90, i % 4, i / 2.0, i * 0.1 FROM generate_series(1, 20) i;
	UPDATE visit SET id = id + 500 WHERE class_id = 1;
	DELETE FROM visit WHERE class_id = 2 AND price > 3;
};

sub is_exact
{
	my ($database, $what) = @_;
	is(run($database, 'SELECT r.rollup, v FROM gymstream.rollups r, gymstream.verify_rollup(r.rollup) v'), '', "$what: exact");
	is(run($database, 'SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL'), '', "$what: nothing is amiss");
}

run($_, $write) for qw(old fresh);
is_exact('old', 'version 0.1 with the new library');

# A dump of 0.1 is restored where 0.1 is, and updated there.
run('postgres', 'CREATE DATABASE restored');
run('restored', q{CREATE EXTENSION gymstream VERSION '0.1'});
my ($from, $to) = map { $node->connstr($_) } qw(old restored);
my ($restored, $errors) = run_command([ 'bash', '-c', q{pg_dump -d "$1" | psql -Xqd "$2"}, '-', $from, $to ]);
is(join("\n", $errors =~ /^(?:\S+: )?ERROR: .*$/mg), 'ERROR:  schema "gymstream" already exists', 'a dump of 0.1: one error, without consequence');
run('restored', 'ALTER EXTENSION gymstream UPDATE');
is(run('restored', 'SELECT r.rollup, v FROM gymstream.rollups r, gymstream.verify_rollup(r.rollup) v'), '', 'restored and updated: exact');
is(run('restored', 'SELECT count(*) FROM gymstream.rollups'), run('fresh', 'SELECT count(*) FROM gymstream.rollups'), 'all rollups are there');
is(run('restored', 'SELECT relation::text, notify FROM gymstream.topics ORDER BY 1'), run('fresh', 'SELECT relation::text, notify FROM gymstream.topics ORDER BY 1'), 'and all topics');
run('postgres', 'DROP DATABASE restored WITH (FORCE)');

# Sessions that go on over the upgrade, with what they have planned, compiled and begun.
my $listener = GymstreamListener->new($node, 'old', 'gymstream:public.sums', 'gymstream:public.visit_0');
ok($node->poll_query_until('old', 'SELECT decoded_lsn IS NOT NULL FROM gymstream.status'), 'decoding');
my $session = GymstreamListener->new($node, 'old');
my $query = 'EXECUTE read;';
$session->ask('PREPARE read AS SELECT n, trim_scale(price) FROM sums WHERE class_id = 1;', 'PREPARE write (int) AS INSERT INTO booking (class_id, price) VALUES (1, $1);',
	'EXECUTE write (1);', 'EXECUTE write (1);', 'BEGIN;', 'EXECUTE write (1);');
$session->ask($query);

# what the schema holds besides is not taken into the extension
run('old', 'CREATE FUNCTION gymstream.stray(int) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$');
my ($status, $stdout, $stderr) = $node->psql('old', 'ALTER EXTENSION gymstream UPDATE');
like($stderr, qr/holds objects that are not of the extension.*function gymstream\.stray\(integer\).*HINT:/s, 'refused with strangers in the schema');
run('old', 'DROP FUNCTION gymstream.stray(int); ALTER SCHEMA gymstream OWNER TO intruder');
($status, $stdout, $stderr) = $node->psql('old', 'ALTER EXTENSION gymstream UPDATE');
like($stderr, qr/is owned by "intruder".*HINT:/s, 'refused with a schema of somebody else');
run('old', 'ALTER SCHEMA gymstream OWNER TO CURRENT_USER; CREATE SCHEMA gymstream_internal AUTHORIZATION intruder');
# Until then a schema of that name is nothing of ours.
run('old', q{CREATE TABLE gymstream_internal.rollup (rollup regclass); CREATE TABLE gymstream_internal.topic (); CREATE TYPE gymstream_internal.numeric_sum AS (a int)});
run('old', $write);
is_exact('old', 'beside a schema of the new name');
run('old', q{SELECT gymstream.create_rollup('beside', 'SELECT class_id, sum(price) FROM visit GROUP BY class_id'); DROP VIEW beside});
($status, $stdout, $stderr) = $node->psql('old', 'ALTER EXTENSION gymstream UPDATE');
like($stderr, qr/schema "gymstream_internal" already exists.*HINT:/s, 'refused with such a schema');
run('old', 'DROP SCHEMA gymstream_internal CASCADE');
$session->ask('COMMIT;');
my $before = $session->ask($query);

# of the keys that are equal and not the same the first one was shown for ever
run('old', q{INSERT INTO booking (class_id, tags) VALUES (100, '{"z": 1}'), (100, '{"z": 1.00}'); UPDATE booking SET tags = '{"z": 1.0}' WHERE class_id = 100});

($status, $stdout, $stderr) = $node->psql('old', 'ALTER EXTENSION gymstream UPDATE');
is(join('|', $stderr =~ /WARNING:  (.*)/g), 'rollup public.tagged may show keys that are only equal to those that rows have', 'says which rollups show other keys than rows have');
is(run('old', q{SELECT extversion, extnamespace::regnamespace FROM pg_extension WHERE extname = 'gymstream'}), "$version|pg_catalog", 'updated');
is(run('old', 'SELECT rollup, problem FROM gymstream.rollups WHERE problem IS NOT NULL'),
	'tagged|it may show keys that are only equal to those that rows have: run gymstream.rebuild_rollup', 'so does the view of rollups');
is(run('old', q{SELECT r.rollup, v.difference FROM gymstream.rollups r, gymstream.verify_rollup(r.rollup) v}), 'tagged|key of no row', 'which it does');
run('old', q{ALTER VIEW tagged RENAME n TO number; ALTER VIEW tagged SET (security_barrier); GRANT SELECT ON tagged TO reader;
	SELECT gymstream.rebuild_rollup('tagged')});
is(run('old', q{SET ROLE reader; SELECT tags, number FROM tagged WHERE tags = '{"z": 1}'}), '{"z": 1.0}|2', 'rebuilt, under the names and rights that it had');
is(run('old', q{SELECT reloptions FROM pg_class WHERE relname = 'tagged'}), '{security_barrier=true}', 'and with its options');
run('old', 'ALTER VIEW tagged RENAME number TO n; ALTER VIEW tagged RESET (security_barrier); REVOKE SELECT ON tagged FROM reader');
is_exact('old', 'after the upgrade');

# the sessions go on
is($session->ask($query), $before, 'a prepared query reads the same');
my ($n, $price) = split /\|/, $before;
is($session->ask('EXECUTE write (2);', $query), $n + 1 . '|' . ($price + 2), 'a prepared INSERT is counted');
my $event;
ok(wait_until(sub { $listener->wait_for(0); ($event) = grep { $_->{topic} eq 'public.sums' && $_->{row} && $_->{row}{n} == $n + 1 } @{ $listener->{got} } }),
	'who listens hears of it');
$listener->take(0);
like($event->{position}, qr{^[0-9A-F]{8}/[0-9A-F]{16}/[0-9A-F]{8}$}, 'at its position');
run('old', 'INSERT INTO visit VALUES (5, 9, 1, 1)');
($event) = grep { $_->{topic} eq 'public.visit_0' } $listener->take(1);
is($event->{new}{class_id}, 9, 'of a partition too');
$listener->close;
$session->close;

# all kinds of writes, DDL and maintenance
run('old', $write);
run('old', q{
	CREATE TABLE visit_2 (id int, class_id int, price numeric, weight float8);
	INSERT INTO visit_2 VALUES (2001, 5, 1, 1);
	ALTER TABLE visit DETACH PARTITION visit_1;
	DELETE FROM visit_1;
	ALTER TABLE visit ATTACH PARTITION visit_2 FOR VALUES FROM (2000) TO (3000);
	ALTER TABLE visit ATTACH PARTITION visit_1 DEFAULT;
	INSERT INTO visit_2 VALUES (2002, 5, 1, 1);
	TRUNCATE visit_0;
	SELECT gymstream.fold_rollup(rollup) FROM gymstream.rollups});
is_exact('old', 'after writes and DDL');
run('old', 'SELECT gymstream.rebuild_rollup(rollup) FROM gymstream.rollups');
is_exact('old', 'rebuilt');
run('old', q{TRUNCATE booking RESTART IDENTITY; TRUNCATE visit; DROP TABLE visit_2; SELECT gymstream.drop_rollup('going'); SELECT gymstream.drop_topic('booking')});
run('fresh', q{TRUNCATE booking RESTART IDENTITY; TRUNCATE visit; SELECT gymstream.drop_rollup('going'); SELECT gymstream.drop_topic('booking')});
# topics of 0.1 go on as they were, and keep nothing
is(run('old', q{SELECT bool_and(retain = '0') FROM gymstream.topics}), 't', 'topics keep nothing unless they are told to');
run('old', q{SELECT gymstream.alter_topic(relation, retain => '1 day') FROM gymstream.topics});
run($_, "$write; REFRESH MATERIALIZED VIEW kept") for qw(old fresh);

# What is printed of views, triggers and indexes names the new schema.
for my $printed ('SELECT pg_get_viewdef(oid) FROM pg_class WHERE relkind = \'v\' AND relnamespace = \'public\'::regnamespace',
	'SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal', 'SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid >= 16384',
	'SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid >= 16384')
{
	unlike(run('old', $printed), qr/\bgymstream\.(?!rollups|"?position)/, $printed);
}

# An upgraded database has the same objects as a fresh one: names, definitions, rights, comments, and what depends on what.
my %catalogs = (
	members => q{SELECT i.type, i.identity, obj_description(d.objid, c.relname) FROM pg_depend d JOIN pg_class c ON c.oid = d.classid,
		pg_identify_object(d.classid, d.objid, d.objsubid) i WHERE d.refclassid = 'pg_extension'::regclass
		AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'gymstream') AND d.deptype = 'e'},
	'what the extension depends on' => q{SELECT refclassid::regclass, pg_describe_object(refclassid, refobjid, 0), deptype FROM pg_depend
		WHERE classid = 'pg_extension'::regclass AND objid = (SELECT oid FROM pg_extension WHERE extname = 'gymstream')},
	extension => q{SELECT extname, extowner::regrole, extnamespace::regnamespace, extrelocatable, extversion, extconfig::regclass[], extcondition
		FROM pg_extension WHERE extname = 'gymstream'},
	schemas => q{SELECT nspname, nspowner::regrole, nspacl, obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname LIKE 'gymstream%'},
	functions => q{SELECT p.oid::regprocedure, CASE prokind WHEN 'a' THEN NULL ELSE pg_get_functiondef(p.oid) END, proargnames, proowner::regrole, proacl, procost, proparallel
		FROM pg_proc p WHERE pronamespace::regnamespace::text LIKE 'gymstream%'},
	aggregates => q{SELECT aggfnoid::regprocedure, aggtransfn, aggcombinefn, aggtranstype::regtype, agginitval, aggkind FROM pg_aggregate
		JOIN pg_proc p ON p.oid = aggfnoid WHERE pronamespace::regnamespace::text LIKE 'gymstream%'},
	types => q{SELECT oid::regtype, typlen, typbyval, typtype, typalign, typstorage, typinput, typoutput, typreceive, typsend, typarray::regtype, typacl FROM pg_type
		WHERE typnamespace::regnamespace::text LIKE 'gymstream%'},
	relations => q{SELECT oid::regclass, relkind, relowner::regrole, relacl, reloptions, CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) WHEN 'i' THEN pg_get_indexdef(oid) END FROM pg_class
		WHERE relnamespace::regnamespace::text LIKE 'gymstream%'},
	columns => q{SELECT attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attisdropped, col_description(attrelid, attnum),
		pg_get_expr(adbin, adrelid) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
		WHERE relnamespace::regnamespace::text LIKE 'gymstream%' AND attnum > 0},
	constraints => q{SELECT conrelid::regclass, conname, connamespace::regnamespace, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace::regnamespace::text LIKE 'gymstream%'},
	'event triggers' => q{SELECT evtname, evtevent, evtowner::regrole, evtfoid::regprocedure, evtenabled, evttags FROM pg_event_trigger},
	triggers => q{SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE tgfoid::regprocedure::text LIKE 'gymstream%'},
	operators => q{SELECT oid::regoperator, oprcode, oprcom::regoperator, oprnegate::regoperator, oprrest, oprjoin, oprcanhash, oprcanmerge FROM pg_operator
		WHERE oprnamespace::regnamespace::text LIKE 'gymstream%'},
	'operator classes' => q{SELECT opcname, opcnamespace::regnamespace, opcfamily::regclass, opcintype::regtype, opcdefault FROM pg_opclass
		WHERE opcnamespace::regnamespace::text LIKE 'gymstream%'} =~ s/opcfamily::regclass/(SELECT opfname FROM pg_opfamily f WHERE f.oid = opcfamily)/r,
	'initial rights' => q{SELECT pg_describe_object(classoid, objoid, objsubid), privtype, initprivs FROM pg_init_privs
		WHERE pg_describe_object(classoid, objoid, objsubid) LIKE '%gymstream%'},
	dependencies => q{SELECT pg_describe_object(classid, objid, objsubid), pg_describe_object(refclassid, refobjid, refobjsubid), deptype FROM pg_depend
		WHERE pg_describe_object(classid, objid, objsubid) ~ 'gymstream' AND NOT pg_describe_object(classid, objid, objsubid) ~ 'toast'},
);
for my $what (sort keys %catalogs)
{
	# the tables of segments bear the number of the topic that they are of
	my %rows = map { $_ => join "\n", sort grep { !/\blog_\d+_\d+/ } split /\n(?=\S)/, run($_, $catalogs{$what}) } qw(old fresh);
	isnt($rows{old}, '', "$what: there are some") unless $what eq 'what the extension depends on';
	is($rows{old}, $rows{fresh}, "$what: the same as in a fresh database");
}

# So both are dumped alike, to the letter, but for the times at which they were made.
my %dump;
for my $database (qw(old fresh))
{
	my $file = "$PostgreSQL::Test::Utils::tmp_check/$database.sql";
	$node->command_ok([ 'pg_dump', '-d', $node->connstr($database), '-f', $file ], "$database: dumped");
	$dump{$database} = slurp_file($file);
	run('postgres', "CREATE DATABASE restored_$database");
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr("restored_$database"), '-f', $file ], "$database: restored");
	is_exact("restored_$database", "$database, restored");
	run("restored_$database", $write);
	is_exact("restored_$database", "$database, restored and written");
}
sub comparable
{
	my ($text) = @_;
	$text =~ s/^\\(?:un)?restrict .*$//mg;
	$text =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+\+\d\d/TIME/g;
	return join "\n", sort split /\n/, $text;
}
is(comparable($dump{old}), comparable($dump{fresh}), 'the dumps are alike');
unlike($dump{old}, qr/CREATE SCHEMA gymstream/, 'the schemas come with the extension');
like($dump{old}, qr/CREATE EXTENSION IF NOT EXISTS gymstream WITH SCHEMA pg_catalog;/, 'which is in pg_catalog');
ok($node->poll_query_until('restored_old', 'SELECT topics = 2 AND decoded_lsn IS NOT NULL FROM gymstream.status'), 'the restored topics are published');

# The extension takes all of it away.
run('old', 'DROP EXTENSION gymstream CASCADE');
is(run('old', q{SELECT nspname FROM pg_namespace WHERE nspname LIKE 'gymstream%'}), '', 'no schema is left');
is(run('old', q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE '!gymstream%'}), '0', 'no trigger is left');

$node->stop;
done_testing();
