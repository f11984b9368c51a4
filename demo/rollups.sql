-- What the gym's people look at, exact in every transaction, and the topics that tell the board of each change.

SELECT gymstream.create_rollup('class_attendance', $$
	SELECT class_id, count(*) AS attendance
	FROM booking WHERE status = 'booked' GROUP BY class_id $$);

SELECT gymstream.create_rollup('gym_day_revenue', $$
	SELECT gym_id, day, count(*) AS bookings, sum(paid_cents) AS revenue_cents
	FROM booking GROUP BY gym_id, day $$);

-- hot by design: every booking of a gym changes the same row
SELECT gymstream.create_rollup('gym_sales', $$
	SELECT gym_id, count(*) AS bookings, sum(paid_cents) AS revenue_cents
	FROM booking GROUP BY gym_id $$);

SELECT gymstream.create_rollup('message_worker', $$
	SELECT worker, count(*) AS sent FROM message GROUP BY worker $$);

SELECT gymstream.create_topic('booking', notify => 'row');
SELECT gymstream.create_topic('class_attendance', notify => 'row');
SELECT gymstream.create_topic('gym_day_revenue', notify => 'row');
SELECT gymstream.create_topic('gym_sales', notify => 'row');
SELECT gymstream.create_topic('message_worker', notify => 'row');
SELECT gymstream.create_topic('worker', notify => 'row');

-- workers share the new bookings
SELECT gymstream.create_group('confirmations', '{booking}');
