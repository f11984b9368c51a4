-- A member moves to another class: cancels the one and books the other, both or nothing.
\set class random_exponential(1, 2000, 1.5)
\set part random(0, 1000000)
BEGIN;
SELECT FROM class WHERE class_id = :class FOR NO KEY UPDATE;
WITH target AS (
	SELECT class_id, gym_id, starts_at::date AS day, price_cents
	FROM class LEFT JOIN class_attendance USING (class_id)
	WHERE class_id = :class AND coalesce(attendance, 0) < capacity
), cancelled AS (
	UPDATE booking SET status = 'cancelled', paid_cents = 0, cancelled_at = now()
	WHERE EXISTS (SELECT FROM target) AND booking_id = (
		SELECT booking_id FROM booking
		WHERE status = 'booked' AND booking_id >= :part * (SELECT last_value FROM booking_booking_id_seq) / 1000000
		ORDER BY booking_id LIMIT 1 FOR UPDATE SKIP LOCKED)
	RETURNING member_id
)
INSERT INTO booking (class_id, gym_id, member_id, day, paid_cents)
SELECT class_id, gym_id, member_id, day, price_cents FROM target, cancelled;
COMMIT;
