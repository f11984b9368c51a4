# Folding more partials than the server's buffers have room for: what it keeps of a partial must not stay in the buffer.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use Test::More;

my $partials = 120;
my $node = start_gymstream('small_buffers', 'fsync = off', 'autovacuum = off', 'gymstream.fold = off', "shared_buffers = '256kB'",
	'max_prepared_transactions = 130');
$node->safe_psql('postgres', q{
	CREATE TABLE booking (class_id int, note text);
	SELECT gymstream.create_rollup('first', 'SELECT class_id, min(note), count(*) FROM booking GROUP BY class_id');
	SELECT gymstream.create_rollup('last', 'SELECT class_id, max(note), count(*) FROM booking GROUP BY class_id')});

# Two partials fill a page. The least and the greatest value are on the second and third, and those on all others follow.
sub long_note
{
	my ($i) = @_;
	return ($i == 4 ? 'a' : $i == 5 ? 'z' : 'm') . join '', map { sprintf '%08x', ($i * 7919 + $_ * 104729) * 2654435761 % 4294967296 } 1 .. 180;
}
$node->safe_psql('postgres', join '', map { "BEGIN; INSERT INTO booking VALUES (1, '" . long_note($_) . "'); PREPARE TRANSACTION 'p$_';\n" } 1 .. $partials);
$node->safe_psql('postgres', join '', map { "COMMIT PREPARED 'p$_';\n" } 1 .. $partials);
for my $rollup ('first', 'last')
{
	is($node->safe_psql('postgres', "SELECT count(*) FROM ${rollup}_partials"), $partials, "$rollup: a partial for each transaction");
	cmp_ok($node->safe_psql('postgres', "SELECT pg_relation_size('${rollup}_partials') / 8192"), '>', 40, "$rollup: more pages than buffers");
	is($node->safe_psql('postgres', "SELECT gymstream.fold_rollup('$rollup')"), 1, "$rollup: folded");
	is($node->safe_psql('postgres', "SELECT count(*) FROM ${rollup}_partials"), 1, "$rollup: into one");
}
is(differences($node), '', 'exact');

$node->stop;
done_testing();
