#!/usr/bin/env bash
# build.sh: does the Makefile build, install and clean up outside of the sources' folder what it does inside? Prints TAP.
# Takes PG_CONFIG. Writes into a temporary folder alone.

set -euo pipefail
sources=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PG_CONFIG=${PG_CONFIG:-pg_config}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
number=0

check() { # NAME EXPECTED GOT
	number=$((number + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		diff <(echo "$2") <(echo "$3") | sed 's/^/#   /' || true
	fi
}

tree() { # FOLDER: the files below it
	(cd "$1" && find . -type f | LC_ALL=C sort)
}
symbols() { # LIBRARY
	nm -D --defined-only "$1" | awk '{ print $3 }' | LC_ALL=C sort
}
# optimising costs time and changes no file
build() { # FOLDER TARGET [VARIABLE=VALUE]...
	mkdir -p "$tmp/$1"
	make -s -C "$tmp/$1" "${how[@]}" "PG_CONFIG=$PG_CONFIG" COPT=-O0 with_llvm=no -j2 "${@:2}" >"$tmp/log" 2>&1 || {
		echo "# make ${*:2} in $1 failed:"
		tail -n 20 "$tmp/log" | sed 's/^/#   /'
	}
}

mkdir "$tmp/inside"
tar -C "$sources" --exclude=.git --exclude=\*.o --exclude=\*.d --exclude=\*.so --exclude=\*.bc --exclude=.built-for \
	--exclude=./gymstream --exclude=demo/board -cf - . | tar -C "$tmp/inside" -xf -
before=$(tree "$tmp/inside")
how=()
build inside all demo/board
build inside install "DESTDIR=$tmp/inside.installed"
expected_symbols=$(symbols "$tmp/inside/gymstream.so")
expected_files=$(tree "$tmp/inside.installed")
objects=$(cd "$tmp/inside" && find . -name '*.o' | LC_ALL=C sort)
build inside clean
check 'cleaning leaves the sources and nothing more' "$before" "$(tree "$tmp/inside")"

for kind in 'the Makefile of another folder' 'the Makefile with VPATH'; do
	how=(-f "$tmp/inside/Makefile")
	[ "$kind" = 'the Makefile of another folder' ] || how=(-f ../inside/Makefile VPATH=../inside)
	rm -rf "$tmp/outside" "$tmp/outside.installed"
	build outside all demo/board
	check "$kind makes the same objects" "$objects" "$(cd "$tmp/outside" && find . -name '*.o' | LC_ALL=C sort)"
	check "$kind makes the same library" "$expected_symbols" "$(symbols "$tmp/outside/gymstream.so" 2>&1 || true)"
	build outside install "DESTDIR=$tmp/outside.installed"
	check "$kind installs the same files" "$expected_files" "$(tree "$tmp/outside.installed" 2>&1 || true)"
	build outside clean
	check "$kind cleans up" '' "$(tree "$tmp/outside")"
	check "$kind leaves the sources alone" "$before" "$(tree "$tmp/inside")"
done
echo "1..$number"
