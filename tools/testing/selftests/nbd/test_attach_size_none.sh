#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An export without one whole sector cannot be a disk: exit status 11 with the reason.

. "$(dirname "$0")/lib/lib.sh"

dev=$(free_device)
for size in 0 511; do
	serve_nbdkit memory "$size"
	exits 11 within 20 nbd-attach "$URI" "$dev"
	matches "$OUTPUT" "the export has (size )?$size" "message"
	attached "$dev" && fail "$dev is attached"
	same "$(ss -Htn state established "dport = :$PORT")" "" "connections left"
	stop_server
done
