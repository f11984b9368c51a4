# shellcheck shell=bash
# lanes.sh: runs tests side by side, and counts what became of them. Sourced by test.sh; needs $tmp and setup.sh.
#
#   lanes_run N TEST...   run the tests, N at a time, and say of each as it ends how it went
#   lanes_stop            end those that still run
#   lanes_slowest N       print the N that took longest
#   lanes_report          print what failed and how many passed and failed; false if one failed
#   pass, fail MESSAGE    count
#   show FILE [LINES]     print the end of a log
#
# A test is SUITE/NAME, or SUITE alone where that is one test. For each suite there are two functions: run_SUITE NAME runs
# a test in a lane, and what it prints is the test's log; judge_SUITE NAME LOG STATUS calls pass and fail, and is true if
# nothing failed. What it prints stands under the test's line.

passed=0 failed=0 failures=()
took=() # "SECONDS TEST" of each that has ended
declare -A lane_test=() lane_began=() # of those that run, by process group

# Tests that bear no other test beside them, and why.
declare -A alone=()

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); failures+=("$*"); echo "FAILED: $*"; }

show() { # FILE [LINES]
	[ ! -s "$1" ] || { echo "--- ${1#"$tmp"/}"; tail -n "${2:-60}" "$1"; echo '---'; }
}

# What a long test says in short, to stand at the end too: the last that a reader of a cut log sees.
in_short() { # LOG
	! grep -q '^# in short: ' "$1" || printf '\n%s' "$(sed -n 's/^# in short: /    /p' "$1")"
}

# TAP, of any kind: each point counts, and so does a program that dies or keeps less than its plan.
count_tap() { # TEST LOG STATUS
	local ok bad plan before=$failed
	ok=$(grep -cE '^ok\b|^not ok\b.*# TODO' "$2" || true)
	bad=$(grep -E '^not ok\b' "$2" | grep -vc '# TODO' || true)
	plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$2" | tail -n 1)
	passed=$((passed + ok))
	if [ "$bad" -gt 0 ]; then
		fail "$1: $bad of $((ok + bad))$(in_short "$2")"
		failed=$((failed + bad - 1))
	elif [ "$3" -ne 0 ]; then
		fail "$1: ended with status $3$(in_short "$2")"
	elif [ "${plan:--1}" -ne $((ok + bad)) ]; then
		fail "$1: ${plan:-no} tests planned, $((ok + bad)) run"
	fi
	[ "$failed" -eq "$before" ]
}

# What pg_regress prints of a test: "test x ... ok 5 ms" before PostgreSQL 16, TAP since.
count_regress() { # TEST LOG STATUS
	local name=${1#*/} line before=$failed
	line=$(grep -E "^test $name +\.\.\. |^(not )?ok [0-9]+ +[-+] $name " "$2" || true)
	case $line in
		'') fail "$1: not run" ;;
		"test "*" ... ok "* | "ok "*)
			if [ "$3" -eq 0 ]; then pass; else fail "$1: ended with status $3"; fi ;;
		*) fail "$1" ;;
	esac
	[ "$failed" -eq "$before" ]
}

# A lane is a process group, so that all of a test can be ended. The last thing that it does is to write into the pipe.
lane_start() { # TEST
	local log=$tmp/log/$1.log
	as_server mkdir -p "${log%/*}"
	set -m
	(
		set +e
		(set -e; exec 9>&-; "run_${1%%/*}" "${1##*/}") </dev/null >"$log" 2>&1
		echo "$BASHPID $?" >&9
	) &
	set +m
	lane_test[$!]=$1 lane_began[$!]=${EPOCHREALTIME//[!0-9]/}
}

lane_end() {
	local group status test log seconds before=$failed passed_before=$passed said
	until read -r -t 10 -u 9 group status; do
		for group in "${!lane_test[@]}"; do
			# one that was killed says nothing; one that has just ended has said it
			kill -0 "$group" 2>/dev/null || read -t 0 -u 9 || { status=137; break 2; }
		done
	done
	wait "$group" || true
	test=${lane_test[$group]} log=$tmp/log/${lane_test[$group]}.log
	printf -v seconds '%.1f' "$((${EPOCHREALTIME//[!0-9]/} - lane_began[$group]))e-6"
	unset "lane_test[$group]" "lane_began[$group]"
	took+=("$seconds $test")
	said=$tmp/log/said
	"judge_${test%%/*}" "${test##*/}" "$log" "$status" >"$said" || true
	if [ "$failed" -eq "$before" ]; then
		printf 'ok: %s, %d passed, %s s\n' "$test" $((passed - passed_before)) "$seconds"
		cat "$said"
	else
		printf '==> %s failed, %s s\n' "$test" "$seconds"
		cut -c 1-2000 "$log" "$said" # what was compared may be very long
	fi
}

lanes_drain() { # N: wait until no more than N run
	while [ ${#lane_test[@]} -gt "$1" ]; do lane_end; done
}

lanes_run() { # N TEST...
	local count=$1 test last=(); shift
	as_server mkfifo "$tmp/ended"
	exec 9<>"$tmp/ended"
	for test; do
		[ -z "${alone[$test]:-}" ] || { last+=("$test"); continue; }
		lanes_drain $((count - 1))
		lane_start "$test"
	done
	for test in "${last[@]}"; do
		lanes_drain 0
		lane_start "$test"
	done
	lanes_drain 0
}

lanes_stop() {
	local group
	for group in "${!lane_test[@]}"; do kill -TERM -- "-$group" || true; done
	for group in "${!lane_test[@]}"; do wait "$group" || true; done
} 2>/dev/null

lanes_slowest() { # N
	[ ${#took[@]} -gt 0 ] || return 0
	say "the slowest of ${#took[@]} tests"
	printf '%s\n' "${took[@]}" | sort -rn | awk -v n="$1" 'NR <= n { printf "%8.1f s  %s\n", $1, $2 }'
}

lanes_report() {
	[ "$failed" -eq 0 ] || printf 'FAILED: %s\n' "${failures[@]}"
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}
