# pg_upgrade: rollups and topics go along and are exact afterwards, and so do slots where PostgreSQL takes them along.
# Needs an older server with gymstream beside the one that is tested: GYMSTREAM_OLD is the folder that has its bin.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $path = $ENV{GYMSTREAM_OLD};
plan skip_all => 'there is no older server beside this one' unless $path;

# Two clusters that are alike, the new one empty.
sub cluster
{
	my ($name, $bin, @params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, @params);

	# not for streaming: with settings that the older server may not know
	$node->init(extra => [ '--locale=C.UTF-8', '--encoding=UTF8', '--data-checksums' ]);
	$node->append_conf('postgresql.conf', join("\n", "shared_preload_libraries = 'gymstream'", 'fsync = off',
		'wal_level = logical', 'max_wal_senders = 10', 'max_replication_slots = 10',
		`$bin/postgres --describe-config` =~ /^output_plugin_libraries\t/m ? "output_plugin_libraries = 'gymstream'" : '', ''));
	return $node;
}

my ($bin) = split /\n/, `pg_config --bindir`;
my $old = cluster('old', "$path/bin", install_path => $path);
my $new = cluster('new', $bin);
my ($from, $to) = map { int } $old->pg_version, $new->pg_version;
cmp_ok($from, '<', $to, "from $from to $to");

sub upgrade
{
	my (@options) = @_;
	chdir $new->basedir;
	return run_log([ 'pg_upgrade', '-b', "$path/bin", '-B', $bin, '-d', $old->data_dir, '-D', $new->data_dir,
		'-s', $new->host, '-p', $old->port, '-P', $new->port, @options ]);
}

sub ready
{
	my ($node) = @_;
	return $node->poll_query_until('gym', 'SELECT lag_bytes = 0 FROM gymstream.status');
}

#
# The old server
#

