# GymstreamTest: what the TAP tests share: a server with gymstream, and the oracle.
package GymstreamTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(start_gymstream has_setting differences wait_until);

# Does the server know the setting? Minor releases differ.
sub has_setting
{
	my ($name) = @_;
	return `postgres --describe-config` =~ /^\Q$name\E\t/m;
}

# A running server with the extension in the database postgres; further lines go to its postgresql.conf.
sub start_gymstream
{
	my ($name, @lines) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => 'logical', extra => [ '--locale=C.UTF-8', '--encoding=UTF8' ]);
	unshift @lines, "output_plugin_libraries = 'pgoutput, test_decoding, gymstream'" if has_setting('output_plugin_libraries');
	$node->append_conf('postgresql.conf', join("\n",
		"shared_preload_libraries = 'gymstream'", 'max_prepared_transactions = 20', 'max_worker_processes = 20',
		'restart_after_crash = on', 'log_statement = none', @lines, ''));
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION gymstream');
	return $node;
}

# What verify_rollup says of every rollup of a database: nothing when all is well.
sub differences
{
	my ($node, $database) = @_;
	return $node->safe_psql($database // 'postgres',
		'SELECT r.rollup, v.* FROM gymstream_internal.rollup r, gymstream.verify_rollup(r.rollup) v ORDER BY 1, 2, 3');
}

# Poll a condition; false after the time that a broken test may take. A condition that dies is not met yet: a psql that
# cannot connect while the server restarts may end before it has read what it is given.
sub wait_until
{
	my ($condition) = @_;
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	while (time < $end)
	{
		return 1 if eval { $condition->() };
		sleep 0.02;
	}
	Test::More::diag($@) if $@;
	return 0;
}

# The same for polls by SQL.
{
	no warnings 'redefine';
	my $poll = \&PostgreSQL::Test::Cluster::poll_query_until;
	*PostgreSQL::Test::Cluster::poll_query_until = sub {
		my @arguments = @_;
		return wait_until(sub { $poll->(@arguments) });
	};
}

1;
