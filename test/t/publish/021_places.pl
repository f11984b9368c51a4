# More databases than places: who finds none is told so, and gets one as soon as it is free.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_gymstream('places', 'fsync = off', 'gymstream.max_databases = 1');
my $served = 'SELECT publisher_pid IS NOT NULL AND problem IS NULL FROM gymstream.status';

ok($node->poll_query_until('postgres', $served), 'the first database is served');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(empty gym);
$node->safe_psql('gym', q{CREATE EXTENSION gymstream; CREATE TABLE booking (id int); SELECT gymstream.create_topic('booking')});
like($node->safe_psql('gym', 'SELECT problem FROM gymstream.status'), qr/increase gymstream.max_databases/, 'the second one is not, and knows why');
$node->safe_psql('postgres', 'DROP EXTENSION gymstream');
ok($node->poll_query_until('gym', 'SELECT decoder_pid IS NOT NULL AND problem IS NULL FROM gymstream.status'), 'until the first one goes');

# after a restart, when the launcher finds out by itself who is there
$node->safe_psql('postgres', 'CREATE EXTENSION gymstream');
$node->restart;
my $problem = q{SELECT problem LIKE '%increase gymstream.max_databases%' FROM gymstream.status};
ok(wait_until(sub { grep { $node->safe_psql($_, $problem) eq 't' } qw(postgres gym) }), 'one of two is left over');
my ($out) = grep { $node->safe_psql($_, $problem) eq 't' } qw(postgres gym);
my ($in) = grep { $_ ne $out } qw(postgres gym);
$node->safe_psql($in, 'DROP EXTENSION gymstream');
ok($node->poll_query_until($out, $served), 'and served once the other is gone');
$node->safe_psql($out, 'DROP EXTENSION gymstream');
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'gymstream publisher'"), 'none is left');

# the extension in a prepared transaction
$node->safe_psql('postgres', q{BEGIN; CREATE EXTENSION gymstream; PREPARE TRANSACTION 'extension'});
$node->safe_psql('postgres', q{COMMIT PREPARED 'extension'});
ok($node->poll_query_until('postgres', $served), 'an extension created in a prepared transaction counts');

# databases that cannot be opened do not keep the others from being looked at
$node->append_conf('postgresql.conf', 'gymstream.max_databases = 10');
$node->safe_psql('postgres', 'DROP EXTENSION gymstream');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(broken1 broken2 last);
$node->safe_psql('last', 'CREATE EXTENSION gymstream');
my @broken = split /\n/, $node->safe_psql('postgres', q{SELECT oid FROM pg_database WHERE datname LIKE 'broken%'});
$node->stop('fast');
my $base = $node->data_dir . '/base';
rename "$base/$_/PG_VERSION", "$base/$_/PG_VERSION.away" or die $! for @broken;
$node->start;
ok($node->poll_query_until('last', $served), 'broken databases are in nobody\'s way');

# pg_upgrade
$node->stop('fast');
PostgreSQL::Test::Utils::system_or_bail('pg_ctl', '-s', '-w', '-D', $node->data_dir, '-l', $node->logfile, '-o', '-b', 'start');
is($node->safe_psql('last', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'gymstream%'"), '0', 'no workers while pg_upgrade runs the server');
PostgreSQL::Test::Utils::system_or_bail('pg_ctl', '-s', '-w', '-D', $node->data_dir, '-m', 'fast', 'stop');
done_testing();
