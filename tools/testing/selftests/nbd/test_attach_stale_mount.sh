#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A file system that is still mounted when its disk is forced away keeps the number of the disk:
# another export there would be taken for it. It gets another number, shows its own files, and is
# not written to. The number is free when the last mount is gone.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

for name in first second; do
	mkdir "$TMP/content-$name" "$TMP/mnt-$name"
	echo "$name" >"$TMP/content-$name/name"
	truncate -s 16M "$TMP/$name"
	mke2fs -q -F -t ext4 -O ^has_journal -d "$TMP/content-$name" "$TMP/$name"
	defer eval "umount -q -l '$TMP/mnt-$name' || true"
done
sum=$(sha256sum <"$TMP/second")
allow_klog "EXT4-fs|Buffer I/O|I/O error"

list() { nbd-list --noheadings -o name,state; }

serve_nbdkit file "$TMP/first"
one=$URI
attach
old=$DEV
mount "$old" "$TMP/mnt-first"
same "$(<"$TMP/mnt-first/name")" first "the file in the first"
dd if=/dev/urandom of="$TMP/mnt-first/file" bs=64k count=8 status=none
# what holds it is no path any more
# shellcheck disable=SC2217 # it need not read it
sleep 600 <"$TMP/mnt-first/file" &
holder=$!
defer _kill "$holder"
nbd-detach --force "$old"
umount -l "$TMP/mnt-first"
matches "$(list)" "${old#/dev/} +ending" "the list"
exits 1 nbd-detach "$old"

serve_nbdkit -r file "$TMP/second"
two=$URI
exits 7 within 60 nbd-attach "$two" "$old"
matches "$OUTPUT" "still in use: ${old#/dev/} has files in process $holder \(sleep\)" "refusal"
# neither another export nor the same one
for uri in "$two" "$one"; do
	DEV=$(within 60 nbd-attach "$uri")
	defer _force_detach "$DEV"
	[ "$DEV" != "$old" ] || fail "$uri got the number of a disk that is in use"
	[ "$uri" = "$two" ] || continue
	second=$DEV
	mount -o ro "$DEV" "$TMP/mnt-second"
	same "$(<"$TMP/mnt-second/name")" second "the file in the second"
done
dd of=/proc/$holder/fd/0 if=/dev/zero bs=64k count=8 conv=notrunc,fsync 2>/dev/null || true
within 60 cmp "$second" "$TMP/second"
umount "$TMP/mnt-second"

kill "$holder"
wait "$holder" || true
within 60 nbd-attach "$two" "$old"
defer _force_detach "$old"
mount -o ro "$old" "$TMP/mnt-second"
same "$(<"$TMP/mnt-second/name")" second "the file in the second"
umount "$TMP/mnt-second"
detach "$old"
same "$(sha256sum <"$TMP/second")" "$sum" "the second image"
