#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A map of more than 2^20 extents, each of one byte, told in one answer, is complete and right, and
# nbd-map needs no more memory for it than for a small one.

. "$(dirname "$0")/lib/map.sh"

requires evil-nbd python3

# map SIZE: check the map, of which 1024 lines are formatted at once; print the kibibytes of memory
# that nbd-map needed
map() {
	python3 -c 'import os, subprocess, sys
size, at_once = int(sys.argv[2]), 1024
lines = b"%10d           1    0  data\n%10d           1    3  hole,zero\n" * (at_once // 2)
with subprocess.Popen(["nbd-map", sys.argv[1]], stdout=subprocess.PIPE) as proc:
    for at in range(0, size, at_once):
        want = lines % tuple(range(at, at + at_once))
        got = proc.stdout.read(len(want))
        if got != want:
            sys.exit(f"# not the map from {at} on: {got[:100]}")
    more = proc.stdout.read(100)
    if more:
        sys.exit(f"# more than the map: {more}")
    _, status, usage = os.wait4(proc.pid, 0)
    proc.returncode = status
print(usage.ru_maxrss)
sys.exit(status != 0)' "$DEV" "$1" || fail "the map is not that of the server"
}

serve_evil --size 64K --context base:allocation=alternate:1
attach -C 1
little=$(map 65536)
detach

size=$((1100 * 1024))
serve_evil --size "$size" --context base:allocation=alternate:1 \
	--status many
attach -C 1
much=$(map "$size")
detach
note "$little KiB for 64 thousand extents, $much for $size"
# the extents alone would be 35 MB
[ "$much" -lt $((little + 4096)) ] || fail "memory grew from $little to $much KiB"
