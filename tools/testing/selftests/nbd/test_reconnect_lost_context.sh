#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server comes back without one of two metadata contexts: reading, writing and the map of the
# other continue, the map of the lost one fails, until a server has it again.

. "$(dirname "$0")/lib/keeper.sh"

serve evil-nbd --port @PORT@ --context base:allocation --context x-test:a
attach -C 1 --context base:allocation --context x-test:a --require-context
exits 0 nbd-map --context x-test:a "$DEV"
stop_server
again evil-nbd --port @PORT@ --context base:allocation --log "$TMP/log"
read_at 3
exits 0 nbd-map --context base:allocation "$DEV"
fails within 20 nbd-map --context x-test:a "$DEV"
read_at 4
stop_server
again evil-nbd --port @PORT@ --context x-test:a --context base:allocation
read_at 5
exits 0 nbd-map --context x-test:a "$DEV"
detach
same "$(grep -c VIOLATION "$TMP/log" || true)" 0 "violations"
