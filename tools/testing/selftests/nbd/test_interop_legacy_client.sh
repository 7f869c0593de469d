#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-client, as Debian has it, attaches a disk, reads what the server has, and detaches.

. "$(dirname "$0")/lib/lib.sh"

genl_has_family nbd || skip "this nbd.ko does not serve the old netlink family"

image=$TMP/image
dd if=/dev/urandom of="$image" bs=1M count=4 status=none

EXPORT=data serve_qemu "$image" -f raw -r
EXPORT=data attach_legacy
same "$(blockdev --getsize64 "$DEV")" 4194304 "size of the disk"
within 30 cmp "$DEV" "$image"
within 30 nbd-client -d "$DEV"
attached "$DEV" && fail "$DEV is still attached"
exit 0
