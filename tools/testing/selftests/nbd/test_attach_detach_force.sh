#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-detach --force frees a mounted disk at once; its users get errors, and all can be used again.

. "$(dirname "$0")/lib/lib.sh"

image=$TMP/image
truncate -s 16M "$image"
mke2fs -q -F -t ext4 -O ^has_journal "$image"
serve_nbdkit file "$image"
attach
mkdir "$TMP/mnt"
mount "$DEV" "$TMP/mnt"
defer eval "umount -l '$TMP/mnt' 2>/dev/null || true"
allow_klog "(EXT4|EXT2)-fs|Buffer I/O|I/O error"

exits 0 within 20 nbd-detach --force "$DEV"
attached "$DEV" && fail "$DEV is still attached"
same "$(ss -Htn state established "dport = :$PORT")" "" "connections left"
fails within 20 dd if=/dev/zero of="$TMP/mnt/file" bs=64k count=1 conv=fsync
umount "$TMP/mnt"

within 30 nbd-attach "$URI" "$DEV"
within 20 dd if="$DEV" of="$TMP/back" bs=4k count=1 iflag=direct status=none
cmp -n 4096 "$TMP/back" "$image"
detach
