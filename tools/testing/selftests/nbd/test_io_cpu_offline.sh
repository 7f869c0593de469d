#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A CPU whose requests are with the server goes offline without waiting for the answers, as it
# must for the machine to sleep: the server may be on a network that sleeps already. The answers
# count all the same.
# tags: smp

. "$(dirname "$0")/lib/lib.sh"

requires fio
control=/sys/devices/system/cpu/cpu1/online
[ -w "$control" ] || skip "no CPU that can go offline"

in_flight() { awk '{ exit !$2 }' "/sys/block/$DISK/inflight"; }
writes() { awk '{ print $5 }' "/sys/block/$DISK/stat"; }
wrote() { [ "$(writes)" -ge "$1" ]; }
set_online() { echo "$1" >"$control"; }

serve_nbdkit memory 64M
attach -C 2
settle
# the counter is that of all disks that this device has been
before=$(writes)
fio --name=writes --filename="$DEV" --ioengine=libaio --direct=1 --iodepth=8 --cpus_allowed=1 \
	--rw=randwrite --bs=16k --size=8M --rate_iops=200 --verify=crc32c --verify_fatal=1 \
	--verify_state_save=0 >"$TMP/fio" 2>&1 &
fio=$!
defer _kill "$fio"
wait_until 120 wrote $((before + 50))
defer set_online 1
pause_server
defer resume_server
wait_until 30 in_flight

set_online 0 &
offline=$!
ended() { ! kill -0 "$offline"; }
wait_until 20 ended
same "$(<"$control")" 0 "CPU 1 online"
in_flight || fail "a server that is stopped has answered"

resume_server
wait "$fio" || fail "fio: $(tail -n 5 "$TMP/fio")"
set_online 1
within 20 taskset -c 1 dd if="$DEV" of=/dev/null bs=16k count=16 iflag=direct status=none
detach
