#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The server's block sizes become the disk's: minimum (never under a sector) the logical block,
# preferred the physical block and minimum I/O size up to a page, and beyond that the optimal one,
# maximum the largest request.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

# check MIN:PREF:MAX LOGICAL PHYSICAL OPTIMAL MAX_HW_KB MAX_KB
check() {
	serve evil-nbd --port @PORT@ --log "$TMP/log" --block-size "$1"
	attach
	same "$(queue logical_block_size) $(queue physical_block_size) $(queue minimum_io_size)" \
		"$2 $3 $3" "$1: block sizes"
	same "$(queue optimal_io_size)" "$4" "$1: optimal size"
	same "$(queue max_hw_sectors_kb) $(queue max_sectors_kb)" "$5 $6" "$1: largest requests"
	same "$(blockdev --getss "$DEV")" "$2" "$1: sector size for programs"
	same "$(tr -d '[]' <"/sys/block/$DISK/queue/scheduler" | cut -d ' ' -f 1)" none "scheduler"
	matches "$(queue scheduler)" "^(none|.*\[none\].*)$" "scheduler in use"
	detach
	same "$(grep -c VIOLATION "$TMP/log" || true)" 0 "$1: violations"
	stop_server
}

check 1:4096:33554432 512 4096 0 32768 4096
check 1:512:65536 512 512 0 64 64
check 512:512:1000000 512 512 0 976 976
check 512:65536:33554432 512 4096 65536 32768 4096
check 4096:4096:2097152 4096 4096 0 2048 2048
