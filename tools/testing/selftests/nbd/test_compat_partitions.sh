#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The partitions of a disk that nbd-client attaches, by netlink and by ioctl, come with it and go
# with it; those of the disk before never show.
# tags: kernel

. "$(dirname "$0")/lib/compat.sh"

requires_nbd
requires nbd-client
truncate -s 32M "$TMP/one" "$TMP/two" "$TMP/none"
sfdisk -q "$TMP/one" <<<"2048,16384,83"
sfdisk -q "$TMP/two" <<<$'label: gpt\n2048,8192\n10240,8192'

# check_partitions IMAGE NUMBER OPTIONS...
check_partitions() {
	local image=$1 number=$2
	shift 2

	serve_nbdkit file "$TMP/$image"
	attach_legacy "$@"
	# a device that ioctls have begun to run is scanned when it is opened
	settle
	within 20 blockdev --getsize64 "$DEV" >/dev/null
	settle
	same "$(lsblk -nro NAME "$DEV" | grep -c "^${DISK}p" || true)" "$number" \
		"partitions of $image, with '$*'"
	within 30 nbd-client -d "$DEV"
	wait_until 20 is_idle "$DEV"
	settle
	same "$(find "/sys/block/$DISK/" -maxdepth 1 -name "${DISK}p*" | wc -l)" 0 \
		"partitions after $image, with '$*'"
	stop_server
}

for options in "" "-L"; do
	check_partitions two 2 $options
	check_partitions none 0 $options
	check_partitions one 1 $options
	check_partitions two 2 $options
done
