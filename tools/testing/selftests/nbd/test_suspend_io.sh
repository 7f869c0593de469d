#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The machine sleeps twice while a disk is busy, for longer than a request may take: no request
# fails, no connection is lost, and all data are right. Not by nbdkit: some of its versions end with
# an assertion when a connection is lost while they answer.
# tags: kernel, long

. "$(dirname "$0")/lib/suspend.sh"

TIMEOUT=5

lost() { klog | grep -c "lost, error" || true; }

truncate -s 64M "$TMP/image"
serve_qemu "$TMP/image" --format raw
attach -C 2 --timeout $TIMEOUT
busy
slept=0
for try in {1..5}; do
	before=$(lost)
	sleep_for 8
	goes_on
	# The server was kept from answering for longer than it may: that is no sleep
	[ "$(frozen)" -lt $TIMEOUT ] || continue
	same "$(lost)" "$before" "connections lost"
	slept=$((slept + 1))
	[ $slept -lt 2 ] || break
done
same $slept 2 "sleeps of $try that kept the server from answering for less than $TIMEOUT s"
before=$(lost)
still_busy
same "$(lost)" "$before" "connections lost at last"
detach
