"""Runs one work on one contender by pgbench, and watches: transactions from pgbench's log, CPU of the backends from /proc,
who waits for a lock from pg_stat_activity. Warming up is left out: counted is from when each client has done its first
transaction."""

import bisect
import glob
import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass

EVERY = 0.05	# seconds between looks
TRIES = 10000	# of a transaction that failed by a deadlock

BACKENDS = """SELECT pid, (wait_event_type = 'Lock' AND wait_event <> 'extend') IS TRUE
	FROM pg_stat_activity WHERE application_name = 'pgbench'"""


@dataclass
class Figure:
	rate: float			# changes a second
	cpu: float			# microseconds of the backends a change
	waiting: float		# share of the backends' time in which they waited for a lock of another
	deadlocks: int
	failed: int			# transactions, for good
	count: int			# transactions done in all
	latency: float		# milliseconds a transaction


def cpu_seconds(pid):
	try:
		with open(f'/proc/{pid}/schedstat', encoding='ascii') as file:
			return int(file.read().split()[0]) / 1e9
	except FileNotFoundError:
		if os.path.exists(f'/proc/{pid}'):
			with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
				fields = file.read().rpartition(')')[2].split()
				return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
		raise


class Watch(threading.Thread):
	"""Looks at pgbench's backends until told to stop. Waits for locks on relations' ends are not counted: any table that
	grows has them, the plain one too."""

	def __init__(self, session, clients):
		super().__init__()
		self.session, self.clients = session, clients
		self.times, self.seconds, self.looks, self.waits, self.over = [], [], 0, 0, threading.Event()

	def run(self):
		while not self.over.wait(EVERY):
			backends = self.session(BACKENDS)
			self.looks += len(backends)
			self.waits += sum(waits == 't' for _, waits in backends)
			try:
				total = sum(cpu_seconds(pid) for pid, _ in backends)
			except (FileNotFoundError, ProcessLookupError):
				continue
			if len(backends) == self.clients:
				self.times.append(time.time())
				self.seconds.append(total)

	def cpu_rate(self, start, end):
		"""Seconds of CPU a second between two moments, or as near to them as there were looks."""
		first = min(bisect.bisect_left(self.times, start), len(self.times) - 2)
		last = bisect.bisect_right(self.times, end) - 1
		if first < 0:
			return float('nan')
		last = max(last, first + 1)
		return (self.seconds[last] - self.seconds[first]) / (self.times[last] - self.times[first])


def read_log(prefix):
	"""Of each transaction that pgbench logged: when it ended, how long it took, which client."""
	done = []
	for name in glob.glob(f'{prefix}.*'):
		with open(name, encoding='ascii') as file:
			for line in file:
				client, _, took, _, second, micro = line.split()[:6]
				if took.isdigit():
					done.append((int(second) + int(micro) / 1e6, int(took) / 1e6, int(client)))
		os.unlink(name)
	done.sort()
	return done


def window(done, clients, seconds):
	"""Start and end of what is counted, and the number of transactions that ended in it."""
	ends = [end for end, _, _ in done]
	begin = min(end - took for end, took, _ in done)
	first = {}
	for end, _, client in done:
		first.setdefault(client, end)
	start = min(max(first.values()), begin + 0.3 * (ends[-1] - begin)) if clients > 1 or len(done) > 1 else begin
	stop = bisect.bisect_right(ends, begin + seconds) - 1
	stop = stop if stop >= 0 and ends[stop] > start else len(ends) - 1
	count = stop + 1 - bisect.bisect_right(ends, start)
	if count < 2 * clients and clients > 1:		# next to nothing got done
		start, stop, count = begin, len(ends) - 1, len(ends)
	return start, ends[stop], count


def deadlocks(session):
	while session("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'") != [['0']]:
		time.sleep(0.01)
	return int(session('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()')[0][0])


def number(pattern, text):
	found = re.search(pattern, text)
	return int(found.group(1)) if found else 0


def pgbench(server, session, script, clients, *, seconds=0, transactions=0, commit=True, changes=1, variables=()):
	"""Gives a Figure, or None where not one transaction got through; with it what pgbench complained of."""
	name = f'{server.dir}/script'
	with open(name, 'w', encoding='ascii') as file:
		file.write(script)
	tries = [] if '\\startpipeline' in script else [f'--max-tries={TRIES}']
	before = deadlocks(session)
	watch = Watch(session, clients)
	watch.start()
	try:
		run = subprocess.run([server.program('pgbench'), '-n', '-M', 'prepared', '-c', str(clients), '-j', str(min(clients, os.cpu_count())),
			*(['-t', str(transactions)] if transactions else ['-T', str(seconds)]), *tries, '-l', f'--log-prefix={server.dir}/log',
			*(f'-D{key}={value}' for key, value in variables), '-f', name],
			env={**os.environ, 'PGOPTIONS': f'-c synchronous_commit={"on" if commit else "off"}'},
			stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
	finally:
		watch.over.set()
		watch.join()
	done = read_log(f'{server.dir}/log')
	complaint = run.stderr.strip().splitlines()[0] if run.returncode else ''
	if not done:
		return None, complaint or 'no transaction got through'
	start, end, count = window(done, clients, seconds if not transactions else 1e9)
	return Figure(
		rate=count * changes / (end - start),
		cpu=watch.cpu_rate(start, end) * (end - start) / (count * changes) * 1e6,
		waiting=watch.waits / max(watch.looks, 1),
		deadlocks=deadlocks(session) - before,
		failed=number(r'number of failed transactions: (\d+)', run.stdout),
		count=number(r'number of transactions actually processed: (\d+)', run.stdout),
		latency=sum(took for _, took, _ in done) / len(done) * 1e3), complaint
