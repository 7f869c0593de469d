#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-client -persist connects again when its server is killed and started again, and then what was
# written is there; -swap gives a disk that can be swapped to.
# tags: kernel

. "$(dirname "$0")/lib/compat.sh"

requires_nbd
requires nbd-client
# requests fail while no server is connected
allow_klog 'Buffer I/O error|I/O error, dev nbd|partition table'

start() { _launch nbdkit -f -i 127.0.0.1 -p "$PORT" file "$TMP/image"; }
reads()
{
	dd if="$DEV" of="$TMP/read" bs=4k count=1 iflag=direct status=none 2>/dev/null &&
		[ -s "$TMP/read" ]
}

truncate -s 16M "$TMP/image"
_place
start
# by netlink, nbd-client does not connect again with any driver
attach_legacy -L -persist -swap
head -c 4k /dev/urandom >"$TMP/data"
dd if="$TMP/data" of="$DEV" oflag=direct status=none
stop_server
start
wait_until 60 reads
cmp "$TMP/data" "$TMP/read"

mkswap -q "$DEV"
within 30 swapon "$DEV"
grep -q "^$DEV" /proc/swaps || fail "no swap on $DEV"
within 30 swapoff "$DEV"
within 30 nbd-client -d "$DEV"
wait_until 20 is_idle "$DEV"
wait_until 20 eval '! pgrep -x nbd-client'
