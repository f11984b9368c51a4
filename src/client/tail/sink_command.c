/*
 * sink_command.c: lines into a command's standard input.
 *
 * Takes a command for the shell, gives a pipe to it that never blocks, and its status when it has
 * ended. It runs in a process group of its own: Ctrl-C in a terminal stops gymstream, which lets
 * the command read all that is left.
 */
#include "postgres_fe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include "client/tail/sink.h"

/*
 * What gymstream has open is not the guard's: the pipe would have no end, and the connection
 * would outlive the program.
 */
static void
leave_all(void)
{
	long		most = sysconf(_SC_OPEN_MAX);

	close(STDIN_FILENO);
	for (int fd = STDERR_FILENO + 1; fd < Min(most, 4096); fd++)
		close(fd);
}

/*
 * Whoever is killed cannot end the command any more. So a process stands between: it hears that
 * gymstream is gone, ends the command with all that belongs to it, and otherwise ends as the
 * command does. Returns in the command's process; also where the system has no such signal, and
 * then there is no guard.
 */
static void
guard_command(pid_t parent)
{
#ifdef __linux__
	sigset_t	signals;
	pid_t		command;
	int			status = 0;
	int			signo;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);	/* of the whole group: it is the command's affair */
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGCHLD, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	if (getppid() != parent)
		_exit(127);
	command = fork();
	if (command <= 0)
		return;
	leave_all();
	while (waitpid(command, &status, WNOHANG) == 0)
	{
		if (sigwait(&signals, &signo) == 0 && signo == SIGUSR1)
			kill(0, SIGTERM);
	}
	if (!WIFSIGNALED(status))
		_exit(WEXITSTATUS(status));
	loop_leave();
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	_exit(127);
#endif
}

static void
sink_command_become(const SinkOptions *options, int input, pid_t parent)
{
	setpgid(0, 0);
	if (input == STDIN_FILENO)
		fcntl(input, F_SETFD, 0);
	dup2(input, STDIN_FILENO);
	if (options->bound)
		guard_command(parent);
	loop_leave();
	execl("/bin/sh", "sh", "-c", options->command, (char *) NULL);
	fprintf(stderr, "gymstream: could not run \"/bin/sh\": %s\n", strerror(errno));
	_exit(127);
}

bool
sink_command_start(Sink *sink)
{
	int			ends[2];
	pid_t		parent = getpid();
	pid_t		pid;

	fflush(stdout);
	if (pipe2(ends, O_CLOEXEC) != 0)
	{
		sink_break(sink, "make a pipe to", sink->options->command);
		return false;
	}
	pid = fork();
	if (pid == 0)
		sink_command_become(sink->options, ends[0], parent);
	close(ends[0]);
	sink->fd = ends[1];
	if (pid < 0 || fcntl(sink->fd, F_SETFL, O_NONBLOCK) != 0)
	{
		sink_break(sink, "start", sink->options->command);
		return false;
	}
	setpgid(pid, pid);
	sink->pid = pid;
	return true;
}

void
sink_command_look(Sink *sink)
{
	if (sink->pid != 0 && waitpid(sink->pid, &sink->status, WNOHANG) == sink->pid)
	{
		sink->pid = 0;
		if (sink->state == SINK_FINE)
			sink->state = SINK_ENDED;
	}
}

void
sink_command_finish(Sink *sink)
{
	int			signo = SIGTERM;

	for (;;)
	{
		sink_command_look(sink);
		if (sink->pid == 0)
			return;
		loop_wait(NULL, 0, LOOP_NEVER);
		if (loop_stopping())
		{
			kill(-sink->pid, signo);
			signo = SIGKILL;
			loop_go_on();
		}
	}
}

char *
sink_command_fate(const Sink *sink)
{
	if (WIFSIGNALED(sink->status))
		return psprintf("the command was ended by signal %d", WTERMSIG(sink->status));
	return psprintf("the command ended with status %d", WEXITSTATUS(sink->status));
}
