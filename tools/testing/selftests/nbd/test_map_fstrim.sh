#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The map of a mounted file system is the server's, before and after a file was removed and its
# blocks were discarded; the data become fewer by the file's size.

. "$(dirname "$0")/lib/map.sh"

requires mkfs.ext4 fstrim

# bytes of data by the server's own account
data() { nbdinfo --map --totals --json "$URI" | jq 'map(select(.type == 0).size) | add'; }

serve_nbdkit memory 96M
attach -C 2
mkfs.ext4 -q "$DEV"
mkdir "$TMP/mnt"
mount "$DEV" "$TMP/mnt"
defer umount -q "$TMP/mnt"
head -c 24M /dev/urandom >"$TMP/mnt/file"
sync -f "$TMP/mnt"
same_map
before=$(data)
rm "$TMP/mnt/file"
# the journal has to let go of the blocks first
sync -f "$TMP/mnt"
fstrim "$TMP/mnt"
same_map
after=$(data)
[ $((before - after)) -ge 24000000 ] || fail "$before bytes of data became $after"
umount "$TMP/mnt"
detach
