#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A system boots with its root on an export, by dracut's module for nbd-client, where that is
# nbd-attach.

. "$(dirname "$0")/lib.sh"

cp --sparse=always "$IMAGE/root.img" "$TMP/root.img"
serve "$TMP/root.img"
use_root initrd-dracut "root=nbd:10.0.2.2:root:ext4 rd.neednet=1"
