#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-detach refuses a disk that is below a loop device or device mapper, and says below what.
# tags: kernel

. "$(dirname "$0")/lib.sh"

busy() {
	exits 7 within 30 nbd-detach "$DEV"
	matches "$OUTPUT" "$DISK.*$1" "message"
	within 20 dd if="$DEV" of=/dev/null bs=4k count=1 iflag=direct status=none
}

serve_nbdkit memory 16M
attach

modprobe -q loop || true
loop=$(losetup --show -f "$DEV") || skip "no loop devices"
defer losetup -d "$loop"
busy "${loop#/dev/}"
losetup -d "$loop"

requires dmsetup
modprobe -q dm-mod || true
dmsetup create nbd_test --table "0 1024 linear $DEV 0" || skip "no device mapper"
defer eval "dmsetup remove nbd_test 2>/dev/null || true"
busy "dm-[0-9]+"
dmsetup remove nbd_test
wait_until 20 nbd-detach "$DEV"
