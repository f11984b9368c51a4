#!/usr/bin/env bash
# layers.sh: is the house built as ARCHITECTURE.md says? Prints TAP. Reads the sources, and the objects where built.

set -euo pipefail
shopt -s nullglob
cd "$(dirname "${BASH_SOURCE[0]}")/.."

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

# All that is written by hand. Sources and headers of the library and of the programs lie in folders of any depth.
mapfile -t sources < <(find src demo -name '*.[ch]' | LC_ALL=C sort)
mapfile -t library < <(find src -name '*.[ch]' -not -path 'src/client/*' | LC_ALL=C sort)
written=("${sources[@]}" sql/*.sql test.sh demo.sh test/*.sh test/*.py test/t/*.p[lm] test/t/*/*.p[lm] test/pgtap/*.sql demo/*.s* bench/* doc/* completion/*)

client_apart() {
	grep -nE '^#[[:space:]]*include "(base|rollup|decode|topic|publish|worker)/' src/client/*.c src/client/*/*.[ch] demo/*.[ch] || true
	grep -nE '^#[[:space:]]*include .*(\.\./|client/)' "${library[@]}" || true
}

# A folder of sources says in a README.md what its files are, and names each of them.
unexplained() {
	local folder file
	for folder in $(printf '%s\n' "${sources[@]%/*}" | sort -u); do
		[ "$folder" != src ] || continue
		[ -e "$folder/README.md" ] || { echo "$folder has no README.md"; continue; }
		for file in "$folder"/*.c; do
			grep -qF "\`${file##*/}\`" "$folder/README.md" || echo "$folder/README.md does not name ${file##*/}"
		done
	done
}

wrong_heads() { # a head names its file
	local file
	for file in "${sources[@]}"; do
		[[ $(sed -n 2p "$file") == " * ${file##*/}:"* ]] || echo "$file: its head says: $(sed -n 2p "$file")"
	done
}

wide_lines() { # tabs stand for four columns
	local file
	for file in "${sources[@]}"; do
		expand -t 4 "$file" | awk -v file="$file" 'length > 100 { print file ":" NR ": " length " columns" }'
	done
}

unopened() {
	local file
	for file in "${sources[@]}"; do
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
		/^}/ && start { if (FNR - start - 1 > 80) print FILENAME ":" start ": " FNR - start - 1 " lines"; start = 0 }' "${sources[@]}"
}

spaces() { grep -nE '[[:space:]]+$|^ +\t' "${sources[@]}" extension/gymstream--*.sql || true; }

versions() {
	local version file
	version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" gymstream.control)
	[ -n "$version" ] || echo 'gymstream.control has no default_version'
	[ -e "extension/gymstream--$version.sql" ] || [ -n "$(echo extension/gymstream--*--"$version".sql)" ] || echo "no script for version $version"
	grep -q "^## $version\b" CHANGELOG.md || echo "CHANGELOG.md does not know version $version"
	grep -nF "\"$version\"" "${sources[@]}" || true
}

# A database has what the script of its version says: what changes later stands in the script of a later version.
rewritten() {
	[ "$(cksum <extension/gymstream--0.1.sql)" = '1348034443 35326' ] || echo 'extension/gymstream--0.1.sql'
}

# Functions that SQL calls carry their SQL names; all others carry their module's.
foreign_symbols() {
	local object name symbol
	for object in "${library[@]/%.c/.o}"; do
		[[ $object == *.o && -e $object ]] || continue
		name=$(basename "$object" .o)
		nm --defined-only --extern-only "$object" | while read -r _ _ symbol; do
			case $symbol in
				"${name}_"* | "${name%%_*}_"* | gs_* | pg_finfo_* | _PG_init | _PG_output_plugin_init | Pg_magic_func) ;;
				*) grep -q "^$symbol(PG_FUNCTION_ARGS)" "${library[@]}" || echo "$object: $symbol" ;;
			esac
		done
	done
}

bare_errors() { # an ereport of level ERROR or FATAL without a code; elog is for what cannot happen
	awk '/ereport\((ERROR|FATAL)/ { call = ""; start = FNR; open = 1 }
		open { call = call $0 }
		open && /;[[:space:]]*$/ { if (call !~ /errcode/) print FILENAME ":" start; open = 0 }' $(printf '%s\n' "${library[@]}" | grep '\.c$')
}

check 'wings include what the table in ARCHITECTURE.md allows' "$(python3 test/includes.py wings)"
check 'no circle of modules inside a wing' "$(python3 test/includes.py circles)"
check 'no include of which no name is used' "$(python3 test/includes.py names)"
check 'the client and the server include nothing of each other' "$(client_apart)"
check 'versions of PostgreSQL are told apart in compat.h alone' "$(grep -n 'PG_VERSION_NUM' "${sources[@]}" | grep -v '^src/base/compat.h:' || true)"
check 'the version stands in gymstream.control alone' "$(versions)"
check 'scripts of earlier versions stay as they are' "$(rewritten)"
check 'every file opens by saying what it is' "$(unopened)"
check 'every file is named in its head' "$(wrong_heads)"
check 'every folder of sources explains each of its files' "$(unexplained)"
check 'no file has more than 600 lines' "$(long_files)"
check 'no function has more than 80 lines' "$(long_functions)"
check 'no line has more than 100 columns' "$(wide_lines)"
check 'no stray white space' "$(spaces)"
check 'every error has its code' "$(bare_errors)"
check 'exported symbols carry the name of their module' "$(foreign_symbols)"
echo "1..$number"
