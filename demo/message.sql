-- A worker confirms bookings: takes some that no other worker has, writes to the members, and commits. The commit is the
-- ack: a worker that is killed before it has confirmed nothing, and another one does it.
BEGIN;
INSERT INTO message (booking_id, worker)
SELECT (event->'new'->>'booking_id')::bigint, :worker
FROM gymstream.poll_group('confirmations', 20)
WHERE event->>'action' = 'insert';
\sleep 10 ms
COMMIT;
CALL gymstream.wait_group('confirmations', '1 second');
