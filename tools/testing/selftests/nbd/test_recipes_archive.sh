#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A file system inside a compressed image inside an archive is mounted without being unpacked, as
# recipes.rst has it.

. "$(dirname "$0")/lib/lib.sh"

requires nbdkit tar xz
mnt=$TMP/mnt
mkdir "$mnt" "$TMP/tree"
head -c 300000 /dev/urandom >"$TMP/tree/file"
truncate -s 16M "$TMP/disk.img"
mkfs.ext4 -q -O ^has_journal -d "$TMP/tree" "$TMP/disk.img"
xz -1 -T1 --block-size=1M -k "$TMP/disk.img"
tar -C "$TMP" -cf "$TMP/archive.tar" disk.img.xz

defer umount -q "$mnt"
serve_nbdkit --filter=xz --filter=tar file "$TMP/archive.tar" tar-entry=disk.img.xz
attach --read-only
within 30 mount -o ro "$DEV" "$mnt"
cmp "$TMP/tree/file" "$mnt/file"
within 30 umount "$mnt"
detach
