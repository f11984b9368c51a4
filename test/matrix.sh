#!/usr/bin/env bash
# matrix.sh: run test.sh on several servers, one after the other, and sum up.
#
#   test/matrix.sh [SERVER]... [-- ARGUMENT OF test.sh...]
#
# Without a SERVER on PostgreSQL 15, 17, 18, 19 and one with assertions; without an argument for test.sh upgrades between
# them, too. test/servers.sh tells of these and others, and makes what the machine does not have.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
servers=() results=() status=0

while [ $# -gt 0 ] && [ "$1" != -- ]; do
	[[ $1 != -* ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
	servers+=("$1"); shift
done
[ $# -eq 0 ] || shift
if [ ${#servers[@]} -eq 0 ]; then
	servers=(15 17 18 19 assert)
	[ $# -gt 0 ] || servers+=(15-17 15-18 17-18 18-19)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for server in "${servers[@]}"; do
	echo "==> server $server"
	state=passed
	"$here/servers.sh" "$server" "$@" 2>&1 | tee "$log" || { state=FAILED; status=1; }
	results+=("$(printf '%-8s %s  %s' "$server" $state "$(tail -n 1 "$log")")")
done
printf '%s\n' '==> all' "${results[@]}"
exit $status
