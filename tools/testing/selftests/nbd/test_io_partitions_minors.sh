#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The parameter max_part says how many partitions have minors of the driver's own, and forbids none:
# with 0 each has one from the block layer's.

. "$(dirname "$0")/lib/lib.sh"

again() { modprobe -r nbd; modprobe nbd "$@"; settle; }

image=$TMP/image
truncate -s 16M "$image"
printf '%s\n' 'label: gpt' 'size=1MiB' 'size=2MiB' | sfdisk -q "$image"
serve_nbdkit file "$image"
settle
defer again
for max_part in 0 1; do
	again "max_part=$max_part"
	attach
	same "$(blockdev --getsize64 "${DEV}p2")" 2097152 "size of the second partition"
	same "$(stat -c %Hr "${DEV}p1") $(stat -c %Hr "${DEV}p2")" \
		"$((max_part ? 43 : 259)) 259" "majors"
	echo here | dd of="${DEV}p2" bs=4k seek=1 conv=notrunc,fsync status=none
	detach
done
same "$(tail -c +$(((2 << 20) + 4097)) "$image" | head -c 4)" here "on the server, 2 MiB + 4 KiB"
