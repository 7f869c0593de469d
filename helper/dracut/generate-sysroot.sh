#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A generator of systemd, in the initramfs: mounts the disk of root=nbd: at /sysroot. systemd itself
# knows what root=/dev/nbd0 means.

# shellcheck disable=SC1091 # where it runs
command -v getarg >/dev/null || . /lib/dracut-lib.sh
# shellcheck source=../initramfs-tools/scripts/nbdroot.sh
. /lib/nbdroot.sh

root=$(getarg root=)
[ "${root%%:*}" = nbd ] || exit 0
nbdroot_netroot "$root"
nbd_flags=${nbd_flags:-$(getarg rootflags=)}
! getarg ro >/dev/null || nbd_flags=${nbd_flags:+$nbd_flags,}ro
cat >"$2/sysroot.mount" <<END
[Unit]
Before=initrd-root-fs.target
[Mount]
Where=/sysroot
What=$nbd_disk
Type=${nbd_type:-$(getarg rootfstype=)}
Options=$nbd_flags
END
