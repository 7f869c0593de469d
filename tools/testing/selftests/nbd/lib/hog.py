#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""hog.py MB ROUNDS: has so much memory, writes it all in each round, and reads it all back."""
import mmap
import struct
import sys

PAGE = 4096


def page(number, turn):
    return struct.pack("<QQ", number, turn) * (PAGE // 16)


def main():
    size, rounds = int(sys.argv[1]) << 20, int(sys.argv[2])
    memory = mmap.mmap(-1, size)
    for turn in range(rounds):
        for number in range(size // PAGE):
            memory[number * PAGE:(number + 1) * PAGE] = page(number, turn)
        for number in range(size // PAGE):
            if memory[number * PAGE:(number + 1) * PAGE] != page(number, turn):
                sys.exit(f"round {turn}: page {number} is not what was written")
        print(f"round {turn}", flush=True)


main()
