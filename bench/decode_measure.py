"""Decodes what a case has written, by one contender: through a walsender, which decode_reader.c reads, through the SQL
function, under callgrind, under perf. Gives figures; each begins at the same place of the same WAL."""

import os
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass

from measure import cpu_seconds
from server import TOP, Session, setup

WALSENDER = 'exec_replication_command'	# what a walsender does from START_REPLICATION to its end


@dataclass
class Figure:
	rows: int
	cpu: float			# seconds of the walsender, or of the backend
	seconds: float		# until the last byte had come
	bytes: int = 0
	messages: int = 0
	lines: int = 0		# line ends within messages

	@property
	def cpu_us(self):
		return self.cpu / self.rows * 1e6

	@property
	def rate(self):
		return self.rows / self.seconds


def build_reader(server):
	"""Compiles the reader into the server's folder; gives its path."""
	path = f'{server.dir}/decode_reader'
	folders = subprocess.check_output([server.config, '--includedir', '--libdir'], text=True).split()
	subprocess.run(['cc', '-O2', '-Wall', '-Wextra', f'-I{folders[0]}', f'{TOP}/bench/decode_reader.c', '-o', path, f'-L{folders[1]}', '-lpq'],
		check=True)
	return path


def prepare_slot(server, name='bench_base'):
	server.sql(f"SELECT pg_create_logical_replication_slot('{name}', 'test_decoding')")


def written(server):
	"""The position up to which WAL is written, made durable."""
	end = server.sql('SELECT pg_current_wal_insert_lsn()')
	server.sql('CHECKPOINT')
	return end


