#!/usr/bin/env bash
# servers.sh: run test.sh on one server, which is made where the machine does not have it. Needs Debian.
#
#   test/servers.sh SERVER [ARGUMENT OF test.sh]...
#
#   15, 17, 18, 19   Debian's: the machine's own, else in a chroot of the suite that has it, which needs root
#   15-18            two of these, by pg_upgrade from one to the other: tap/032_pg_upgrade alone
#   assert           PostgreSQL as the machine's own, built from Debian's source with assertions
#   valgrind         the same under valgrind, for hours; of the suites those named, else regress and isolation
#   /PATH            any other, by its pg_config
#
# Takes apt's own mirror. Gives what test.sh says, and its status. What is made stays for the next time in a folder that can
# be removed at will: ~/.cache/gymstream, root's in /var/cache/gymstream. Never touches a server that the machine has,
# except that test.sh installs gymstream into it. Each run has a copy of the checkout of its own.

set -euo pipefail
# shellcheck source=test/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

[ $# -gt 0 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
server=$1; shift
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gymstream
[ "$EUID" -ne 0 ] || cache=/var/cache/gymstream # the user who runs root's servers may not see root's home

need() { # PACKAGE...
	local missing
	mapfile -t missing < <(setup_missing "$@")
	[ ${#missing[@]} -eq 0 ] || setup_apt "${missing[@]}"
}

targets() { # FORMAT: print once what apt gets packages of Debian from
	apt-get indextargets --format "$1" 'Created-By: Packages' 'Origin: Debian' 'Component: main' | sort -u
}

copy='' # of the checkout, until the end
remove_copy() { [ -z "$copy" ] || rm -rf "$copy" 2>/dev/null || as_root rm -rf "$copy"; }
trap remove_copy EXIT
make_copy() { # ROOT
	copy=$(mktemp -d "$1/tmp/gymstream-copy.XXXXXX")
	chmod 755 "$copy"
	tar -C "$GS_TOP" --exclude=.git --exclude=\*.o --exclude=\*.d --exclude=\*.so --exclude=\*.bc --exclude=.built-for -cf - . |
		tar -C "$copy" -xf -
}

run() { # ARGUMENT...: test.sh on the machine itself
	make_copy ''
	"$copy/test.sh" "$@"
}

#
# Debian's servers
#

suite_of() { # MAJOR
	case $1 in
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo forky ;;
		19) echo sid ;; # with experimental beside it
	esac
}

# A server that no suite has yet, from experimental, and what belongs to it. pgTAP for it comes later: the files of another
# server's will do, as they are.
take_experimental() { # MAJOR ROOT MIRROR
	printf 'deb %s experimental main\n' "$3" | as_root tee "$2/etc/apt/sources.list.d/experimental.list" >/dev/null
	printf 'Package: src:postgresql-%s\nPin: release a=experimental\nPin-Priority: 500\n' "$1" |
		as_root tee "$2/etc/apt/preferences.d/gymstream" >/dev/null
	# shellcheck disable=SC2016
	as_root chroot "$2" sh -ec '
		cd /tmp && apt-get -q update
		[ -n "$(apt-cache madison "postgresql-$1-pgtap")" ] || {
			apt-get -q download "$(apt-cache pkgnames postgresql- | grep "^postgresql-[0-9]*-pgtap$" | sort | tail -n 1)"
			dpkg -x postgresql-*-pgtap_*.deb /
			rm postgresql-*-pgtap_*.deb
		}' sh "$1"
}

make_chroot() { # MAJOR ROOT
	local mirror new=$2.new
	need debootstrap
	# shellcheck disable=SC2016
	mirror=$(targets '$(LABEL) $(REPO_URI)' | sed -n 's/^Debian //p' | head -n 1)
	[ -n "$mirror" ] || die "apt knows no mirror of Debian"
	say "making a chroot of Debian $(suite_of "$1") in $2"
	as_root rm -rf --one-file-system "$new"
	as_root mkdir -p "$new"
	# all suites of today are made by the same script; older releases do not know them by name
	as_root unshare -m debootstrap --variant=minbase "$(suite_of "$1")" "$new" "$mirror" \
		/usr/share/debootstrap/scripts/sid
	# no service starts in it; its apt goes the same way as the machine's
	printf '#!/bin/sh\nexit 101\n' | as_root install /dev/stdin "$new/usr/sbin/policy-rc.d"
	apt-config dump Acquire | as_root install -m 644 /dev/stdin "$new/etc/apt/apt.conf.d/gymstream"
	[ "$(suite_of "$1")" != sid ] || take_experimental "$1" "$new" "$mirror"
	as_root mv "$new" "$2"
}

inside() { # ROOT COMMAND...: run it in a chroot; on the machine itself where ROOT is empty
	[ -n "$1" ] || { "${@:2}"; return; }
	# shellcheck disable=SC2016
	as_root unshare -m bash -c '
		root=$1; shift
		mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/dev/shm" &&
		exec chroot "$root" env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"' bash "$@"
}

config_of() { echo "/usr/lib/postgresql/$1/bin/pg_config"; } # MAJOR

run_chroot() { # MAJOR ROOT [VARIABLE=VALUE]... -- ARGUMENT...
	local config root=$2 settings=(); config=$(config_of "$1"); shift 2
	while [ "$1" != -- ]; do settings+=("$1"); shift; done
	shift
	make_copy "$root"
	inside "$root" env PG_CONFIG="$config" "${settings[@]}" "${copy#"$root"}/test.sh" "$@"
}

run_debian() { # MAJOR ARGUMENT...
	local root=$cache/debian-$1
	if [ "$1" = "$(setup_major)" ]; then
		PG_CONFIG=$(config_of "$1") run "${@:2}"
	else
		[ -d "$root" ] || make_chroot "$1" "$root"
		run_chroot "$1" "$root" -- "${@:2}"
	fi
}

# An older server, and gymstream built for it, into the chroot of another one, with the libraries that are not there. It
# stays without a compiler of queries, which would bring much along.
take_server() { # MAJOR FROM ROOT
	local folder library
	make_copy "$2"
	folder=${copy#"$2"}
	say "taking PostgreSQL $1 along"
	# shellcheck disable=SC2016
	inside "$2" env PG_CONFIG="$(config_of "$1")" bash -ec '
		cd "$1"
		. test/setup.sh
		setup_install
		make -s CLIENT=no with_llvm=no "PG_CONFIG=$PG_CONFIG" "DESTDIR=$1/installed" install >/dev/null
		ldd "$(pg_bin)"/* "$("$PG_CONFIG" --pkglibdir)"/*.so 2>/dev/null |
			grep -v llvmjit | sed -n "s|.* => \(/[^ ]*\) .*|\1|p" | sort -u >libraries' bash "$folder"
	tar -C "$2/" --exclude=llvmjit\* --exclude=\*gymstream\* -cf - "usr/lib/postgresql/$1" "usr/share/postgresql/$1" |
		as_root tar -C "$3" -xf -
	tar -C "$copy/installed" -cf - . | as_root tar -C "$3" --no-overwrite-dir -xf -
	while read -r library; do
		as_root test -e "$3$library" || as_root install -D -m 644 "$2$library" "$3$library"
	done <"$copy/libraries"
	remove_copy
}

upgrade() { # OLD NEW
	local from='' root=$cache/debian-$2
	[ "$1" = "$(setup_major)" ] || from=$cache/debian-$1
	[ -z "$from" ] || [ -d "$from" ] || make_chroot "$1" "$from"
	[ -d "$root" ] || make_chroot "$2" "$root"
	take_server "$1" "$from" "$root"
	run_chroot "$2" "$root" GYMSTREAM_OLD="/usr/lib/postgresql/$1" -- tap/032_pg_upgrade
}

#
# A server with assertions
#

# Debian's patches give the libraries of every build the place of the packaged ones, unless the prefix has "postgres" in it.
make_assert() { # MAJOR PREFIX
	local build=$2.build apt version
	need gcc libc6-dev make bison flex perl pkg-config libreadline-dev zlib1g-dev libicu-dev dpkg-dev valgrind
	rm -rf "$build" "$2"
	mkdir -p "$build/lists/partial" "$build/cache"
	apt=(apt-get -q -o "Dir::Etc::SourceList=$build/sources.list" -o Dir::Etc::SourceParts=-
		-o "Dir::State::Lists=$build/lists" -o "Dir::Cache=$build/cache")
	# shellcheck disable=SC2016
	targets 'deb-src $(REPO_URI) $(RELEASE) $(COMPONENT)' >"$build/sources.list"
	say "building PostgreSQL $1 with assertions in $2"
	"${apt[@]}" update
	# the version of the packaged server, where it is still offered
	version=$(setup_version "postgresql-$1")
	(cd "$build" && { "${apt[@]}" source "postgresql-$1=$version" || "${apt[@]}" source "postgresql-$1"; })
	(cd "$build"/postgresql-*/ &&
		./configure -q --prefix="$2" --enable-cassert --enable-debug --enable-tap-tests --with-icu \
			CFLAGS='-Og -g -fno-omit-frame-pointer' CPPFLAGS=-DUSE_VALGRIND &&
		make -s -j"$(nproc)" world-bin && make -s install-world-bin)
	mv "$2/bin/postgres" "$2/bin/postgres.real"
	cat >"$2/bin/postgres" <<-'END'
		#!/bin/sh
		# the server, under valgrind where GYMSTREAM_VALGRIND is set: a folder for what valgrind finds
		[ "${GYMSTREAM_VALGRIND:+$1}" != -D ] || exec valgrind --quiet --leak-check=no --time-stamp=yes \
			--suppressions="${0%/bin/*}/valgrind.supp" --log-file="$GYMSTREAM_VALGRIND/%p" "$0.real" "$@"
		exec "$0.real" "$@"
	END
	chmod 755 "$2/bin/postgres"
	cp "$build"/postgresql-*/src/tools/valgrind.supp "$2"
	rm -rf "$build"
}

with_assertions() { # ARGUMENT...
	local major prefix
	major=$(setup_major)
	prefix=$cache/postgresql-$major-assert
	need "postgresql-$major" "postgresql-$major-pgtap" # test.sh takes pgTAP from there
	[ -e "$prefix/valgrind.supp" ] || make_assert "$major" "$prefix"
	PG_CONFIG=$prefix/bin/pg_config run "$@"
}

under_valgrind() { # ARGUMENT...
	local status=0 file files
	GYMSTREAM_VALGRIND=$(setup_tmp)
	export GYMSTREAM_VALGRIND PG_TEST_TIMEOUT_DEFAULT=3600
	[ $# -gt 0 ] || set -- regress isolation
	"${BASH_SOURCE[0]}" assert "$@" || status=$?
	mapfile -t files < <(as_server find "$GYMSTREAM_VALGRIND" -type f -size +0)
	for file in "${files[@]}"; do
		echo "--- valgrind of process ${file##*/}"
		cat "$file"
	done
	as_server rm -rf "$GYMSTREAM_VALGRIND"
	[ ${#files[@]} -eq 0 ] || { echo "valgrind complained of ${#files[@]} processes"; status=1; }
	return $status
}

case $server in
	15 | 17 | 18 | 19) run_debian "$server" "$@" ;;
	1[5789]-1[5789]) upgrade "${server%-*}" "${server#*-}" ;;
	assert) with_assertions "$@" ;;
	valgrind) under_valgrind "$@" ;;
	/*) PG_CONFIG=$server run "$@" ;;
	*) die "no such server: $server" ;;
esac
