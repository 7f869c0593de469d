# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What tests of a whole system have in common. The test runs in the newest suite's root, in a
# network namespace of its own, in which servers listen and the guest's 10.0.2.2 is 127.0.0.1.
#
#	IMAGE		directory of ./image, TMP one that goes with the test
#	serve FILE [OPTIONS]	start a server of that file, at the usual port, with one export for
#			any name; its log is $TMP/server.log. server_stop [SIGNAL] ends it.
#	boot INITRD WORDS	start the guest with that initrd and more of the kernel's command
#			line; the guest's script comes from standard input
#	root_on_nbd INITRD [WORDS]	boot, with the server's export as its root
#	use_root INITRD [WORDS]	boot, and try such a system whose keeper is nbd-attach
#	said PATTERN	wait until the guest's script has written a line that matches
#	order WORDS	a line that the script reads from /dev/ttyS2
#	powered_off SECONDS	wait until the guest has turned itself off
#	fail MESSAGE	end the test

set -eEu
IMAGE=${NBD_BOOT_IMAGE:?run by tools/testing/boot/run}
TMP=$(mktemp -d)
server='' guest='' orders=''
: >"$TMP/said"

note() { echo "# $*"; }

# shellcheck disable=SC2317 # by the trap
_clean_up() {
	local rc=$?

	trap - EXIT ERR
	[ -z "$guest" ] || kill "$guest" 2>/dev/null || true
	[ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
	if [ "$rc" -ne 0 ]; then
		sed 's/^/# script: /' "$TMP/said"
		tr -d '\r' <"$TMP/console" | tail -n "${NBD_BOOT_LINES:-60}" |
			sed 's/^/# console: /'
		[ ! -e "$TMP/server.log" ] || tail -n 20 "$TMP/server.log" | sed 's/^/# server: /'
	fi
	rm -rf "$TMP"
	exit "$rc"
}
trap _clean_up EXIT
trap 'exit 143' TERM INT HUP
trap 'note "line $LINENO: $BASH_COMMAND"' ERR

fail() { note "$*"; exit 1; }

# within SECONDS WHAT COMMAND...: wait until the command succeeds
within() {
	local limit=$1 what=$2 end
	shift 2

	end=$((SECONDS + limit))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || fail "not within $limit s: $what"
		sleep 0.2
	done
}

_listens() { ss -Hltn "sport = :10809" | grep -q .; }

serve() {
	nbdkit -f -v -p 10809 -P "$TMP/server.pid" --filter=log file "$@" \
		"logfile=$TMP/server.log" \
		>>"$TMP/server.out" 2>&1 &
	server=$!
	within 20 "the server listens" _listens
}

server_stop() {
	kill "-${1:-TERM}" "$server" 2>/dev/null
	wait "$server" || true
	server=''
}

boot() {
	local initrd=$1 words="console=ttyS0 panic=-1 oops=panic mitigations=off"
	words+=" random.trust_cpu=on $2"
	shift 2

	cat >"$TMP/script"
	truncate -s %512 "$TMP/script"
	: >"$TMP/console"
	: >"$TMP/said"
	rm -f "$TMP"/orders.*
	mkfifo "$TMP/orders.in" "$TMP/orders.out"
	exec {orders}<>"$TMP/orders.in"
	qemu-system-x86_64 -accel tcg,thread=multi -cpu max -machine q35 -smp 1 \
		-m 1500 -nodefaults -display none -no-reboot -no-user-config \
		-kernel "$IMAGE/vmlinuz" -initrd "$IMAGE/$initrd" \
		-append "$words" \
		-netdev user,id=net -device virtio-net-pci,netdev=net \
		-drive "file=$TMP/script,if=virtio,format=raw,readonly=on" "$@" \
		-serial "file:$TMP/console" -serial "file:$TMP/said" \
		-chardev "pipe,id=orders,path=$TMP/orders" -serial chardev:orders </dev/null &
	guest=$!
}

# root_on_nbd INITRD [WORDS]: its root is the server's export. The initramfs has set up the network;
# networkd would cut off the disk that it runs from.
root_on_nbd() {
	local words=${2-root=/dev/nbd0 nbdroot=10.0.2.2,root,nbd0}

	boot "$1" "ip=dhcp $words rw systemd.mask=systemd-networkd.service"
}

# use_root INITRD [WORDS]: such a system works, also when the server is killed and started again;
# its keeper from the initramfs lives on; it turns itself off with its file system in order. If no
# server runs yet, it starts when the initramfs has found none.
use_root() {
	local sum

	root_on_nbd "$@" <<'END'
set -ex
findmnt /
[ "$(readlink -f "$(findmnt -no SOURCE /)")" = /dev/nbd0 ]
keeper=$(cat /sys/block/nbd0/pid)
[ -d "/proc/$keeper" ]
[ "$(cat /run/nbd-attach/nbd0.pid)" = "$keeper" ]
nbd-list
echo up
read -r go </dev/ttyS2
dd if=/dev/urandom of=/root/data bs=1M count=16 conv=fsync status=none
sha256sum /root/data
[ "$(cat /sys/block/nbd0/pid)" = "$keeper" ]
[ -d "/proc/$keeper" ]
systemctl poweroff
END
	if [ -z "$server" ]; then
		within 120 "nbd-attach is started" console 'cannot reach|cannot connect'
		serve "$TMP/root.img"
	fi
	said '^up'
	server_stop KILL
	sleep 5
	serve "$TMP/root.img"
	order go
	said '^status 0'
	sum=$(sed -n 's/^\([0-9a-f]\{64\}\) .*/\1/p' "$TMP/said")
	powered_off 120
	check_root "$TMP/root.img" "$sum"
}

_alive() { kill -0 "$guest" 2>/dev/null; }

_said() {
	_alive || grep -qE "$1" "$TMP/said" || fail "the guest is gone"
	! grep -q '^status [1-9]' "$TMP/said" || fail "the guest's script failed"
	tr -d '\r' <"$TMP/said" | grep -qE "$1"
}

said() { within "${2:-300}" "the guest says \"$1\"" _said "$1"; }

# order WORDS: a line for the guest's script, which reads it from /dev/ttyS2
order() { echo "$*" >&"$orders"; }

_gone() { ! _alive; }

powered_off() {
	within "$1" "the guest turns itself off" _gone
	guest=''
}

# check_root IMAGE SUM: its file system was left in order, and has /root/data as the guest wrote it
check_root() {
	e2fsck -fn "$1" >"$TMP/fsck" 2>&1 ||
		fail "the file system is damaged: $(head -n 5 "$TMP/fsck")"
	debugfs -R "dump /root/data $TMP/data" "$1" 2>/dev/null
	[ "$(sha256sum <"$TMP/data")" = "$2  -" ] ||
		fail "what the guest wrote is not on the server"
}

# console PATTERN: the guest's console has such a line
console() { tr -d '\r' <"$TMP/console" | grep -qE "$1"; }
