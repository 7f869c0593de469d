#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Nobody listens: exit status 6, the address in the message, no device.

. "$(dirname "$0")/lib/lib.sh"

dev=$(free_device)
port=$(_free_port)
exits 6 within 20 nbd-attach "nbd://127.0.0.1:$port/" "$dev"
matches "$OUTPUT" "127.0.0.1:$port.*refused" "message"
attached "$dev" && fail "$dev is attached"

exits 6 within 20 nbd-attach --unix "$TMP/none.sock" "$dev"
matches "$OUTPUT" "none.sock" "message"

# somebody was there, but not any more
python3 -c "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])" "$TMP/dead.sock"
exits 6 within 20 nbd-attach --unix "$TMP/dead.sock" "$dev"
attached "$dev" && fail "$dev is attached"
exit 0
