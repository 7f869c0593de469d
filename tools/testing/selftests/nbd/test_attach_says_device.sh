#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-attach prints the device when none was named, as it does in JSON, and else nothing; what the
# JSON says is what nbdinfo learns of the server.

. "$(dirname "$0")/lib/lib.sh"

serve_nbdkit --filter=exportname memory 5M
size=$(nbdinfo --size "$URI")

DEV=$(nbd-attach "$URI" 2>"$TMP/err")
defer _force_detach "$DEV"
matches "$DEV" "^/dev/nbd[0-9]+$" "output"
same "$(<"$TMP/err")" "" "error output"
same "$(blockdev --getsize64 "$DEV")" "$size" "size of the disk"
detach

attach
same "$OUTPUT" "" "output when the device was named"
detach

nbd-attach --json -C 2 -i "some name" "$URI" >"$TMP/json"
DEV=$(jq -r .device "$TMP/json")
defer _force_detach "$DEV"
attached "$DEV" || fail "$DEV is not attached"
same "$(jq -c '[.size, .read_only, .structured, .connections_total, .identifier]' "$TMP/json")" \
	"[$size,false,true,2,\"some name\"]" "JSON"
same "$(jq -r .uri "$TMP/json")" "$URI" "URI"
same "$(jq -c .contexts "$TMP/json")" '["base:allocation"]' "contexts"
detach
