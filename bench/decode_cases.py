"""What bench/decode measures: the output plugins with their options, and the cases: which rows are written, and in
transactions of what size. Gives SQL; runs none of it."""

from dataclasses import dataclass

PUBLICATIONS = 'CREATE PUBLICATION bench_all FOR ALL TABLES; CREATE PUBLICATION bench_none;'


@dataclass(frozen=True)
class Contender:
	name: str
	plugin: str
	options: tuple = ()			# of pairs
	binary: bool = False		# the SQL function must be the one for bytes
	unit: str = 'row'			# the least that must come: a line for each row, or a message for each transaction, or nothing

	def replication_options(self):
		return '(' + ', '.join(f'"{name}" \'{value}\'' for name, value in self.options) + ')' if self.options else ''

	def sql_options(self):
		return ''.join(f", '{name}', '{value}'" for name, value in self.options)


def pgoutput(name, publication, *more, unit='row'):
	return Contender(name, 'pgoutput', (('proto_version', '1'), ('publication_names', publication), *more), True, unit)


GYMSTREAM = Contender('gymstream', 'gymstream')
# decodes everything and shows nothing; the first that the server knows is taken
FLOORS = [
	Contender('floor', 'gymstream', (('skip-output', 'on'),), unit='nothing'),
	pgoutput('floor', 'bench_none', unit='nothing'),
]
CONTENDERS = [
	GYMSTREAM,
	Contender('gymstream, bare', 'gymstream',
		(('include-xids', 'off'), ('include-lsn', 'off'), ('include-timestamp', 'off'))),
	pgoutput('pgoutput text', 'bench_all'),
	pgoutput('pgoutput binary', 'bench_all', ('binary', 'true')),
	Contender('wal2json v1', 'wal2json', (('format-version', '1'),), unit='transaction'),
	Contender('wal2json v2', 'wal2json', (('format-version', '2'),)),
	Contender('wal2json v2, no types', 'wal2json', (('format-version', '2'), ('include-types', 'false'))),
	Contender('test_decoding', 'test_decoding'),
	Contender('decoderbufs', 'decoderbufs', (), True),
]
BY_HAND = ('wal2json', 'decoderbufs')	# plugins that do not come with the server


@dataclass(frozen=True)
class Case:
	name: str					# what --case selects by
	title: str
	table: str					# its columns
	row: str					# the values of row number i
	size: int = 200				# rows of a transaction
	update: str = ''			# SET ... of all rows instead of inserting them
	function: bool = False		# read through the SQL function too

	def make(self, rows):
		"""The table, and with updates its rows."""
		full = (f'ALTER TABLE bench REPLICA IDENTITY FULL;\nINSERT INTO bench SELECT {self.row} FROM generate_series(1, {rows}::bigint) i;\n'
			if self.update else '')
		change = (f'UPDATE bench SET {self.update} WHERE id BETWEEN first AND last' if self.update else
			f'INSERT INTO bench SELECT {self.row} FROM generate_series(first, last) i')
		return f"""
SET client_min_messages = error;
DROP TABLE IF EXISTS bench;
CREATE TABLE bench ({self.table});
{full}CREATE OR REPLACE PROCEDURE bench_write(first_row bigint, last_row bigint) LANGUAGE plpgsql AS $procedure$
DECLARE
	first bigint := first_row;
	last bigint;
BEGIN
	WHILE first <= last_row LOOP
		last := least(first + {self.size} - 1, last_row);
		{change};
		COMMIT;
		first := last + 1;
	END LOOP;
END $procedure$;
VACUUM (FREEZE, ANALYZE) bench;
"""

	def write(self, first, last):
		return f'SET synchronous_commit = off;\nCALL bench_write({first}, {last});\n'


BOOKING = ('id bigint PRIMARY KEY, class_id int NOT NULL, member_id int NOT NULL, status text NOT NULL, price_cents int NOT NULL, '
	'discount numeric(6,2), paid boolean NOT NULL, created_at timestamptz NOT NULL')
A_BOOKING = ("i, (1 + i * 7919 % 2000)::int, (1 + i * 104729 % 50000)::int, 'booked', (1000 + i % 1000)::int, (i % 5000) / 100.0, "
	"i % 3 = 0, timestamptz '2026-01-01 12:00+00' + i * interval '1.234567 s'")

# fifty columns of what tables are made of, every tenth of them NULL
KINDS = [
	('bigint', 'i * 1000003 + {n}'), ('int', '(i + {n})::int'), ('text', "'value ' || i + {n}"), ('int', '(i % 100)::int'),
	('timestamptz', "timestamptz '2026-01-01 12:00+00' + (i + {n}) * interval '1 s'"), ('numeric(12,2)', '(i + {n}) / 100.0'),
	('boolean', 'i % 2 = 0'), ('text', "'active'"), ('float8', 'i / 7.0'), ('text', 'NULL'),
]
FIFTY = ', '.join(f'{"id" if n == 0 else f"column_{n}"} {KINDS[n % 10][0]}{" PRIMARY KEY" if n == 0 else ""}' for n in range(50))
A_FIFTY = ', '.join('i' if n == 0 else KINDS[n % 10][1].format(n=n) for n in range(50))

# about 1,900 bytes: not so long that the value is compressed or leaves its row
TEXT = 'id bigint PRIMARY KEY, body text NOT NULL'


def text(piece, characters=1900):
	return f"i, left(repeat({piece}, 100), {characters})"


CASES = [
	Case('narrow', 'narrow row: bigint, int', 'id bigint PRIMARY KEY, value int NOT NULL', 'i, (i % 1000)::int'),
	Case('booking', 'booking, 8 columns', BOOKING, A_BOOKING, function=True),
	Case('one', 'the same, transactions of 1', BOOKING, A_BOOKING, 1),
	Case('large', 'the same, transactions of 100,000', BOOKING, A_BOOKING, 100000),
	Case('full', 'update of it, REPLICA IDENTITY FULL', BOOKING, A_BOOKING, update='price_cents = price_cents + 1'),
	Case('fifty', '50 columns', FIFTY, A_FIFTY, function=True),
	Case('text', 'text of 1,900 bytes', TEXT, text("'The quick brown fox jumps over the lazy dog, again and again. '")),
	Case('escapes', 'the same, every eighth byte to be escaped', TEXT, text(r"""E'He said "no" and\nwent\taway, C:\\temp. '""")),
	Case('utf8', 'the same, half of its characters not ASCII', TEXT, text("'Пейте чай, the quick brown fox; ещё чаю! '", 1250)),
]