$old->start;
# Minor releases that PostgreSQL itself has no way between: what the older server keeps of each column, the newer one refuses.
if ($old->safe_psql('postgres', q{SELECT count(*) FROM pg_attribute WHERE attoptions::text ~ 'pg_attver'}))
{
	$new->start;
	my ($refused) = $new->psql('postgres', 'CREATE TEMP TABLE t (a int); ALTER TABLE t ALTER a SET (pg_attver = 1)');
	$new->stop;
	if ($refused)
	{
		note('PostgreSQL itself cannot upgrade between these minor releases: a newer one of the new server is needed');
		$old->stop;
		done_testing();
		exit;
	}
}
$old->safe_psql('postgres', 'CREATE DATABASE other; CREATE DATABASE gym; CREATE ROLE trainer; GRANT CREATE ON DATABASE gym TO trainer');
for my $database (qw(gym other))
{
	$old->safe_psql($database, q{
		CREATE EXTENSION gymstream;
		CREATE TABLE booking (id serial PRIMARY KEY, class_id int, price numeric, weight float8, length interval, flags int, note text);
		CREATE INDEX ON booking (class_id);
		CREATE TABLE visit (id int, member text, minutes int) PARTITION BY RANGE (id);
		CREATE TABLE visit_0 PARTITION OF visit FOR VALUES FROM (0) TO (100);
		CREATE TABLE visit_1 PARTITION OF visit DEFAULT;
		CREATE INDEX ON visit (member);
		SELECT gymstream.create_rollup('sums', 'SELECT class_id, count(*) AS n, sum(price) AS price, avg(weight) AS weight, sum(length) AS length,
			bit_or(flags) AS flags, stddev(price) AS spread FROM booking GROUP BY class_id');
		SELECT gymstream.create_rollup('marked', 'SELECT class_id, min(price), max(weight), count(DISTINCT flags) AS kinds,
			string_agg(note, '','' ORDER BY id) AS notes FROM booking GROUP BY class_id HAVING count(*) > 1');
		SELECT gymstream.create_rollup('visits', 'SELECT member, count(*) AS n, sum(minutes), min(minutes) FROM visit GROUP BY member');
		SELECT gymstream.create_rollup('visits_0', 'SELECT member, sum(minutes) FROM visit_0 GROUP BY member');
		CREATE VIEW dear AS SELECT class_id, price FROM sums WHERE price > 10;
		GRANT SELECT ON sums TO trainer;
		INSERT INTO booking (class_id, price, weight, length, flags, note)
			SELECT i % 7, i / 4.0, i / 3.0, i * interval '1 minute', i, 'note ' || i FROM generate_series(1, 300) i;
		INSERT INTO visit SELECT i, repeat('member ' || i % 5, 1 + i % 3 * 200), i FROM generate_series(1, 200) i;
		DELETE FROM booking WHERE id % 50 = 1;
		UPDATE visit SET minutes = minutes + 1 WHERE id % 30 = 2});
}
$old->safe_psql('gym', q{SELECT gymstream.create_topic('sums', 'row'), gymstream.create_topic('booking', 'row');
	SELECT pg_create_logical_replication_slot('mine', 'gymstream')});
ok(ready($old), 'topics are published');
$old->safe_psql('gym', q{INSERT INTO booking (class_id, price) VALUES (1, 1), (8, 2)});
is(differences($old, $_), '', "$_: exact") for qw(gym other);

# What is compared before and after: the same to the last digit.
sub content
{
	my ($node) = @_;
	return join("\n", map { my $rollup = $_; map { "$_.$rollup " . $node->safe_psql($_,
		"SET extra_float_digits = 1; SELECT count(*), md5(string_agg(r::text, chr(10) ORDER BY r::text)) FROM $rollup r") } qw(gym other) }
		qw(sums marked visits visits_0 dear));
}
my $content = content($old);

#
# Slots
#

# From 17 on they go along, and must have been read to the end; before, they stay behind.
my $slots = $from >= 17;
if ($slots)
{
	ok(ready($old), 'all is told');
	$old->stop('fast');
	ok(!upgrade('--check'), 'pg_upgrade refuses a slot that has something to read');
	$old->start;
	$old->safe_psql('gym', q{SELECT count(*) FROM pg_logical_slot_get_changes('mine', NULL, NULL)});
}
# gymstream's own is made anew where it is missing, and what is dropped cannot be behind
$old->stop('fast');
$old->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$old->start;
$old->safe_psql('gym', q{SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name ~ '^gymstream_[0-9]+$'});
$old->safe_psql('gym', q{SELECT count(*) FROM pg_logical_slot_get_changes('mine', NULL, NULL)});
$old->stop('fast');

#
# The new server
#

ok(upgrade(), 'pg_upgrade') or BAIL_OUT(join "\n", grep { /error|Command was/i }
	map { split /\n/, slurp_file($_) } glob($new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log'));
$new->start;
is(content($new), $content, 'rollups show what they showed');
for my $database (qw(gym other))
{
	is(differences($new, $database), '', "$database: exact");
	is($new->safe_psql($database, 'SELECT string_agg(problem, chr(10)) FROM gymstream.rollups'), '', 'nothing is missing');
}
ok(ready($new), 'topics are published again');
is($new->safe_psql('gym', 'SELECT problem IS NULL, topics FROM gymstream.status'), 't|2', 'and nothing is wrong with that');
my $listener = GymstreamListener->new($new, 'gym', 'gymstream:public.sums', 'gymstream:public.booking');
$new->safe_psql('gym', q{SELECT pg_create_logical_replication_slot('mine', 'gymstream')}) unless $slots;
for my $database (qw(gym other))
{
	$new->safe_psql($database, q{
		DELETE FROM booking WHERE id IN (SELECT min(id) FROM booking GROUP BY class_id);
		UPDATE booking SET class_id = class_id + 1 WHERE id % 3 = 0;
		INSERT INTO visit SELECT * FROM visit;
		TRUNCATE visit_1;
		INSERT INTO booking (class_id, price) VALUES (1000, 7)});
	is(differences($new, $database), '', "$database: exact after changes");
	$new->safe_psql($database, q{SELECT gymstream.fold_rollup(rollup) FROM gymstream.rollups});
	is(differences($new, $database), '', "$database: and folded");
}
ok(wait_until(sub { $listener->ask(); grep { ($_->{row}{class_id} // 0) == 1000 } @{ $listener->{got} } }), 'listeners hear of a group');
ok((grep { ($_->{new}{class_id} // 0) == 1000 } @{ $listener->{got} }), 'and of its row');
like($new->safe_psql('gym', q{SELECT string_agg(data, '') FROM pg_logical_slot_get_changes('mine', NULL, NULL)}),
	qr/"table":"booking".*"table":"sums"/s, $slots ? 'a slot goes on' : 'a slot is made anew');
is($new->safe_psql('gym', 'SET ROLE trainer; SELECT n FROM sums WHERE class_id = 1000'), 1, 'grants went along');
$new->safe_psql('gym', q{DROP VIEW dear; DROP VIEW marked; SELECT gymstream.rebuild_rollup('visits')});
is(differences($new, 'gym'), '', 'exact to the end');
$new->safe_psql('gym', q{DROP VIEW sums; SELECT gymstream.drop_rollup('visits_0')});
is($new->safe_psql('gym', q{SELECT string_agg(relname, ',') FROM pg_class WHERE relname ~ '^(sums|marked|visits_0)'}), '', 'what is dropped takes its parts along');
$new->safe_psql('other', 'DROP EXTENSION gymstream CASCADE');
is($new->safe_psql('other', q{SELECT string_agg(relname, ',') FROM pg_class WHERE relname ~ 'partials|definition'}), '', 'so does the extension');

$listener->close;
$new->stop('fast');
done_testing();
