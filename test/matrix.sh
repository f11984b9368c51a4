#!/usr/bin/env bash
# matrix.sh: run test.sh on several servers, each with a copy of the checkout of its own, and sum up.
#
#   test/matrix.sh [PG_CONFIG]... [--chroot DIR]... [-- ARGUMENTS OF test.sh]
#
# A PG_CONFIG is the path of a server's pg_config. A DIR is a Debian system to chroot into, which needs root; its own
# release chooses the server.

set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
targets=() results=() status=0

while [ $# -gt 0 ] && [ "$1" != -- ]; do
	case $1 in
		--chroot) targets+=("chroot ${2:?--chroot needs a directory}"); shift ;;
		-*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
		*) targets+=("$1") ;;
	esac
	shift
done
[ $# -eq 0 ] || shift
[ ${#targets[@]} -gt 0 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }

copy() { # ROOT: print where a clean copy of the checkout now is, as seen from the root
	local folder
	folder=$(mktemp -d "$1/tmp/gymstream-matrix.XXXXXX")
	chmod 755 "$folder"
	tar -C "$top" --exclude=.git --exclude=\*.o --exclude=\*.so --exclude=\*.bc --exclude=.built-for -cf - . | tar -C "$folder" -xf -
	echo "${folder#"$1"}"
}

for target in "${targets[@]}"; do
	echo "==> $target"
	log=$(mktemp)
	case $target in
		"chroot "*)
			root=${target#chroot } root=${root%/}
			folder=$(copy "$root")
			# shellcheck disable=SC2016
			unshare -m bash -c '
				root=$1 folder=$2; shift 2
				mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/dev/shm" &&
				exec chroot "$root" env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$folder/test.sh" "$@"' bash \
				"$root" "$folder" "$@" 2>&1 | tee "$log" || status=1
			rm -rf "${root:?}$folder" ;;
		*)
			folder=$(copy '')
			PG_CONFIG=$target "$folder/test.sh" "$@" 2>&1 | tee "$log" || status=1
			rm -rf "$folder" ;;
	esac
	results+=("$(tail -n 1 "$log")  $target")
	rm -f "$log"
done
printf '%s\n' '==> all' "${results[@]}"
exit $status
