# pgbench's TPC-B keeps balances itself: a truth that rollups over accounts and history must agree with, at any moment,
# while eight clients write.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('pgbench', 'fsync = off');
my $scale = 4;

$node->command_ok([ 'pgbench', '-i', '-q', '-s', $scale, 'postgres' ], 'pgbench makes its tables');
$node->safe_psql('postgres', q{
	SELECT gymstream.create_rollup('accounts', 'SELECT bid, sum(abalance), count(*) FROM pgbench_accounts GROUP BY bid');
	SELECT gymstream.create_rollup('history', 'SELECT bid, sum(delta), count(*) AS changes FROM pgbench_history GROUP BY bid');
});

# One statement, so one snapshot: what disagrees. A branch's balance is what its history adds up to; an account may belong
# to another branch than the one it is changed at, so branches' accounts are compared through the history, and in total.
my $disagree = q{
	SELECT 'history', bid FROM pgbench_branches LEFT JOIN history USING (bid) WHERE coalesce(sum, 0) <> bbalance
	UNION ALL
	SELECT 'accounts', bid FROM accounts FULL JOIN (SELECT bid, sum(delta) AS delta FROM
		(SELECT a.bid, h.delta FROM pgbench_history h JOIN pgbench_accounts a USING (aid)) home GROUP BY bid) home USING (bid)
		WHERE sum IS DISTINCT FROM coalesce(delta, 0) OR count IS DISTINCT FROM 100000
	UNION ALL
	SELECT 'total', 0 WHERE (SELECT sum(sum) FROM accounts) IS DISTINCT FROM (SELECT sum(bbalance) FROM pgbench_branches)};

my ($out, $err) = ('', '');
my $pgbench = IPC::Run::start(
	[ 'pgbench', '-n', '-c', 8, '-j', 2, '-T', 8, '-h', $node->host, '-p', $node->port, 'postgres' ],
	'>', \$out, '2>', \$err);

my ($checks, $wrong, $seen) = (0, 0, 0);
while ($pgbench->pumpable)
{
	$pgbench->pump_nb;
	my ($bad, $changes) = split /\|/,
	  $node->safe_psql('postgres', "SELECT (SELECT count(*) FROM ($disagree) d), (SELECT coalesce(sum(changes), 0) FROM history)");
	$checks++;
	$wrong++ if $bad != 0;
	$seen++ if $changes > 0;

	# a rollup made under load misses nothing either
	$node->safe_psql('postgres', q{SELECT gymstream.create_rollup('tellers',
		'SELECT tid, sum(delta), count(*) FROM pgbench_history GROUP BY tid')}) if $seen == 5;
}
ok($pgbench->finish, 'pgbench ends well') or diag($err);
like($out, qr/number of failed transactions: 0 /, 'no transaction failed');
note($out);

cmp_ok($seen, '>=', 10, 'balances were compared while it ran');
is($wrong, 0, "both rollups agreed with pgbench's own balances at each of $checks moments");
is($node->safe_psql('postgres', $disagree), '', 'and agree at the end');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM pgbench_tellers LEFT JOIN tellers USING (tid) WHERE coalesce(sum, 0) <> tbalance}), 0,
	"so does each teller's balance with a rollup made under load");
is($node->safe_psql('postgres', 'SELECT sum(changes) - (SELECT count(*) FROM pgbench_history) FROM history'), 0, 'every change is counted');
is(differences($node), '', 'verify_rollup finds no difference');

$node->stop;
done_testing();
