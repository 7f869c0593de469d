#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The disk is swap, and its server is on the same machine, behind a Unix socket, and dies. A program
# with more memory than it may have finds all of it again.

. "$(dirname "$0")/memory.sh"

TRANSPORT=unix swap_on
in_memory 20 "$HERE/hog.py" 32 3 >"$TMP/hog" 2>&1 &
hog=$!
defer _kill "$hog"
sleep 3
restart
wait_until 240 eval "! kill -0 $hog"
wait "$hog" || fail "the program: $?: $(<"$TMP/hog")"
same "$(wc -l <"$TMP/hog")" 3 "rounds"
swapped 16
within 60 swapoff "$DEV"
detach
