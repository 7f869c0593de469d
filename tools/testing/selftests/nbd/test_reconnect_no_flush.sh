#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A disk that is moved away from a server that does not answer its last flushes waits for them all
# at the same time: for ten seconds, not for ten for each connection.

. "$(dirname "$0")/keeper.sh"

requires nbdkit
# shellcheck disable=SC2016 # its arguments, not ours
serve_nbdkit eval get_size='echo 8M' pread='head -c $3 /dev/zero' pwrite='cat >/dev/null' \
	can_write='exit 0' can_flush='exit 0' flush='sleep 300' can_multi_conn='exit 0' \
	thread_model='echo parallel'
attach -C 4
settle
head -c 8M /dev/urandom >"$TMP/image"
serve_nbdkit file "$TMP/image"
exits 0 nbd-attach --adopt "$URI" "$DEV"
start=$SECONDS
read_at 5
took=$((SECONDS - start))
cmp "$TMP/back" <(tail -c +$((5 * 65536 + 1)) "$TMP/image" | head -c 64k) || fail "wrong data"
[ "$took" -ge 5 ] || fail "the flushes were not waited for"
[ "$took" -lt 25 ] || fail "a read waited for $took s"
same "$(klog | grep -c 'left without a flush')" 4 "flushes that were given up"
detach
