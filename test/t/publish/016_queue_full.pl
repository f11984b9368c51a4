# A full notification queue: publishing goes on, notifications are skipped and counted, and room is left for others.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the queue of this server is too large to be filled' unless has_setting('max_notify_queue_pages');

my $node = start_gymstream('queue_full', 'fsync = off', 'max_notify_queue_pages = 64');
$node->safe_psql('postgres', q{CREATE TABLE booking (id int, note text)});
$node->safe_psql('postgres', q{SELECT gymstream.create_topic('booking', 'row')});

# a listener that stays in a transaction keeps the queue from being emptied
my $sleeper = GymstreamListener->new($node, 'postgres', 'gymstream:public.booking');
$sleeper->ask('BEGIN;', 'SELECT 1;');
$node->safe_psql('postgres', q{INSERT INTO booking SELECT i, repeat('x', 1000) FROM generate_series(1, 2000) i});
ok($node->poll_query_until('postgres', 'SELECT lag_bytes = 0 FROM gymstream.status'), 'publishing goes on');
is($node->safe_psql('postgres', q{SELECT events, notifications + skipped, skipped > 0, problem LIKE '%queue is nearly full%' FROM gymstream.status}),
	'2000|2000|t|t', 'what did not fit is counted, and status says why');
is($node->psql('postgres', q{NOTIFY application, 'still works'}), 0, 'there is room for the application');

$sleeper->ask('COMMIT;');
$sleeper->wait_for(1);
my $listener = GymstreamListener->new($node, 'postgres', 'gymstream:public.booking');
my ($id, @got) = (10000);
ok(wait_until(sub {
	$sleeper->ask();
	$node->safe_psql('postgres', 'INSERT INTO booking VALUES (' . ++$id . ", 'after')");
	@got = grep { $_->{new}{id} > 10000 } $listener->wait_for(0);
	return @got > 0;
}), 'once the listener has gone on, notifications are sent again');
ok($node->poll_query_until('postgres', 'SELECT problem IS NULL FROM gymstream.status'), 'and status finds nothing wrong');
$_->close for $listener, $sleeper;
$node->stop('fast');
done_testing();
