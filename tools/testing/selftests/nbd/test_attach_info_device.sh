#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-info of a disk says what the server was started with, and counts the requests it was sent.

. "$(dirname "$0")/lib/lib.sh"

log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log" --size 24M --block-size 512:65536:1048576 \
	--flags no-trim,no-cache,no-fast-zero,rotational
attach -C 2 -i "some name"

info() { nbd-info --json "$DEV" | jq -c "$1"; }

same "$(info .size)" 25165824 "size"
same "$(info .identifier)" '"some name"' "identifier"
same "$(info '.flags | sort')" \
	'["df","flush","fua","multi-conn","rotational","write-zeroes"]' "flags"
same "$(info '[.block_size[]]')" "[512,65536,1048576]" "block sizes"
same "$(info .contexts)" '["base:allocation"]' "contexts"
same "$(info '.connections | map(.state)')" '["up","up"]' "connections"

within 20 dd if="$DEV" of=/dev/null bs=256k count=8 skip=32 iflag=direct status=none
settle
requests=$(grep -cE '^[A-Z_]+ [0-9]+ [0-9]+ .*conn=' "$log")
same "$(info '.connections | map(.requests) | add')" "$requests" "requests"
same "$(info '.connections | map(.replies) | add')" "$requests" "replies"
same "$(info '.connections | map(.errors) | add')" 0 "errors"
detach
exits 1 nbd-info "$DEV"
