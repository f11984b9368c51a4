# The examples that read topics and work for groups, in each language that the machine has: readers with a bookmark,
# workers whose effect is in the database, and workers whose effect is outside. All are killed in the middle, and the
# server crashes. Points count each booking once; readers and outboxes have each booking, and what they have twice bears
# the same position.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = "$FindBin::Bin/../../../examples";
my $made = PostgreSQL::Test::Utils::tempdir();
my $jar = '/usr/share/java/postgresql.jar';
my $gocode = '/usr/share/gocode';
# where Debian and npm put libraries of node, and Debian those of Go
local $ENV{NODE_PATH} = join ':', grep { $_ } $ENV{NODE_PATH}, '/usr/share/nodejs', '/usr/lib/node_modules';
local @ENV{qw(GO111MODULE GOPATH GOCACHE GOFLAGS)} = ('off', $gocode, "$made/gocache", '');

my $node = start_gymstream('topic_examples', 'fsync = off');
my $conninfo = $node->connstr('postgres');
my $uri = 'postgresql:///postgres?host=' . $node->host . '&port=' . $node->port . '&user=' . getpwuid($>);
sub sql { return $node->safe_psql('postgres', @_) }
sub runs { return system('sh', '-c', 'exec "$@" >/dev/null 2>&1', 'sh', @_) == 0 }

# Java's driver knows no sockets of the file system.
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$node->append_conf('pg_hba.conf', "host all all 127.0.0.1/32 trust");
$node->restart;
my $jdbc = 'jdbc:postgresql://127.0.0.1:' . $node->port . '/postgres?user=' . getpwuid($>);

sub java { my ($file) = @_; return runs('javac', '-cp', $jar, '-d', $made, "$folder/$file") }
sub go { my ($file) = @_; return runs('go', 'build', '-o', "$made/$file.program", "$folder/$file") }
my %languages = (
	Python => { files => [qw(follow_topic.py group_worker.py mail_worker.py)], needs => 'python3-psycopg2', where => $conninfo,
		has => sub { runs('/usr/bin/python3', '-c', 'import psycopg2') }, run => sub { ('/usr/bin/python3', "$folder/$_[0]") } },
	Node => { files => [qw(follow_topic.js group_worker.js mail_worker.js)], needs => 'node-pg', where => $uri,
		has => sub { runs('node', '-e', 'require("pg")') }, run => sub { ('node', "$folder/$_[0]") } },
	Java => { files => [qw(FollowTopic.java GroupWorker.java MailWorker.java)], needs => 'a JDK and libpostgresql-jdbc-java', where => $jdbc,
		has => sub { -e $jar && runs('javac', '-version') }, make => \&java, run => sub { ('java', '-cp', "$jar:$made", $_[0] =~ s/\.java$//r) } },
	Go => { files => [qw(follow_topic.go group_worker.go mail_worker.go)], needs => 'Go and golang-github-jackc-pgx-v4-dev', where => $conninfo,
		has => sub { -d "$gocode/src/github.com/jackc/pgx/v4" && runs('go', 'version') }, make => \&go, run => sub { ("$made/$_[0].program") } });

sql(q{CREATE TABLE booking (id int PRIMARY KEY, member_id int NOT NULL);
	ALTER TABLE booking REPLICA IDENTITY FULL;
	CREATE TABLE points (member_id int PRIMARY KEY, points int NOT NULL);
	SELECT gymstream.create_topic('booking', key => '{member_id}')});

my ($last, @running) = (0);
sub book { sql("INSERT INTO booking SELECT i, i % 10 FROM generate_series($last + 1, $last + 50) i"); $last += 50; return }

sub start
{
	my ($language, $file, @arguments) = @_;
	my $example = { language => $language, file => $file, arguments => \@arguments, err => '' };

	my $out = $arguments[-1] =~ /bookmark$/ ? "$arguments[-1].events" : "$made/nothing";
	$example->{run} = IPC::Run::start([ $language->{run}->($file), $language->{where}, @arguments ], '<', \undef, '>>', $out, '2>', \$example->{err});
	return $example;
}

sub text { return -e "$made/$_[0]" ? slurp_file("$made/$_[0]") : '' }
sub followed { my ($name) = @_; my %ids = map { $_ => 1 } text("$name.bookmark.events") =~ /"new":\{"id":(\d+),/g; return scalar keys %ids }
sub mailed { my ($name) = @_; my %keys = map { $_ => 1 } text("$name.outbox") =~ /^(\S+) \d+$/mg; return scalar keys %keys }
sub counted { return sql('SELECT coalesce(sum(points), 0) FROM points') }

# All of them have all of it, by now.
sub agree
{
	my ($name, $begin, $what) = @_;
	my $count = $last - $begin;

	ok(wait_until(sub { $_->{run}->pump_nb for @running; followed($name) == $count && mailed($name) == $count && counted() == $count }), "$name: $what")
		or diag("of $count: followed ", followed($name), ', mailed ', mailed($name), ', points ', counted(), "\n", map { "$_->{file}: $_->{err}\n" } @running);
	return;
}

for my $name (sort keys %languages)
{
	my $language = $languages{$name};
	my @files = @{ $language->{files} };

	for my $file (@files) { cmp_ok(scalar(() = slurp_file("$folder/$file") =~ /\n/g), '<', 60, "$file is short"); }
	SKIP:
	{
		skip "$name: needs $language->{needs}", 1 unless $language->{has}->();
		ok(!grep({ $language->{make} && !$language->{make}->($_) } @files), "$name: compiles") or next;
		my ($group, $begin) = (lc $name, $last);
		sql("TRUNCATE points; SELECT gymstream.create_group('${group}_points', '{booking}'), gymstream.create_group('${group}_mail', '{booking}')");
		append_to_file("$made/$name.bookmark", sql(q{SELECT gymstream.last_position('booking')})) if $last > 0;
		my @start = ([ $files[0], 'booking', "$made/$name.bookmark" ], [ $files[1], "${group}_points" ], [ $files[1], "${group}_points" ],
			[ $files[2], "${group}_mail", "$made/$name.outbox" ], [ $files[2], "${group}_mail", "$made/$name.outbox" ]);
		book();
		@running = map { start($language, @$_) } @start;
		agree($name, $begin, 'what there is');
		book();
		agree($name, $begin, 'what comes');
		book();
		for my $i (0, 1, 3)    # the reader, and one of two workers
		{
			$running[$i]{run}->kill_kill;
			$running[$i] = start($language, @{ $start[$i] });
		}
		book();
		agree($name, $begin, 'killed, and started again');
		book();
		sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
		agree($name, $begin, 'connections that were ended');
		book();
		$node->stop('immediate');
		$node->start;
		book();
		agree($name, $begin, 'a crash of the server');
		my @order = text("$name.bookmark.events") =~ /^(\S+) /mg;
		is(join(' ', PostgreSQL::Test::Utils::slurp_file("$made/$name.bookmark") =~ /(\S+)/), (sort @order)[-1], "$name: the bookmark is at the end");
		is(sql(q{SELECT count(DISTINCT points) FROM points}), 1, "$name: each member has the same points");
		$_->{run}->kill_kill for @running;
		@running = ();
		sql("SELECT gymstream.drop_group('${group}_points'), gymstream.drop_group('${group}_mail')");
	}
}
$node->stop;
done_testing();
