# What cannot be told, added, or computed in time is told as such, in its place, and the workers go on.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use JSON::PP ();
use Test::More;

my $node = start_gymstream('poison', 'fsync = off', 'gymstream.worker_timeout = 300ms');

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub listen_to { return GymstreamListener->new($node, 'postgres', map { "gymstream:public.$_" } @_) }
sub publisher { return sql('SELECT publisher_pid FROM gymstream.status') }
sub incident { return sql("SELECT sqlstate, what, hint <> '' FROM gymstream.incidents WHERE relation = '$_[0]'::regclass") }

# an ordinary user's code in the workers
sql(q{
	CREATE ROLE owner; GRANT CREATE ON SCHEMA public TO owner;
	CREATE FUNCTION public.whoami() RETURNS text LANGUAGE sql STABLE AS $$SELECT current_setting('application_name')$$;
	SET ROLE owner;
	CREATE TABLE good (id int PRIMARY KEY);
	SELECT gymstream.create_topic('good', notify => 'row');
});
my $good = listen_to('good');
my $next = 1;

# Others' changes are told meanwhile.
sub others_are_told
{
	my ($what) = @_;
	sql('INSERT INTO good VALUES (' . ++$next . ')');
	is(join(',', map { $_->{new}{id} } $good->take(1)), $next, "others are told: $what");
}

# two deltas whose sum is more than a numeric can be
sql(q{SET ROLE owner;
	CREATE TABLE large (k int, v numeric);
	SELECT gymstream.create_rollup('larges', 'SELECT k, count(*) AS n, sum(v) AS s FROM large GROUP BY k');
	SELECT gymstream.create_topic('larges', notify => 'row');
	INSERT INTO large VALUES (1, -9e131071), (2, 2)});
my $larges = listen_to('larges');
my $publisher = publisher();
sql(q{BEGIN; INSERT INTO large VALUES (1, 9e131071), (2, 3); INSERT INTO large VALUES (1, 9e131071), (2, 4); COMMIT});
my ($added, $shown, @events) = (0);
# Usually the publisher has the whole transaction at once. Where it gets the parts one by one, it tells them so.
while ($added < 2 && (@events = $larges->take(1)))
{
	($added, $shown) = ($added + $_->{delta}{'count(*)'}, $_->{row}{s}) for grep { $_->{key}{k} == 2 && exists $_->{delta} } @events;
}
is("$added $shown", '2 9', 'those of other groups are added up');
others_are_told('an overflow');
$larges->wait_for(0);

# two deltas that cannot be added: the type's order is an error in the publisher
sql(q{
	CREATE TYPE odd;
	CREATE FUNCTION odd_in(cstring) RETURNS odd LANGUAGE internal IMMUTABLE STRICT AS 'textin';
	CREATE FUNCTION odd_out(odd) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
	CREATE TYPE odd (INPUT = odd_in, OUTPUT = odd_out, LIKE = text);
	CREATE CAST (odd AS text) WITHOUT FUNCTION;
	CREATE FUNCTION odd_cmp(a odd, b odd) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT AS $$BEGIN
		IF public.whoami() = 'gymstream publisher' THEN RAISE 'odd'; END IF; RETURN bttextcmp(a::text, b::text); END$$;
	CREATE FUNCTION odd_lt(a odd, b odd) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS 'SELECT public.odd_cmp(a, b) < 0';
	CREATE FUNCTION odd_eq(a odd, b odd) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS 'SELECT public.odd_cmp(a, b) = 0';
	CREATE FUNCTION odd_gt(a odd, b odd) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS 'SELECT public.odd_cmp(a, b) > 0';
	CREATE OPERATOR < (FUNCTION = odd_lt, LEFTARG = odd, RIGHTARG = odd);
	CREATE OPERATOR = (FUNCTION = odd_eq, LEFTARG = odd, RIGHTARG = odd);
	CREATE OPERATOR > (FUNCTION = odd_gt, LEFTARG = odd, RIGHTARG = odd);
	CREATE OPERATOR CLASS odd_ops DEFAULT FOR TYPE odd USING btree AS OPERATOR 1 <, OPERATOR 3 =, OPERATOR 5 >, FUNCTION 1 odd_cmp(odd, odd);
	SET ROLE owner;
	CREATE TABLE oddity (k int, v odd[]);
	SELECT gymstream.create_rollup('oddities', 'SELECT k, max(v) AS m FROM oddity GROUP BY k');
	SELECT gymstream.create_topic('oddities', notify => 'row')});
