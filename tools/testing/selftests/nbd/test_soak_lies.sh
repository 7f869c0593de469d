#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# While servers spoil headers and chunks of their replies at random under load, each read, direct or
# through the page cache, and each map is right or fails; connections are replaced, disks detached.
# COUNT replies are spoiled, or it ends after DURATION seconds. There are DISKS disks, each with a
# server.
# tags: smp

. "$(dirname "$0")/lib/soak.sh"

requires evil-nbd
# each lost connection is a line, and an emulated serial line is slow; so are grace periods
dmesg -n 3
defer dmesg -n 8
echo 1 >/sys/kernel/rcu_expedited
defer sh -c 'echo 0 >/sys/kernel/rcu_expedited'
serve_nbdkit memory 8M
attach -C 1
spoiled=0
# a slow kernel may need more than one run
for run in {0..9}; do
	"$HERE/lies" $((SEED + 1000 * run)) "${COUNT:-1000000}" "${DURATION:-5}" "${DISKS:-3}" \
		>"$TMP/lies" 2>&1 || fail "$(cat "$TMP/lies")"
	last=$(tail -n 1 "$TMP/lies")
	read -r _ _ _ _ _ more _ <<<"$last"
	spoiled=$((spoiled + more))
	[ "$spoiled" -lt 100 ] || break
done
dd if="$DEV" of=/dev/null bs=64k count=1 iflag=direct status=none || fail "another disk was hurt"
[ "$spoiled" -ge 100 ] || fail "$spoiled spoiled replies in $((run + 1)) runs prove nothing"
soaked "${last#\# }"
