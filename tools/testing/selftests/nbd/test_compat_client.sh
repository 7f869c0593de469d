#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-client attaches a disk by netlink and by ioctl, with one and with four connections; a file
# system on it reaches the server; nbd-client and our tools see the disk and end it.
# tags: kernel

. "$(dirname "$0")/lib/compat.sh"

requires_nbd
requires nbd-client
mnt=$TMP/mnt
mkdir "$mnt"
head -c 1M /dev/urandom >"$TMP/data"

use_disk() {
	within 60 mkfs.ext4 -q "$DEV"
	within 30 mount "$DEV" "$mnt"
	cp "$TMP/data" "$mnt/data"
	within 30 umount "$mnt"
}

# check_image IMAGE: what was written is on the server
check_image() {
	e2fsck -fn "$1" >/dev/null 2>&1 || fail "the file system on the server is damaged"
	debugfs -R "dump /data $TMP/read" "$1" 2>/dev/null
	cmp "$TMP/data" "$TMP/read"
	rm "$TMP/read"
}

defer umount -q "$mnt"
for options in "" "-L" "-C 4" "-C 4 -L"; do
	rm -f "$TMP/image"
	truncate -s 32M "$TMP/image"
	serve_nbdkit file "$TMP/image"
	# shellcheck disable=SC2086 # options and their values
	attach_legacy $options
	exits 0 within 20 nbd-client -c "$DEV"
	same "$OUTPUT" "$(cat "/sys/block/$DISK/pid")" "process, with '$options'"
	if genl_has_family nbdctl; then
		matches "$(within 20 nbd-list)" "$DISK" "nbd-list, with '$options'"
	fi
	use_disk
	if [[ $options != *C* ]] && genl_has_family nbdctl; then
		detach
	else
		within 30 nbd-client -d "$DEV"
	fi
	wait_until 20 is_idle "$DEV"
	fails within 20 nbd-client -c "$DEV"
	same "$(cat "/sys/block/$DISK/size")" 0 "sectors after the end, with '$options'"
	check_image "$TMP/image"
	stop_server
done

# by its own file, which the host may have
[ ! -e /etc/nbdtab ] || mv /etc/nbdtab "$TMP/nbdtab"
defer eval "[ ! -e '$TMP/nbdtab' ] || mv '$TMP/nbdtab' /etc/nbdtab"
defer rm -f /etc/nbdtab
# at the usual port, as 3.24 does not heed the one in nbdtab
PORT=10809
_launch nbdkit -f -i 127.0.0.1 -p "$PORT" memory 8M
echo "$DISK 127.0.0.1 disk timeout=30" >/etc/nbdtab
within 30 nbd-client "$DISK"
wait_until 20 attached "$DEV"
same "$(cat "/sys/block/$DISK/size")" 16384 "sectors, by nbdtab"
within 30 nbd-client -d "$DEV"
wait_until 20 is_idle "$DEV"
