#!/usr/bin/env bash
# newcomer.sh: does what README.md says as somebody would who has nothing but a fresh Debian and a checkout: the demo, as root and
# as a user without sudo; an installation from source; the five minutes in psql. In a chroot, which is gone afterwards.
#
#   test/newcomer.sh [SUITE]     SUITE is the Debian release (bookworm, trixie); without it, the machine's own
#
# Needs Debian, root and apt.

set -euo pipefail
# shellcheck source=test/setup.sh
. "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
suite=${1:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
root=$(mktemp -d /var/tmp/gymstream-newcomer.XXXXXX)
missing=$(setup_missing debootstrap)
# shellcheck disable=SC2086
[ -z "$missing" ] || setup_apt $missing

clean_up() {
	set +e
	[ -z "${major:-}" ] || inside pg_ctlcluster -m immediate "$major" main stop >/dev/null 2>&1
	! mountpoint -q "$root/dev/shm" || as_root umount "$root/dev/shm"
	! mountpoint -q "$root/proc" || as_root umount "$root/proc"
	as_root rm -rf --one-file-system "$root" "$root.log"
}
trap clean_up EXIT
inside() { as_root chroot "$root" env -i HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
checked() { # WHAT COMMAND...: quiet when it goes well
	say "$1"
	"${@:2}" >"$root.log" 2>&1 || { tail -n 40 "$root.log" >&2; die "failed: $1"; }
}
as_user() { inside su visitor -c "$1"; }

make_chroot() {
	local mirror
	# shellcheck disable=SC2016
	mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
		sed -n 's/^Debian //p' | head -n 1)
	as_root debootstrap --variant=minbase "$suite" "$root" "$mirror" /usr/share/debootstrap/scripts/sid
	chmod 755 "$root"
	printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$root/usr/sbin/policy-rc.d"
	apt-config dump Acquire | as_root install -m 644 /dev/stdin "$root/etc/apt/apt.conf.d/gymstream"
	as_root mount -t proc proc "$root/proc"
	as_root mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	inside useradd --create-home visitor
	as_root mkdir "$root/home/visitor/gymstream"
	tar -C "$GS_TOP" --exclude=.git --exclude=./deb --exclude=\*.o --exclude=\*.d --exclude=\*.so --exclude=\*.bc --exclude=.built-for \
		--exclude=./gymstream --exclude=demo/board -cf - . | as_root tar -C "$root/home/visitor/gymstream" -xf -
	inside chown -R visitor: /home/visitor
}
checked "making a chroot of Debian $suite" make_chroot

# who may not install is told so, by the last line that the terminal shows
for script in './demo.sh --seconds 5' ./test.sh; do
	say "$script as a user without sudo"
	if as_user "cd ~/gymstream && $script" >"$root.log" 2>&1; then die "$script succeeded"; fi
	grep -q 'need root, or sudo' "$root.log" || { cat "$root.log" >&2; die "$script does not say why it ends"; }
done

checked './demo.sh --seconds 20 as root' inside sh -c 'cd /home/visitor/gymstream && ./demo.sh --seconds 20'
grep -E '^  (ok|WRONG)' "$root.log"

# the packages and the commands of README.md, in its own words
major=$(inside ls /usr/lib/postgresql | sort -n | tail -n 1)
config=/usr/lib/postgresql/$major/bin/pg_config
readme() { sed -n "/^## $1/,/^## /p" "$GS_TOP/README.md"; } # SECTION
packages=$(readme Install | tr '\n' ' ' | sed -n 's/.*apt-get install \([^`]*\)`.*/\1/p' | sed "s/NN/$major/g")
[ -n "$packages" ] || die 'README.md does not say what to install'
# what the demo has installed goes, so that README.md's own list is tried
checked 'without what the demo has installed' inside sh -c "cd /home/visitor/gymstream && make -s clean uninstall PG_CONFIG=$config &&
	apt-get purge -q -y --autoremove gcc libc6-dev make pkg-config libpq-dev libyajl-dev libncurses-dev postgresql-server-dev-$major"
checked "make && make install, with $packages" inside sh -c "apt-get install -q -y $packages &&
	cd /home/visitor/gymstream && make -s && make -s install"
checked 'a cluster of its own' inside sh -c "pg_lsclusters -h | grep -q . || pg_createcluster $major main
	printf \"%s\n\" \"shared_preload_libraries = 'gymstream'\" 'wal_level = logical' >/etc/postgresql/$major/main/conf.d/gymstream.conf
	if /usr/lib/postgresql/$major/bin/postgres --describe-config | grep '^output_plugin_libraries' >/dev/null; then
		echo \"output_plugin_libraries = 'pgoutput, test_decoding, gymstream'\" >>/etc/postgresql/$major/main/conf.d/gymstream.conf
	fi
	pg_ctlcluster $major main start"
# psql shows a notification with a later command
{ readme 'Five minutes' | awk '/^```sql/ { on = 1; next } /^```/ { on = 0 } on'; echo 'SELECT pg_sleep(5);'; } |
	as_root tee "$root/tmp/five.sql" >/dev/null
checked 'five minutes' inside su postgres -c 'cd / && createdb mydb && psql -d mydb -c "CREATE EXTENSION gymstream" &&
	psql -X -d mydb -v ON_ERROR_STOP=1 -f /tmp/five.sql'
grep 'Asynchronous notification' "$root.log" || die 'no notification came'
path=$(readme Install | sed -n 's/^export PATH=.*bindir.*$/&/p')
[ -n "$path" ] || die 'README.md does not say where the program is'
checked 'gymstream doctor' inside su postgres -c "$path
	"'cd / && { gymstream doctor -d mydb || [ $? = 1 ]; }'
cat "$root.log"
inside pg_ctlcluster "$major" main stop
say "README.md holds on Debian $suite"
