-- A chain of 20 gyms: 2,000 classes in the two weeks from today, 100,000 members, and what they booked so far.

SELECT setseed(0.5);

CREATE TABLE gym (
	gym_id			int PRIMARY KEY,
	name			text NOT NULL,
	target_cents	bigint NOT NULL		-- what it is to sell in these two weeks
);

CREATE TABLE class (
	class_id		int PRIMARY KEY,	-- the lower, the more popular
	gym_id			int NOT NULL REFERENCES gym,
	title			text NOT NULL,
	starts_at		timestamp NOT NULL,
	capacity		int NOT NULL CHECK (capacity > 0),
	price_cents		int NOT NULL
);

CREATE TABLE member (
	member_id		int PRIMARY KEY,
	gym_id			int NOT NULL REFERENCES gym,
	name			text NOT NULL
);

-- gym_id and day are the class's: a rollup reads one table
CREATE TABLE booking (
	booking_id		bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	class_id		int NOT NULL REFERENCES class,
	gym_id			int NOT NULL REFERENCES gym,
	member_id		int NOT NULL REFERENCES member,
	day				date NOT NULL,
	status			text NOT NULL DEFAULT 'booked' CHECK (status IN ('booked', 'cancelled')),
	paid_cents		int NOT NULL,		-- who cancels gets four fifths back
	booked_at		timestamptz NOT NULL DEFAULT now(),
	cancelled_at	timestamptz
);

-- what the workers send: each booking is to be confirmed once
CREATE TABLE message (
	booking_id		bigint NOT NULL,
	worker			int NOT NULL,
	sent_at			timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE worker (
	worker			int PRIMARY KEY,
	state			text NOT NULL
);

INSERT INTO gym
SELECT n, name, (21000 + 13000 * random())::int * 100
FROM unnest(ARRAY['Amsterdam', 'Athína', 'Barcelona', 'Berlin', 'Brussels', 'Dublin', 'Genève', 'Göteborg',
	'Helsinki', 'Kraków', 'København', 'Lisboa', 'London',
	'Madrid', 'Milano', 'Paris', 'Praha', 'Tromsø', 'Wien', 'Zürich'])
	WITH ORDINALITY AS g (name, n);

INSERT INTO class
SELECT n, 1 + (n * 7) % 20, titles[1 + floor(random() * 16)::int],
	current_date + n / 20 % 14
		+ make_interval(hours => 6 + floor(random() * 16)::int, mins => 15 * floor(random() * 4)::int),
	((10 + 24 * exp(-1.5 * n / 2000)) * (0.85 + 0.3 * random()))::int, 900 + 100 * floor(random() * 15)::int
FROM generate_series(1, 2000) AS n,
	(SELECT ARRAY['Yoga Flow', 'Spinning', 'Pilates', 'HIIT', 'Boxing', 'Zumba', 'Body Pump', 'Aqua Fit', 'Stretching',
		'Barre', 'Rowing', 'CrossFit', 'Tai Chi', 'Step', 'Kettlebells', 'Salsa'] AS titles) AS t;

INSERT INTO member
SELECT n, 1 + n % 20, firsts[1 + n % 20] || ' ' || lasts[1 + n / 20 % 20]
FROM generate_series(1, 100000) AS n,
	(SELECT ARRAY['Ada', 'Bruno', 'Chloé', 'Dario', 'Elif', 'Finn', 'Greta', 'Hugo', 'Ines', 'Jan', 'Kaja', 'Leo',
		'Mia', 'Nils', 'Olga', 'Paolo', 'Rosa', 'Søren', 'Tara', 'Yusuf'] AS firsts,
	ARRAY['Andersen', 'Bianchi', 'Costa', 'Dubois', 'Eriksen', 'Fischer', 'García', 'Horák', 'Ivanov', 'Jansen',
		'Kowalski', 'Lopez', 'Müller', 'Novak', 'Okafor', 'Petrov', 'Rossi', 'Silva', 'Tanaka', 'Weber'] AS lasts) AS t;

-- demand falls off with popularity, as the traffic's does
INSERT INTO booking (class_id, gym_id, member_id, day, paid_cents)
SELECT class_id, gym_id, 1 + floor(random() * 100000)::int, starts_at::date, price_cents
FROM class, generate_series(1, least(capacity, (24 * (0.75 + 0.5 * random()) * exp(-1.5 * class_id / 2000))::int))
ORDER BY random();

CREATE INDEX ON booking (booking_id) WHERE status = 'booked';
ANALYZE;
