#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A file system on one disk with its journal on another, and both servers stand still: forced away,
# the one disk waits for the other. That stops nothing else: not the list, not an attach, not the
# detach of the other, which ends all.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

allow_klog 'EXT4-fs|JBD2|Buffer I/O|I/O error|Aborting journal'
serve_nbdkit memory 64M
attach
journal=$DEV
servers=$SERVER_PID
serve_nbdkit memory 64M
attach
data=$DEV
servers+=" $SERVER_PID"
mke2fs -q -O journal_dev -b 4096 "$journal"
mke2fs -q -t ext4 -b 4096 -J device="$journal" "$data"
mkdir "$TMP/mnt"
defer eval "umount -q -l '$TMP/mnt' || true"
mount -o commit=1 "$data" "$TMP/mnt"

for SERVER_PID in $servers; do
	pause_server
	defer resume_server
done
cp /bin/bash "$TMP/mnt/file" && sync -f "$TMP/mnt" &
writer=$!
under_way() { [ "$(awk '{ print $9 }' "/sys/block/${1#/dev/}/stat")" -gt 0 ]; }
wait_until 60 eval "under_way $journal || under_way $data"

within 20 nbd-detach --force "$data"
list=$(within 20 nbd-list)
matches "$list" "${journal#/dev/} " "the list"
serve_nbdkit memory 1M
third=$(within 60 nbd-attach "$URI")
defer _force_detach "$third"
within 20 dd if="$third" of=/dev/null bs=64k count=1 status=none
within 20 nbd-detach --force "$journal"
wait_until 60 eval "! kill -0 $writer 2>/dev/null"
umount "$TMP/mnt"
detach "$third"
wait_until 60 eval '! nbd-list | grep -q ending'
