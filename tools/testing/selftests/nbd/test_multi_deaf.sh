#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-server has a process for each connection. One of two stops reading with more written to it
# than its socket holds: requests of the other connection are sent and replied to as ever, and when
# it continues, so do its own.
# tags: smp

. "$(dirname "$0")/lib/lib.sh"

requires fio
[ "$(nproc)" -ge 2 ] || skip "one CPU has one queue"

ended() { ! kill -0 "$1" 2>/dev/null; }
one_ended() { ended "${reader[0]}" || ended "${reader[1]}"; }
filled() { [ "$(awk '{ print $2 }' "/sys/block/$DISK/inflight")" -ge 32 ]; }

# verify CPU OFFSET DEPTH LOG: 16 MiB by the queue of that CPU, written and read back
verify() {
	exec fio --name=verify --filename="$DEV" --ioengine=libaio --direct=1 --iodepth="$3" \
		--cpus_allowed="$1" --rw=randwrite --bs=256k --offset="$2" --size=16M \
		--verify=crc32c --verify_fatal=1 --verify_state_save=0 >"$4" 2>&1
}

truncate -s 64M "$TMP/image"
serve_nbd_servers "$TMP/image"
# Longer than the server is stopped: TCP itself gives a peer up that makes no room
attach -C 2 --no-reconnect --timeout 600 --peer-timeout 600
settle
# udev reads a disk that somebody has written to, and nobody can open it then; not one that is
# locked
flock --exclusive --no-fork "$DEV" sleep infinity &
lock=$!
defer _kill $lock
SERVER_PID=$(pgrep -P "$SERVER_PID" | head -n 1)
pause_server

# Whose is it?
for cpu in 0 1; do
	taskset -c $cpu dd if="$DEV" of=/dev/null bs=4k count=1 iflag=direct status=none &
	reader[cpu]=$!
done
defer resume_server
wait_until 20 one_ended
sleep 1
if ended "${reader[0]}"; then works=0 deaf=1; else works=1 deaf=0; fi
ended "${reader[deaf]}" && fail "a server that is stopped has answered"

verify $deaf 0 32 "$TMP/deaf" &
waits=$!
wait_until 30 filled
for _ in 1 2 3; do
	verify $works 32M 16 "$TMP/works" &
	pass=$!
	wait_until 60 ended $pass
	wait $pass || fail "the other connection: $(tail -n 5 "$TMP/works")"
done
ended $waits && fail "a server that is stopped has answered: $(tail -n 5 "$TMP/deaf")"

resume_server
wait "${reader[deaf]}"
wait $waits || fail "the connection that was deaf: $(tail -n 5 "$TMP/deaf")"
_kill $lock
settle
detach
