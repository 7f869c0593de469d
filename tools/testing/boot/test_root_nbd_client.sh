#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A system boots with its root on an export, by the initramfs of Debian's package nbd-client as it
# is, on our module. It works, and turns itself off with a clean file system on the server.

. "$(dirname "$0")/lib.sh"

cp --sparse=always "$IMAGE/root.img" "$TMP/root.img"
serve "$TMP/root.img"
root_on_nbd initrd-debian <<'END'
set -ex
[ "$(findmnt -no SOURCE /)" = /dev/nbd0 ]
cat /sys/module/nbd/version
[ "$(cat /sys/block/nbd0/pid)" -gt 0 ]
nbd-list
nbd-client -c /dev/nbd0
dd if=/dev/urandom of=/root/data bs=1M count=16 conv=fsync status=none
sha256sum /root/data
systemctl poweroff
END
said '^status 0'
sum=$(sed -n 's/^\([0-9a-f]\{64\}\) .*/\1/p' "$TMP/said")
powered_off 120
check_root "$TMP/root.img" "$sum"
