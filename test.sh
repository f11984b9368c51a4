#!/usr/bin/env bash
# test.sh: install what is missing, build, and run every test in private servers.
#
#   ./test.sh [--seed N] [--minutes M] [SUITE|SUITE/TEST]...
#
# Suites: layers build regress isolation pgtap tap random; without arguments all of them. A suite's name and a test's run that
# one alone (tap/040_crash). --seed and --minutes are for random, and for tap/035_same_fate and tap/036_meetings, which
# else do the same each time. PG_CONFIG names the server to test.
# The last line says how many passed and failed, and so does the exit status.

set -euo pipefail
shopt -s nullglob
# shellcheck source=test/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/test/setup.sh"

all=(layers build regress isolation pgtap tap random)
wanted=() passed=0 failed=0 failures=() done=no tmp='' tree=''
seed=$((RANDOM * 32768 + RANDOM)) minutes=2 asked=()

usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit "$1"; }

while [ $# -gt 0 ]; do
	case $1 in
		--help) usage 0 ;;
		--seed) seed=${2:?--seed needs a number}; asked+=("GYMSTREAM_SEED=$2"); shift ;;
		--minutes) minutes=${2:?--minutes needs a number}; asked+=("GYMSTREAM_MINUTES=$2"); shift ;;
		*)
			[[ " ${all[*]} " == *" ${1%%/*} "* ]] || { echo "test.sh: no such suite: $1" >&2; usage 2 >&2; }
			wanted+=("$1") ;;
	esac
	shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=("${all[@]}")

#
# Counting. A test that cannot say how it went has failed.
#

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); failures+=("$*"); echo "FAILED: $*"; }

show() { # FILE [LINES]: the end of a log, where something failed
	[ ! -s "$1" ] || { echo "--- ${1#"$tmp"/}"; tail -n "${2:-60}" "$1"; echo '---'; }
}

# What a long test says in short, to stand at the end too: the last that a reader of a cut log sees.
in_short() { # LOG
	! grep -q '^# in short: ' "$1" || printf '\n%s' "$(sed -n 's/^# in short: /    /p' "$1")"
}

# TAP, of any kind: each point counts, and so does a program that dies or keeps less than its plan.
count_tap() { # NAME LOG STATUS
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

# What pg_regress prints: "test x ... ok 5 ms" before PostgreSQL 16, TAP since.
count_regress() { # SUITE LOG STATUS TEST...
	local suite=$1 log=$2 status=$3 name line before=$failed; shift 3
	for name; do
		line=$(grep -E "^test $name +\.\.\. |^(not )?ok [0-9]+ +[-+] $name " "$log" || true)
		case $line in
			"test "*" ... ok "* | "ok "*) pass ;;
			'') fail "$suite/$name: not run" ;;
			*) fail "$suite/$name" ;;
		esac
	done
	[ "$status" -eq 0 ] || [ "$failed" -gt "$before" ] || fail "$suite: ended with status $status"
	[ "$failed" -eq "$before" ]
}

# A server that crashed or complained of itself fails its suite, whatever the tests saw.
check_server() { # SUITE DIR
	if grep -E 'PANIC:|TRAP:|was terminated by signal|terminated by exception|detected deadlock while' "$2/server.log"; then
		fail "$1: the server crashed"
		show "$2/server.log"
	fi
}

