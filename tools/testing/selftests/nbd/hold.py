#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""hold.py MB: has so much memory, locked, until it is killed; says "held" when it has it all."""
import mmap
import signal
import sys

MAP_LOCKED = 0x2000

with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
    file.write("-1000")
memory = mmap.mmap(-1, int(sys.argv[1]) << 20,
                   mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE | MAP_LOCKED)
print("held", flush=True)
signal.pause()
