#!/usr/bin/env bash
# demo.sh: a gym chain, live in the terminal: bookings from several connections, and a board that shows what they cause.
#
#   ./demo.sh [--seconds N] [--rate N]
#
# --seconds ends it after that time; otherwise q or Ctrl-C does. --rate is the transactions a second (500). Installs by apt
# what is missing (as root, or with sudo), builds, and runs everything in a private server that is gone afterwards.
# Without a terminal it prints a line a second. At the end it proves itself; the exit status is 1 where that fails.

set -euo pipefail
# shellcheck source=test/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/test/setup.sh"

rate=500 seconds=() tmp='' board=''

usage() { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit "$1"; }

number() { # OPTION VALUE
	case $2 in
		'' | *[!0-9]* | 0*) echo "demo.sh: $1 needs a whole number above zero" >&2; usage 2 >&2 ;;
	esac
}

while [ $# -gt 0 ]; do
	case $1 in
		--seconds) number "$1" "${2:-}"; seconds=(--seconds "$2"); shift ;;
		--rate) number "$1" "${2:-}"; rate=$2; shift ;;
		--help) usage 0 ;;
		*) echo "demo.sh: unknown argument: $1" >&2; usage 2 >&2 ;;
	esac
	shift
done

clean_up() {
	trap '' INT TERM HUP PIPE # nothing, a closed standard output neither, may end it half way
	set +e
	if [ -n "$board" ]; then
		kill "$board" 2>/dev/null && wait "$board"
	fi
	if [ -n "$tmp" ]; then
		say "stopping the server and removing $tmp" 2>/dev/null
		server_stop "$tmp"
		rm -rf "$tmp"
	fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

load() { "$(pg_bin)/psql" --no-psqlrc --quiet --output=/dev/null --set=ON_ERROR_STOP=1 "$@"; }

setup_install
setup_build
as_owner make -s -C "$GS_TOP" "PG_CONFIG=$PG_CONFIG" demo/board

tmp=$(setup_tmp)
say "starting a private server in $tmp"
server_start "$tmp"
load --command='CREATE DATABASE gym'
export PGDATABASE=gym
say "loading 20 gyms, 2,000 classes, 100,000 members and what they booked so far"
load --command='CREATE EXTENSION gymstream' --file="$GS_TOP/demo/schema.sql"
say "creating four rollups, six topics and a group of workers"
load --file="$GS_TOP/demo/rollups.sql"
say "opening the gyms: $rate transactions a second from 8 connections"

# a machine without any locale set: most terminals speak UTF-8 all the same, the kernel's own does with few signs
if [ -z "${LC_ALL:-}${LC_CTYPE:-}${LANG:-}" ] && [ "${TERM:-linux}" != linux ]; then
	export LC_CTYPE=C.UTF-8
fi

# in the background, so that a signal to this script reaches it at once; the terminal stays its own
"$GS_TOP/demo/board" "${seconds[@]}" -- "$GS_TOP/demo/traffic.sh" "$rate" <&0 &
board=$!
trap 'kill "$board" 2>/dev/null || true' INT TERM HUP
status=0
wait "$board" || status=$?
while kill -0 "$board" 2>/dev/null; do # a signal ended the wait, not the board
	status=0
	wait "$board" || status=$?
done
board=''
exit "$status"
