#!/usr/bin/env bash
# traffic.sh RATE: bookings from eight connections, RATE transactions a second, until it is stopped. A cancellation for
# each booking, so that the gyms neither fill up nor empty; some members move to another class. Workers confirm them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
./messages.sh &
exec "$("${PG_CONFIG:-pg_config}" --bindir)/pgbench" --no-vacuum --protocol=prepared --client=8 --time=1000000 \
	--rate="$1" --file=book.sql@9 --file=cancel.sql@9 --file=rebook.sql@2 >/dev/null
