#!/usr/bin/env bash
# messages.sh: three workers that share the confirmations of bookings, until it is stopped. After two seconds the second one
# is killed, at whatever it does, and a second later a fourth one joins. Nobody tells the others.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
bin=$("${PG_CONFIG:-pg_config}" --bindir)

say() { "$bin/psql" --no-psqlrc --quiet --command="$1"; } # SQL

work() { # WORKER
	say "INSERT INTO worker VALUES ($1, 'works') ON CONFLICT (worker) DO UPDATE SET state = 'works'"
	exec "$bin/pgbench" --no-vacuum --client=1 --time=1000000 --define=worker="$1" --file=message.sql >/dev/null 2>&1
}

work 1 &
work 2 &
second=$!
work 3 &
sleep 2
kill -KILL "$second"
{ wait "$second"; } 2>/dev/null || true # without the shell's own word about it
say "UPDATE worker SET state = 'killed' WHERE worker = 2"
sleep 1
work 4 &
wait
