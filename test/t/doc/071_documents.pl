# What the documents show is true: README.md and the pages of doc/ are followed from top to bottom, each on a server of its
# own, in the database mydb. A fenced block is of one of these languages:
#
#   sql     is given to one psql, which stays connected. It gives no error, or the output that follows.
#   sh      is given to bash. It ends well; or, where output follows, it may go on until it has printed that.
#   ini     goes into postgresql.conf, and the server is started anew. Settings that the server does not know are left out.
#   text    is a picture, and not looked at
#   (none), json    what the block before it prints, without regard to white space; "..." stands for anything
#
# Comments in front of a block, which readers do not see: "not run: REASON"; "meanwhile: SQL" is run again and again until a
# block of sh has printed its output; "before: SQL" is run by a superuser in front of it.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $top = "$FindBin::Bin/../../..";
my ($node, $psql, %ran);

# The blocks of a document: language, text, line, and what the comments and the block of output say of it.
sub blocks
{
	my ($file) = @_;
	my (@blocks, %comments, $block, $open_list);
	my $number = 0;

	for my $line (split /\n/, slurp_file("$top/$file"), -1)
	{
		$number++;
		if ($block)
		{
			if ($line !~ /^\s*```\s*$/) { $block->{text} .= $line =~ s/^$block->{indent}//r . "\n"; next; }
			if ($block->{language} =~ /^(|json)$/)
			{
				die "$file:$block->{line}: output of nothing\n" if !@blocks || defined $blocks[-1]{output};
				$blocks[-1]{output} = $block->{text};
			}
			elsif ($block->{language} ne 'text') { push @blocks, $block; }
			$block = undef;
		}
		elsif ($line =~ /^(\s*)```(\w*)\s*$/)
		{
			$block = { indent => $1, language => $2, text => '', line => $number, %comments };
			%comments = ();
		}
		elsif ($line =~ /^<!-- (not run|meanwhile|before): (.*) -->$/) { $comments{$1} = $2; }
		elsif ($line =~ /^( {4}|\t)\S/ && !$open_list) { die "$file:$number: code that is not fenced is not run\n"; }
		$open_list = 1 if $line =~ /^\s*([-*]|\d+\.) /;
		$open_list = 0 if $line =~ /^\S/ && $line !~ /^\s*([-*]|\d+\.) /;
	}
	die "$file: a block or a comment is left open\n" if $block || %comments;
	return @blocks;
}

# Does a text have the output that a document shows?
sub shows
{
	my ($text, $output) = @_;
	my $plain = sub { return $_[0] =~ s/\s+//gr =~ s/-{2,}/--/gr; };
	my $pattern = join '.*?', map { quotemeta } split /(?:\.\.\.)+(?!\.)/, $plain->($output), -1;

	return $plain->($text) =~ /^$pattern$/s;
}

sub connect_psql
{
	$psql = { in => '', out => '', asked => 0 };
	$psql->{run} = IPC::Run::start([ 'psql', '-Xq', '-P', 'footer=off', '-P', 'pager=off', '-d', $node->connstr('mydb') ],
		'<', \$psql->{in}, '>', \$psql->{out}, '2>&1');
	return;
}

sub disconnect_psql
{
	return if !$psql;
	$psql->{in} .= "\\q\n";
	$psql->{run}->finish;
	$psql = undef;
	return;
}

# Give psql something; what it has printed then.
sub ask
{
	my ($text) = @_;
	my $mark = '<done ' . ++$psql->{asked} . '>';
	my $end = time + $PostgreSQL::Test::Utils::timeout_default;

	$psql->{in} .= "$text\n\\echo $mark\n";
	until ($psql->{out} =~ s/\Q$mark\E\n//)
	{
		die "psql has ended: $psql->{out}" if !$psql->{run}->pumpable;
		die "psql does not answer: $psql->{out}" if time > $end;
		$psql->{run}->pump_nb;
		sleep 0.002;
	}
	return $psql->{out};
}

sub run_sql
{
	my ($block) = @_;
	my $printed;

	connect_psql() if !$psql;
	$psql->{out} = '';
	$printed = ask($block->{text});
	return ($printed !~ /^(ERROR|FATAL):|^\S.*invalid command/m, $printed) if !defined $block->{output};
	# a notification is seen with a later command
	return (wait_until(sub { $printed = ask(q{DO 'BEGIN END';}); return shows($printed, $block->{output}) }), $printed);
}

sub run_sh
{
	my ($block) = @_;
	my $printed = '';
	my $run = IPC::Run::start([ 'bash', '-euo', 'pipefail', '-c', $block->{text} ], '<', \undef, '>', \$printed, '2>&1',
		init => sub { setpgrp; chdir $top });
	my $pid = $run->{KIDS}[0]{PID};
	my $right;

	if (!defined $block->{output})
	{
		$run->finish;
		return ($run->result(0) == 0, $printed);
	}
	$right = wait_until(sub {
		$node->safe_psql('mydb', $block->{meanwhile}) if $block->{meanwhile};
		$run->pump_nb if $run->pumpable;
		return shows($printed, $block->{output});
	});
	kill 'INT', -$pid;
	eval { $run->finish };
	return ($right, $printed);
}

sub run_ini
{
	my ($block) = @_;
	my @lines = grep { /^(\w[\w.]*)/ && ($1 =~ /^gymstream\./ || has_setting($1)) } split /\n/, $block->{text};

	disconnect_psql();
	$node->append_conf('postgresql.conf', join("\n", @lines, ''));
	$node->restart;
	return ($node->safe_psql('postgres', q{SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL}) == 0, '');
}

my %runners = (sql => \&run_sql, sh => \&run_sh, ini => \&run_ini);

sub follow
{
	my ($file) = @_;
	my @blocks = blocks($file);

	if (@blocks == 0) { pass("$file: nothing to run"); return; }
	$node = start_gymstream($file =~ s/\W/_/gr, 'fsync = off');
	local @ENV{qw(PGHOST PGPORT PGDATABASE)} = ($node->host, $node->port, 'postgres');
	$node->safe_psql('postgres', 'CREATE DATABASE mydb');
	for my $block (@blocks)
	{
		my $where = "$file:$block->{line}";
		my $runner = $runners{ $block->{language} };
		my ($right, $printed);

		if ($block->{'not run'}) { note("$where is not run: $block->{'not run'}"); next; }
		if (!$runner) { fail("$where: language $block->{language}"); next; }
		$node->safe_psql('mydb', $block->{before}) if $block->{before};
		($right, $printed) = eval { $runner->($block) };
		ok($right, $where) or diag($block->{text}, "gives $@\n", $printed // '', defined $block->{output} ? "and not\n$block->{output}" : '');
		$ran{$file}++;
	}
	disconnect_psql();
	is(differences($node, 'mydb'), '', "$file: the rollups are exact") if $node->safe_psql('mydb', q{SELECT count(*) FROM pg_extension WHERE extname = 'gymstream'});
	$node->stop;
	return;
}

# what the runner itself must see
ok(shows("a | b\n---+---\n1 | x 7\n", "a|b\n--+--\n 1 | x..."), 'output is what is shown');
ok(shows('(a). b c.', '(a)....'), 'a point before what stands for anything is a point');
ok(!shows("a\n1\n2\n", "a\n1\n"), 'and no more than that');

my @files = map { s/^\Q$top\E\///r } "$top/README.md", sort glob "$top/doc/*.md";
@files = grep { $_ =~ /$ENV{GYMSTREAM_DOCUMENT}/ } @files if $ENV{GYMSTREAM_DOCUMENT};
for my $file (@files)
{
	eval { follow($file); 1 } or fail("$file: $@");
}

# links lead somewhere
for my $file (@files)
{
	my $folder = "$top/$file" =~ s/[^\/]*$//r;

	for my $link (slurp_file("$top/$file") =~ /\]\(([^)\s]+)\)/g)
	{
		my ($path, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;

		next if $link =~ /^https?:/;
		my $target = $path eq '' ? "$top/$file" : "$folder$path";
		ok(-e $target, "$file: $link") or next;
		next if !defined $anchor;
		my %anchors = map { lc($_) =~ s/[^\w\- ]//gr =~ s/ /-/gr => 1 } slurp_file($target) =~ /^#+ (.*)$/mg;
		ok($anchors{$anchor}, "$file: $link has a heading");
	}
}
done_testing();
