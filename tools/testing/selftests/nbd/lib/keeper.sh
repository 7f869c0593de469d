# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Shared by the tests of reconnecting.
#	keeper			pid of the keeper of $DISK
#	state			of $DEV, by the driver
#	established		connections to $PORT that the network has
#	ports			their ports at our end
#	cut_off PORT		end the one with that port, as a network does; skip if the kernel
#				can't
#	again PROGRAM ARGS...	start a server where the last one was; @PORT@ in ARGS is replaced
#	now			tell the keeper to try now
#	background NAME COMMAND...	run it, output and exit status into $TMP/NAME and
#				$TMP/NAME.rc

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requires nbd-attach jq evil-nbd

keeper() { cat "/run/nbd-attach/$DISK.pid"; }
state() { echo "$(<"/sys/block/$DISK/nbd/state")"; }
# starts no program, as it is asked again and again
is_state() {
	local state

	read -r state <"/sys/block/$DISK/nbd/state" && [ "$state" = "$1" ]
}
established() { ss -Htn state established "dport = :$PORT" | wc -l; }
are_established() { [ "$(established)" -eq "$1" ]; }
ports() { ss -Htn state established "dport = :$PORT" | sed 's/^[^:]*:\([0-9]*\) .*/\1/'; }

cut_off() {
	# it shows what it has ended
	[ "$(ss -HtnK "sport = :$1 and dport = :$PORT")" ] || skip "this kernel ends no sockets"
	wait_until 20 sh -c "! ss -Htn state established 'sport = :$1' | grep -q ."
}

now() { kill -HUP "$(keeper)"; }

again() {
	local args=("$@")

	args=("${args[@]//@PORT@/$PORT}")
	_launch "${args[@]}"
}

background() {
	local name=$1
	shift

	{
		local rc=0
		"$@" >"$TMP/$name" 2>&1 || rc=$?
		echo "$rc" >"$TMP/$name.rc"
	} &
}

# ends NAME STATUS: it ends within 60 s, with that exit status
ends() {
	wait_until 60 test -s "$TMP/$1.rc"
	same "$(<"$TMP/$1.rc")" "$2" "exit status of $1: $(tail -n 3 "$TMP/$1")"
}

# one direct read of 64 KiB, N of them into the disk, to a file
read_at() { dd if="$DEV" of="$TMP/back" bs=64k count=1 skip="$1" iflag=direct status=none; }
