# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# A host with several addresses, each of which may be another server; on top of keeper.sh.
#	name_host ADDRESS...	$HOST has these from now on, another one first each time
#	serve_at ADDRESS ARGS...	nbdkit there; all have the same port
#	stop_at ADDRESS		end it
#	peers			addresses of the connections, each once, as the network has them

. "$(dirname "${BASH_SOURCE[0]}")/keeper.sh"

requires nbdkit ss python3
HOST=disks.nbd.test
declare -A _at=()

name_host() { printf '%s\n' "$@" >"$TMP/addresses"; }

_start_names() {
	local resolv address

	resolv=$(readlink -f /etc/resolv.conf)
	[ ! -e "$resolv" ] || cp "$resolv" "$TMP/resolv.conf"
	if [ -e "$TMP/resolv.conf" ]; then
		defer cp "$TMP/resolv.conf" "$resolv"
	else
		defer rm -f "$resolv"
	fi
	name_host
	"$HERE/lib/names" "$TMP/addresses" >"$TMP/names" 2>&1 &
	defer _kill $!
	wait_until 20 grep -q ready "$TMP/names"
	printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:2\n' >"$resolv"
	# addresses that programs take for those of a network
	for address in 10.9.0.1 10.9.0.2; do
		ip address add "$address/32" dev lo
		defer ip address del "$address/32" dev lo
	done
}

serve_at() {
	nbdkit -f -i "$1" -p "$PORT" "${@:2}" </dev/null >"$TMP/$1.log" 2>&1 &
	_at[$1]=$!
	defer _kill $!
	wait_until 20 sh -c "ss -Hltn 'src $1:$PORT' | grep -q ."
}

stop_at() { _kill "${_at[$1]}"; }

peers() { ss -Htn state established "dport = :$PORT" | awk '{ print $4 }' | sort -u | xargs; }

_start_names
_place
URI=nbd://$HOST:$PORT/
