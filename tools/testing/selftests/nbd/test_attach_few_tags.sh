#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Where the block layer grants fewer requests than were asked for, as in a kernel that saves the
# memory of one that crashed, the disk is attached with what there is, and works.
# append: elfcorehdr=64G

. "$(dirname "$0")/lib/lib.sh"

requires fio
grep -q elfcorehdr= /proc/cmdline || skip "the kernel's command line lacks elfcorehdr="
grep -qw elfcorehdr_addr /proc/kallsyms || skip "this kernel can't be one that saves a crash"
log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log" --size 16M --fill zero
cd "$TMP"
for queue_size in 256 128; do
	attach -C 2 -Q "$queue_size"
	same "$(cat "/sys/block/$DISK/mq/0/nr_tags")" 64 "tags, of $queue_size"
	within 60 fio --name=verify --filename="$DEV" --ioengine=libaio --direct=1 --iodepth=96 \
		--rw=randwrite --bs=4k --size=2M --verify=crc32c --verify_fatal=1 \
		--verify_state_save=0 --randseed=7 --output-format=terse \
		>"$TMP/fio" 2>&1 || fail "$(tail -n 5 "$TMP/fio")"
	detach
done
same "$(grep -c VIOLATION "$log" || true)" 0 "violations: $(grep -m 1 VIOLATION "$log")"
