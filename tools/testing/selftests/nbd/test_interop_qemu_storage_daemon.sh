#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# qemu-storage-daemon with a qcow2 image and a dirty bitmap: what is written to the disk is in the
# image, the disk's allocation map is that of qemu-img, and its map of the bitmap, which the daemon
# updates while it exports it, has what was written and nothing else.

. "$(dirname "$0")/lib/map.sh"

requires qemu-storage-daemon qemu-img qemu-io
image=$TMP/image
note "$(qemu-storage-daemon --version | head -n 1)"

# by_qemu: qemu-img's map of the image in nbd-map's form; neighbours that only differ in where the
# file has them are one extent
by_qemu() {
	qemu-img map --output=json -f qcow2 "$image" | jq -c '
		reduce .[] as $e ([];
			(($e | if .data then 0 else 1 end) +
			 ($e | if .zero then 2 else 0 end)) as $type |
			if length > 0 and .[-1][2] == $type then .[-1][1] += $e.length
			else . + [[$e.start, $e.length, $type]] end) | .[]'
}

qemu-img create -q -f qcow2 "$image" 16M
qemu-io -f qcow2 -c 'write -P 0x55 1M 1M' -c 'write -z 3M 512K' "$image" >"$TMP/out"
qemu-img bitmap --add -f qcow2 "$image" written
head -c 196608 /dev/urandom >"$TMP/data"

# it listens before it has the export, and writes its file when it has both
EXPORT=disk serve qemu-storage-daemon --pidfile "$TMP/pid" \
	--blockdev "driver=file,node-name=file,filename=$image,discard=unmap" \
	--blockdev driver=qcow2,node-name=image,file=file,discard=unmap \
	--nbd-server addr.type=inet,addr.host=127.0.0.1,addr.port=@PORT@ \
	--export type=nbd,id=export,node-name=image,name=disk,writable=on,bitmaps.0=written
wait_until "$PATIENCE" test -s "$TMP/pid"
attach -C 2 --context base:allocation --context qemu:dirty-bitmap:written --require-context
dd if="$TMP/data" of="$DEV" bs=64k seek=128 oflag=direct conv=notrunc status=none
blkdiscard -z -o 8585216 -l 65536 "$DEV"
blkdiscard -o 1536K -l 256K "$DEV"
sync "$DEV"
same_map
cut -d , -f 1-3 "$TMP/ours" | sed 's/$/]/' >"$TMP/map"
same_map qemu:dirty-bitmap:written
same "$(awk -F, '$3 == 1 { print substr($1, 2) "+" $2 }' "$TMP/ours" | tr '\n' ' ')" \
	"1572864+262144 8388608+262144 " "what the bitmap has"
cmp -n 196608 -i 8388608:0 "$DEV" "$TMP/data"
detach
# in good order, as the bitmap is written to the image at the end
kill "$SERVER_PID"
wait "$SERVER_PID" || fail "the daemon: exit status $?: $(tail -n 3 "$SERVER_LOG")"

by_qemu >"$TMP/want"
[ "$(wc -l <"$TMP/want")" -ge 6 ] || fail "too plain a map: $(<"$TMP/want")"
same_files "$TMP/map" "$TMP/want" "the disk's map and qemu-img's"
qemu-img check -q -f qcow2 "$image" || fail "the image is damaged"
{
	head -c 1M /dev/zero
	head -c 512K /dev/zero | tr '\0' U
	head -c 256K /dev/zero
	head -c 256K /dev/zero | tr '\0' U
	head -c 6M /dev/zero
	cat "$TMP/data"
} >"$TMP/content"
truncate -s 16M "$TMP/content"
qemu-img compare -f qcow2 -F raw "$image" "$TMP/content" >"$TMP/out" || fail "$(<"$TMP/out")"
