#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A task that submits, or brings replies, has the socket's spinlock while it sends: 128 KiB of
# payload at most. More is left to a worker, which has not.

. "$(dirname "$0")/lib/trace.sh"

requires fio
serve evil-nbd --port @PORT@ --log "$TMP/log" --size 64M
attach -C 1
settle
# shellcheck disable=SC2016 # the kernel expands it
probe send tcp_sendmsg_locked 'size=$arg3:u64'
cd "$TMP"
for size in 16k 128k 256k 1m; do
	within 60 fio --name=write --filename="$DEV" --ioengine=libaio --direct=1 --iodepth=16 \
		--rw=write --bs="$size" --size=8M --output-format=terse >"$TMP/fio" 2>&1 ||
		fail "$(tail -n 5 "$TMP/fio")"
done
largest() { sed -n 's/.*size=//p' | sort -n | tail -n 1; }
here=$(calls | grep -v -e kworker -e evil-nbd | largest)
there=$(calls | grep kworker | largest)
note "$here bytes with the lock at most, $there by a worker"
# headers are not counted
[ "$here" -gt 65536 ] || fail "submitters send $here bytes at most: is this the function?"
[ "$here" -le $((131072 + 128 * 28)) ] || fail "$here bytes were sent with the socket's spinlock"
[ "$there" -gt 262144 ] || fail "workers send $there bytes at most"
detach
