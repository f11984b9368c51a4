# A clock that somebody sets back, or forward, while the server runs: nothing waits for a time that the clock said before.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $library = PostgreSQL::Test::Utils::tempdir() . '/set_clock.so';
my $clock = PostgreSQL::Test::Utils::tempdir() . '/clock';
system_or_bail('cc', '-shared', '-fPIC', '-o', $library, "$FindBin::Bin/set_clock.c", '-ldl');

# Written beside and moved, so that nobody reads half of a number.
sub set_clock
{
	my ($seconds) = @_;
	unlink "$clock.new";
	append_to_file("$clock.new", "$seconds\n");
	rename "$clock.new", $clock or die "rename: $!";
}

set_clock(0);
my $node = do
{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{GYMSTREAM_CLOCK} = $clock;
	start_gymstream('clock', 'fsync = off', 'gymstream.worker_timeout = 200ms', 'gymstream.fold = off');
};
my $start = time;

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub becomes { return $node->poll_query_until('postgres', $_[0]) }

sql(q{CREATE TABLE booking (id int, class_id int); SELECT gymstream.create_topic('booking', notify => 'row')});
is(sql(q{SELECT abs(extract(epoch FROM clock_timestamp()) - } . $start . q{) < 3600}), 't', 'the clock is right at first');
my $listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.booking');
sql('INSERT INTO booking VALUES (1, 1)');
is(scalar(my @first = $listener->take(1)), 1, 'changes are published');

# the next start of the workers is put off
sub fail_twice
{
	my $pid = sql('SELECT decoder_pid FROM gymstream.status');

	sql("SELECT pg_terminate_backend($pid)");
	return becomes("SELECT waiting_for LIKE 'the next attempt%' OR decoder_pid <> $pid FROM gymstream.status");
}
ok(fail_twice() && becomes('SELECT decoder_pid IS NOT NULL AND lag_bytes = 0 FROM gymstream.status') && fail_twice(), 'the decoder has ended');
set_clock(-86400);
is(sql(q{SELECT extract(epoch FROM clock_timestamp()) < } . $start), 't', 'the clock is set back by a day');
sql('INSERT INTO booking VALUES (2, 1)');
is(scalar(my @second = $listener->take(1)), 1, 'and changes are published soon');
cmp_ok($second[0]{position}, 'gt', $first[0]{position}, 'positions go on');

# a rollup that was too slow is left alone for a while, and not for a day; no folder takes its mark away before it is read
set_clock(0);
sql(q{CREATE TABLE slow (now_slow boolean); INSERT INTO slow VALUES (true); GRANT SELECT ON slow TO PUBLIC;
	CREATE FUNCTION lazy(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN
		IF current_setting('application_name') = 'gymstream publisher' AND (SELECT now_slow FROM public.slow) THEN PERFORM pg_sleep(3600); END IF;
		RETURN x; END$$;
	SELECT gymstream.create_rollup('attendance', 'SELECT class_id, min(lazy(id)) AS first, count(*) FROM booking GROUP BY class_id');
	SELECT gymstream.create_topic('attendance', notify => 'row')});
my $attendance = GymstreamListener->new($node, 'postgres', 'gymstream:public.attendance');
sql('DELETE FROM booking WHERE id = 1');
my ($event) = $attendance->take(1);
like($event->{payload}, qr/"unread"/, 'the rollup was too slow');
set_clock(-86400);
sql('UPDATE slow SET now_slow = false');
sql('INSERT INTO booking VALUES (3, 1)');
($event) = $attendance->take(1);
like($event->{payload}, qr/"row":\{"class_id":1,"first":2,"count":2\}/, 'and is read again once the clock was set back');

# folding goes on, whichever way the clock is set
$node->append_conf('postgresql.conf', 'gymstream.fold = on');
$node->reload;
my $partials = 'SELECT partials = 1 FROM gymstream.rollups WHERE rollup = \'attendance\'::regclass';
for my $seconds (-2 * 86400, -10 * 86400, 86400)
{
	my @writers = map { GymstreamListener->new($node, 'postgres') } 1 .. 3;

	$_->ask('BEGIN; INSERT INTO booking VALUES (9, 1);') for @writers;
	$_->ask('COMMIT;') for @writers;
	set_clock($seconds);
	ok(becomes($partials), "partials are folded with the clock at $seconds");
	$_->close for @writers;
}
is(differences($node), '', 'the rollup is exact');
done_testing();
