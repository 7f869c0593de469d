#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Sourced by dracut: looks for a root file system on NBD on the command line, and has it attached
# once the network is up. It is either in nbdroot=, beside root=, see nbdroot.sh; or in root= or
# netroot= as
#
#	nbd:HOST:PORT[/EXPORT][:TYPE[:FLAGS]]
#	nbd:HOST:EXPORT[:TYPE[:FLAGS]]		an IPv6 address in brackets

# shellcheck source=../initramfs-tools/scripts/nbdroot.sh
. /lib/nbdroot.sh

# shellcheck disable=SC2154 # dracut's
for nbd_netroot in "$root" "$netroot" $(getargs netroot=); do
	[ "${nbd_netroot%%:*}" != nbd ] || break
done

if [ "${nbd_netroot%%:*}" = nbd ]; then
	# the module nbd takes care of it, if it is there
	[ ! -e /sbin/nbdroot ] || return 0
	nbdroot_netroot "$nbd_netroot"
	[ "$root" != "$nbd_netroot" ] || root=block:$nbd_disk
	netroot=nbd-attach:$nbd_netroot
elif nbdroot_read; then
	[ "$nbd_server" != dhcp ] || die "nbdroot=dhcp is not supported in dracut: name the server"
	nbdroot_resolve
	netroot=nbd-attach:
fi

if [ "${netroot%%:*}" = nbd-attach ]; then
	# shellcheck disable=SC2034 # it is known what root= means
	rootok=1
	# the node is there before the disk is
	# shellcheck disable=SC2154
	echo "[ -e /sys/block/${nbd_disk#/dev/}/pid ]" >"$hookdir/initqueue/finished/nbd-attach.sh"
fi
