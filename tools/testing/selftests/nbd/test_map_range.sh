#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A map of a range, of whatever alignment, and of a partition is that part of the whole map.

. "$(dirname "$0")/lib/map.sh"

requires evil-nbd sfdisk python3

# cut START LENGTH: that part of the whole map by nbdinfo, its offsets still from the disk's start
cut_out() {
	jq -c --argjson a "$1" --argjson n "$2" '[.[0], .[0] + .[1], .[2], .[3]]
		| .[0] |= ([., $a] | max) | .[1] |= ([., $a + $n] | min) | select(.[0] < .[1])
		| [.[0], .[1] - .[0], .[2], .[3]]' "$TMP/theirs"
}

truncate -s 6M "$TMP/image"
printf 'start=2048, size=3001\nstart=6144\n' | sfdisk -q "$TMP/image"
serve_evil --image "$TMP/image" --seed 3 --context base:allocation=random
attach
wait_until 20 test -b "${DEV}p2"
same_map
for range in 0+1 1+1 511+2 65535+65537 100001+999999 6291455+1 4096+6287360; do
	our_map --offset "${range%+*}" --length "${range#*+}" >"$TMP/ours"
	cut_out "${range%+*}" "${range#*+}" >"$TMP/want"
	same_files "$TMP/ours" "$TMP/want" "maps of $range"
done
our_map --offset 6000001 >"$TMP/ours"
cut_out 6000001 291455 >"$TMP/want"
same_files "$TMP/ours" "$TMP/want" "maps to the end"
fails nbd-map --offset 6291456 "$DEV"

disk=$DEV
for part in "p1 2048 3001" "p2 6144 6144"; do
	read -r name start sectors <<<"$part"
	DEV=$disk$name
	cut_out $((start * 512)) $((sectors * 512)) |
		jq -c --argjson a $((start * 512)) '.[0] -= $a' >"$TMP/want"
	our_map >"$TMP/ours"
	same_files "$TMP/ours" "$TMP/want" "maps of partition $name"
done
DEV=$disk
detach
