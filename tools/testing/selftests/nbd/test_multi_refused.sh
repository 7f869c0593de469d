#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Several connections are made only if the server says that a flush on one covers all: -C 4 is
# refused with exit status 11, auto makes one.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log" --flags no-multi-conn
dev=$(free_device)
exits 11 within 20 nbd-attach -C 4 "$URI" "$dev"
matches "$OUTPUT" "4 connections.*only one" "message"
attached "$dev" && fail "$dev is attached"
same "$(grep -c ^CONNECT "$log")" 1 "connections"
stop_server

serve evil-nbd --port @PORT@ --log "$log" --flags no-multi-conn
attach -C auto
within 20 dd if="$DEV" of=/dev/null bs=1M count=1 iflag=direct status=none
detach
same "$(grep -c ^CONNECT "$log")" 1 "connections of auto"
same "$(grep -c VIOLATION "$log" || true)" 0 "violations"