pick() { # SUITE ARGUMENT NAME...: sets names to those that the argument selects
	local suite=$1 one=${2#"$1"}; shift 2
	names=("$@")
	[ -n "$one" ] || return 0
	[[ " $* " == *" ${one#/} "* ]] || die "no such test: $suite$one"
	names=("${one#/}")
}

basenames() { # SUFFIX FILE...
	local file
	for file in "${@:2}"; do basename "$file" "$1"; done
}

#
# Suites. Each is called with the argument that selected it.
#

pg_test() { echo "$(dirname "$("$PG_CONFIG" --pgxs)")/../test/$1"; }

run_pg_regress() { # SUITE PROGRAM INPUTDIR TEST...
	local suite=$1 program=$2 input=$3 dir=$tmp/$1 status=0; shift 3
	[ $# -gt 0 ] || { fail "$suite: no tests"; return; }
	as_server mkdir -p "$dir"
	# tests count the partials that writers leave
	server_start "$dir" 'fsync = off' 'gymstream.fold = off'
	(cd "$tree" && as_server "$program" --inputdir="$input" --outputdir="$dir" --bindir="$(pg_bin)" --host="$dir" --port=5432 \
		--user=postgres --dbname=contrib_regression --load-extension=gymstream "$@" 2>&1) | tee "$dir.log" || status=$?
	server_stop "$dir"
	count_regress "$suite" "$dir.log" "$status" "$@" || { show "$dir/regression.diffs" 200; show "$dir/server.log" 20; }
	check_server "$suite" "$dir"
}

suite_regress() {
	local name names have=()
	for name in $(basenames .sql "$tree"/sql/*.sql); do
		[ ! -e "$tree/expected/$name.out" ] || have+=("$name")
	done
	pick regress "$1" "${have[@]}"
	run_pg_regress regress "$(pg_test regress/pg_regress)" "$tree" "${names[@]}"
}

suite_isolation() {
	local names
	# shellcheck disable=SC2046
	pick isolation "$1" $(basenames .spec "$tree"/test/isolation/specs/*.spec)
	run_pg_regress isolation "$(pg_test isolation/pg_isolation_regress)" "$tree/test/isolation" "${names[@]}"
}

# A server that is not Debian's may lack pgTAP, which is SQL alone: then Debian's file will do.
pgtap_database() { # NAME
	local psql=("$(pg_bin)/psql" -Xq -v ON_ERROR_STOP=1) file
	"${psql[@]}" -c "CREATE DATABASE $1"
	"${psql[@]}" -d "$1" -c 'CREATE EXTENSION gymstream' -c 'CREATE SCHEMA tap' -c "ALTER DATABASE $1 SET search_path = public, tap"
	if [ -e "$("$PG_CONFIG" --sharedir)/extension/pgtap.control" ]; then
		"${psql[@]}" -d "$1" -c 'CREATE EXTENSION pgtap SCHEMA tap'
	else
		file=$(printf '%s\n' /usr/share/postgresql/*/extension/pgtap--[0-9]*.sql | grep -v -e '--.*--' | tail -n 1)
		{ echo 'SET search_path = tap;'; grep -v '\\quit' "$file"; } | "${psql[@]}" -d "$1" >/dev/null
	fi
}

suite_pgtap() {
	local name names dir=$tmp/pgtap status
	# shellcheck disable=SC2046
	pick pgtap "$1" $(basenames .sql "$tree"/test/pgtap/*.sql)
	as_server mkdir -p "$dir"
	server_start "$dir" 'fsync = off'
	for name in "${names[@]}"; do
		status=0
		pgtap_database "pgtap_$name"
		(cd "$tree/test/pgtap" && "$(pg_bin)/psql" -XAtq -v ON_ERROR_STOP=1 -d "pgtap_$name" -f "$name.sql" 2>&1) |
			tee "$dir/$name.log" || status=$?
		count_tap "pgtap/$name" "$dir/$name.log" "$status" || show "$dir/server.log" 10
	done
	server_stop "$dir"
	check_server pgtap "$dir"
}

run_perl() { # SUITE/NAME [VARIABLE=VALUE...]
	local test=$1 name=${1#*/} dir=$tmp/tap status=0 file; shift
	file=$(echo "$tree"/test/t/*/"$name.pl")
	as_server mkdir -p "$dir/log"
	(cd "$tree" && as_server env PATH="$(pg_bin):$PATH" PG_REGRESS="$(pg_test regress/pg_regress)" TESTDIR="$dir" \
		TESTDATADIR="$dir/tmp_check" TESTLOGDIR="$dir/log" TMPDIR="$tmp" PGPORT= PGHOST= PGUSER= PGDATABASE= "$@" \
		timeout $((1200 + minutes * 60)) perl -I "$(pg_test perl)" -I test/t "$file" 2>&1) | tee "$dir/$name.log" || status=$?
	count_tap "$test" "$dir/$name.log" "$status" || {
		for log in "$dir"/log/"$name"_*.log "$dir"/tmp_check/log/{"$name"_*.log,regress_log_"$name"}; do show "$log" 15; done
	}
}

suite_tap() {
	local name names
	# shellcheck disable=SC2046
	pick tap "$1" $(basenames .pl "$tree"/test/t/*/*.pl | grep -v '_random$')
	for name in "${names[@]}"; do
		run_perl "tap/$name" "${asked[@]}"
	done
}

suite_random() {
	local file
	for file in "$tree"/test/t/*/*_random.pl; do
		run_perl "random/$(basename "$file" .pl)" GYMSTREAM_SEED="$seed" GYMSTREAM_MINUTES="$minutes"
	done
}

run_script() { # SUITE: test/SUITE.sh, which prints TAP
	local status=0
	as_server mkdir -p "$tmp/$1"
	(cd "$tree" && as_server env PG_CONFIG="$PG_CONFIG" "test/$1.sh" 2>&1) | tee "$tmp/$1/log" || status=$?
	count_tap "$1" "$tmp/$1/log" "$status" || true
}

suite_layers() { run_script layers; }
suite_build() { run_script build; }

#
# The run
#

# Whatever happens the last line says how it went, and no server is left running.
finish() {
	local pid
	[ "$done" = yes ] || fail 'the run ended early'
	if [ -n "$tmp" ]; then
		for pid in "$tmp"/*/data/postmaster.pid "$tmp"/tap/*/*/pgdata/postmaster.pid; do
			as_server "$(pg_bin)/pg_ctl" -s -m immediate -D "${pid%/*}" stop || true
		done
		if [ "$failed" -gt 0 ]; then say "logs are kept in $tmp"; else as_server rm -rf "$tmp"; fi
	fi
	[ "$failed" -eq 0 ] || printf 'FAILED: %s\n' "${failures[@]}"
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}
trap 'finish; exit' EXIT
trap 'exit 130' INT TERM

setup_install dev
setup_build
tmp=$(setup_tmp)
tree=$tmp/tree
as_server mkdir "$tree"
tar -C "$GS_TOP" --exclude=.git --exclude=tmp_check\* --exclude=results -cf - . | as_server tar -C "$tree" -xf -

for suite in "${wanted[@]}"; do
	say "$suite"
	started=$SECONDS
	"suite_${suite%%/*}" "$suite"
	say "$suite took $((SECONDS - started)) s"
done
done=yes