my $oddities = listen_to('oddities');
sql(q{BEGIN; INSERT INTO oddity VALUES (1, '{a}'); INSERT INTO oddity VALUES (1, '{b}'); COMMIT});
@events = $oddities->take(2);
is(join(' ', map { $_->{delta}{'max(v) in'} } @events), '{a} {b}', 'deltas that cannot be added are told apart');
others_are_told('a type without an order');
$oddities->close;
is(publisher(), $publisher, 'by the same publisher');

# a key that no notification has room for
sql(q{SET ROLE owner;
	CREATE TABLE word (w text);
	SELECT gymstream.create_rollup('words', 'SELECT w, count(*) AS n FROM word GROUP BY w');
	SELECT gymstream.create_topic('words', notify => 'row')});
my $words = listen_to('words');
sql(qq{INSERT INTO word VALUES (repeat(E'\\x01', $_))}) for 2000, 100_000, 10_000_000;
is(join(',', map { $_->{truncated} ? 'truncated' : '?' } $words->take(3)), 'truncated,truncated,truncated', 'a long key is not told');
others_are_told('a long key');
is(publisher(), $publisher, 'by the same publisher');

# a row that prints far more than it has, 1.3 GB
sql(q{SET ROLE owner; CREATE TABLE wide (id int, n numeric[]); SELECT gymstream.create_topic('wide', notify => 'row')});
my $wide = listen_to('wide');
sql(q{INSERT INTO wide VALUES (1, array_fill(1e131071::numeric, ARRAY[10000])), (2, '{1}')});
@events = $wide->take(2);
is(join(',', map { $_->{truncated} ? 'truncated' : $_->{new}{n} } @events), 'truncated,{1}', 'a row that prints too much is told as such');
others_are_told('a row that prints much');
is(publisher(), $publisher, 'by the same publisher');
$wide->close;

# groups whose row cannot be computed
sql(q{SET ROLE owner;
	CREATE TABLE part (k int, a int, b int);
	SELECT gymstream.create_rollup('parts', 'SELECT k, sum(a) / sum(b) AS q FROM part GROUP BY k');
	SELECT gymstream.create_topic('parts', notify => 'row')});
