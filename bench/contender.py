"""Who is measured: the same table of bookings, plain, with a summary by class kept by hand-written triggers, with rollups,
with pg_ivm. Gives the SQL that makes, checks and drops each; runs none of it."""

from dataclasses import dataclass

CLASSES = 2000
COLUMNS = 'class_id, member_id, status, price_cents'

# What the summaries of a table that has several of them are grouped by; the first one alone in all other cases.
KEYS = ['class_id', 'member_id', 'class_id % 1000', 'member_id % 1000', 'class_id % 800', 'member_id % 800',
	'class_id % 700', 'member_id % 700', 'class_id % 600', 'member_id % 600']


@dataclass(frozen=True)
class Contender:
	kind: str			# plain, row, statement, rollup, pg_ivm
	summaries: int = 1	# how many the table has
	rows: int = 100000	# that it begins with
	marked: bool = False	# the summary has a minimum, and each group has lost the row of it

	@property
	def table(self):
		return f'{self.kind}_{self.summaries}_{self.rows}' + ('_marked' if self.marked else '')

	def summary(self, i=0):
		"""What to read: columns key, attendance, revenue_cents."""
		return f'{self.table}_summary{i}'

	def query(self, i=0):
		minimum = ', min(price_cents) AS minimum' if self.marked else ''
		return (f"SELECT {KEYS[i]} AS key, count(*) AS attendance, sum(price_cents) AS revenue_cents{minimum} "
			f"FROM {self.table} WHERE status = 'booked' GROUP BY {KEYS[i]}")

	def make(self):
		"""The table with its rows, always the same ones, and its summaries."""
		extra = {'plain': lambda: '', 'row': self.row_triggers, 'statement': self.statement_triggers,
			'rollup': self.rollups, 'pg_ivm': self.immvs}[self.kind]()
		return f"""
CREATE TABLE {self.table} (
	id bigserial NOT NULL,
	class_id int NOT NULL,
	member_id int NOT NULL,
	status text NOT NULL,
	price_cents int NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO {self.table} (id, {COLUMNS})
	SELECT i, 1 + i * 7919 % {CLASSES}, 1 + i * 104729 % {CLASSES}, 'booked', 1000 + i % 1000
	FROM generate_series(1, {self.rows}::bigint) i;
SELECT setval('{self.table}_id_seq', {self.rows}) \\g /dev/null
ALTER TABLE {self.table} ADD PRIMARY KEY (id);
{self.index() if self.marked else ''}{extra}{self.lose_minima() if self.marked else ''}
VACUUM (FREEZE, ANALYZE) {self.table};
CREATE PROCEDURE {self.table}_loop() LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..1000 LOOP
		INSERT INTO {self.table} ({COLUMNS}) VALUES (1, 1, 'booked', 1200);
	END LOOP;
END $$;
"""

	def index(self):
		return f"CREATE INDEX ON {self.table} (class_id) WHERE status = 'booked';\n"

	def lose_minima(self):
		return (f'DELETE FROM {self.table} WHERE id IN '
			f'(SELECT DISTINCT ON (class_id) id FROM {self.table} ORDER BY class_id, price_cents, id);\n')

	def make_lookup(self):
		"""What the plain table has none of: a summary to look up, as an ordinary table with a primary key; or, to compare
		a marked group with, the query."""
		if self.marked:
			return f'CREATE VIEW {self.summary()} AS {self.query()};\n'
		return (f'CREATE TABLE {self.summary()} AS {self.query()};\nALTER TABLE {self.summary()} ADD PRIMARY KEY (key);\n'
			f'VACUUM (FREEZE, ANALYZE) {self.summary()};\n')

	def drop(self):
		kind = 'VIEW' if self.kind == 'rollup' or self.marked else 'TABLE'
		summaries = ''.join(f'DROP {kind} IF EXISTS {self.summary(i)};\n' for i in range(self.summaries))
		return f'SET client_min_messages = error;\n{summaries}DROP TABLE {self.table};\nDROP PROCEDURE {self.table}_loop;\n' + (
			f'DROP ROUTINE IF EXISTS {self.table}_insert, {self.table}_update, {self.table}_delete;\n')

	def check(self):
		"""Gives the number of groups in which the summaries are not what their queries say."""
		if self.kind == 'plain':
			return 'SELECT 0'
		both = '({0} EXCEPT ALL {1}) UNION ALL ({1} EXCEPT ALL {0})'
		parts = [both.format(f'SELECT key, attendance, revenue_cents FROM {self.summary(i)} WHERE attendance > 0', self.query(i))
			for i in range(self.summaries) if not self.marked]
		if self.kind == 'rollup':
			parts += [f"SELECT 0, 0, 0 FROM gymstream.verify_rollup('{self.summary(i)}')" for i in range(self.summaries)]
		return 'SELECT count(*) FROM (' + ' UNION ALL '.join(f'({part})' for part in parts) + ') d'

	#
	# Kept by whom
	#

	def rollups(self):
		return ''.join(f"SELECT gymstream.create_rollup('{self.summary(i)}', $${self.query(i)}$$) \\g /dev/null\n"
			for i in range(self.summaries))

	def immvs(self):
		return ''.join(f"SELECT pgivm.create_immv('{self.summary(i)}', $${self.query(i)}$$) \\g /dev/null\n"
			for i in range(self.summaries))

	def counters(self):
		"""Tables as people make them by hand; room in the pages lets each update stay in its own."""
		return ''.join(f"""
CREATE TABLE {self.summary(i)} (
	key int PRIMARY KEY,
	attendance bigint NOT NULL,
	revenue_cents bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO {self.summary(i)} {self.query(i)};
VACUUM (FREEZE, ANALYZE) {self.summary(i)};
""" for i in range(self.summaries))

	def row_triggers(self):
		"""A careful hand: updates first and inserts where there is nothing yet, does nothing for what does not matter, and
		takes two groups of one change in order."""
		def key(i, row):
			return KEYS[i].replace('class_id', f'{row}.class_id').replace('member_id', f'{row}.member_id')

		def change(i, row, sign):
			change = f"""
	UPDATE {self.summary(i)} SET attendance = attendance {sign} 1, revenue_cents = revenue_cents {sign} {row}.price_cents
		WHERE key = {key(i, row)};"""
			return change if sign == '-' else change + f"""
	IF NOT FOUND THEN
		INSERT INTO {self.summary(i)} AS s VALUES ({key(i, row)}, 1, {row}.price_cents)
		ON CONFLICT (key) DO UPDATE SET attendance = s.attendance + 1, revenue_cents = s.revenue_cents + excluded.revenue_cents;
	END IF;"""

		def move(i):
			new, old = key(i, 'NEW'), key(i, 'OLD')
			return f"""
	IF {new} = {old} AND NEW.status = 'booked' AND OLD.status = 'booked' THEN
		UPDATE {self.summary(i)} SET revenue_cents = revenue_cents + NEW.price_cents - OLD.price_cents WHERE key = {new};
	ELSE
		IF NEW.status = 'booked' AND {new} < {old} THEN{change(i, 'NEW', '+')}
		END IF;
		IF OLD.status = 'booked' THEN{change(i, 'OLD', '-')}
		END IF;
		IF NEW.status = 'booked' AND {new} >= {old} THEN{change(i, 'NEW', '+')}
		END IF;
	END IF;"""

		every = range(self.summaries)
		body = {'insert': ''.join(change(i, 'NEW', '+') for i in every), 'update': ''.join(move(i) for i in every),
			'delete': ''.join(change(i, 'OLD', '-') for i in every)}
		used = 'class_id, member_id, status, price_cents' if self.summaries > 1 else 'class_id, status, price_cents'
		differ = ' OR '.join(f'OLD.{name} <> NEW.{name}' for name in used.split(', '))
		event = {'insert': ('INSERT', "NEW.status = 'booked'"), 'update': (f'UPDATE OF {used}', differ),
			'delete': ('DELETE', "OLD.status = 'booked'")}
		return self.counters() + ''.join(f"""
CREATE FUNCTION {self.table}_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN{body[name]}
	RETURN NULL;
END $$;
CREATE TRIGGER keep_{name} AFTER {event[name][0]} ON {self.table}
	FOR EACH ROW WHEN ({event[name][1]}) EXECUTE FUNCTION {self.table}_{name}();
""" for name in body)

	def statement_triggers(self):
		"""The same from transition tables: one upsert a statement, its groups in order."""
		rows = {'insert': [('new', 1)], 'update': [('new', 1), ('old', -1)], 'delete': [('old', -1)]}
		text = self.counters()
		for name, sides in rows.items():
			referencing = ' '.join(f'{side.upper()} TABLE AS {side}_rows' for side, _ in sides)
			changes = ' UNION ALL '.join(
				f"SELECT class_id, {sign} AS one, {sign} * price_cents AS cents FROM {side}_rows WHERE status = 'booked'"
				for side, sign in sides)
			text += f"""
CREATE FUNCTION {self.table}_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO {self.summary()} AS s
		SELECT class_id, sum(one), sum(cents) FROM ({changes}) c GROUP BY class_id
		HAVING sum(one) <> 0 OR sum(cents) <> 0 ORDER BY class_id
	ON CONFLICT (key) DO UPDATE SET
		attendance = s.attendance + excluded.attendance, revenue_cents = s.revenue_cents + excluded.revenue_cents;
	RETURN NULL;
END $$;
CREATE TRIGGER keep_{name} AFTER {name.upper()} ON {self.table} REFERENCING {referencing}
	FOR EACH STATEMENT EXECUTE FUNCTION {self.table}_{name}();
"""
		return text
