#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a file system frees, fstrim gives back to the server: its image has fewer blocks afterwards.

. "$(dirname "$0")/lib/lib.sh"

image=$TMP/image
truncate -s 48M "$image"
mke2fs -q -t ext4 -F -E nodiscard "$image"
mkdir "$TMP/mnt"
serve_nbdkit --filter=log file "$image" logfile="$TMP/log"
attach
mount "$DEV" "$TMP/mnt"
defer eval "umount -q '$TMP/mnt' || true"
dd if=/dev/urandom of="$TMP/mnt/file" bs=1M count=16 conv=fsync status=none
full=$(stat -c %b "$image")
rm "$TMP/mnt/file"
sync -f "$TMP/mnt"
within 60 fstrim "$TMP/mnt"
now=$(stat -c %b "$image")
umount "$TMP/mnt"
detach
[ $((full - now)) -ge 32000 ] || fail "$full blocks became $now only"
grep -q ' Trim ' "$TMP/log" || fail "nbdkit saw no trim"
e2fsck -fn "$image" >"$TMP/fsck" 2>&1 || fail "$(<"$TMP/fsck")"
