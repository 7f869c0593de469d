#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# SET_SIZE through another descriptor resizes a running device: its users see the new size at once,
# and a file system can grow.

. "$(dirname "$0")/lib/compat.sh"

requires_nbd
requires nbd-client
size() { blockdev --getsize64 "$DEV"; }

mkdir "$TMP/mnt"
defer umount -q "$TMP/mnt"
serve_nbdkit memory 64M
attach_legacy -L
same "$(size)" $((64 << 20)) "size"
"$HERE/compat_poke" "$DEV" size $((16 << 20))
same "$(size)" $((16 << 20)) "size when shrunk"
same "$(lsblk -bdno SIZE "$DEV")" $((16 << 20)) "size by lsblk"
same "$(dd if="$DEV" bs=1M skip=15 iflag=direct status=none | wc -c)" $((1 << 20)) \
	"bytes at the end"
within 60 mkfs.ext4 -q "$DEV"
within 60 mount "$DEV" "$TMP/mnt"
"$HERE/compat_poke" "$DEV" size $((64 << 20))
same "$(size)" $((64 << 20)) "size when grown"
within 60 resize2fs "$DEV" >/dev/null 2>&1
[ "$(df --output=size -B1M "$TMP/mnt" | tail -n 1)" -gt 40 ] || fail "the file system has not grown"
head -c 20M /dev/zero >"$TMP/mnt/file"
within 60 umount "$TMP/mnt"
within 60 e2fsck -fn "$DEV" >/dev/null 2>&1
within 30 nbd-client -d "$DEV"
wait_until 20 is_idle "$DEV"
