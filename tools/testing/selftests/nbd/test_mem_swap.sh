#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The disk is swap, and its server dies twice. A program with more memory than it may have finds all
# of it again.
# tags: kernel, long

. "$(dirname "$0")/lib/memory.sh"

swap_on
hog_through 2
swapped 16
within 60 swapoff "$DEV"
detach
