-- The same table three times: plain, with a counter trigger as people write it by hand, and with a rollup.
CREATE EXTENSION gymstream;

CREATE TABLE booking_plain (
	id bigserial PRIMARY KEY,
	class_id int NOT NULL,
	member_id int NOT NULL,
	status text NOT NULL,
	price_cents int NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE booking_trigger (LIKE booking_plain INCLUDING ALL);
CREATE TABLE booking_rollup (LIKE booking_plain INCLUDING ALL);

CREATE TABLE counter (
	class_id int PRIMARY KEY,
	attendance bigint NOT NULL,
	revenue_cents bigint NOT NULL
) WITH (fillfactor = 50);

CREATE FUNCTION count_booking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO counter VALUES (NEW.class_id, 1, NEW.price_cents)
	ON CONFLICT (class_id) DO UPDATE SET
		attendance = counter.attendance + 1, revenue_cents = counter.revenue_cents + excluded.revenue_cents;
	RETURN NULL;
END $$;
CREATE TRIGGER count_booking AFTER INSERT ON booking_trigger
	FOR EACH ROW WHEN (NEW.status = 'booked') EXECUTE FUNCTION count_booking();

SELECT gymstream.create_rollup('class_attendance', $$
	SELECT class_id, count(*) AS attendance, sum(price_cents) AS revenue_cents
	FROM booking_rollup WHERE status = 'booked' GROUP BY class_id $$);
