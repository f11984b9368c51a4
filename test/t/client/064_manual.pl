# The manual page and the completion of shells are installed, and the manual is well formed and complete.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::Bin/../../..";
my $folder = PostgreSQL::Test::Utils::tempdir();
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';

is(system('make', '-s', '-C', $top, "PG_CONFIG=$pg_config", "DESTDIR=$folder", 'install-manual'), 0, 'installed');
my $installed = `find $folder -type f`;
like($installed, $_, "there is $_")
	for qr{/man/man1/gymstream\.1$}m, qr{/bash-completion/completions/gymstream$}m, qr{/zsh/site-functions/_gymstream$}m;
is(system('make', '-s', '-C', $top, "PG_CONFIG=$pg_config", "DESTDIR=$folder", 'uninstall-manual'), 0, 'uninstalled');
is(`find $folder -type f`, '', 'nothing is left');

SKIP:
{
	skip 'needs man', 1 if system('man --version >/dev/null 2>&1') != 0;
	is(`LC_ALL=C.UTF-8 man --warnings -l $top/doc/gymstream.1 2>&1 >/dev/null`, '', 'man has no warnings');
}
SKIP:
{
	skip 'needs mandoc', 1 if system('command -v mandoc >/dev/null') != 0;
	is(`mandoc -Tlint -Wwarning $top/doc/gymstream.1`, '', 'mandoc neither');
}

my $manual = slurp_file("$top/doc/gymstream.1") =~ s/\\-/-/gr =~ s/\\&//gr;
my %written = map { $_ => 1 } $manual =~ /^\.It ((?:Fl \S+ , )?Fl -[a-z-]+)/mg;
my %helped;
my @commands = (client('--help'))[1] =~ s/.*^Commands:$//msr =~ /^  ([a-z]+) +\S/mg;
is_deeply([ sort @commands ], [ sort qw(watch tail consume groups metrics slots doctor) ], 'the commands');
for my $command (@commands)
{
	my $help = (client($command, '--help'))[1];
	my @options = $help =~ /^ {2,6}(?:-., )?(--[a-z-]+)/mg;

	$helped{$_ =~ s/-(.), /Fl $1 , /r =~ s/--/Fl -/r} = 1 for $help =~ /^ {2,6}((?:-., )?--[a-z-]+)/mg;
	cmp_ok(scalar(@options), '>=', 8, "the options of $command");
	like($manual, qr/^\.It Cm $command$/m, "and $command");
}
is_deeply([ sort keys %written ], [ sort keys %helped ], 'the manual explains the options of the help, and no others');
done_testing();
