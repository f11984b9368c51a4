#!/usr/bin/env bash
# test.sh: install what is missing, build, and run every test in private servers, several side by side.
#
#   ./test.sh [--seed N] [--minutes M] [--lanes N] [SUITE|SUITE/TEST]...
#
# Suites: layers random tap build isolation regress pgtap; without arguments all of them. A suite's name and a test's run
# that one alone (tap/040_crash). --seed and --minutes are for random, and for tap/035_same_fate and tap/036_meetings,
# which otherwise do the same each time. --lanes says how many tests run at a time. PG_CONFIG names the server to test.
# The last line says how many passed and failed, and so does the exit status.

set -euo pipefail
shopt -s nullglob
# shellcheck source=test/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/test/setup.sh"
# shellcheck source=test/lanes.sh
. "$(dirname "${BASH_SOURCE[0]}")/test/lanes.sh"

all=(layers random tap build isolation regress pgtap)
wanted=() plan=() done=no tmp='' tree='' server=''
seed=$((RANDOM * 32768 + RANDOM)) minutes=3 asked=()
# a test waits for others now and then; the server that many share has 20 places for workers
lanes=$(($(nproc) < 5 ? $(nproc) + 1 : 6))

usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit "$1"; }

while [ $# -gt 0 ]; do
	case $1 in
		--help) usage 0 ;;
		--seed) seed=${2:?--seed needs a number}; asked+=("GYMSTREAM_SEED=$2"); shift ;;
		--minutes) minutes=${2:?--minutes needs a number}; asked+=("GYMSTREAM_MINUTES=$2"); shift ;;
		--lanes) lanes=${2:?--lanes needs a number}; shift ;;
		*)
			[[ " ${all[*]} " == *" ${1%%/*} "* ]] || { echo "test.sh: no such suite: $1" >&2; usage 2 >&2; }
			wanted+=("$1") ;;
	esac
	shift
done
[ ${#wanted[@]} -gt 0 ] || wanted=("${all[@]}")

#
# Suites: what tests each has, how one is run, and how it is told whether it passed.
#

pg_test() { echo "$(dirname "$("$PG_CONFIG" --pgxs)")/../test/$1"; }

basenames() { # SUFFIX FILE...
	local file
	for file in "${@:2}"; do basename "$file" "$1"; done
}

tests_of() { # SUITE: print its tests
	local name
	case $1 in
		layers | build) echo "$1" ;;
		random) basenames .pl "$tree"/test/t/*/*_random.pl ;;
		tap) basenames .pl "$tree"/test/t/*/*.pl | grep -v '_random$' | sort ;;
		isolation) basenames .spec "$tree"/test/isolation/specs/*.spec ;;
		pgtap) basenames .sql "$tree"/test/pgtap/*.sql ;;
		regress)
			for name in $(basenames .sql "$tree"/sql/*.sql); do
				[ ! -e "$tree/expected/$name.out" ] || echo "$name"
			done ;;
	esac | sed "/^$1\$/! s|^|$1/|"
}

pick() { # SUITE|SUITE/TEST: add what that selects to the plan
	local tests
	mapfile -t tests < <(tests_of "${1%%/*}")
	[ ${#tests[@]} -gt 0 ] || fail "${1%%/*}: no tests"
	if [[ $1 == */* ]]; then
		[[ " ${tests[*]} " == *" $1 "* ]] || die "no such test: $1"
		tests=("$1")
	fi
	plan+=("${tests[@]}")
}

run_script() { # SUITE: test/SUITE.sh, which prints TAP
	cd "$tree"
	as_server env PG_CONFIG="$PG_CONFIG" "test/$1.sh"
}

run_layers() { run_script layers; }
judge_layers() { count_tap layers "$2" "$3"; }

run_build() { run_script build; }
judge_build() { count_tap build "$2" "$3"; }

# Those of regress, isolation and pgtap share a server, and each has a database of its own there. Names that stand for the
# whole server are in one test only: two that have one in common could not run beside each other.
psql() { "$(pg_bin)/psql" -Xq -v ON_ERROR_STOP=1 "$@"; }

run_in_server() { # PROGRAM INPUTDIR SUITE NAME
	local dir=$tmp/$3/$4 database=$3_$4
	as_server mkdir -p "$dir"
	cd "$tree"
	as_server "$1" --inputdir="$2" --outputdir="$dir" --bindir="$(pg_bin)" --host="$server" --port=5432 \
		--user=postgres --dbname="$database" --load-extension=gymstream "$4"
	psql -c "DROP DATABASE $database"
}

judge_in_server() { # SUITE NAME LOG STATUS
	count_regress "$1/$2" "$3" "$4" || { show "$tmp/$1/$2/regression.diffs" 200; show_server "$1_$2"; }
}

