# shellcheck shell=bash
# setup.sh: what test.sh and demo.sh share. Sourced; takes a machine with nothing but apt and gives an installed
# gymstream and private servers. Never touches a cluster, a port or a setting that the machine already has.
#
#   setup_install [dev]     install by apt what is missing; dev: also what the tests need. Sets and exports PG_CONFIG.
#   setup_build             build without a warning as the checkout's owner, and install into PG_CONFIG's server
#   setup_tmp               print a new temporary directory that belongs to the user who runs servers
#   as_server COMMAND...    run a command as that user: whoever calls, or postgres when root calls
#   server_start DIR [LINE...]  make and start a server in DIR with LINEs added to its postgresql.conf; a Unix socket in
#                           DIR is the only way in. Exports PGHOST, PGPORT, PGUSER and PGDATABASE to reach it.
#   server_stop DIR         stop it; silent when it does not run
#
# PG_CONFIG in the environment names the server to use; without it, it is the one of the Debian release.

GS_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '==> %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

as_root() {
	if [ "$EUID" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "need root, or sudo, for: $*"
	fi
}

as_id() { # UID GID COMMAND...
	if [ "$1" -eq "$EUID" ]; then
		"${@:3}"
	else
		as_root setpriv --reuid="$1" --regid="$2" --clear-groups "${@:3}"
	fi
}

as_server() {
	if [ "$EUID" -ne 0 ]; then
		"$@"
	else
		as_id "$(id -u postgres)" "$(id -g postgres)" env HOME=/tmp USER=postgres LOGNAME=postgres "$@"
	fi
}

as_owner() { as_id "$(stat -c %u "$GS_TOP")" "$(stat -c %g "$GS_TOP")" "$@"; }

pg_bin() { "$PG_CONFIG" --bindir; }

#
# Installing
#

setup_major() {
	local file=/etc/os-release
	# shellcheck disable=SC1090
	case $(. $file && echo "${ID:-}${VERSION_ID:-}") in
		debian12) echo 15 ;;
		debian13) echo 17 ;;
		*) apt-cache show postgresql 2>/dev/null | sed -n 's/^Depends:.*\bpostgresql-\([0-9]\+\).*/\1/p' | head -n 1 ;;
	esac
}

setup_missing() { # PACKAGE...: print those not installed
	local package
	for package; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
			installed) ;;
			*) echo "$package" ;;
		esac
	done
}

setup_version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || true; }

# A module that was built with the headers of another minor release may not load. So headers come in the version of a
# server that is there, and it is not upgraded, which would restart its clusters; only where its version is no longer
# offered, the server comes in the version of the headers.
setup_match() { # PACKAGE...: print what to ask apt for
	local package server version client
	for package; do
		server=${package/server-dev-/}
		version=$(setup_version "$server")
		if [[ $package != postgresql-server-dev-* || -z $version ]]; then
			echo "$package"
		elif apt-cache show "$package=$version" >/dev/null 2>&1; then
			client=${server/postgresql/postgresql-client}
			printf '%s\n' "$package=$version" "$server=$version" "$client=$(setup_version "$client")"
		else
			printf '%s\n' "$package" "$server"
		fi
	done
}

# Debian's own cluster is not ours to make: for the time of this installation a new server comes without one, and PgBouncer,
# which tests start by themselves, does not run as a service.
setup_apt() {
	local packages log
	local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0)
	# what as_root would say goes into the log
	[ "$EUID" -eq 0 ] || command -v sudo >/dev/null || die "need root, or sudo, to install: $*"
	log=$(mktemp)
	say "installing by apt: $*"
	as_root "${apt[@]}" update >"$log" 2>&1 || say "apt-get update failed; going on with the package lists at hand"
	mapfile -t packages < <(setup_match "$@")
	# shellcheck disable=SC2016
	as_root sh -c '
		folder=/etc/postgresql-common/createcluster.d
		policy=/usr/sbin/policy-rc.d
		trap "rm -f $folder/gymstream.conf; rmdir -p --ignore-fail-on-non-empty $folder; [ -z \"\$ours\" ] || rm -f $policy" EXIT
		if [ ! -e $policy ]; then
			ours=yes
			printf "%s\n" "#!/bin/sh" "case \" \$* \" in *\" pgbouncer \"*) exit 101 ;; esac" >$policy && chmod +x $policy
		fi
		mkdir -p $folder && echo "create_main_cluster = false" >$folder/gymstream.conf && "$@"' sh \
		"${apt[@]}" install --no-install-recommends --allow-downgrades "${packages[@]}" >>"$log" 2>&1 ||
		{ tail -n 40 "$log" >&2; rm -f "$log"; die "could not install: ${packages[*]}"; }
	rm -f "$log"
}

# The example for Node needs the library pg. Debian's package goes with Debian's Node alone, which has a library apart:
# beside another Node somebody has to run npm install -g pg, and without it that test is skipped.
setup_takes_node_pg() {
	! command -v node >/dev/null || compgen -G '/usr/lib/*/libnode.so*' >/dev/null
}

