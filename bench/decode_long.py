"""What a walsender keeps in memory: while it decodes one very large transaction, and while it decodes for long, with tables
altered meanwhile. Prints tables; gives the problems found."""

import random
import re
import threading
import time

from decode_cases import CASES
from decode_measure import Reader, drop_slot, prepare_slot, slot, written
from server import Session, describe, say

MB = 1 << 20
SAMPLES = 24
SPARE = 64 * MB		# beside the memory that logical_decoding_work_mem allows


def memory_of(pid):
	"""Bytes of its own that a process has, without what is shared."""
	with open(f'/proc/{pid}/status', encoding='ascii', errors='replace') as file:
		return int(re.search(r'^RssAnon:\s*(\d+) kB', file.read(), re.MULTILINE).group(1)) << 10


class Sampler(threading.Thread):
	"""Looks at a process every so often until told to stop."""

	def __init__(self, pid, every):
		super().__init__(daemon=True)
		self.pid, self.every, self.over = pid, every, threading.Event()
		self.began, self.samples = time.monotonic(), []

	def run(self):
		while not self.over.wait(self.every):
			try:
				self.samples.append((time.monotonic() - self.began, memory_of(self.pid)))
			except (FileNotFoundError, ProcessLookupError, AttributeError):
				return

	def stop(self):
		self.over.set()
		self.join()
		return self.samples


#
# One large transaction
#

def decode_large(server, reader, contender, rows, end):
	with slot(server, contender) as name:
		stream = Reader(reader, name, end, contender)
		sampler = Sampler(stream.pid, 0.05)
		try:
			sampler.start()
			stream.start()
			messages, size, lines, seconds = stream.counts()
		finally:
			samples = sampler.stop()
			stream.close()
	if messages + lines < rows:
		raise RuntimeError(f'{contender.name}: {messages} messages and {lines} lines of {rows} rows')
	return samples, size, seconds


