#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-detach refuses a disk that is below a loop device or device mapper, or exported by a target of
# the kernel, and says by which.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

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

configfs=/sys/kernel/config
nvmet=$configfs/nvmet/subsystems/nbd-test
lio=$configfs/target/core/iblock_9
modprobe -q configfs || true
[ ! -d "$configfs" ] || mountpoint -q "$configfs" || mount -t configfs none "$configfs"
if modprobe -q nvmet; then
	mkdir "$nvmet" "$nvmet/namespaces/1"
	defer eval "rmdir '$nvmet/namespaces/1' '$nvmet' 2>/dev/null || true"
	printf %s "$DEV" >"$nvmet/namespaces/1/device_path"
	echo 1 >"$nvmet/namespaces/1/enable"
	busy "is exported by the NVMe target nbd-test"
	rmdir "$nvmet/namespaces/1" "$nvmet"
fi
if modprobe -q -a target_core_mod target_core_iblock; then
	mkdir "$lio" "$lio/nbd-test"
	defer eval "rmdir '$lio/nbd-test' '$lio' 2>/dev/null || true"
	echo "udev_path=$DEV" >"$lio/nbd-test/control"
	echo "$DEV" >"$lio/nbd-test/udev_path"
	echo 1 >"$lio/nbd-test/enable"
	busy "is exported by the SCSI target as nbd-test"
	rmdir "$lio/nbd-test" "$lio"
fi

requires dmsetup
modprobe -q dm-mod || true
dmsetup create nbd_test --table "0 1024 linear $DEV 0" || skip "no device mapper"
defer eval "dmsetup remove nbd_test 2>/dev/null || true"
busy "dm-[0-9]+"
dmsetup remove nbd_test
wait_until 20 nbd-detach "$DEV"
