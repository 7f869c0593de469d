#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A file system that is still mounted when its disk is forced away never writes into the next export
# on that device, and does not count as a user of that.
# tags: kernel

. "$(dirname "$0")/lib.sh"

for name in first second; do
	truncate -s 16M "$TMP/$name"
	mke2fs -q -F -t ext4 -O ^has_journal "$TMP/$name"
done
sum=$(sha256sum <"$TMP/second")
mkdir "$TMP/mnt"
defer eval "umount -q -l '$TMP/mnt' || true"
allow_klog "EXT4-fs|Buffer I/O|I/O error"

serve_nbdkit file "$TMP/first"
attach
mount "$DEV" "$TMP/mnt"
dd if=/dev/urandom of="$TMP/mnt/file" bs=64k count=8 status=none
nbd-detach --force "$DEV"

serve_nbdkit file "$TMP/second"
within 30 nbd-attach "$URI" "$DEV"
dd if=/dev/zero of="$TMP/mnt/file" bs=64k count=8 conv=notrunc,fsync 2>/dev/null || true
sync -f "$TMP/mnt" || true
within 20 cmp "$DEV" "$TMP/second"
# that mount is not one of this disk; who has it open for a moment is waited for
# shellcheck disable=SC2217 # it need not read it
sleep 2 <"$DEV" &
exits 0 nbd-detach "$DEV"
umount "$TMP/mnt"
same "$(sha256sum <"$TMP/second")" "$sum" "the second image"
