-- A member books a class that has room. The class is locked for the time it takes, so that it is never overbooked: that
-- is the application's rule. The rollup is exact in any transaction and makes nobody wait.
\set class random_exponential(1, 2000, 1.5)
\set member random(1, 100000)
BEGIN;
SELECT FROM class WHERE class_id = :class FOR NO KEY UPDATE;
INSERT INTO booking (class_id, gym_id, member_id, day, paid_cents)
SELECT class_id, gym_id, :member, starts_at::date, price_cents
FROM class LEFT JOIN class_attendance USING (class_id)
WHERE class_id = :class AND coalesce(attendance, 0) < capacity;
COMMIT;
