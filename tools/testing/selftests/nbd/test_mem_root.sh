#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Root file system, programs and the process that reconnects are on the disk itself. The server
# dies; nothing of them is cached any more; the server comes back; everything continues.

. "$(dirname "$0")/lib/memory.sh"

requires mke2fs ldd nbdkit
root=$ROOM/root image=$ROOM/image

# with NAME...: programs and what they need are on the disk
with() {
	local name file

	for name; do
		file=$(command -v "$name")
		ldd "$file" | grep -o '/[^ ]*' | cat - <(echo "$file") |
			xargs cp -Lu --parents -t "$root"
	done
}

start() { _launch nbdkit -f -i 127.0.0.1 -p "$PORT" file "$image" cache=none; }

truncate -s 256M "$image"
mke2fs -q -F -t ext4 "$image"
_place
start
attach
mkdir "$root"
mount "$DEV" "$root"
defer umount -R -q "$root"
mkdir "$root"/{dev,proc,sys,run}
with bash cat sha256sum nbd-attach
for dir in dev proc sys run; do
	mount --bind "/$dir" "$root/$dir"
done
kill "$(cat "/run/nbd-attach/$DISK.pid")"
wait_until 20 chroot "$root" nbd-attach --adopt "$DEV"
want=$(chroot "$root" sha256sum "$(command -v bash)")
sync
echo 3 >/proc/sys/vm/drop_caches

stop_server
wait_klog 20 "$DISK: waiting"
chroot "$root" sha256sum "$(command -v bash)" >"$TMP/sum" &
reader=$!
sleep 2
echo 3 >/proc/sys/vm/drop_caches
start
wait_until 30 eval "! kill -0 $reader"
same "$(<"$TMP/sum")" "$want" "what a program read"
within 30 chroot "$root" bash -c 'echo written >/file && cat /file' >"$TMP/written"
same "$(<"$TMP/written")" written "what a program wrote"
kill "$(cat "/run/nbd-attach/$DISK.pid")"
umount -R "$root"
detach
same "$(debugfs -R "cat file" "$image" 2>/dev/null)" written "what the server has"
