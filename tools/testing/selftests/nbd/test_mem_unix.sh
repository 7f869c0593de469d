#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The disk is swap, and its server is on the same machine, behind a Unix socket, and dies. A program
# with more memory than it may have finds all of it again.

. "$(dirname "$0")/lib/memory.sh"

TRANSPORT=unix swap_on
hog_through 1
swapped 16
within 60 swapoff "$DEV"
detach
