#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A URI that asks for TLS is never served without: exit status 10, and nobody was even connected to.

. "$(dirname "$0")/lib/lib.sh"

dev=$(free_device)
serve evil-nbd --port @PORT@ --log "$TMP/log"
exits 10 within 20 nbd-attach "nbds://127.0.0.1:$PORT/" "$dev"
matches "$OUTPUT" "TLS" "message"
attached "$dev" && fail "$dev is attached"
same "$(grep -c CONNECT "$TMP/log" || true)" 0 "connections"
