#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Programs that lay out a disk have nothing to complain of, whichever block size the server prefers.

. "$(dirname "$0")/lib/lib.sh"

quiet() {
	local rc=0

	requires "$1"
	"$@" >"$TMP/out" 2>"$TMP/err" || rc=$?
	[ "$rc" -eq 0 ] || fail "exit status $rc: $*: $(<"$TMP/err")"
	[ ! -s "$TMP/err" ] || fail "$*: $(<"$TMP/err")"
	! grep -iE 'warning|ignoring|align|invalid' "$TMP/out" || fail "$*: $(<"$TMP/out")"
}

# mkfs.btrfs misses it
modprobe btrfs
echo size=100M >"$TMP/layout"
for preferred in 4096 65536 1048576; do
	serve_nbdkit --filter=blocksize-policy memory 400M blocksize-minimum=512 \
		blocksize-preferred="$preferred"
	attach
	settle
	quiet mkfs.ext4 -q -F "$DEV"
	quiet mkfs.xfs -q -f "$DEV"
	quiet mkfs.btrfs -q -f "$DEV"
	wipefs -qa "$DEV"
	quiet sfdisk -q --wipe always -X gpt "$DEV" <"$TMP/layout"
	settle
	quiet parted -s "$DEV" mklabel gpt mkpart one 1MiB 50% align-check optimal 1
	settle
	detach
	stop_server
done
