#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The disk is swap, and its server dies twice. A program with more memory than it may have finds all of
# it again.

. "$(dirname "$0")/memory.sh"

# it has had all of its memory so many times
rounds() { wc -l <"$TMP/hog"; }

more_rounds() { ! kill -0 "$hog" || [ "$(rounds)" -gt "$1" ]; }

swap_on
in_memory 20 "$HERE/hog.py" 32 1000 >"$TMP/hog" 2>&1 &
hog=$!
defer _kill "$hog"
for _ in 1 2; do
	sleep 3
	restart
done
# one is under way
wait_until 240 more_rounds $(($(rounds) + 1))
kill -0 "$hog" 2>/dev/null || { wait "$hog" || fail "the program: $?: $(<"$TMP/hog")"; }
_kill "$hog"
swapped 16
within 60 swapoff "$DEV"
detach
