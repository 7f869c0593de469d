#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A disk that is moved away from a server that does not answer its last flushes waits for them all
# at the same time: for ten seconds, not for ten for each connection.

. "$(dirname "$0")/keeper.sh"

requires nbdkit
serve evil-nbd --port @PORT@ --size 8M --log "$TMP/log" --evil reply-none --on FLUSH --every
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
same "$(grep -c ^FLUSH "$TMP/log")" 4 "flushes that were asked for"
same "$(klog | grep -c 'left without a flush')" 4 "flushes that were given up"
detach
