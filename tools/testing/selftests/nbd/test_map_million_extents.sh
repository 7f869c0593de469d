#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A map of more than 2^20 extents, each of one byte, told in one answer, is complete and right, and
# nbd-map needs no more memory for it than for a small one.

. "$(dirname "$0")/map.sh"

requires evil-nbd python3

# map SIZE: check the map line by line; prints the kibibytes of memory that nbd-map needed
map() {
	python3 -c 'import os, subprocess, sys
with subprocess.Popen(["nbd-map", sys.argv[1]]) as proc:
    usage = os.wait4(proc.pid, 0)
    proc.returncode = usage[1]
print(usage[2].ru_maxrss, file=sys.stderr)
sys.exit(usage[1] != 0)' "$DEV" 2>"$TMP/memory" | awk -v size="$1" '
		$1 != at++ || $2 != 1 || $3 != ($1 % 2) * 3 || $4 != ($3 ? "hole,zero" : "data") {
			print "# wrong:", $0
			exit bad = 1
		}
		END { if (!bad && at != size) { print "# extents:", at; bad = 1 } exit bad }' >&2 ||
		fail "the map is not that of the server"
	cat "$TMP/memory"
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
