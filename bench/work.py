"""What is measured: the works as pgbench scripts, and the cases: which work, with how many clients, against whom.

In a script :client_id is one client's number, :span how many rows of the table are its own and :i how many of them it has
used up: clients never meet on a source row, so that whoever waits for another does so because of a summary."""

from dataclasses import dataclass

from contender import CLASSES, COLUMNS, Contender


@dataclass(frozen=True)
class Work:
	name: str
	script: str			# {table}, {summary}, {file}
	changes: int = 1	# rows changed by one transaction
	uses_up: int = 0	# rows that one transaction takes away


def insert(group, member=1):
	return f"INSERT INTO {{table}} ({COLUMNS}) VALUES ({group}, {member}, 'booked', 1200);\n"


def many(rows):
	return (f"\\set r random(1, {CLASSES})\nINSERT INTO {{table}} ({COLUMNS}) "
		f"SELECT 1 + (:r + g * 7919) % {CLASSES}, 1, 'booked', 1200 FROM generate_series(1, {rows}) g;\n")


RANDOM_CLASS = f'\\set c random(1, {CLASSES})\n'
RANDOM_MEMBER = f'\\set m random(1, {CLASSES})\n'
OWN_ROW = '\\set id :client_id * :span + random(1, :span)\n'
NEXT_ROW = '\\set i :i + 1\n\\set id :client_id * :span + :i\n'
NEXT_THOUSAND = '\\set id :client_id * :span + :i % (:span / 1000) * 1000\n\\set i :i + 1\n'

WORKS = {work.name: work for work in [
	Work('insert, random group', RANDOM_CLASS + RANDOM_MEMBER + insert(':c', ':m')),
	Work('insert, one hot group', insert('1')),
	Work('insert, two of 20 groups in any order', '\\set a random(1, 20)\n\\set b random(1, 20)\nBEGIN;\n' + insert(':a') + insert(':b') + 'COMMIT;\n', 2),
	Work('update of an input', OWN_ROW + '\\set p random(1000, 2000)\nUPDATE {table} SET price_cents = :p WHERE id = :id;\n'),
	Work('update of a key', OWN_ROW + RANDOM_CLASS + 'UPDATE {table} SET class_id = :c WHERE id = :id;\n'),
	Work('update of an unrelated column', OWN_ROW + 'UPDATE {table} SET created_at = now() WHERE id = :id;\n'),
	Work('delete', NEXT_ROW + 'DELETE FROM {table} WHERE id = :id;\n', 1, 1),
	Work('insert of 1,000 rows', many(1000), 1000),
	Work('insert of 100,000 rows', many(100000), 100000),
	Work('COPY of 100,000 rows', f"COPY {{table}} ({COLUMNS}) FROM '{{file}}';\n", 100000),
	Work('update of 1,000 rows', NEXT_THOUSAND + 'UPDATE {table} SET price_cents = price_cents + 1 WHERE id BETWEEN :id + 1 AND :id + 1000;\n', 1000),
	Work('delete of 1,000 rows', NEXT_THOUSAND + 'DELETE FROM {table} WHERE id BETWEEN :id + 1 AND :id + 1000;\n', 1000, 1000),
	Work('1,000 inserts, one group, one procedure', 'CALL {table}_loop();\n', 1000),
	Work('1,000 inserts, one group, one pipeline', 'BEGIN;\n\\startpipeline\n' + insert('1') * 1000 + 'COMMIT;\n\\endpipeline\n', 1000),
	Work('read one group by key', RANDOM_CLASS + 'SELECT * FROM {summary} WHERE key = :c;\n'),
	Work('read one of 20 groups by key', '\\set c random(1, 20)\nSELECT * FROM {summary} WHERE key = :c;\n'),
]}
SINGLE = list(WORKS.values())[:7]


@dataclass(frozen=True)
class Case:
	name: str					# what --case selects by
	works: tuple				# each measured in turn; their tables are made once for all of them if keep
	clients: int
	contenders: tuple
	note: str = ''				# for the column "with"
	commit: bool = True			# synchronous_commit
	keep: bool = False			# the tables are large: make them once
	transactions: int = 0		# this many for each client, instead of so many seconds
	before: str = ''			# work done by 16 clients before

	@property
	def reads(self):
		return any(work.name.startswith('read') for work in self.works)

	@property
	def off(self):
		"""Settings: pages that a large table touches for the first time would be logged whole; marked groups computed anew."""
		return ['full_page_writes'] * self.keep + ['gymstream.fold'] * any(contender.marked for contender in self.contenders)


def cases(clients, sizes, pg_ivm, quick):
	"""All of them, in the order of the table."""
	ivm = ('pg_ivm',) if pg_ivm else ()
	least, most = clients[:1], clients[-1:]

	def several(*kinds, **more):
		return tuple(Contender(kind, **more) for kind in kinds)

	usual = several('plain', 'row', 'rollup', *ivm)
	bulk = several('plain', 'row', 'statement', 'rollup', *ivm)
	result = [Case('single', (work,), n, usual) for work in SINGLE for n in clients]
	result += [Case('commit-off', (work,), n, usual, 'synchronous_commit off', commit=False)
		for work in (SINGLE[1:2] if quick else SINGLE) for n in (most if quick or work not in SINGLE[:2] else [*least, *most])]
	for name in ['insert of 1,000 rows', 'insert of 100,000 rows', 'COPY of 100,000 rows', 'update of 1,000 rows',
			'delete of 1,000 rows', '1,000 inserts, one group, one procedure', '1,000 inserts, one group, one pipeline']:
		work = WORKS[name]
		result += [Case('statements', (work,), n, bulk, transactions=90 if work.uses_up else 0)
			for n in ([1, *most] if name == 'insert of 1,000 rows' and not quick else [1])]
	result += [Case('many', (SINGLE[0],), n, several('plain', 'row', 'rollup') +
		several('row', 'rollup', summaries=3) + several('row', 'rollup', summaries=10)) for n in (most if quick else [*least, *most])]
	large = [WORKS[name] for name in ('insert, random group', 'update of an input', 'delete')]
	result += [Case('sizes', (work,), 1, tuple(c for size in sizes for c in several('plain', 'row', 'rollup', *ivm, rows=size)),
		keep=True) for work in (large[:1] if quick else large)]
	result += [Case('read', (WORKS['read one group by key'],), 1, usual),
		Case('read', (WORKS['read one of 20 groups by key'],), 1, usual, 'after 16 writers of them',
			before='insert, two of 20 groups in any order'),
		Case('read', (WORKS['read one group by key'],), 1, several('plain', 'rollup', marked=True),
			'a minimum in marked groups of 49 rows; plain: the query')]
	return result
