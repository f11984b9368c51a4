#!/usr/bin/env bash
# run.sh: the same changes decoded by Debezium's connector and by gymstream, and compared.
#
#   test/debezium/run.sh [DIRECTORY]
#
# Needs Java 17, Maven and the way to its packages, and a gymstream that is installed. DIRECTORY keeps the packages
# from one run to the next; without it they are fetched anew. No other test runs this one.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/setup.sh
. "$here/../setup.sh"
export PG_CONFIG=${PG_CONFIG:-$(command -v pg_config)}
modes=(precise string double)
tmp=$(setup_tmp) keep=${1:-$tmp}
finish() {
	[ -z "${recorder:-}" ] || kill "$recorder" 2>/dev/null || true
	server_stop "$tmp"
	echo "lines are kept in $tmp"
}
trap finish EXIT

java() { as_server "$(command -v java)" -Xmx512m -cp "$keep/lib/*:$keep/classes" "$@"; }
sql() { "$(pg_bin)/psql" -XAtq "$@"; }
wait_for() { # QUERY: until it gives t
	local n=0
	until [ "$(sql -c "$1")" = t ]; do
		n=$((n + 1)); [ "$n" -lt 1200 ] || die "not in two minutes: $1"
		sleep 0.1
	done
}

[ -d "$keep/lib" ] || mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$keep/lib"
mkdir -p "$keep/classes"
javac -d "$keep/classes" -cp "$keep/lib/*" "$here"/*.java
port=$((50000 + RANDOM % 10000))
server_start "$tmp" 'fsync = off' "listen_addresses = '127.0.0.1'" "port = $port"
export PGPORT=$port
sql -c 'CREATE EXTENSION gymstream' -c 'CREATE PUBLICATION proof FOR ALL TABLES'
java Record "$port" "$tmp" "${modes[@]}" >"$tmp/record.log" 2>&1 &
recorder=$!
wait_for "SELECT count(*) = ${#modes[@]} FROM pg_stat_replication WHERE state = 'streaming'"
sql -c "SELECT pg_create_logical_replication_slot('ours', 'gymstream')" >/dev/null
sql -f "$here/changes.sql" >"$tmp/changes.log"
wait "$recorder" || true

for mode in "${modes[@]}"; do
	for form in plain schema; do
		sql -c "SELECT data FROM pg_logical_slot_peek_changes('ours', NULL, NULL, 'format', 'debezium', 'messages', 'on', 'provide.transaction.metadata', 'on',
			'decimal.handling.mode', '$mode', 'filter-tables', 'public.last', 'schemas.enable', '$([ $form = plain ] && echo off || echo on)')" >"$tmp/ours.$mode.$form"
	done
done
wc -l "$tmp"/*.plain
