#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-attach-generator makes no unit for the disk that the root file system is on, be it a
# partition, a volume of the device mapper on that, or btrfs, whose device number is of no disk.

. "$(dirname "$0")/lib/lib.sh"

requires sfdisk dmsetup mkfs.ext4 mkfs.btrfs
generator=/usr/lib/systemd/system-generators/nbd-attach-generator
serve_nbdkit memory 160M
attach -C 1
echo 'start=2048, type=83' | sfdisk -q "$DEV"
settle
root=$TMP/root volume=nbd-selftest-$$
mkdir "$root"
printf '%s\n' "/dev/$DISK h e" "nbd77 h e" >"$TMP/table"

# units DEVICE: those that are made where DEVICE is the root
units() {
	mount "$1" "$root"
	mkdir -p "$root"/{usr,proc,sys,dev,tmp}
	ln -sfT usr/lib "$root/lib"
	ln -sfT usr/lib64 "$root/lib64"
	# the mounts go with the namespace
	# shellcheck disable=SC2016 # expanded there
	unshare -m bash -ec 'cd "$1"
		for part in usr proc sys dev; do mount --rbind "/$part" "$part"; done
		cp "$2" tmp/table
		rm -rf tmp/units && mkdir tmp/units
		chroot . "$3" --table /tmp/table /tmp/units
		find tmp/units -type l -printf "%f\n" | sort -u' \
		units "$root" "$TMP/table" "$generator"
	umount "$root"
}

mkfs.ext4 -q "${DEV}p1"
same "$(units "${DEV}p1")" nbd-attach@nbd77.service "the root is a partition"
dmsetup create "$volume" --table "0 $((156 * 2048)) linear ${DEV}p1 0"
defer dmsetup remove --retry "$volume"
mkfs.ext4 -qF "/dev/mapper/$volume"
same "$(units "/dev/mapper/$volume")" nbd-attach@nbd77.service "the root is a volume"
mkfs.btrfs -qf "/dev/mapper/$volume"
same "$(units "/dev/mapper/$volume")" nbd-attach@nbd77.service "the root is btrfs"
mkdir "$TMP/units"
"$generator" --table "$TMP/table" "$TMP/units"
same "$(find "$TMP/units" -type l | wc -l)" 4 "units where another disk has the root"
dmsetup remove --retry "$volume"
detach