names_twice() { # print what two tests give a name to
	local kinds='(create (role|user|database|tablespace|subscription)|prepare transaction|replication_slot\()'
	(cd "$tree" && grep -oiE "$kinds *[\"']?[^ \"';,)]+" sql/*.sql test/isolation/specs/*.spec test/pgtap/*.sql) |
		tr '[:upper:]' '[:lower:]' | sort -u | cut -d : -f 2 | sort | uniq -d
}

show_server() { # DATABASE: what the server has said of it lately
	echo "--- the server's log of $1"
	grep -F " $1 " "$server/server.log" | tail -n 20 || true
	echo '---'
}

run_regress() { run_in_server "$(pg_test regress/pg_regress)" "$tree" regress "$1"; }
judge_regress() { judge_in_server regress "$@"; }

run_isolation() { run_in_server "$(pg_test isolation/pg_isolation_regress)" "$tree/test/isolation" isolation "$1"; }
judge_isolation() { judge_in_server isolation "$@"; }

# A server that is not Debian's may lack pgTAP, which is SQL alone: then Debian's file will do.
run_pgtap() { # NAME
	local database=pgtap_$1 file
	psql -c "CREATE DATABASE $database TEMPLATE template0" # to template1 somebody may be connected
	psql -d "$database" -c 'CREATE EXTENSION gymstream' -c 'CREATE SCHEMA tap' \
		-c "ALTER DATABASE $database SET search_path = public, tap"
	if [ -e "$("$PG_CONFIG" --sharedir)/extension/pgtap.control" ]; then
		psql -d "$database" -c 'CREATE EXTENSION pgtap SCHEMA tap'
	else
		file=$(printf '%s\n' /usr/share/postgresql/*/extension/pgtap--[0-9]*.sql | grep -v -e '--.*--' | tail -n 1)
		{ echo 'SET search_path = tap;'; grep -v '\\quit' "$file"; } | psql -d "$database" >/dev/null
	fi
	cd "$tree/test/pgtap"
	psql -At -d "$database" -f "$1.sql"
	psql -c "DROP DATABASE $database"
}
judge_pgtap() { count_tap "pgtap/$1" "$2" "$3" || show_server "pgtap_$1"; }

# Those of tap and random make servers of their own, as copies of one.
run_perl() { # NAME [VARIABLE=VALUE...]
	local dir=$tmp/tap/$1 file
	file=$(echo "$tree"/test/t/*/"$1.pl")
	as_server mkdir -p "$dir/log"
	cd "$tree"
	as_server env PATH="$tree/test/bin:$(pg_bin):$PATH" TMPDIR="$tmp" \
		GYMSTREAM_INITDB="$(pg_bin)/initdb" GYMSTREAM_CLUSTERS="$tmp/clusters" \
		PG_REGRESS="$(pg_test regress/pg_regress)" PG_TEST_PORT_DIR="$tmp/ports" \
		TESTDIR="$dir" TESTDATADIR="$dir/tmp_check" TESTLOGDIR="$dir/log" \
		PGPORT= PGHOST= PGUSER= PGDATABASE= "${@:2}" \
		timeout --foreground $((1200 + minutes * 60)) perl -I "$(pg_test perl)" -I test/t "$file"
}

judge_perl() { # TEST LOG STATUS
	local name=${1#*/} log
	count_tap "$@" || {
		for log in "$tmp/tap/$name"/{log,tmp_check/log}/{"$name"_*.log,regress_log_"$name"}; do show "$log" 15; done
	}
}

run_tap() { run_perl "$1" "${asked[@]}"; }
judge_tap() { judge_perl "tap/$1" "$2" "$3"; }

run_random() { run_perl "$1" GYMSTREAM_SEED="$seed" GYMSTREAM_MINUTES="$minutes"; }
judge_random() { judge_perl "random/$1" "$2" "$3"; }

#
# The run
#

# A server that crashed or complained of itself fails the run, whatever the tests saw.
check_server() {
	if grep -E 'PANIC:|TRAP:|was terminated by signal|terminated by exception|detected deadlock while' "$server/server.log"; then
		fail 'the server crashed'
		show "$server/server.log"
	fi
}

# Whatever happens the last line says how it went, and no test or server is left running.
finish() {
	local pid
	[ "$done" = yes ] || fail 'the run ended early'
	if [ -n "$tmp" ]; then
		lanes_stop
		[ -z "$server" ] || server_stop "$server"
		for pid in "$tmp"/tap/*/*/*/pgdata/postmaster.pid; do
			as_server "$(pg_bin)/pg_ctl" -s -m immediate -D "${pid%/*}" stop || true
		done
		if [ "$failed" -gt 0 ]; then say "logs are kept in $tmp"; else as_server rm -rf "$tmp"; fi
	fi
	lanes_report
}
trap 'finish; exit' EXIT
trap 'exit 130' INT TERM

# in one piece, so that this file may be edited while it runs
run_tests() {
	local suite names
	setup_install dev
	setup_build
	tmp=$(setup_tmp)
	tree=$tmp/tree
	as_server mkdir "$tree"
	tar -C "$GS_TOP" --exclude=.git --exclude=tmp_check\* --exclude=results -cf - . | as_server tar -C "$tree" -xf -

	for suite in "${wanted[@]}"; do pick "$suite"; done
	if [[ " ${plan[*]}" == *\ @(regress|isolation|pgtap)/* ]]; then
		server=$tmp/server
		as_server mkdir "$server"
		# tests count the partials that writers leave
		server_start "$server" 'fsync = off' 'gymstream.fold = off'
		names=$(names_twice)
		[ -z "$names" ] || fail "two tests would meet, as both have: $names"
	fi
	say "${#plan[@]} tests, $lanes at a time"
	lanes_run "$lanes" "${plan[@]}"
	if [ -n "$server" ]; then
		server_stop "$server"
		check_server
	fi
	lanes_slowest 10
	done=yes
}
run_tests; exit
