#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An incremental backup by QEMU's dirty bitmap, as recipes.rst has it: the copy of yesterday, and
# what has changed since, are the image of today; nothing else was read.

. "$(dirname "$0")/lib/lib.sh"

requires qemu-img qemu-io qemu-nbd
image=$TMP/disk.qcow2 copy=$TMP/copy.img

# yesterday: the whole image, and a bitmap that begins
qemu-img create -q -f qcow2 "$image" 32M
qemu-io -f qcow2 -c 'write -P 1 0 4M' -c 'write -P 2 16M 1M' "$image" >"$TMP/out"
qemu-img convert -f qcow2 -O raw "$image" "$copy"
qemu-img bitmap --add -f qcow2 "$image" since
# today
qemu-io -f qcow2 -c 'write -P 3 2M 192K' -c 'write -P 4 20M 64K' -c 'write -z 16M 128K' "$image" \
	>"$TMP/out"

serve_qemu "$image" -f qcow2 -B since -r
attach --read-only --context qemu:dirty-bitmap:since --require-context
copied=0
while read -r offset length type _; do
	[ "$type" = 1 ] || continue
	dd if="$DEV" of="$copy" conv=notrunc bs=64k iflag=skip_bytes,count_bytes oflag=seek_bytes \
		skip="$offset" seek="$offset" count="$length" status=none
	copied=$((copied + length))
done < <(nbd-map --context qemu:dirty-bitmap:since "$DEV")
same "$copied" $(((192 + 64 + 128) << 10)) "bytes copied"
cmp "$DEV" "$copy"
detach