def large(server, reader, rows, contenders):
	case = next(case for case in CASES if case.name == 'large')
	limit = int(server.sql("SELECT pg_size_bytes(current_setting('logical_decoding_work_mem'))")) + SPARE
	server.sql(case.make(0))
	prepare_slot(server)
	say(f'writing {rows:,} rows in one transaction')
	server.sql(f'INSERT INTO bench SELECT {case.row} FROM generate_series(1, {rows}::bigint) i')
	end = written(server)
	problems, lines = [], []
	for contender in contenders:
		samples, size, seconds = decode_large(server, reader, contender, rows, end)
		most = max(memory for _, memory in samples)
		course = [samples[i * (len(samples) - 1) // 9][1] for i in range(10)]
		lines.append(f'| {contender.name} | {seconds:.1f} | {rows / seconds / 1e3:,.0f} | {size / rows:.0f} | {most / MB:.0f} | '
			f'{" ".join(f"{memory / MB:.0f}" for memory in course)} |')
		if most > limit:
			problems.append(f'{contender.name}: {most / MB:.0f} MB for a transaction of {rows:,} rows')
		say(f'{contender.name}: {seconds:.0f} s')
	drop_slot(server, 'bench_base')
	print(describe(server, 'logical_decoding_work_mem', 'wal_sender_timeout'))
	print(f'One transaction of {rows:,} bookings of 8 columns; memory that is the walsender\'s own\n')
	print('| | seconds | thousand rows/s | bytes a row | most memory, MB | MB in ten equal steps of the time |\n|---|---|---|---|---|---|')
	print('\n'.join(lines))
	return problems


#
# For long
#

TABLES = 8
ALL = 'all'
COLUMNS = 'id bigserial PRIMARY KEY, body text, amount numeric DEFAULT 1.50, document jsonb, at timestamptz DEFAULT now()'


def create(table):
	return f'CREATE TABLE {table} ({COLUMNS})'


def dml(dice):
	"""A transaction on one table, which alone it locks."""
	table = f'soak_{dice.randrange(TABLES)}'
	rows, length = dice.choice([1, 1, 1, 10, 100, 1000]), dice.choice([1, 10, 100])
	insert = (f"INSERT INTO {table} (body, document) SELECT repeat(md5(i::text), {length}), jsonb_build_object('i', i) "
		f'FROM generate_series(1, {rows}) i')
	return dice.choice([
		insert, insert, insert,
		f'UPDATE {table} SET amount = amount + 1 WHERE id % 10 = {dice.randrange(10)}',
		f"UPDATE {table} SET body = body || 'x' WHERE id % 100 = {dice.randrange(100)}",
		f'DELETE FROM {table} WHERE id % 5 = {dice.randrange(5)}',
		f'BEGIN; {insert}; SAVEPOINT a; {insert}; ROLLBACK TO a; {insert}; COMMIT',
		f'BEGIN; {insert}; ROLLBACK',
	])


def ddl(dice, number):
	table = f'soak_{dice.randrange(TABLES)}'
	return dice.choice([
		f'ALTER TABLE {table} ADD COLUMN extra_{number} int DEFAULT {number}',
		f'BEGIN; ALTER TABLE {table} RENAME COLUMN body TO text_{number}; ALTER TABLE {table} RENAME COLUMN text_{number} TO body; COMMIT',
		f'ALTER TABLE {table} REPLICA IDENTITY {dice.choice(["FULL", "DEFAULT"])}',
		f'ALTER TABLE {table} ALTER COLUMN amount TYPE {dice.choice(["numeric", "numeric(20,4)"])}',
		f'TRUNCATE {table} RESTART IDENTITY',
		f'BEGIN; DROP TABLE {table}; {create(table)}; COMMIT',
		f'BEGIN; CREATE TABLE soak_new_{number} (id int PRIMARY KEY, note text); INSERT INTO soak_new_{number} VALUES (1, \'new\'); COMMIT; '
		f'DROP TABLE soak_new_{number}',
		f'CREATE INDEX ON {table} (amount)',
	])


class Writer(threading.Thread):
	"""Runs statements, which give no rows, until told to stop."""

	def __init__(self, server, statements):
		super().__init__(daemon=True)
		self.session, self.statements = Session(server), statements
		self.over, self.count, self.error = threading.Event(), 0, ''

	def run(self):
		while not self.over.is_set():
			statement = self.statements(self.count)
			try:
				self.session(statement)
			except (RuntimeError, OSError):
				self.error = statement
				return
			self.count += 1

	def stop(self):
		self.over.set()
		self.join()
		self.session.close()


def contexts_of(server, pid):
	"""Bytes used by the memory contexts of a walsender, by name, as it writes them to the log; with them ALL."""
	with open(f'{server.dir}/server.log', encoding='utf-8', errors='replace') as log:
		log.seek(0, 2)
		server.sql(f'SELECT pg_log_backend_memory_contexts({pid})')
		text = ''
		for _ in range(3000):
			text += log.read()
			if re.search(r'Grand total: .* used', text):
				break
			time.sleep(0.01)
	used = {ALL: int(re.search(r'Grand total: .* (\d+) used', text).group(1))}
	for _, name, size in re.findall(r'level: \d+; (\d+ more child contexts|([^:\n]+): ).* (\d+) used', text):
		name = name or 'what is more than 100 in one'
		used[name] = used.get(name, 0) + int(size)
	return used


def soak_writers(server, seed):
	dice = [random.Random(seed + i) for i in range(3)]
	return [Writer(server, lambda number: dml(dice[0])), Writer(server, lambda number: dml(dice[1])),
		Writer(server, lambda number: f'{ddl(dice[2], number)};\nSELECT pg_sleep(0.02) \\g /dev/null')]


def grown(samples):
	"""The most that memory contexts used in the second and in the last quarter of the time, between which it goes up and down,
	and by name what has more of it."""
	quarter = max(1, len(samples) // 4)
	before, after = ([used for _, _, used in some] for some in (samples[quarter:2 * quarter], samples[-quarter:]))
	names = set().union(*before, *after) - {ALL}
	by_name = {name: max(used.get(name, 0) for used in after) - max(used.get(name, 0) for used in before) for name in names}
	return [max(used[ALL] for used in some) for some in (before, after)], sorted(by_name.items(), key=lambda item: -item[1])[:5]


def soak_report(server, samples, writers, counts, seed):
	print(describe(server, 'logical_decoding_work_mem'))
	print(f'{writers[0].count + writers[1].count:,} transactions of DML and {writers[2].count:,} of DDL on {TABLES} tables (seed {seed}); '
		f'{counts[0]:,} messages of {counts[1] / MB:,.0f} MB\n')
	print('| seconds | memory of its own, MB | used in memory contexts, kB |\n|---|---|---|')
	for seconds, memory, used in samples:
		print(f'| {seconds:.0f} | {memory / MB:.1f} | {used[ALL] / 1024:,.0f} |')
	total, most = grown(samples)
	print(f'\nMemory contexts, at most, in the second quarter of the time: {total[0] / 1024:,.0f} kB, in the last quarter: {total[1] / 1024:,.0f} kB. '
		'Grown most: ' + ', '.join(f'{name} {size / 1024:+,.0f} kB' for name, size in most) + '.')
	if total[1] > total[0] * 1.2 + MB:
		return [f'the memory contexts grew from {total[0] / 1024:,.0f} to {total[1] / 1024:,.0f} kB']
	return []


def soak(server, reader, minutes, contender):
	seed = random.randrange(10**6)
	server.sql(''.join(f'{create(f"soak_{i}")};\n' for i in range(TABLES)))
	server.sql(f"SELECT pg_create_logical_replication_slot('bench_soak', '{contender.plugin}')")
	stream = Reader(reader, 'bench_soak', '-', contender)
	writers = soak_writers(server, seed)
	samples, began = [], time.monotonic()
	try:
		stream.start()
		for writer in writers:
			writer.start()
		for number in range(SAMPLES):
			time.sleep(max(0, began + minutes * 60 * (number + 1) / SAMPLES - time.monotonic()))
			samples.append((time.monotonic() - began, memory_of(stream.pid), contexts_of(server, stream.pid)))
		for writer in writers:
			writer.stop()
		stream.process.stdin.close()
		counts = stream.counts()
	finally:
		stream.close()
	drop_slot(server, 'bench_soak')
	return soak_report(server, samples, writers, counts, seed) + [
		f'a writer failed in: {writer.error}' for writer in writers if writer.error]
