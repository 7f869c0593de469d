#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The disk is swap, and its server dies twice. A program with more memory than it may have finds all of
# it again.

. "$(dirname "$0")/memory.sh"

swap_on
in_memory 20 "$HERE/hog.py" 32 1 >"$TMP/hog" 2>&1 &
hog=$!
defer _kill "$hog"
for _ in 1 2; do
	sleep 3
	restart
done
kill -0 "$hog" || fail "it was too quick, nothing was proven"
wait_until 120 eval "! kill -0 $hog"
wait "$hog" || fail "$(<"$TMP/hog")"
swapped 16
within 60 swapoff "$DEV"
detach
