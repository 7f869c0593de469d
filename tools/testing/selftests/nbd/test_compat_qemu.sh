#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# qemu-nbd -c attaches a qcow2 image with a partition, which appears and reaches the image; with
# qemu-nbd -d it is gone; by the suite's own QEMU and by a newer one, if there is one.
# tags: kernel

. "$(dirname "$0")/lib/compat.sh"

requires_nbd
requires qemu-nbd qemu-img
truncate -s 32M "$TMP/raw"
sfdisk -q "$TMP/raw" <<<"2048,16384,83"

for qemu in qemu-nbd /opt/backports/usr/bin/qemu-nbd; do
	command -v "$qemu" >/dev/null || continue
	note "$("$qemu" --version | head -n 1)"
	qemu-img convert -f raw -O qcow2 "$TMP/raw" "$TMP/image"
	_pick_device

	within 60 "$qemu" -f qcow2 -c "$DEV" "$TMP/image" </dev/null >"$TMP/log" 2>&1
	# older ones return before they have done it
	wait_until 20 attached "$DEV"
	settle
	wait_until 20 test -b "${DEV}p1"
	same "$(blockdev --getsize64 "${DEV}p1")" $((8 << 20)) "size of the partition"
	echo here | dd of="${DEV}p1" bs=512 conv=fsync,sync status=none

	within 60 "$qemu" -d "$DEV" >"$TMP/log" 2>&1
	wait_until 20 is_idle "$DEV"
	settle
	for trace in "${DEV}p1" "/sys/block/$DISK/${DISK}p1"; do
		[ ! -e "$trace" ] || fail "$trace outlives the disk"
	done
	wait_until 20 eval '! pgrep -x qemu-nbd'
	qemu-img convert -f qcow2 -O raw "$TMP/image" "$TMP/written"
	same "$(tail -c +$((2048 * 512 + 1)) "$TMP/written" | head -c 4)" here "in the image"
	rm "$TMP/image"
done
