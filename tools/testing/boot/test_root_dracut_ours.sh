#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A system boots with its root on an export, by nbd-attach's own module for dracut, where there is
# no nbd-client: the export is named as that one's module has it, and by nbdroot=.

. "$(dirname "$0")/lib.sh"

cp --sparse=always "$IMAGE/root.img" "$TMP/root.img"
serve "$TMP/root.img"

root_on_nbd initrd-dracut-ours "root=nbd:10.0.2.2:root:ext4 rd.neednet=1" <<'END'
[ "$(readlink -f "$(findmnt -no SOURCE /)")" = /dev/nbd0 ] && echo up
systemctl poweroff
END
said '^up'
powered_off 120

use_root initrd-dracut-ours "root=/dev/nbd0 nbdroot=10.0.2.2,root,nbd0 rd.neednet=1"
