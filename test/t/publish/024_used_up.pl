# What the server has no more of: status says what, and publishing begins as soon as there is some again.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use Test::More;

my $node = start_gymstream('used_up', 'fsync = off', 'max_replication_slots = 2', 'max_worker_processes = 5', 'gymstream.fold = off');
sub problem_in { return $node->safe_psql($_[0], 'SELECT problem FROM gymstream.status') }
sub heals
{
	my ($database, $what) = @_;
	ok($node->poll_query_until($database, 'SELECT problem IS NULL AND lag_bytes = 0 FROM gymstream.status'), "$what: published once there is one");
	my $listener = GymstreamListener->new($node, $database, 'gymstream:public.booking');
	$node->safe_psql($database, 'INSERT INTO booking VALUES (1)');
	is(join(',', map { $_->{new}{id} } grep { $_->{new} } $listener->take(1)), '1', 'all of it');
	$listener->close;
}

# slots
$node->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('$_')") for qw(one two);
$node->safe_psql('postgres', q{CREATE TABLE booking (id int); SELECT gymstream.create_topic('booking', notify => 'row')});
ok($node->poll_query_until('postgres', q{SELECT problem LIKE '%all replication slots are in use%' FROM gymstream.status}), 'no slot: status says so');
my $seen = 0;
for (1 .. 60) { $seen++ if problem_in('postgres') =~ /all replication slots/ }
is($seen, 60, 'also while it is tried again');
$node->safe_psql('postgres', "SELECT pg_drop_replication_slot('one')");
heals('postgres', 'a slot');

# workers: two launchers, the server's own and ours, two publishers and one decoder take all
$node->safe_psql('postgres', "SELECT pg_drop_replication_slot('two')");
$node->safe_psql('postgres', 'CREATE DATABASE gym');
$node->safe_psql('gym', q{CREATE EXTENSION gymstream; CREATE TABLE booking (id int); SELECT gymstream.create_topic('booking', notify => 'row')});
ok($node->poll_query_until('gym', q{SELECT problem LIKE '%increase max_worker_processes%' FROM gymstream.status}), 'no worker: status says so');
is(problem_in('postgres'), '', 'the other database is well');
$node->safe_psql('postgres', q{SELECT gymstream.drop_topic('booking')});
heals('gym', 'a worker');
$node->stop('fast');
done_testing();
