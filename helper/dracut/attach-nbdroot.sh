#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# attach-nbdroot INTERFACE NETROOT NEWROOT: called by dracut when the network is up: attach the disk
# that parse-nbdroot.sh has found.

# shellcheck disable=SC1091 # where it runs
command -v warn >/dev/null || . /lib/dracut-lib.sh
# shellcheck source=../initramfs-tools/scripts/nbdroot.sh
. /lib/nbdroot.sh

nbdroot_read
case $2 in
nbd-attach:nbd:*) nbdroot_netroot "${2#nbd-attach:}" ;;
*) nbdroot_resolve ;;
esac
# called for each interface
[ ! -e "/sys/block/${nbd_disk#/dev/}/pid" ] || exit 0
nbdroot_attach || {
	warn "Cannot attach $nbd_disk${nbd_server:+ to $nbd_server}"
	exit 1
}
