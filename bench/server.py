"""A private server to measure: takes the checkout, gives it built, installed and running through test/setup.sh, which
knows how. Never touches another server."""

import datetime
import os
import re
import shutil
import signal
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def say(text):
	print(f'==> {text}', file=sys.stderr, flush=True)


def setup(script, *arguments):
	"""Runs a piece of bash that uses test/setup.sh; gives the lines that it prints."""
	done = subprocess.run(['bash', '-c', f'set -euo pipefail; source test/setup.sh; {script}', 'bench', *arguments],
		cwd=TOP, stdout=subprocess.PIPE, text=True, check=False)
	if done.returncode != 0:
		sys.exit(done.returncode)
	return done.stdout.splitlines()


class Session:
	"""One connection that stays: psql behind a pipe."""

	def __init__(self, server):
		self.psql = subprocess.Popen([server.program('psql'), '-XqAt', '-F', ' ', '-v', 'ON_ERROR_STOP=1'],
			stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

	def __call__(self, query):
		"""The rows that a query gives, each a list of texts."""
		self.psql.stdin.write(f'{query};\n\\echo --done--\n')
		self.psql.stdin.flush()
		rows = []
		while (line := self.psql.stdout.readline().rstrip('\n')) != '--done--':
			if not line and self.psql.poll() is not None:
				raise RuntimeError(f'psql ended in: {query}')
			rows.append(line.split(' '))
		return rows

	def close(self):
		self.psql.stdin.close()
		self.psql.stdout.close()
		self.psql.wait()


class Server:
	"""Use it in a with statement: the server is gone at its end, whatever happens."""

	def __init__(self, *settings):
		signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
		self.settings = settings
		self.config, self.dir = setup('{ setup_install; setup_build; } >&2; echo "$PG_CONFIG"; setup_tmp')[-2:]
		os.environ['PG_CONFIG'] = self.config
		self.bin = subprocess.check_output([self.config, '--bindir'], text=True).strip()
		os.environ.update(PGHOST=self.dir, PGPORT='5432', PGUSER='postgres', PGDATABASE='postgres')

	def __enter__(self):
		try:
			self.start()
		except BaseException:
			self.__exit__()
			raise
		return self

	def __exit__(self, *_):
		setup('server_stop "$1"; rm -rf "$1"', self.dir)

	def start(self):
		setup('server_start "$@" >&2', self.dir, *self.settings)

	def stop(self):
		setup('server_stop "$1"', self.dir)

	def program(self, name):
		return f'{self.bin}/{name}'

	def sql(self, text):
		"""Runs statements, each in a transaction of its own; gives what the last one printed."""
		return subprocess.run([self.program('psql'), '-XqAt', '-v', 'ON_ERROR_STOP=1'], input=text, text=True, check=True,
			stdout=subprocess.PIPE).stdout.strip()

	def postmaster(self):
		with open(f'{self.dir}/data/postmaster.pid', encoding='ascii') as file:
			return int(file.readline())


def memory_mb():
	with open('/proc/meminfo', encoding='ascii') as file:
		return int(re.search(r'MemTotal: *(\d+)', file.read()).group(1)) // 1024


def usual_settings(*more):
	"""Large enough that nothing is read from disk, and that no checkpoint comes by itself."""
	return ['max_connections = 100', f'shared_buffers = {min(4096, memory_mb() // 4)}MB', 'max_wal_size = 32GB',
		'min_wal_size = 2GB', 'checkpoint_timeout = 1d', *more]


def describe(server, *settings):
	"""The date, the machine, the server, the settings: what a figure is worth nothing without."""
	with open('/proc/cpuinfo', encoding='utf-8') as file:
		model = re.search(r'model name\s*: (.*)', file.read())
	commit = subprocess.run(['git', '-c', f'safe.directory={TOP}', '-C', TOP, 'describe', '--always', '--dirty'],
		stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout.strip() if os.path.exists(f'{TOP}/.git') and shutil.which('git') else ''
	shown = ', '.join(server.sql(f"SELECT '{name} = ' || current_setting('{name}')") for name in settings)
	return '\n'.join([
		f'{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC' + (f', commit {commit}' if commit else '') +
		f'; {model.group(1).strip() if model else os.uname().machine}, {os.cpu_count()} cores, {round(memory_mb() / 1024)} GiB, '
		f'Linux {os.uname().release}; PostgreSQL {server.sql("SHOW server_version")}', shown])