@contextmanager
def slot(server, contender, base='bench_base'):
	"""A slot of this contender that begins where the base does."""
	subprocess.run([server.program('psql'), '-XqAtc', f"SELECT pg_copy_logical_replication_slot('{base}', 'bench_run', false, "
		f"'{contender.plugin}')"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)	# decoderbufs is talkative
	try:
		yield 'bench_run'
	finally:
		drop_slot(server, 'bench_run')


def drop_slot(server, name):
	"""Its walsender may not have noticed yet that nobody reads."""
	for _ in range(1000):
		if server.sql(f"SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{name}' AND active") == '0':
			break
		time.sleep(0.01)
	server.sql(f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'")


class Reader:
	"""One walsender and who reads it."""

	def __init__(self, reader, name, end, contender):
		self.process = subprocess.Popen([reader, name, end, contender.replication_options()], stdin=subprocess.PIPE,
			stdout=subprocess.PIPE, text=True)
		self.pid = int(self.line())

	def line(self):
		text = self.process.stdout.readline()
		if not text:
			raise RuntimeError('the reader failed')
		return text

	def start(self):
		self.process.stdin.write('\n')
		self.process.stdin.flush()

	def counts(self):
		"""Messages, bytes, lines, seconds: when all has come."""
		words = self.line().split()
		return [int(word) for word in words[:3]] + [float(words[3])]

	def close(self):
		if not self.process.stdin.closed:
			self.process.stdin.close()
		self.process.wait()
		self.process.stdout.close()


def through_walsender(server, reader, contender, rows, end):
	with slot(server, contender) as name:
		stream = Reader(reader, name, end, contender)
		try:
			before = cpu_seconds(stream.pid)
			stream.start()
			messages, size, lines, seconds = stream.counts()
			return Figure(rows, cpu_seconds(stream.pid) - before, seconds, size, messages, lines)
		finally:
			stream.close()


def through_function(server, contender, rows, end):
	"""The whole time of a query that counts what the function gives, in a session of its own."""
	function = 'pg_logical_slot_peek_binary_changes' if contender.binary else 'pg_logical_slot_peek_changes'
	with slot(server, contender) as name:
		session = Session(server)
		try:
			session("SET work_mem = '1GB'")
			pid = int(session('SELECT pg_backend_pid()')[0][0])
			before, start = cpu_seconds(pid), time.monotonic()
			count = session(f"SELECT count(*) FROM {function}('{name}', '{end}', NULL{contender.sql_options()})")
			seconds = time.monotonic() - start
			return Figure(rows, cpu_seconds(pid) - before, seconds, messages=int(count[0][0]))
		finally:
			session.close()


#
# Under callgrind
#

@contextmanager
def under_callgrind(server):
	"""The server, which must be stopped, with all its processes under callgrind."""
	options = f'--tool=callgrind --toggle-collect={WALSENDER} --callgrind-out-file="$1/callgrind.%p"'
	setup(f'cd "$1"; as_server valgrind -q {options} "$(pg_bin)/postgres" -D "$1/data" >"$1/valgrind.log" 2>&1 &', server.dir)
	try:
		for _ in range(600):
			if subprocess.run([server.program('psql'), '-XqAtc', 'SELECT 1'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
					check=False).returncode == 0:
				break
			time.sleep(0.1)
		yield
	finally:
		server.stop()


def callgrind_file(server, reader, contender, end, base):
	"""Decodes under callgrind, from the base slot on; gives the file that the walsender left."""
	with slot(server, contender, base) as name:
		stream = Reader(reader, name, end, contender)
		try:
			stream.start()
			stream.counts()
		finally:
			stream.close()
	return f'{server.dir}/callgrind.{stream.pid}'


def instructions_of(file):
	for _ in range(600):
		if os.path.exists(file):
			with open(file, encoding='utf-8') as lines:
				total = re.findall(r'^(?:summary|totals): (\d+)', lines.read(), re.MULTILINE)
			if total:
				return int(total[-1])
		time.sleep(0.1)
	raise RuntimeError(f'callgrind did not write {file}')


#
# Under perf
#

def perf_works():
	return bool(shutil.which('perf')) and subprocess.run(['perf', 'record', '-q', '-e', 'cpu-clock', '-o', '/dev/null', 'true'],
		stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def perf_record(server, reader, contender, end):
	"""Watches a walsender; gives the file."""
	file = f'{server.dir}/perf.data'
	with slot(server, contender) as name:
		stream = Reader(reader, name, end, contender)
		perf = subprocess.Popen(['perf', 'record', '-q', '-g', '-e', 'cpu-clock', '-F', '4000', '-p', str(stream.pid), '-o', file],
			stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
		try:
			time.sleep(1)	# perf does not say when it has begun
			stream.start()
			stream.counts()
		finally:
			stream.close()
			perf.wait()
	return file


def perf_report(file):
	"""Lines of where the time goes: by object, by system call with all below it, by function."""
	def lines(*options):
		text = subprocess.run(['perf', 'report', '-i', file, '--stdio', '-g', 'none', *options], stdout=subprocess.PIPE,
			stderr=subprocess.DEVNULL, text=True, check=True).stdout
		return [line.replace(' -      -', '').rstrip() for line in text.splitlines() if line and not line.startswith('#')]

	return [*lines('--no-children', '-s', 'dso')[:8], '',
		*[line for line in lines('--children', '-s', 'symbol') if '] __x64_sys_' in line][:8], '',
		*lines('--no-children', '-s', 'dso,symbol')[:40]]


def callgrind_report(file, rows):
	"""Lines of instructions a row: of functions whose names are known with all below them, of all functions by themselves."""
	def lines(*options):
		text = subprocess.run(['callgrind_annotate', *options, file], stdout=subprocess.PIPE, text=True, check=True).stdout
		found = re.findall(r'^\s*([\d,]+) \(\s*([\d.]+)%\)\s+(\S+?:)?(.+?) +\[\S*?([^/\n]*)\]$', text, re.MULTILINE)
		return [(int(count.replace(',', '')) / rows, object_, name) for count, _, _, name, object_ in found]

	def shown(some):
		return [f'{count:8,.0f}  {object_:14} {name}' for count, object_, name in some]

	inclusive = [line for line in lines('--inclusive=yes', '--threshold=100') if not line[2].startswith('0x')]
	return [*shown(inclusive[:60]), '', *shown(lines('--threshold=90')[:40])]
