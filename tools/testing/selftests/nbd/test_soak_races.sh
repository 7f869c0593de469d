#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Tasks that attach, detach, replace, resize, open, read, write, map, rescan, mount and are killed
# as they like, all with the same two disks, for DURATION seconds: every call comes back, every read
# that succeeds is right, and afterwards all is idle and the module can go.
# tags: smp

. "$(dirname "$0")/lib/soak.sh"

requires evil-nbd sfdisk mkfs.ext4
# one task writes past the page cache to what another has in it: theirs is the collision
allow_klog 'Page cache invalidation failure on direct I/O'
# iomap_write_iter() takes a disk that shrinks under a buffered write for a file that grows
known_warning 'WARNING: mm/truncate\.c:[0-9]+ at pagecache_isize_extended'
dmesg -n 3
defer dmesg -n 8
serve_nbdkit memory 8M
attach -C 1
truncate -s 16M "$TMP/image"
echo 'start=2048, type=83' | sfdisk -q "$TMP/image"
mkfs.ext4 -q -O ^has_journal -E offset=1048576 "$TMP/image" 14m
mkdir "$TMP/mnt"
within $((${DURATION:-6} + 400)) "$HERE/races" "$SEED" "${DURATION:-6}" "$TMP/image" "$TMP/mnt" \
	>"$TMP/races" 2>&1 || fail "$(cat "$TMP/races")"
dd if="$DEV" of=/dev/null bs=64k count=1 iflag=direct status=none || fail "another disk was hurt"
detach
# udev has yet to catch up with thousands of changes
udevadm settle --timeout=$((PATIENCE + ${DURATION:-6}))
wait_until 60 rmmod nbd
modprobe nbd
soaked "$(tail -n 1 "$TMP/races" | cut -c 3-)"
