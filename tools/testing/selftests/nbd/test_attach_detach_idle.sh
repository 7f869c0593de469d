#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-detach of what is not attached: exit status 1; with several devices each gets its turn.

. "$(dirname "$0")/lib/lib.sh"

free=$(free_device)
exits 1 within 20 nbd-detach "$free"
matches "$OUTPUT" "not attached" "message"
exits 1 within 20 nbd-detach --force "$free"

serve_nbdkit memory 1M
attach
other=$(free_device)
exits 1 within 20 nbd-detach "$other" "$DEV"
attached "$DEV" && fail "$DEV is still attached"
exits 3 within 20 nbd-detach
exits 3 within 20 nbd-detach /dev/null
