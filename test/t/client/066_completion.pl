# The completion of gymstream's command line, typed into bash and zsh: as installed, every command and every option.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/..";

use GymstreamClient;
use GymstreamTest;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs a pseudo-terminal' unless eval { require IO::Pty; IO::Pty->new };

my $top = "$FindBin::Bin/../../..";
my $folder = PostgreSQL::Test::Utils::tempdir();
my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
$ENV{TERM} = 'dumb';
delete $ENV{PS1};

is(system('make', '-s', '-C', $top, "PG_CONFIG=$pg_config", "DESTDIR=$folder", 'install-manual'), 0, 'installed');
my ($bash) = `find $folder -path '*bash-completion*' -name gymstream` =~ /(.+)/;
my ($zsh) = `find $folder -name site-functions` =~ /(.+)/;
mkdir "$folder/here";
mkdir "$folder/here/folder";
append_to_file("$folder/here/some file", '');

# Ctrl-O has the shell write the line as it stands to a file.
my %shells = (
	bash => [ [qw(bash --norc --noprofile -i)], <<END ],
. $bash
bind 'set bell-style none'
bind -x '"\\C-o": printf "%s|\\n" "\$READLINE_LINE" >>$folder/bash'
END
	zsh => [ [qw(zsh -f -i)], <<END ]);
fpath=($zsh \$fpath)
autoload -U compinit && compinit -u -D
report() { print -r -- "\$BUFFER|" >>$folder/zsh }
zle -N report; bindkey '^O' report
END

for my $shell (sort keys %shells)
{
  SKIP:
	{
		skip "needs $shell", 1 if system("command -v $shell >/dev/null") != 0;
		my ($in, $out) = ($shells{$shell}[1], '');
		my $run = IPC::Run::start($shells{$shell}[0], '<pty<', \$in, '>pty>', \$out, init => sub { chdir "$folder/here" });
		my $count = 0;

		# What the shell makes of what is typed.
		my $complete = sub {
			my ($typed) = @_;
			my @lines;

			$in .= "$typed\t\cO";
			$count++;
			wait_until(sub {
				$run->pump_nb;
				@lines = -e "$folder/$shell" ? split /\n/, slurp_file("$folder/$shell") : ();
				@lines >= $count }) or diag($out);
			$in .= "\cU";
			return ($lines[-1] // '') =~ s/\|$//r;
		};
		my $completes = sub {
			my ($typed, $expected) = @_;

			like($complete->($typed), qr/^\Q$expected\E[ =]?$/, "$shell: $typed");
		};

		$completes->('gymstream --he', 'gymstream --help');
		for my $command (qw(watch tail consume groups metrics slots doctor))
		{
			$completes->('gymstream ' . substr($command, 0, 2), "gymstream $command");
			$completes->("gymstream $command " . substr($_, 0, -1), "gymstream $command $_")
				for (client($command, '--help'))[1] =~ /^ {2,6}(?:-., )?(--[a-z-]+)/mg;
		}
		$completes->('gymstream tail --until n', 'gymstream tail --until now');
		$completes->('gymstream tail --until=n', 'gymstream tail --until=now');
		$completes->('gymstream tail --from ea', 'gymstream tail --from earliest');
		$completes->('gymstream tail --bookmark so', 'gymstream tail --bookmark some\ file');
		$completes->('gymstream tail --output so', 'gymstream tail --output some\ file');
		$completes->('gymstream tail --output=so', 'gymstream tail --output=some\ file');
		$completes->('gymstream tail -f fo', 'gymstream tail -f folder/');
		$completes->('gymstream tail --exec gymstr', 'gymstream tail --exec gymstream');
		$completes->('gymstream tail topic --coun', 'gymstream tail topic --count');
		$completes->('gymstream tail --table x --key=a=b --coun', 'gymstream tail --table x --key=a=b --count');
		is($complete->('gymstream tail --slot --coun'), 'gymstream tail --slot --coun', "$shell: nothing is known of slots");

		$in .= "exit\n";
		$run->finish;
	}
}

done_testing();
