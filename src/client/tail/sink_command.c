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
#include <sys/wait.h>
#include <unistd.h>

#include "client/tail/sink.h"

static void
sink_command_become(const char *command, int input)
{
	setpgid(0, 0);
	if (input == STDIN_FILENO)
		fcntl(input, F_SETFD, 0);
	dup2(input, STDIN_FILENO);
	loop_leave();
	execl("/bin/sh", "sh", "-c", command, (char *) NULL);
	fprintf(stderr, "gymstream: could not run \"/bin/sh\": %s\n", strerror(errno));
	_exit(127);
}

bool
sink_command_start(Sink *sink)
{
	int			ends[2];
	pid_t		pid;

	fflush(stdout);
	if (pipe2(ends, O_CLOEXEC) != 0)
	{
		sink_break(sink, "make a pipe to", sink->options->command);
		return false;
	}
	pid = fork();
	if (pid == 0)
		sink_command_become(sink->options->command, ends[0]);
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
