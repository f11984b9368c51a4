#!/usr/bin/env bash
# layers.sh: is the house built as ARCHITECTURE.md says? Prints TAP. Reads the sources, and the objects where built.

set -euo pipefail
shopt -s nullglob
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The rooms in the order of the data's way. A module includes headers of its own room and of those before it.
rooms=(
	'compat gymstream owner catalog shared'
	'message exact float_sum numeric_sum bit_counts statistic state interval_sum marked refuse key aggregate shape flatten hint rollup source trigger progress define protect pending claim partials note fold apply collect when ready'
	'json event topic debezium plugin'
	'frame readback batch launcher decoder publisher folder status survey database ddl drop guard whole partition'
)
door=gymstream.c

number=0
check() { # NAME OUTPUT: the test passes when there is no output
	number=$((number + 1))
	if [ -z "$2" ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		sed 's/^/#   /' <<<"$2"
	fi
}

sources=(src/*.[ch])
programs=(src/*.c src/*/*.c)
written=(src/*.[ch] src/*/*.[ch] sql/*.sql test.sh demo.sh test/*.sh test/t/*.p[lm] test/pgtap/*.sql demo/*.[ch] demo/*.s* bench/* doc/* completion/*)
module() { basename "${1%.[ch]}"; }
includes() { sed -n 's/^#[[:space:]]*include "\([^/"]*\)\.h".*/\1/p' "$1"; } # our own headers have no folder

room_of() { # MODULE: its room's number; a module's further files are named module_*
	local i name
	for i in "${!rooms[@]}"; do
		for name in ${rooms[i]}; do
			[[ $1 != "$name" && $1 != "${name}_"* ]] || { echo "$i"; return; }
		done
	done
}

homeless() {
	local file
	for file in "${sources[@]}"; do
		[ -n "$(room_of "$(module "$file")")" ] || echo "$file: in no room: name its place in test/layers.sh"
	done
}

upward() {
	local file name from to
	for file in "${sources[@]}"; do
		[ "${file##*/}" != "$door" ] || continue
		from=$(room_of "$(module "$file")")
		for name in $(includes "$file"); do
			[ -e "src/$name.h" ] || continue
			to=$(room_of "$name")
			[ "${to:-0}" -le "${from:-9}" ] || echo "$file includes $name.h, which comes later"
		done
	done
}

cycles() {
	local file name
	for file in src/*.h; do
		for name in $(includes "$file"); do
			[ ! -e "src/$name.h" ] || echo "$(module "$file") $name"
		done
	done | tsort 2>&1 >/dev/null | sed 's/^tsort: //' || true
}

client_apart() {
	local file name
	for file in src/client/*.[ch]; do
		for name in $(includes "$file"); do
			[ -e "src/client/$name.h" ] || [ ! -e "src/$name.h" ] || echo "$file includes the server's $name.h"
		done
	done
	grep -nE '^#[[:space:]]*include .*(\.\./|client/)' src/*.[ch] src/*/*.[ch] || true
}

unopened() {
	local file
	for file in "${programs[@]}" src/*.h; do
		[ "$(head -c 2 "$file")" = '/*' ] || echo "$file does not open with a comment"
	done
}

long_files() {
	local file
	for file in "${written[@]}"; do
		[ ! -f "$file" ] || [ "$(wc -l <"$file")" -le 600 ] || echo "$file: $(wc -l <"$file") lines"
	done
}

long_functions() {
	awk 'FNR == 1 { start = 0 }
		/^{/ { start = FNR }
		/^}/ && start { if (FNR - start - 1 > 80) print FILENAME ":" start ": " FNR - start - 1 " lines"; start = 0 }' "${programs[@]}"
}

spaces() { grep -nE '[[:space:]]+$|^ +\t' src/*.[ch] src/*/*.[ch] sql/gymstream--*.sql || true; }

versions() {
	local version file
	version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" gymstream.control)
	[ -n "$version" ] || echo 'gymstream.control has no default_version'
	[ -e "sql/gymstream--$version.sql" ] || [ -n "$(echo sql/gymstream--*--"$version".sql)" ] || echo "no script for version $version"
	grep -q "^## $version\b" CHANGELOG.md || echo "CHANGELOG.md does not know version $version"
	grep -nF "\"$version\"" src/*.[ch] src/*/*.[ch] || true
}

# Functions that SQL calls carry their SQL names; all others carry their module's.
foreign_symbols() {
	local object name symbol
	for object in src/*.o; do
		name=$(basename "$object" .o)
		nm --defined-only --extern-only "$object" | while read -r _ _ symbol; do
			case $symbol in
				"${name}_"* | "${name%%_*}_"* | gs_* | pg_finfo_* | _PG_init | _PG_output_plugin_init | Pg_magic_func) ;;
				*) grep -q "^$symbol(PG_FUNCTION_ARGS)" src/*.c || echo "$object: $symbol" ;;
			esac
		done
	done
}

bare_errors() { # an ereport of level ERROR or FATAL without a code; elog is for what cannot happen
	awk '/ereport\((ERROR|FATAL)/ { call = ""; start = FNR; open = 1 }
		open { call = call $0 }
		open && /;[[:space:]]*$/ { if (call !~ /errcode/) print FILENAME ":" start; open = 0 }' src/*.c
}

check 'every module has its room' "$(homeless)"
check 'nothing includes what comes later' "$(upward)"
check 'no header includes itself through others' "$(cycles)"
check 'the client and the server include nothing of each other' "$(client_apart)"
check 'versions of PostgreSQL are told apart in compat.h alone' "$(grep -n 'PG_VERSION_NUM' src/*.[ch] src/*/*.[ch] | grep -v '^src/compat.h:' || true)"
check 'the version stands in gymstream.control alone' "$(versions)"
check 'every file opens by saying what it is' "$(unopened)"
check 'no file has more than 600 lines' "$(long_files)"
check 'no function has more than 80 lines' "$(long_functions)"
check 'no stray white space' "$(spaces)"
check 'every error has its code' "$(bare_errors)"
check 'exported symbols carry the name of their module' "$(foreign_symbols)"
echo "1..$number"
