# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# The root file system on NBD that the kernel's command line names; for the scripts of
# initramfs-tools and dracut:
#
#	nbdroot=URI				nbd://HOST[:PORT]/EXPORT
#	nbdroot=HOST,EXPORT[,nbdN]
#	nbdroot=HOST[:PORT]/EXPORT		a HOST that is an IPv6 address in brackets
#	nbdroot=HOST:/EXPORT			as NFS has it; the name begins with the slash
#	nbdroot=dhcp				HOST:/EXPORT is the root path of the DHCP server
#	nbddev=/dev/nbdN			the disk, if it is neither in nbdroot= nor in root=
#	root=/dev/nbdN[pM]			the disk or a partition; by default the disk
#
# Without nbdroot=, the disk is looked up in nbdtab(5), of which the initramfs has a copy.

# nbdroot_read [WORDS]: of the command line, or of WORDS, set $nbd_server to the value of nbdroot=,
# $nbd_disk to the disk, as far as it is named, and $nbd_root to that of root= if it is such a disk,
# and otherwise to "other". False if there is no root on NBD.
nbdroot_read() {
	nbd_server='' nbd_disk='' nbd_root=''
	# shellcheck disable=SC2048 # words
	for nbd_word in ${*:-$(cat /proc/cmdline)}; do
		case $nbd_word in
		nbdroot=*) nbd_server=${nbd_word#nbdroot=} ;;
		nbddev=*) nbd_disk=${nbd_word#nbddev=} ;;
		root=/dev/nbd[0-9]*) nbd_root=${nbd_word#root=} ;;
		root=*) nbd_root=other ;;
		esac
	done
	[ "$nbd_server$nbd_disk" ] || [ "${nbd_root#/dev/nbd}" != "$nbd_root" ]
}

# nbdroot_resolve [HOST]: turn $nbd_server into a URI and $nbd_disk into the name of a device. HOST
# is the server of a root path that names none.
nbdroot_resolve() {
	case $nbd_server in
	*://*) ;;
	*,*,*)
		nbd_disk=${nbd_disk:-${nbd_server##*,}}
		nbd_server=${nbd_server%,*}
		nbd_server=nbd://${nbd_server%%,*}/${nbd_server#*,}
		;;
	*,*) nbd_server=nbd://${nbd_server%%,*}/${nbd_server#*,} ;;
	/*) nbd_server=nbd://${1-}/$nbd_server ;;
	*:/*) nbd_server=nbd://${nbd_server%%:/*}//${nbd_server#*:/} ;;
	?*) nbd_server=nbd://$nbd_server ;;
	esac
	case $nbd_root in
	/dev/nbd*) nbd_disk=${nbd_root%p[0-9]*} ;;
	esac
	nbd_disk=/dev/${nbd_disk#/dev/}
	[ "$nbd_disk" != /dev/ ] || nbd_disk=/dev/nbd0
}

# nbdroot_netroot nbd:HOST:PORT-OR-EXPORT[:TYPE[:FLAGS]]: likewise for dracut's way of naming it,
# and set $nbd_type and $nbd_flags, to mount it with
nbdroot_netroot() {
	nbd_rest=${1#nbd:}
	case $nbd_rest in
	\[*) nbd_server=${nbd_rest%%]*}] nbd_rest=${nbd_rest#*]} ;;
	*) nbd_server=${nbd_rest%%:*} nbd_rest=${nbd_rest#"$nbd_server"} ;;
	esac
	nbd_rest=${nbd_rest#:}:::
	nbd_export=${nbd_rest%%:*} nbd_rest=${nbd_rest#*:}
	# shellcheck disable=SC2034 # for the caller
	nbd_type=${nbd_rest%%:*} nbd_rest=${nbd_rest#*:}
	# shellcheck disable=SC2034
	nbd_flags=${nbd_rest%%:*}
	case ${nbd_export%%/*} in
	*[!0-9]* | '') nbd_server=nbd://$nbd_server/$nbd_export ;;
	*) nbd_server=nbd://$nbd_server:$nbd_export ;;
	esac
	nbd_disk=/dev/nbd0
}

# nbdroot_attach: attach $nbd_disk. The server may be booting, too.
nbdroot_attach() {
	modprobe nbd
	nbd_tries=30
	until nbd-attach ${nbd_server:+"$nbd_server"} "$nbd_disk"; do
		nbd_tries=$((nbd_tries - 1))
		[ "$nbd_tries" -gt 0 ] || return 1
		sleep 2
	done
}
