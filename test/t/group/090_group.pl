# Groups in a server that lives: who waits is woken, and holds nothing up meanwhile; who dies is taken over; attempts outlive a
# restart; a standby, a dump, a subscriber.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamTest;
use POSIX qw(_exit);
use Test::More;

BEGIN { plan skip_all => 'needs DBD::Pg' unless eval { require DBI; require DBD::Pg; 1 }; }
use DBD::Pg qw(PG_ASYNC);

my $node = start_gymstream('group', 'fsync = off', "wal_sender_timeout = '60s'");

sub connect_node
{
	my ($on) = @_;
	return DBI->connect('dbi:Pg:' . ($on // $node)->connstr('postgres') =~ s/ /;/gr, '', '',
		{ AutoCommit => 1, RaiseError => 1, PrintError => 0, PrintWarn => 0, pg_server_prepare => 0 });
}
sub sql { return $node->safe_psql('postgres', $_[0]) }

sql('CREATE TABLE account (k int PRIMARY KEY, n int); CREATE TABLE effect (k int, n int);');
sql("SELECT gymstream.create_topic('account')");
sql('INSERT INTO account VALUES (0, 0)');
sql("CALL gymstream.wait_topic('account')");
sql("SELECT gymstream.create_group('g', '{account}', partitions => 4, retry_delay => '200 milliseconds', max_attempts => 3)");
# decodes everything beside us, as a subscriber of all tables would
sql("SELECT pg_create_logical_replication_slot('everything', 'test_decoding')");

my @worker = map { connect_node() } 0 .. 3;
sub poll
{
	my ($dbh, $max) = @_;
	$dbh->do('BEGIN');
	return join ' ', @{ $dbh->selectcol_arrayref("SELECT format('%s:%s', key->>'k', attempt) FROM gymstream.poll_group('g', ?) ORDER BY \"position\"", undef, $max // 100) };
}
sub start_wait { $_[0]->do("CALL gymstream.wait_group('g', '5 minutes')", { pg_async => PG_ASYNC }) }
sub is_waiting { return sql("SELECT count(*) FROM pg_stat_activity WHERE query ~ 'wait_group' AND state = 'active' AND wait_event_type = 'Extension'") }
sub number_ready { return scalar grep { $_->pg_ready } @_ }
sub end_wait { my ($dbh) = @_; wait_until(sub { $dbh->pg_ready }) or return 0; $dbh->pg_result; return 1 }

sub end_wait_for
{
	my ($group) = @_;
	my $dbh = connect_node();
	for my $try (1 .. 100)
	{
		$dbh->do("BEGIN; SELECT FROM gymstream.poll_group('$group'); COMMIT");
		$dbh->do("CALL gymstream.wait_group('$group', '5 minutes')", { pg_async => PG_ASYNC });
		wait_until(sub { $dbh->pg_ready || sql("SELECT count(*) FROM pg_stat_activity WHERE query ~ 'wait_group.*$group' AND pid <> pg_backend_pid() AND wait_event_type = 'Extension'") }) or return 0;
		last if !$dbh->pg_ready;
		$dbh->pg_result;
	}
	sql("SELECT gymstream.drop_group('$group')");
	my $ended = end_wait($dbh);
	$dbh->disconnect;
	return $ended;
}

# each has looked at all partitions, so that nobody waits in vain
poll($worker[0]);
$worker[0]->do('COMMIT');

# waiting pins nothing, in a transaction too
$worker[1]->do('BEGIN');
$worker[1]->do('SELECT count(*) FROM account');
start_wait($_) for @worker;
ok(wait_until(sub { is_waiting() == 4 }), 'four wait');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE query ~ 'wait_group' AND pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"), 0, 'and pin nothing');

# one is woken for one event, and the others sleep on
sql('INSERT INTO account VALUES (1, 1)');
ok(wait_until(sub { number_ready(@worker) == 1 }), 'one is woken');
my ($awake) = grep { $worker[$_]->pg_ready } 0 .. 3;
my @asleep = grep { $_ != $awake } 0 .. 3;
end_wait($worker[$awake]);
$worker[$awake]->do('COMMIT') if $awake == 1;
is(poll($worker[$awake]), '1:1', 'it has the event');
is(is_waiting(), 3, 'the others wait still');

# it is killed: another one is woken and takes over
sql('SELECT pg_terminate_backend(' . $worker[$awake]->{pg_pid} . ')');
ok(wait_until(sub { number_ready(@worker[@asleep]) == 1 }), 'another one is woken when its backend is terminated');
my ($next) = grep { $worker[$_]->pg_ready } @asleep;
end_wait($worker[$next]);
$worker[$next]->do('COMMIT') if $next == 1;
$worker[$awake] = connect_node();
# that was its first attempt, alone: it is parked, and due again a little later
ok(wait_until(sub { my $got = poll($worker[$next]); $worker[$next]->do($got ? 'COMMIT' : 'ROLLBACK'); $got eq '1:2' }), 'and has it as a second attempt');
is(sql('SELECT events + waiting FROM gymstream.groups'), 0, 'it is acked');
for my $n (grep { $_ != $next } @asleep) { $worker[$n]->pg_cancel; $worker[$n]->do('ROLLBACK') if $n == 1; }

# a client that is stopped is taken over after the limit, and its transaction is lost
sql("SELECT gymstream.alter_group('g', takeover => '500 milliseconds')");
sql('INSERT INTO account VALUES (2, 1)');
sql("CALL gymstream.wait_topic('account')");
is(poll($worker[0]), '2:1', 'one has an event, and says nothing more');
ok(wait_until(sub { my $got = poll($worker[2]); $worker[2]->do($got ? 'COMMIT' : 'ROLLBACK'); $got eq '2:2' }), 'another one has it after a while');
ok(!eval { $worker[0]->do("INSERT INTO effect VALUES (2, 1)"); $worker[0]->do('COMMIT'); 1 }, 'the first one cannot go on');
is(sql('SELECT count(*) FROM effect'), 0, 'nor has it done anything');
$worker[0] = connect_node();
sql("SELECT gymstream.alter_group('g', takeover => '5 minutes')");

# attempts outlive a restart, clean or not
sql('INSERT INTO account VALUES (3, 1)');
sql("CALL gymstream.wait_topic('account')");
is(poll($worker[0]), '3:1', 'an event');
$worker[0]->do('ROLLBACK');
ok(wait_until(sub { poll($worker[0]); $worker[0]->do('ROLLBACK'); sql('SELECT attempts FROM gymstream.group_lag WHERE waiting > 0') eq '1' }), 'fails');
$node->restart;
@worker = map { connect_node() } 0 .. 3;
ok(wait_until(sub { my $got = poll($worker[0]); $worker[0]->do('ROLLBACK'); $got eq '3:2' }), 'its second attempt comes after a restart');
ok(wait_until(sub { poll($worker[0]); $worker[0]->do('ROLLBACK'); sql('SELECT max(attempts) FROM gymstream.group_lag') eq '2' }), 'and fails');
$node->stop('immediate');
$node->start;
@worker = map { connect_node() } 0 .. 3;
ok(wait_until(sub { my $got = poll($worker[0]); $worker[0]->do('ROLLBACK'); $got eq '3:3' }), 'its third one after a crash');
ok(wait_until(sub { poll($worker[0]); $worker[0]->do('ROLLBACK'); sql('SELECT dead FROM gymstream.groups') eq '1' }), 'then it is a dead letter');

# one that waits is woken when a dead letter is replayed
start_wait($worker[0]);
ok(wait_until(sub { is_waiting() == 1 || $worker[0]->pg_ready }), 'one waits');
is(sql("SELECT gymstream.replay_events('g')"), 1, 'the dead letter is to be tried again');
ok(end_wait($worker[0]), 'who waits is woken');
is(poll($worker[0]), '3:1', 'and has it');
$worker[0]->do('COMMIT');

# a group that is changed is another one: all who wait for it look at it again
sub start_sleep
{
	my ($dbh) = @_;
	return wait_until(sub { poll($dbh); $dbh->do('COMMIT'); start_wait($dbh); wait_until(sub { is_waiting() == 1 || $dbh->pg_ready }); return is_waiting() == 1 ? 1 : end_wait($dbh) * 0; });
}
ok(start_sleep($worker[0]), 'one sleeps');
sql("SELECT FROM gymstream.seek_group('g', 'earliest', dry_run => true)");
is(is_waiting(), 1, 'looking where it would be sent wakes nobody');
sql("SELECT FROM gymstream.seek_group('g', 'earliest')");
ok(end_wait($worker[0]), 'who waits is woken when the group is sent back');
like(poll($worker[0]), qr/1:1/, 'and has what comes again');
$worker[0]->do('ROLLBACK');
sql("SELECT gymstream.pause_group('g')");
start_wait($worker[0]);
ok(wait_until(sub { is_waiting() == 1 }), 'one waits while the group is paused');
sql("SELECT gymstream.resume_group('g')");
ok(end_wait($worker[0]), 'and is woken when it is resumed');
ok(wait_until(sub { poll($worker[0]); $worker[0]->do('COMMIT'); sql("SELECT events + waiting FROM gymstream.groups") eq '0' }), 'it does the rest');
ok(start_sleep($worker[0]), 'one sleeps');
sql("SELECT gymstream.create_group('short', '{account}')");
ok(end_wait_for('short'), 'who waits for a group that is dropped is woken');

# retention waits for nobody: who is behind is told, and who is not is not
sql("SELECT gymstream.create_group('slow', '{account}', partitions => 1, start => 'earliest')");
sql("SELECT gymstream.alter_topic('account', retain => '1 second')");
ok(wait_until(sub { sql('SELECT events = 0 FROM gymstream.topics') eq 't' }), 'the events are gone');
sql("SELECT gymstream.alter_topic('account', retain => '1 hour')");
sql('INSERT INTO account VALUES (4, 1)');
sql("CALL gymstream.wait_topic('account')");
is(sql("SELECT events, lost > 0, problem ~ 'dropped by retention' FROM gymstream.groups WHERE group_name = 'slow'"), '1|t|t', 'what is lost is told by the view');
is(sql("SELECT count(*) FROM gymstream.group_lag WHERE group_name = 'g' AND lost > 0"), 0, 'of who has lost it');
like((client('doctor', '-d', $node->connstr('postgres')))[1], qr/group "slow" has lost about \d+ event/, 'and by the doctor');
like((client('metrics', '-d', $node->connstr('postgres')))[1], qr/consumergroup_lost\{consumergroup="slow"\} [1-9]/, 'and by metrics');
my ($code, $rows, $told) = $node->psql('postgres', "BEGIN; SELECT key FROM gymstream.poll_group('slow'); COMMIT");
like($told, qr/WARNING:\s+group "slow" may have lost events of topic "account".*retention/s, 'who is behind is told');
is($rows, '{"k":4}', 'and goes on with what is kept');
($code, $rows, $told) = $node->psql('postgres', "BEGIN; SELECT key FROM gymstream.poll_group('slow'); SELECT key FROM gymstream.poll_group('g'); COMMIT");
is($told, '', 'once, and nobody else is told');
is($rows, '{"k":4}', 'who was not behind goes on');
sql("SELECT gymstream.drop_group('slow')");

# nothing of it is seen by who decodes
is(sql("SELECT count(*) FROM pg_logical_slot_get_changes('everything', NULL, NULL) WHERE data ~ 'gymstream_internal'"), 0, 'decoding passes over the tables of groups');
sql("SELECT pg_drop_replication_slot('everything')");

# a standby
$node->backup('b');
my $standby = PostgreSQL::Test::Cluster->new('group_standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
my ($status, $out, $error) = $standby->psql('postgres', "BEGIN; SELECT * FROM gymstream.poll_group('g')");
like($error, qr/cannot execute gymstream\.poll_group\(\) during recovery/, 'a standby cannot poll');
is($standby->safe_psql('postgres', 'SELECT events, dead FROM gymstream.groups'), '0|0', 'and shows how far the group is');
$standby->stop;

# a dump has the group; in the restored database it begins anew
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'a dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'is restored');
is($node->safe_psql('restored', 'SELECT group_name, topics, partitions, max_attempts FROM gymstream.groups'), 'g|{account}|4|3', 'with the group');
ok(wait_until(sub { $node->safe_psql('restored', 'SELECT lag_bytes IS NOT NULL FROM gymstream.status') eq 't' }), 'its topic is published');
$node->safe_psql('restored', "BEGIN; SELECT * FROM gymstream.poll_group('g'); COMMIT");
$node->safe_psql('restored', 'INSERT INTO account VALUES (9, 9)');
ok(wait_until(sub { $node->safe_psql('restored', "INSERT INTO effect SELECT (key->>'k')::int FROM gymstream.poll_group('g'); SELECT count(*) FROM effect WHERE k = 9") eq '1' }), 'and goes on');

$_->disconnect for @worker;
$node->stop;
done_testing();
