# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Ground of the tests with little memory.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# /tmp is memory
ROOM=$(mktemp -d /var/tmp/nbd.XXXXXX)
defer rm -rf "$ROOM"

# in_memory max|high MB COMMAND...: run it in a control group that may have so much memory. Beyond
# "high" it waits until some is reclaimed; at "max" it reclaims by itself, and is killed if it finds
# none, as when all of it is on its way to a slow swap.
in_memory() {
	local group=/sys/fs/cgroup/nbd-test-$1 limit=$1 mb=$2
	shift 2

	echo +memory >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null ||
		skip "no memory controller (cgroup2)"
	mkdir -p "$group"
	echo "$((mb << 20))" >"$group/memory.$limit"
	(echo "$BASHPID" >"$group/cgroup.procs" && exec "$@")
}

# leave MB: take memory away from all until only so much is free
leave() {
	local free

	echo 3 >/proc/sys/vm/drop_caches
	free=$(awk '/^MemFree/ { print int($2 / 1024) }' /proc/meminfo)
	defer eval "echo 0 >/proc/sys/vm/nr_hugepages"
	echo "$(((free - $1) / 2))" >/proc/sys/vm/nr_hugepages 2>/dev/null ||
		skip "no huge pages (CONFIG_HUGETLBFS)"
}

_swapped_out() { awk '/^pswpout / { print $2 }' /proc/vmstat; }

# swapped MB: fail unless so much was written to the swap since swap_on
swapped() {
	local pages=$(($(_swapped_out) - _swapped))

	[ "$pages" -ge "$(($1 * 256))" ] || fail "only $pages pages were written to the swap"
}

# Locked into memory, and never sent to write to a disk for want of memory: the server must not wait
# for what it serves.
_serve_swap() { _launch "$HERE/io_flusher" nbdkit -f --swap "${_swap_args[@]}"; }

# swap_on [PLUGIN ARGS...]: the disk, in a file or as nbdkit is told, is all the swap there is
swap_on() {
	local where

	truncate -s 256M "$ROOM/swap"
	[ $# -gt 0 ] || set -- file "$ROOM/swap" cache=none
	_place
	where=(-i 127.0.0.1 -p "$PORT")
	[ -z "$SOCKET" ] || where=(-U "$SOCKET")
	_swap_args=("${where[@]}" "$@")
	_serve_swap
	attach
	# a server that has the disk in memory then has all of that memory
	dd if=/dev/zero of="$DEV" bs=4k count=1 oflag=direct status=none \
		seek=$(($(blockdev --getsize64 "$DEV") / 4096 - 1))
	mkswap "$DEV" >/dev/null
	_swapped=$(_swapped_out)
	swapon "$DEV"
	defer eval "swapoff '$DEV' 2>/dev/null || true"
}

# restart: the server dies, and is there again
restart() {
	stop_server
	rm -f "$SOCKET"
	sleep 1
	_serve_swap
}

# hog_through RESTARTS: a program with more memory than it may have writes all of it and finds it
# again, round after round, while the server dies so many times with some of it; the round of the
# last death ends well
hog_through() {
	local hog i

	in_memory high 20 "$HERE/lib/hog" 32 1000 >"$TMP/hog" 2>&1 &
	hog=$!
	defer _kill_hog "$hog"
	for ((i = 0; i < $1; i++)); do
		wait_until 120 _more_swapped $(($(_swapped_out) + 1024))
		restart
	done
	wait_until 240 _more_rounds "$hog" "$(_rounds)"
	kill -0 "$hog" 2>/dev/null || { wait "$hog" || fail "the program: $?: $(<"$TMP/hog")"; }
	_kill_hog "$hog"
}

# _kill_hog PID: kill that shell, and the program, which is a child of it
_kill_hog() {
	echo 1 >/sys/fs/cgroup/nbd-test-high/cgroup.kill
	_kill "$1"
}

_rounds() { wc -l <"$TMP/hog"; }

_more_rounds() { ! kill -0 "$1" || [ "$(_rounds)" -gt "$2" ]; }

_more_swapped() { [ "$(_swapped_out)" -ge "$1" ]; }
