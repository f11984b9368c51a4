#!/usr/bin/env bash
# deb.sh: builds the Debian packages on this machine, checks them with lintian, and tries them in a clean chroot: installed by apt
# from nothing, a cluster of the server's own, a rollup, the program and its manual. Takes no server that the machine has.
#
#   test/deb.sh [SUITE]     SUITE is the Debian release to build and try in (bookworm, trixie); without it, the machine's own
#
# Needs Debian, root and apt. For another release than the machine's the build is in the chroot too.

set -euo pipefail
# shellcheck source=test/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
own=$(. /etc/os-release && echo "$VERSION_CODENAME")
suite=${1:-$own}
root=$(mktemp -d /var/tmp/gymstream-deb.XXXXXX)
missing=$(setup_missing debootstrap)
# shellcheck disable=SC2086
[ -z "$missing" ] || setup_apt $missing

clean_up() {
	set +e
	[ ! -e "$root/proc/self" ] || as_root umount "$root/proc"
	as_root rm -rf --one-file-system "$root"
}
trap clean_up EXIT
inside() { as_root chroot "$root" env -i HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
say "making a chroot of Debian $suite"
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' | sed -n 's/^Debian //p' | head -n 1)
as_root debootstrap --variant=minbase "$suite" "$root" "$mirror" /usr/share/debootstrap/scripts/sid >"$root.log" 2>&1 ||
	{ tail "$root.log" >&2; die 'debootstrap failed'; }
rm -f "$root.log"
chmod 755 "$root"
printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$root/usr/sbin/policy-rc.d"
apt-config dump Acquire | as_root install -m 644 /dev/stdin "$root/etc/apt/apt.conf.d/gymstream"
as_root mount -t proc proc "$root/proc"

say 'building the packages there'
inside apt-get install -q -y --no-install-recommends build-essential debhelper lintian postgresql-server-dev-all libpq-dev \
	libyajl-dev libncurses-dev >/dev/null 2>&1
as_root mkdir "$root/src"
tar -C "$GS_TOP" --exclude=.git --exclude=./deb --exclude=\*.o --exclude=\*.d --exclude=\*.so --exclude=\*.bc -cf - . | as_root tar -C "$root/src" -xf -
inside make -s -C /src deb >/dev/null
inside sh -c 'lintian --fail-on error,warning --no-tag-display-limit /src/deb/*.changes 2>/dev/null' || die 'lintian is not content'
as_root mkdir "$root/out"
inside sh -c 'mv /src/deb/*.deb /out'

say 'installing them where nothing else was'
# a second chroot would take as long again: what the build needed goes, so that only what the packages ask for is there
inside sh -c 'rm -rf /src; apt-get purge -q -y --autoremove build-essential debhelper lintian postgresql-server-dev-all libpq-dev libyajl-dev libncurses-dev >/dev/null 2>&1'
inside sh -c 'rm -f /out/*dbgsym*; apt-get install -q -y --no-install-recommends man-db /out/*.deb >/dev/null 2>&1'
major=$(inside sh -c 'ls /usr/lib/postgresql' | sort -n | tail -n 1)

say "trying them on PostgreSQL $major"
inside sh -c "pg_ctlcluster $major main start >/dev/null 2>&1 || pg_createcluster --start $major main >/dev/null"
inside su postgres -c "psql -XAtq -v ON_ERROR_STOP=1" <<-'SQL' >"$root.out"
	CREATE EXTENSION gymstream;
	CREATE TABLE booking (class_id int, price int);
	SELECT gymstream.create_rollup('sales', 'SELECT class_id, count(*), sum(price) FROM booking GROUP BY class_id');
	INSERT INTO booking SELECT i % 3, i FROM generate_series(1, 9) i;
	SELECT * FROM sales ORDER BY class_id;
SQL
diff - "$root.out" <<-'END' || die 'a rollup shows something else'
	sales
	0|3|18
	1|3|12
	2|3|15
END
rm -f "$root.out"
inside su postgres -c 'gymstream doctor -d postgres' || true
inside sh -c 'gymstream --version && man -w gymstream' || die 'the program or its manual is missing'
inside pg_ctlcluster "$major" main stop
say "the packages of $suite are well"
