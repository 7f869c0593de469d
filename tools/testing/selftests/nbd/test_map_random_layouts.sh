#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Of 208 random layouts, 16 to an export, the map and the totals are those of nbdinfo, the map is
# that of qemu-img, and all are the layout that was served. SEED=N FIRST=N repeats what a failure
# prints.

. "$(dirname "$0")/lib/map.sh"

requires evil-nbd qemu-img python3

one_export() {
	local seed=$1 size

	rm -f "$TMP"/{sock,log,layout}
	size=$("$HERE/lib/map_layouts" write "$seed" "$TMP/layout")
	TRANSPORT=unix serve evil-nbd --unix @SOCKET@ --log "$TMP/log" --size "$size" \
		--fill zero --context "base:allocation=file:$TMP/layout"
	attach -C 1
	nbd-map --json "$DEV" >"$TMP/ours"
	nbd-map --json --totals "$DEV" >"$TMP/our-totals"
	nbdinfo --map --json "$URI" >"$TMP/nbdinfo"
	nbdinfo --map --totals --json "$URI" >"$TMP/totals"
	qemu-img map --output=json "$URI" >"$TMP/qemu"
	if ! "$HERE/lib/map_layouts" check \
		"$TMP/layout" "$TMP"/{ours,nbdinfo,qemu,our-totals,totals}; then
		sed 's/^/# layout: /' "$TMP/layout"
		fail "maps differ; seed $seed"
	fi
	detach
	stop_server
	! grep VIOLATION "$TMP/log" || fail "violation of the protocol; seed $seed"
}

first=${SEED:-$((RANDOM * 1000))}
note "seeds from $first on"
for ((seed = first; seed < first + 13; seed++)); do
	one_export "$seed"
done
