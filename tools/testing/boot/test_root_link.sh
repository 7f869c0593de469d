#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A system boots with its root on an export, by Debian's initramfs scripts that call nbd-client,
# where that is nbd-attach.

. "$(dirname "$0")/lib.sh"

cp --sparse=always "$IMAGE/root.img" "$TMP/root.img"
serve "$TMP/root.img"
use_root initrd-link
