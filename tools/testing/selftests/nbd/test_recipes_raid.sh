#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# RAID1 over two servers, as recipes.rst has it: when one of them is gone, the file system is read
# and written without an error. When it is back, the array copies what has changed since; when a new
# one takes its place, all.

. "$(dirname "$0")/lib/keeper.sh"

requires mdadm debugfs
modprobe -q raid1 || skip "this kernel has no raid1"
[ ! -e /sys/block/md127 ] || skip "there is an array md127"
array=/dev/md127 mnt=$TMP/mnt
mkdir "$mnt"
truncate -s 12M "$TMP/1.img" "$TMP/2.img"

md() { echo "$(</sys/block/md127/md/"$1")"; }
synced() { [ "$(md degraded) $(md sync_action)" = "0 idle" ]; }
# write_file NAME: and have it on the disks
write_file() {
	head -c 300000 /dev/urandom >"$TMP/$1"
	within 60 cp "$TMP/$1" "$mnt/$1"
	within 60 sync -f "$mnt"
}
# is_there NAME: on the disks
is_there() { within 60 dd if="$mnt/$1" iflag=direct bs=1M status=none | cmp - "$TMP/$1"; }
# fails_over DEVICE: the array has gone on without it
fails_over() {
	matches "$(md "dev-${1#/dev/}/state")" faulty "the state of $1 in the array"
	same "$(md degraded)" 1 "members that are missing"
	same "$(</sys/fs/ext4/md127/errors_count)" 0 "errors of the file system"
}
# take DEVICE WORD: the array takes it, which mdadm calls by that word, and copies $copied bytes
take() {
	local before after

	settle
	read -ra before <"/sys/block/${1#/dev/}/stat"
	exits 0 mdadm "$array" --add "$1"
	matches "$OUTPUT" ": $2 $1" "mdadm"
	wait_until 60 synced
	read -ra after <"/sys/block/${1#/dev/}/stat"
	copied=$(((after[6] - before[6]) * 512))
}

serve_nbdkit file "$TMP/1.img"
attach --dead-timeout 5
first=$DEV gone=$SERVER_PID
serve_nbdkit file "$TMP/2.img"
attach --dead-timeout 5
defer eval "mdadm --quiet --stop $array 2>/dev/null || true"
# by default a bit stands for 64 MB
mdadm --quiet --create "$array" --run --level=1 --raid-devices=2 --bitmap=internal \
	--bitmap-chunk=64K "$first" "$DEV" || {
	! _klog_has 'failed to create bitmap' || skip "no bitmaps in this kernel (CONFIG_MD_BITMAP)"
	fail "mdadm cannot create the array"
}
mkfs.ext4 -q "$array"
defer umount -q "$mnt"
mount "$array" "$mnt"
write_file before
wait_until 60 synced

stop_server
write_file meanwhile
is_there before
is_there meanwhile
fails_over "$DEV"
same "$(grep -o '\[[U_]*\]' /proc/mdstat)" "[U_]" "the array in /proc/mdstat"
again nbdkit -f -i 127.0.0.1 -p @PORT@ file "$TMP/2.img"
now
wait_until 60 is_state live
mdadm --quiet "$array" --remove "$DEV"
take "$DEV" re-added
[ "$copied" -lt 6000000 ] || fail "copied $copied bytes of what had not changed, too"
survivor=$DISK

# a new server takes the place of the other
stop_server "$gone"
write_file later
is_there meanwhile
is_there later
fails_over "$first"
mdadm --quiet "$array" --remove "$first"
within 60 nbd-detach --force "$first"
truncate -s 12M "$TMP/3.img"
serve_nbdkit file "$TMP/3.img"
attach --dead-timeout 5
take "$DEV" added
[ "$copied" -gt 10000000 ] || fail "copied no more than $copied bytes of all"
same "$(grep -o '\[[U_]*\]' /proc/mdstat)" "[UU]" "the array in /proc/mdstat"

umount "$mnt"
offset=$(($(md "dev-$DISK/offset") * 512))
other=$(($(md "dev-$survivor/offset") * 512))
mdadm --quiet --stop "$array"
cmp -i "$offset:$other" "$TMP/3.img" "$TMP/2.img"
debugfs -R "rdump / $mnt" "$TMP/3.img?offset=$offset" 2>/dev/null
for name in before meanwhile later; do
	cmp "$TMP/$name" "$mnt/$name"
done
