#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Partitions made on the disk appear; those of an image that has some are there when nbd-attach
# returns and vanish with the disk; I/O on one goes to its place and cannot leave it.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

image=$TMP/image
truncate -s 64M "$image"
serve_nbdkit file "$image"
attach
within 60 parted -s "$DEV" mklabel gpt mkpart one 1MiB 9MiB mkpart two 9MiB 33MiB
settle
[ -b "${DEV}p2" ] || fail "no node ${DEV}p2 after parted"
detach
# the nodes go by way of the kernel itself
for trace in "${DEV}p1" "/sys/block/$DISK/${DISK}p1"; do
	[ ! -e "$trace" ] || fail "$trace outlives the disk"
done
sfdisk -J "$image" | jq -e '.partitiontable.partitions | length == 2' >/dev/null

attach
same "$(blockdev --getsize64 "${DEV}p2")" $((24 << 20)) "size of the second partition"
echo here | dd of="${DEV}p2" bs=4k seek=256 conv=notrunc,fsync status=none
fails within 20 dd if=/dev/zero of="${DEV}p2" bs=1M seek=24 count=1 oflag=direct
detach
same "$(tail -c +$(((10 << 20) + 1)) "$image" | head -c 4)" here "on the server, 9 + 1 MiB"

serve_nbdkit memory 1M
attach
[ ! -e "${DEV}p1" ] || fail "an empty disk has the partitions of the one before"
