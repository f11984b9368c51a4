"""Who is measured by bench/topics: a table of bookings, plain; with a topic that keeps its events; with a queue made by
hand, a trigger and workers that take rows by SKIP LOCKED; with a queue of PgQ."""

COLUMNS = 'class_id, member_id, status, price_cents'


class Plain:
	name = title = 'plain'

	def __init__(self, server):
		self.server = server

	def make(self):
		self.server.sql(f"""
CREATE TABLE {self.name} (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	class_id int NOT NULL,
	member_id int NOT NULL,
	status text NOT NULL,
	price_cents int NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
)""")

	def enter(self):
		"""Makes what the table has beside its rows."""

	def leave(self):
		self.server.sql(f'TRUNCATE {self.name}')

	def insert(self, rows):
		return (f"INSERT INTO {self.name} ({COLUMNS}) SELECT 1 + g % 2000, 1 + g * 7919 % 20000, 'booked', 1000 + g % 1000 "
			f'FROM generate_series(1, {rows}) g;\n') if rows > 1 else (
			f"\\set c random(1, 2000)\nINSERT INTO {self.name} ({COLUMNS}) VALUES (:c, :c * 7 + 3, 'booked', 1200);\n")

	def tick(self):
		"""What makes that readable which was committed: nothing, but with PgQ."""

	def pids(self):
		"""Processes beside the writers that work for it."""
		return {}


class Topic(Plain):
	name, title = 'topic', 'gymstream'

	def enter(self, notify='position'):
		self.server.sql(f"SELECT gymstream.create_topic('{self.name}', notify => '{notify}')")
		self.server.sql(f"SELECT gymstream.create_group('{self.name}', '{{{self.name}}}', start => 'earliest')")
		self.readable()

	def leave(self):
		self.server.sql(f"SELECT gymstream.drop_group('{self.name}'); SELECT gymstream.drop_topic('{self.name}')")
		super().leave()

	def readable(self):
		"""Waits until all that was committed can be read."""
		self.server.sql(f"CALL gymstream.wait_topic('{self.name}', pg_current_wal_insert_lsn())")

	def pids(self):
		decoder, publisher = self.server.sql('SELECT decoder_pid, publisher_pid FROM gymstream.status').split('|')
		return {'decoder': int(decoder), 'publisher': int(publisher)}

	def poll(self, most):
		return f"BEGIN;\nSELECT * FROM gymstream.poll_group('{self.name}', {most});\nCOMMIT;\n"

	def left(self):
		"""How many events a poll would still give: takes them."""
		return int(self.server.sql(f"""CREATE TEMP TABLE taken (events bigint);
DO $$ DECLARE n bigint; BEGIN
	LOOP
		SELECT count(*) INTO n FROM gymstream.poll_group('{self.name}', 10000);
		INSERT INTO taken VALUES (n);
		COMMIT;
		EXIT WHEN n = 0;
	END LOOP;
END $$;
SELECT sum(events) FROM taken"""))

	def wait(self):
		return f"CALL gymstream.wait_group('{self.name}', '1 second');\n"

	def take(self, most):
		"""A statement that gives created_at of each event taken."""
		return f"SELECT (event->'new'->>'created_at')::timestamptz AS created_at FROM gymstream.poll_group('{self.name}', {most})"


class Queue(Plain):
	name, title = 'queue', 'SKIP LOCKED'

	def enter(self):
		self.server.sql(f"""
CREATE TABLE {self.name}_job (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event jsonb NOT NULL);
CREATE FUNCTION {self.name}_put() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO {self.name}_job (event) SELECT to_jsonb(r) FROM new_rows r;
	RETURN NULL;
END $$;
CREATE TRIGGER put AFTER INSERT ON {self.name} REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION {self.name}_put();""")

	def leave(self):
		self.server.sql(f'DROP TRIGGER put ON {self.name}; DROP FUNCTION {self.name}_put; DROP TABLE {self.name}_job')
		super().leave()

	def take(self, most, what="(event->>'created_at')::timestamptz AS created_at"):
		return (f'DELETE FROM {self.name}_job WHERE id IN (SELECT id FROM {self.name}_job ORDER BY id LIMIT {most} '
			f'FOR UPDATE SKIP LOCKED) RETURNING {what}')

	def poll(self, most):
		return f"BEGIN;\n{self.take(most, 'id, event')};\nCOMMIT;\n"

	def left(self):
		return int(self.server.sql(f'SELECT count(*) FROM {self.name}_job'))

	def wait(self):
		return '\\sleep 10 ms\n'


class Pgq(Plain):
	name, title = 'pgq', 'PgQ'

	def enter(self):
		self.server.sql(f"""SELECT pgq.create_queue('bench'); SELECT pgq.register_consumer('bench', 'worker');
CREATE TRIGGER put AFTER INSERT ON {self.name} FOR EACH ROW EXECUTE FUNCTION pgq.jsontriga('bench');""")
		self.tick()

	def leave(self):
		self.server.sql(f"""DROP TRIGGER put ON {self.name};
SELECT pgq.unregister_consumer('bench', 'worker'); SELECT pgq.drop_queue('bench');""")
		super().leave()

	def tick(self):
		self.server.sql("SELECT pgq.force_tick('bench'); SELECT pgq.ticker('bench')")

	def poll(self, _):
		return ("BEGIN;\nSELECT pgq.next_batch('bench', 'worker') AS batch \\gset\n"
			'SELECT * FROM pgq.get_batch_events(:batch);\nSELECT pgq.finish_batch(:batch);\nCOMMIT;\n')
