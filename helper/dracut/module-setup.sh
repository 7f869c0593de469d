#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# For a root file system on NBD: the driver, the network, and nbd-attach. dracut has a module for
# nbd-client, called nbd; this one needs no program of that name.

# called by dracut
check() {
	require_binaries @SBINDIR@/nbd-attach || return 1

	# what is made for this host alone has it only if the root is on NBD
	if [[ ${hostonly-} || ${mount_needs-} ]]; then
		for_each_host_dev_and_slaves block_is_nbd || return 255
	fi
	return 0
}

# called by dracut
depends() {
	echo network rootfs-block
}

# called by dracut
installkernel() {
	instmods nbd
}

# called by dracut
install() {
	inst @SBINDIR@/nbd-attach /usr/sbin/nbd-attach
	inst_multiple -o /etc/nbdtab
	# shellcheck disable=SC2154 # where this module is
	inst_simple "$moddir/nbdroot.sh" /lib/nbdroot.sh
	inst_hook cmdline 90 "$moddir/parse-nbdroot.sh"
	inst_script "$moddir/attach-nbdroot.sh" /sbin/nbd-attachroot
	# root=nbd: is left to the module nbd if it is there
	if ! dracut_module_included nbd && dracut_module_included systemd-initrd; then
		# shellcheck disable=SC2154 # set by dracut
		inst_script "$moddir/generate-sysroot.sh" \
			"$systemdutildir/system-generators/nbd-attach-sysroot"
	fi
	dracut_need_initqueue
}