setup_install() {
	local want=(gcc libc6-dev make pkg-config libpq-dev libyajl-dev libncurses-dev) major='' missing bin
	command -v dpkg-query >/dev/null || die "this script installs on Debian; elsewhere: make, make install"
	case ${PG_CONFIG:-} in
		'') major=$(setup_major) ;;
		*)
			bin=${PG_CONFIG%/*}
			[ ! -x "$(command -v "$PG_CONFIG")" ] || bin=$(pg_bin)
			# a server that is not Debian's is taken as it is
			[[ ! $bin =~ ^/usr/lib/postgresql/([0-9]+)/bin$ ]] || major=${BASH_REMATCH[1]} ;;
	esac
	if [ -n "$major" ]; then
		want+=("postgresql-$major" "postgresql-server-dev-$major")
		export PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/$major/bin/pg_config}
		# a new server comes before its pgTAP does: the files of another one will do
		[ "${1:-}" != dev ] || compgen -G '/usr/share/postgresql/*/extension/pgtap--*.sql' >/dev/null ||
			want+=("postgresql-$major-pgtap")
	fi
	[ "${1:-}" != dev ] || want+=(perl libipc-run-perl libdbd-pg-perl python3-jsonschema python3-psycopg2 zsh pgbouncer)
	[ "${1:-}" != dev ] || ! setup_takes_node_pg || want+=(node-pg)
	mapfile -t missing < <(setup_missing "${want[@]}")
	if [ -n "$major" ] && [[ " ${missing[*]} " != *" postgresql-server-dev-$major "* ]] &&
		[ "$(setup_version "postgresql-$major")" != "$(setup_version "postgresql-server-dev-$major")" ]; then
		missing+=("postgresql-server-dev-$major")
	fi
	[ ${#missing[@]} -eq 0 ] || setup_apt "${missing[@]}"
	[ -n "${PG_CONFIG:-}" ] || die "cannot tell which PostgreSQL this machine offers: set PG_CONFIG"
	[ -x "$(command -v "$PG_CONFIG")" ] || die "no such program: PG_CONFIG=$PG_CONFIG"
	[ -x "$(pg_bin)/postgres" ] || die "no PostgreSQL server beside $PG_CONFIG"
	say "using $("$PG_CONFIG" --version) in $(pg_bin)"
}

setup_build() {
	local make=(make -s -C "$GS_TOP" "PG_CONFIG=$PG_CONFIG" WERROR=-Werror COMPLETION=no)
	say "building"
	as_owner "${make[@]}" -j"$(nproc)"
	say "installing into $("$PG_CONFIG" --pkglibdir)"
	if [ -w "$("$PG_CONFIG" --pkglibdir)" ] && [ -w "$("$PG_CONFIG" --sharedir)/extension" ] && [ -w "$(pg_bin)" ]; then
		"${make[@]}" install >/dev/null
	else
		as_root "${make[@]}" install >/dev/null
	fi
}

#
# Servers
#

# Root's TMPDIR may be closed to the user who runs the server, and a socket's path may not be long.
setup_tmp() {
	local parent=/tmp
	[ "$EUID" -eq 0 ] || parent=${TMPDIR:-/tmp}
	[ ${#parent} -lt 60 ] || parent=/tmp
	as_server mktemp -d "$parent/gymstream.XXXXXX"
}

server_conf() {
	cat <<-END
		shared_preload_libraries = 'gymstream'
		wal_level = logical
		max_prepared_transactions = 20
		max_replication_slots = 20
		max_wal_senders = 20
		max_worker_processes = 20
		log_line_prefix = '%m [%p] %q%d %a '
	END
	# minor releases before its introduction refuse to start when it is set; grep -q would break the pipe
	if "$(pg_bin)/postgres" --describe-config | grep '^output_plugin_libraries' >/dev/null; then
		echo "output_plugin_libraries = 'pgoutput, test_decoding, gymstream'"
	fi
}

server_start() { # DIR [LINE...]
	local dir=$1 bin name; shift
	bin=$(pg_bin)
	# what the user's shell says of another server, as PGPORT and PGSERVICE do, is not meant for this one
	for name in "${!PG@}"; do
		case $name in *_*) ;; *) unset "$name" ;; esac
	done
	if [ ! -e "$dir/data" ]; then
		(cd "$dir" && as_server "$bin/initdb" --no-sync -A trust -U postgres -E UTF8 --locale=C.UTF-8 -D "$dir/data") \
			>"$dir/initdb.log" 2>&1 ||
			{ cat "$dir/initdb.log" >&2; die "initdb failed"; }
		{ server_conf; printf "%s = '%s'\n" listen_addresses '' unix_socket_directories "$dir"; [ $# -eq 0 ] || printf '%s\n' "$@"; } >>"$dir/data/postgresql.conf"
	fi
	(cd "$dir" && as_server "$bin/pg_ctl" -s -w -t 60 -D "$dir/data" -l "$dir/server.log" start) ||
		{ tail -n 20 "$dir/server.log" >&2; die "the server did not start"; }
	export PGHOST=$dir PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
}

server_stop() { # DIR
	local bin
	[ -s "$1/data/postmaster.pid" ] || return 0
	bin=$(pg_bin)
	(cd "$1" && as_server "$bin/pg_ctl" -s -w -t 60 -m fast -D "$1/data" stop) ||
		(cd "$1" && as_server "$bin/pg_ctl" -s -w -t 60 -m immediate -D "$1/data" stop) || true
}
