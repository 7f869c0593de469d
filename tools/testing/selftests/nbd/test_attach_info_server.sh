#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-info of a server says what nbdinfo says: exports, sizes, flags, contexts; block sizes are
# those that nbdkit was started with.

. "$(dirname "$0")/lib/lib.sh"

flag_names='flush fua trim write-zeroes df multi-conn cache fast-zero'

# what both know, in one form
theirs() {
	nbdinfo --json --no-content "$@" | jq -cS --arg names "$flag_names" '.exports | map({
		name: ."export-name", size: ."export-size", ro: .is_read_only,
		contexts: (.contexts // []),
		flags: [[.can_flush, .can_fua, .can_trim, .can_zero, .can_df, .can_multi_conn,
			.can_cache, .can_fast_zero], ($names | split(" "))] | transpose |
			map(select(.[0])) | map(.[1])})'
}
ours() {
	nbd-info --json "$@" | jq -cS '.exports | map({
		name, size, ro: .read_only, contexts,
		flags: (.flags - ["read-only", "rotational"])})'
}

truncate -s 3M "$TMP/image"
EXPORT=disk serve_qemu "$TMP/image" -f raw -A
same "$(ours "$URI")" "$(theirs "$URI")" "qemu-nbd"
same "$(ours "nbd://127.0.0.1:$PORT")" "$(theirs --list "nbd://127.0.0.1:$PORT")" "qemu-nbd, list"
serve_nbdkit -r --filter=blocksize-policy memory 5M blocksize-minimum=512 \
	blocksize-preferred=4096 blocksize-maximum=1M
same "$(ours "$URI")" "$(theirs "$URI")" "nbdkit"
same "$(nbd-info --json "$URI" | jq -c '[.exports[0].block_size[]]')" "[512,4096,1048576]" "blocks"
stop_server
exits 6 within 20 nbd-info "$URI"

# the reply of this server to INFO, by which nbdinfo asks, has no size
serve_nbd_servers "$TMP/image" "flush = true" "trim = true"
same "$(ours "$URI")" "$(theirs "$URI" | jq -cS 'map(.size = 3145728)')" "nbd-server"
matches "$(theirs "$URI")" '"flags":\["flush","trim",.*"name":"disk"' "nbdinfo"
