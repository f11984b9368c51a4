-- A member cancels, and gets four fifths of the price back.
\set part random(0, 1000000)
UPDATE booking SET status = 'cancelled', paid_cents = paid_cents / 5, cancelled_at = now()
WHERE booking_id = (
	SELECT booking_id FROM booking
	WHERE status = 'booked' AND booking_id >= :part * (SELECT last_value FROM booking_booking_id_seq) / 1000000
	ORDER BY booking_id LIMIT 1 FOR UPDATE SKIP LOCKED);
