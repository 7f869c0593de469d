#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Files are written to ext4 on the disk by programs that may have little memory; all of it is in the
# server's image, and its file system is sound.

. "$(dirname "$0")/lib/memory.sh"

requires mke2fs debugfs
image=$ROOM/image
truncate -s 192M "$image"
mke2fs -q -F -t ext4 "$image"
seq 1 10000000 | head -c 40M >"$ROOM/source"
serve_nbdkit file "$image" cache=none
attach
mkdir "$TMP/mnt"
mount "$DEV" "$TMP/mnt"
defer umount -q "$TMP/mnt"
in_memory max 32 timeout 120 cp "$ROOM/source" "$TMP/mnt/a"
in_memory max 32 timeout 120 dd if="$ROOM/source" of="$TMP/mnt/b" bs=1000 oseek=7 status=none
umount "$TMP/mnt"
detach

within 60 e2fsck -fn "$image" >"$TMP/fsck" 2>&1 || fail "$(<"$TMP/fsck")"
debugfs -R "cat a" "$image" 2>/dev/null | cmp - "$ROOM/source"
debugfs -R "cat b" "$image" 2>/dev/null | tail -c +7001 | cmp - "$ROOM/source"
