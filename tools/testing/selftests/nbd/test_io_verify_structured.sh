#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Writes of mixed sizes are read back right, though the server answers out of order and each read in
# random chunks.
# tags: kernel

. "$(dirname "$0")/lib/verify.sh"

verify_writes --read-shape random --write-reply random --delay 1
