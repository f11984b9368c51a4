# What kills a worker again and again is told without its content, in its place, and the workers go on.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamListener;
use GymstreamTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $library = PostgreSQL::Test::Utils::tempdir() . '/deadly.so';
chomp(my $include = `pg_config --includedir-server`);
system_or_bail('cc', '-shared', '-fPIC', '-I', $include, '-o', $library, "$FindBin::Bin/deadly.c");

my $node = start_gymstream('deadly', 'fsync = off');
sub sql { return $node->safe_psql('postgres', $_[0]) }
# The server may go down with the worker as soon as this is committed.
sub write_deadly { $node->psql('postgres', $_[0]); return }

# A listener loses what it was told while the server was down, and gets all of what comes after.
my @channels = map { "gymstream:public.$_" } qw(plain thing r_poison);
my $listener;
sub listen_again { return eval { $listener = GymstreamListener->new($node, 'postgres', @channels) } }
sub healed
{
	my ($what, $relation) = @_;
	ok(wait_until(sub {
		my $told = '';
		return $node->psql('postgres', "SELECT count(*) FROM gymstream.incidents WHERE relation = '$relation'::regclass", stdout => \$told) == 0
			&& $told eq '1' && $node->psql('postgres', 'SELECT lag_bytes FROM gymstream.status WHERE decoder_pid IS NOT NULL', stdout => \$told) == 0
			&& $told eq '0';
	}), "$what: the workers go on");
	ok(wait_until(sub {
		listen_again() or return 0;
		$node->psql('postgres', 'INSERT INTO plain VALUES (1)') == 0 or return 0;
		return eval { ($listener->wait_for(1))[-1]{topic} eq 'public.plain' };
	}), 'and publish');
	return;
}
sub incident
{
	return sql(q{SELECT string_agg(DISTINCT relation || ': ' || what, ';') FROM gymstream.incidents WHERE what LIKE '%several times%' OR what LIKE '%anew%' OR what LIKE '%folded%'});
}

sql(qq{
	CREATE TABLE plain (id int); SELECT gymstream.create_topic('plain', notify => 'row');
	CREATE TYPE deadly;
	CREATE FUNCTION deadly_in(cstring) RETURNS deadly LANGUAGE internal IMMUTABLE STRICT AS 'textin';
	CREATE FUNCTION deadly_out(deadly) RETURNS cstring LANGUAGE c IMMUTABLE STRICT AS '$library';
	CREATE TYPE deadly (INPUT = deadly_in, OUTPUT = deadly_out, LIKE = text);
	CREATE FUNCTION deadly(bigint, text) RETURNS bigint LANGUAGE c IMMUTABLE STRICT AS '$library';
	CREATE TABLE thing (id int, d deadly); SELECT gymstream.create_topic('thing', notify => 'row');
	CREATE TABLE poison (k int, v int);
	SELECT gymstream.create_rollup('r_poison', \$\$SELECT k, deadly(sum(v), 'gymstream publisher') AS s FROM poison GROUP BY k\$\$);
	SELECT gymstream.create_topic('r_poison', notify => 'row')});

# in the decoder, in the middle of a transaction
my $log = $node->logfile;
my $from = -s $log;
listen_again();
write_deadly(q{BEGIN; INSERT INTO thing VALUES (1, '1'); INSERT INTO thing VALUES (2, '13'); INSERT INTO thing VALUES (3, '3'); COMMIT});
healed('an event that kills the decoder', 'thing');
is(incident(), 'thing: an event was told without its content, since a worker ended at it several times', 'the incident says which topic');
my $deaths = () = substr(slurp_file($log), $from) =~ /gymstream decoder.*was terminated by signal 9/g;
is($deaths, 3, 'three deaths were enough');
is(sql('SELECT incomplete FROM gymstream.status'), 1, 'it is one event');
my $position = sql('SELECT "position" FROM gymstream.incidents');
like($position, qr{/00000002$}, 'at its position');

# in the publisher, in the middle of a batch
write_deadly(q{INSERT INTO poison SELECT i, i FROM generate_series(1, 40) i});
healed('an event that kills the publisher', 'r_poison');
like(incident(), qr/r_poison: an event was told without its content/, 'the incident says which topic');

# the folder
sql(q{CREATE TABLE many (k int, v int);
	SELECT gymstream.create_rollup('r_many', $$SELECT k, max(deadly(v, 'gymstream folder')) AS m FROM many GROUP BY k$$);
	INSERT INTO many VALUES (1, 13), (1, 20)});
$node->psql('postgres', 'DELETE FROM many WHERE v = 20');
healed('a group that kills the folder', 'r_many');
is(sql('SELECT m FROM r_many'), 13, 'and stays exact');
$listener->close;
$node->stop('fast');
done_testing();
