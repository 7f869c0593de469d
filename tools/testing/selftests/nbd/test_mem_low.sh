#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The whole system is short of memory, its swap is the disk, and the server is on the same machine,
# behind a Unix socket. It needs no memory to take a write, so nobody waits for ever, and nothing
# that was swapped is lost.

. "$(dirname "$0")/lib/memory.sh"

# making the memory small sometimes takes an emulated CPU longer than a test may last
[ "${LONG-}" ] || skip "takes no bounded time where CPUs are emulated; LONG=1 runs it"
TRANSPORT=unix swap_on memory 160M allocator=malloc,mlock=true
leave 90
within 100 "$HERE/lib/hog" 120 1 >"$TMP/hog" 2>&1 || fail "$(<"$TMP/hog")"
swapped 16
echo 0 >/proc/sys/vm/nr_hugepages
within 60 swapoff "$DEV"
detach
