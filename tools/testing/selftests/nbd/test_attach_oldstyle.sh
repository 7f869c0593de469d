#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server of the old style of the protocol is refused, with exit status 12 and advice.

. "$(dirname "$0")/lib/lib.sh"

dev=$(free_device)
serve_nbdkit -o memory 1M
exits 12 within 20 nbd-attach "$URI" "$dev"
matches "$OUTPUT" "oldstyle" "message"
matches "$OUTPUT" "hint: .*newstyle" "advice"
attached "$dev" && fail "$dev is attached"
exit 0
