#!/usr/bin/env bash
# writers.sh: what a rollup costs those who write its source, against the plain table and a hand-written counter trigger.
#
#   bench/writers.sh [--rounds N] [--seconds N] [--clients "1 16"] [--work "random hot two"]
#
# Starts a private server. Each round runs every kind of table once, in turn, for some seconds, and each kind's figure is
# taken as a ratio to the plain table of the same round; printed are medians over the rounds. CPU is that of the server's
# backends, in microseconds a transaction. Ratios near 1 are good. The machine should do nothing else meanwhile.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=test/setup.sh
source test/setup.sh

rounds=5 seconds=5 clients='1 16' works='random hot two'
while [ $# -gt 0 ]; do
	case $1 in
		--rounds) rounds=$2 ;;
		--seconds) seconds=$2 ;;
		--clients) clients=$2 ;;
		--work) works=$2 ;;
		*) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
	shift 2
done

setup_install
setup_build
dir=$(setup_tmp)
trap 'server_stop "$dir"; rm -rf "$dir"' EXIT
server_start "$dir" 'max_connections = 100' 'shared_buffers = 1GB' 'max_wal_size = 8GB' 'checkpoint_timeout = 1h'
psql=("$(pg_bin)/psql" -XqAt -v ON_ERROR_STOP=1)
"${psql[@]}" -f bench/writers.sql

script() { # WORK TABLE
	case $1 in
		random) printf '\\set c random(1, 2000)\nINSERT INTO %s (class_id, member_id, status, price_cents) VALUES (:c, 1, %s, 1200);\n' \
			"$2" "'booked'" ;;
		hot) printf 'INSERT INTO %s (class_id, member_id, status, price_cents) VALUES (1, 1, %s, 1200);\n' "$2" "'booked'" ;;
		two) printf '\\set a random(1, 20)\n\\set b random(1, 20)\nBEGIN;\n%s%sCOMMIT;\n' \
			"INSERT INTO $2 (class_id, member_id, status, price_cents) VALUES (:a, 1, 'booked', 1200);"$'\n' \
			"INSERT INTO $2 (class_id, member_id, status, price_cents) VALUES (:b, 1, 'booked', 1200);"$'\n' ;;
	esac
}

# CPU time of the postmaster's children that have ended, in clock ticks: pgbench's backends are among them by then
cpu() { awk '{print $16 + $17}' "/proc/$(head -n 1 "$dir"/data/postmaster.pid)/stat"; }

run() { # WORK CLIENTS TABLE -> transactions per second and microseconds of CPU a transaction
	local before after out
	script "$1" "$3" >"$dir/$1.$3.pgbench"
	before=$(cpu)
	out=$("$(pg_bin)/pgbench" -n -M prepared -c "$2" -j "$(nproc)" -T "$seconds" --max-tries=100 -f "$dir/$1.$3.pgbench" 2>&1)
	sleep 0.2
	after=$(cpu)
	awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" '
		/^number of transactions actually processed/ {n = $NF; sub("/.*", "", n)}
		/^tps/ {tps = $3}
		END {printf "%.0f %.1f\n", tps, ticks / hz * 1e6 / (n > 0 ? n : 1)}' <<<"$out"
}

median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }

printf '%s, %d cores, %d rounds of %d s; tables after the first: ratio of transactions/s to it\n' \
	"$("$PG_CONFIG" --version)" "$(nproc)" "$rounds" "$seconds"
printf '%-8s %7s  %9s %8s  %9s %8s  %9s %8s\n' work clients plain/s CPU-us trigger CPU-us rollup CPU-us
for work in $works; do
	for n in $clients; do
		: >"$dir/figures"
		for ((round = 0; round < rounds; round++)); do
			read -r plain plain_cpu < <(run "$work" "$n" booking_plain)
			read -r trigger trigger_cpu < <(run "$work" "$n" booking_trigger)
			read -r rollup rollup_cpu < <(run "$work" "$n" booking_rollup)
			echo "$plain $plain_cpu $trigger $trigger_cpu $rollup $rollup_cpu" >>"$dir/figures"
			"${psql[@]}" -c 'TRUNCATE booking_plain, booking_trigger, booking_rollup, counter' -c CHECKPOINT
		done
		printf '%-8s %7d  %9.0f %8.1f  %9.3f %8.1f  %9.3f %8.1f\n' "$work" "$n" \
			"$(awk '{print $1}' "$dir/figures" | median)" "$(awk '{print $2}' "$dir/figures" | median)" \
			"$(awk '{print $3 / $1}' "$dir/figures" | median)" "$(awk '{print $4}' "$dir/figures" | median)" \
			"$(awk '{print $5 / $1}' "$dir/figures" | median)" "$(awk '{print $6}' "$dir/figures" | median)"
	done
done
