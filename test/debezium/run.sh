#!/usr/bin/env bash
# run.sh: the same changes decoded by Debezium's connector and by gymstream, compared, and read by what reads Debezium's.
#
#   test/debezium/run.sh [DIRECTORY]
#
# Needs a JDK 17, Maven and the way to its packages, and a gymstream that is installed. DIRECTORY keeps the packages from
# one run to the next; without it they are fetched anew. No other test runs this one. It listens on 127.0.0.1.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/setup.sh
. "$here/../setup.sh"
export PG_CONFIG=${PG_CONFIG:-$(command -v pg_config)}
modes=(precise string double)
tmp=$(setup_tmp)
keep=$(realpath "${1:-$tmp}")
recorder=

finish() {
	local status=$?
	[ -z "$recorder" ] || kill "$recorder" 2>/dev/null || true
	server_stop "$tmp"
	if [ "$status" -eq 0 ]; then as_server rm -rf "$tmp/data" && rm -rf "$tmp"; else say "lines are kept in $tmp"; fi
}
trap finish EXIT

program() { exec java -Xmx512m -cp "$keep/lib/*:$tmp/classes" "$@"; }
sql() { "$(pg_bin)/psql" -XAtq "$@"; }
wait_for() { # QUERY: until it gives t
	local n=0
	until [ "$(sql -c "$1")" = t ]; do
		n=$((n + 1)); [ "$n" -lt 1800 ] || { cat "$tmp/record.log" >&2; die "not in three minutes: $1"; }
		sleep 0.1
	done
}
events() { # MODE FORM
	sql -c "SELECT data FROM pg_logical_slot_peek_changes('ours', NULL, NULL, 'format', 'debezium', 'messages', 'on',
		'provide.transaction.metadata', 'on', 'filter-tables', 'public.last', 'decimal.handling.mode', '$1',
		'schemas.enable', '$([ "$2" = plain ] && echo off || echo on)')"
}

[ -d "$keep/lib" ] || { say 'fetching packages'; mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$keep/lib"; }
mkdir "$tmp/classes"
javac -d "$tmp/classes" -cp "$keep/lib/*" "$here"/*.java
port=$((50000 + RANDOM % 10000))
server_start "$tmp" 'fsync = off' "listen_addresses = '127.0.0.1'" "port = $port"
export PGPORT=$port
sql -c 'CREATE EXTENSION gymstream' -c 'CREATE PUBLICATION proof FOR ALL TABLES'
say 'starting the connector'
(program Record "$port" "$tmp" "${modes[@]}") >"$tmp/record.log" 2>&1 &
recorder=$!
wait_for "SELECT count(*) = ${#modes[@]} FROM pg_stat_replication WHERE state = 'streaming'"
sql -c "SELECT pg_create_logical_replication_slot('ours', 'gymstream')" >/dev/null
say 'decoding'
sql -f "$here/changes.sql" >"$tmp/changes.log"
wait "$recorder"
recorder=
for mode in "${modes[@]}"; do
	for form in plain schema; do events "$mode" "$form" >"$tmp/ours.$mode.$form"; done
done
sql -c "SELECT concat_ws('|', id, name, coalesce(n::text, 'null'), f, coalesce(b::text, 'null')) FROM kept ORDER BY id" >"$tmp/kept"
say 'comparing'
(program Compare "$tmp")
say 'reading'
(program Consume "$tmp")
