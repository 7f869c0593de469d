#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Requests go over all four connections, of which each gets a fair share.
# tags: smp

. "$(dirname "$0")/lib/lib.sh"

requires fio
log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log"
attach -C 4
settle
from=$(wc -l <"$log")
exits 0 within 60 fio --name=read --filename="$DEV" --ioengine=libaio --direct=1 --iodepth=32 \
	--rw=randread --bs=4k --size=32M --number_ios=1000 --numjobs=2 --cpus_allowed=0,1 \
	--cpus_allowed_policy=split --output-format=terse
tail -n "+$((from + 1))" "$log" | grep ^READ >"$TMP/reads"
detach
for conn in 1 2 3 4; do
	n=$(grep -c "conn=$conn$" "$TMP/reads" || true)
	[ "$n" -ge 200 ] || fail "connection $conn got $n of $(wc -l <"$TMP/reads") requests"
done
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
