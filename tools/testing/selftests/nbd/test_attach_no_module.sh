#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Without the driver: it is loaded by nbd-attach; where that is impossible, exit status 5 and why.

. "$(dirname "$0")/lib/lib.sh"

block() {
	mkdir -p /run/modprobe.d
	echo "install nbd /bin/false" >/run/modprobe.d/nbd-selftest.conf
}
unblock() { rm -f /run/modprobe.d/nbd-selftest.conf; }
again() { unblock; modprobe nbd; settle; }

serve_nbdkit memory 4M
settle
modprobe -r nbd
defer again
block
exits 5 within 20 nbd-attach "$URI" /dev/nbd0
matches "$OUTPUT" "driver" "message"
[ ! -e /sys/module/nbd ] || fail "it is loaded"
exits 1 within 20 nbd-detach /dev/nbd0

unblock
DEV=/dev/nbd0
defer _force_detach "$DEV"
exits 0 within 60 nbd-attach "$URI" "$DEV"
same "$(blockdev --getsize64 "$DEV")" 4194304 "size of the disk"