my $parts = listen_to('parts');
sql(q{INSERT INTO part SELECT i, i, CASE i WHEN 7 THEN 0 WHEN 90 THEN 0 ELSE 1 END FROM generate_series(1, 100) i});
@events = $parts->take(100);
is(join(',', sort { $a <=> $b } map { $_->{key}{k} } grep { !exists $_->{row} } @events), '7,90', 'groups that cannot be computed are told without their row');
is_deeply([ map { $_->{unread} } grep { !exists $_->{row} } @events ], [ ({ code => '22012', message => 'division by zero' }) x 2 ], 'with the reason');
is(scalar(grep { $_->{row} && $_->{row}{q} == $_->{key}{k} } @events), 98, 'all others have theirs');
is(incident('parts'), q{22012|an event was told without the group's row|t}, 'the incident is remembered');
my ($bad) = reverse grep { !exists $_->{row} } @events;
is(sql(q{SELECT times, "position" FROM gymstream.incidents WHERE relation = 'parts'::regclass}),
	'2|' . $bad->{position} =~ s/\/[0-9A-F]{16}$//r, 'with the last position');
is(sql('SELECT incomplete FROM gymstream.status'), 2, 'and counted');
sql(q{UPDATE part SET b = 1 WHERE k = 7});
is_deeply([ map { $_->{row} } $parts->take(1) ], [ { k => 7, q => 7 } ], 'once it can be computed it is told');
sql(q{INSERT INTO part SELECT i, i, 0 FROM generate_series(1001, 1900) i});
is(scalar(grep { $_->{unread} } $parts->take(900)), 900, 'a rollup of which nothing can be computed');
others_are_told('errors in rows');
is(publisher(), $publisher, 'by the same publisher');
is(sql(q{SET ROLE owner; SELECT bool_and(message IS NULL) FROM gymstream.incidents WHERE relation = 'parts'::regclass}), 't',
	'messages are not for everybody');

# Rows that take too long: by a function that sleeps, in the publisher only; one that resets what it can; one that goes on
# when it is cancelled.
my %slow = (
	sleeping => q{BEGIN IF public.whoami() = 'gymstream publisher' THEN PERFORM pg_sleep(3600); END IF; RETURN x; END},
	setting => q{BEGIN IF public.whoami() = 'gymstream publisher' THEN
		PERFORM set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false);
		PERFORM pg_sleep(3600); END IF; RETURN x; END},
	going_on => q{BEGIN LOOP
		BEGIN IF public.whoami() <> 'gymstream publisher' THEN RETURN x; END IF; PERFORM pg_sleep(3600);
		EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END});
for my $name (qw(sleeping setting going_on))
{
	my $comes_back = $name ne 'going_on';

	sql(qq{SET ROLE owner;
		CREATE FUNCTION f_$name(x bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS \$\$$slow{$name}\$\$;
		CREATE TABLE $name (k int, v int);
		SELECT gymstream.create_rollup('r_$name', 'SELECT k, f_$name(sum(v)) AS s FROM $name GROUP BY k');
		SELECT gymstream.create_topic('r_$name', notify => 'row')});
	my $listener = listen_to("r_$name");
	$publisher = publisher();
	sql("INSERT INTO $name VALUES (1, 1), (2, 2)");
	@events = $listener->take(2);
	is(join(',', map { $_->{unread}{code} // '?' } @events), '57014,57014', "$name: told without rows");
	others_are_told($name);
	if ($comes_back) { is(publisher(), $publisher, 'by the same publisher'); }
	else { isnt(publisher(), $publisher, 'by another publisher'); }
	is(incident("r_$name"), q{57014|the functions of a rollup's owner took too long in a worker, which leaves the rollup alone for a while|t},
		'the incident is remembered');
	$publisher = publisher();
	sql("INSERT INTO $name VALUES (3, 3)");
	is(join(',', map { $_->{unread}{code} // '?' } $listener->take(1)), '57014', 'the next is told without a row');
	is(publisher(), $publisher, 'without a try');
	sql("DROP TABLE $name CASCADE");
	$listener->close;
}

# Locks that functions leave behind in a worker's session are nobody's.
sql(q{SET ROLE owner;
	CREATE FUNCTION f_lock(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
		$$BEGIN IF public.whoami() LIKE 'gymstream %' THEN PERFORM pg_advisory_lock(x); END IF; RETURN x; END$$;
	CREATE TABLE locking (k int, v int);
	SELECT gymstream.create_rollup('r_locking', 'SELECT k, min(f_lock(v)) AS m, count(*) AS n FROM locking GROUP BY k');
	SELECT gymstream.create_topic('r_locking', notify => 'row')});
my $locking = listen_to('r_locking');
sql('INSERT INTO locking VALUES (1, 1), (1, 2); DELETE FROM locking WHERE v = 1');
cmp_ok(scalar($locking->take(1)), '>', 0, 'rows are read');
$locking->close;
ok($node->poll_query_until('postgres', q{SELECT marked = 0 FROM gymstream_internal.count_rollup('r_locking')}), 'and folded');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_locks WHERE locktype = 'advisory'}), 'locks are not left behind');

# The folder: it lets go of a table that it waits for too long, and folds others.
sql(q{SET ROLE owner;
	CREATE FUNCTION f_fold(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
		$$BEGIN IF public.whoami() = 'gymstream folder' THEN PERFORM pg_sleep(3600); END IF; RETURN x; END$$;
	CREATE TABLE busy (k int, v int);
	SELECT gymstream.create_rollup('r_busy', 'SELECT k, max(f_fold(v)) AS m FROM busy GROUP BY k');
	CREATE TABLE quick (k int, v int);
	SELECT gymstream.create_rollup('r_quick', 'SELECT k, sum(v) AS s FROM quick GROUP BY k')});
my @writers = map { GymstreamListener->new($node, 'postgres') } 1, 2;
for my $table (qw(busy quick))
{
	$_->ask('BEGIN;', "INSERT INTO $table VALUES (1, 1), (1, 2);") for @writers;
	$_->ask('COMMIT;') for @writers;
}
sql('DELETE FROM busy WHERE v = 2');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM gymstream.incidents
	WHERE relation = 'r_busy'::regclass AND what LIKE '%could not be folded'}), 'a rollup whose functions sleep is not folded');
ok($node->poll_query_until('postgres', q{SELECT partials = 1 FROM gymstream_internal.count_rollup('r_quick')}), 'others are');
is(sql(q{SET lock_timeout = '60s'; ALTER TABLE busy ADD COLUMN more int; SELECT max(m) FROM r_busy}), 1, 'its table is free');
is(sql('SELECT problem IS NULL, lag_bytes FROM gymstream.status'), 't|0', 'all is well');
$_->close for $good, $larges, $words, $parts, @writers;
$node->stop('fast');
done_testing();
