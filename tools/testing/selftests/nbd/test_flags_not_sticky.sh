#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A device keeps nothing of an earlier export: after a read-only, rotational one with blocks of 4096
# bytes and no other feature, an ordinary one has everything again, and the other way round. Between
# them the idle disk has the defaults, and a sync of it succeeds.
# tags: kernel

. "$(dirname "$0")/lib.sh"

facts() {
	echo "$(blockdev --getro "$DEV") $(queue rotational) $(queue logical_block_size)" \
		"$(queue minimum_io_size) $(queue write_cache) $(queue fua) $(queue max_hw_sectors_kb)" \
		"$(($(queue discard_max_bytes) > 0))$(($(queue write_zeroes_max_bytes) > 0))" \
		"$(queue read_ahead_kb)"
}
rich="0 0 512 4096 write back 1 32768 11 128"
poor="1 1 4096 65536 write through 0 1024 00 128"
idle="0 0 512 512 write through 0 4096 00 128"

idles() {
	detach
	same "$(facts)" "$idle" "idle after the $1"
	within 20 sync "$DEV"
}

serve evil-nbd --port @PORT@ --log "$TMP/log"
one=$URI
serve evil-nbd --port @PORT@ --log "$TMP/log2" --block-size 4096:65536:1048576 \
	--flags no-flush,no-fua,no-trim,no-zeroes,no-multi-conn,read-only,rotational
two=$URI
URI=$one attach
same "$(facts)" "$rich" "first"
echo 64 >"/sys/block/$DISK/queue/read_ahead_kb"
idles "first"
first=$DEV
URI=$two attach
same "$DEV" "$first" "device"
same "$(facts)" "$poor" "second"
idles "second"
URI=$one attach
same "$(facts)" "$rich" "third"
idles "third"
