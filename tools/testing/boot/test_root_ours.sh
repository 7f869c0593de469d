#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A system boots with its root on an export, by the scripts that nbd-attach has for initramfs-tools,
# from nothing but a URI. The server may come up later than the system.

. "$(dirname "$0")/lib.sh"

cp --sparse=always "$IMAGE/root.img" "$TMP/root.img"
use_root initrd-ours nbdroot=nbd://10.0.2.2/root
