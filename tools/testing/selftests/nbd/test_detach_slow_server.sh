#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-detach waits as long as its server works: for a flush of 14 seconds, and for answers to killed
# programs that hold all that the driver sets aside for maps. Nothing else waits meanwhile. A server
# that does not answer is given up after --timeout, and the disk works on.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

# seconds that a flush and a map take
echo 14 >"$TMP/flush"
echo 0 >"$TMP/map"
# shellcheck disable=SC2016 # expanded by the server
serve_nbdkit eval get_size='echo 1M' can_write='exit 0' can_extents='exit 0' can_flush='exit 0' \
	pwrite='cat >/dev/null' pread='head -c $3 /dev/zero' \
	flush="sleep \$(cat $TMP/flush)" extents="sleep \$(cat $TMP/map); echo 0 1M"
attach -C 1
slow=$DEV slow_uri=$URI slow_pid=$SERVER_PID

# detach_slow: begin, and see whether all the others can be used
detach_slow() {
	nbd-detach "$slow" >"$TMP/detach" 2>&1 &
	pid=$!
	defer _kill "$pid"
	wait_until 20 eval "nbd-list -n -o name,state | grep -q '^${slow#/dev/} *draining'"
	serve_nbdkit memory 1M
	attach
	within 5 nbd-list >"$TMP/list"
	within 5 dd if="$DEV" of="$TMP/out" bs=64k count=1 status=none
	detach
	kill -0 "$pid" || fail "the detach of $slow has ended"
}

# detached_slow SECONDS: it ends, after so long at least
detached_slow() {
	wait "$pid" || fail "detach: $(<"$TMP/detach")"
	attached "$slow" && fail "$slow is attached"
	[ $((SECONDS - began)) -ge "$1" ] || fail "the server was not waited for"
}

settle
began=$SECONDS
detach_slow
detached_slow 14

echo 0 >"$TMP/flush"
echo 12 >"$TMP/map"
_tool nbd-attach -C 1 "$slow_uri" "$slow"
defer _force_detach "$slow"
settle
began=$SECONDS
for i in 1 2 3 4; do
	nbd-map "$slow" >/dev/null 2>&1 &
	map=$!
	sleep 1
	kill -9 "$map"
	wait "$map" || true
done
detach_slow
detached_slow 11

_tool nbd-attach -C 1 "$slow_uri" "$slow"
settle
SERVER_PID=$slow_pid
pause_server
defer resume_server
exits 9 within 30 nbd-detach --timeout 3 "$slow"
matches "$OUTPUT" "does not reply" "message"
matches "$(nbd-list -n -o name,state)" "${slow#/dev/} *live" "the list"
resume_server
within 20 dd if="$slow" of="$TMP/out" bs=64k count=1 iflag=direct status=none
detach "$slow"
