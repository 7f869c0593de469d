#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On one attach to qemu-nbd, allocation, two dirty bitmaps (one with a blank in its name) and the
# allocation depth of a qcow2 with a backing file are what nbdinfo says; all differ from each other.
# tags: kernel

. "$(dirname "$0")/lib/map.sh"

requires qemu-img qemu-io qemu-nbd

quietly() { "$@" >/dev/null; }

quietly qemu-img create -f qcow2 "$TMP/base" 8M
quietly qemu-io -c 'write 0 1M' -c 'write -z 1M 512K' "$TMP/base"
quietly qemu-img create -f qcow2 -b "$TMP/base" -F qcow2 "$TMP/top"
quietly qemu-img bitmap --add "$TMP/top" first
quietly qemu-io -c 'write 512K 64K' -c 'write 4M 192K' "$TMP/top"
quietly qemu-img bitmap --add -g 32768 "$TMP/top" "second one"
quietly qemu-io -c 'write 6M 32K' -c 'write -z 1216K 96K' "$TMP/top"

serve_qemu "$TMP/top" -f qcow2 -A -B first -B "second one"
maps=()
names=(base:allocation qemu:allocation-depth qemu:dirty-bitmap:first "qemu:dirty-bitmap:second one")
options=()
for name in "${names[@]}"; do
	options+=(--context "$name")
done
attach -C 2 "${options[@]}" --require-context

for name in "${names[@]}"; do
	same_map "$name"
	cp "$TMP/ours" "$TMP/map-${#maps[@]}"
	maps+=("$(md5sum <"$TMP/ours")")
done
same "$(printf '%s\n' "${maps[@]}" | sort -u | wc -l)" 4 "different maps"
same "$(nbd-map --list "$DEV" | sort)" "$(printf '%s\n' "${names[@]}" | sort)" "contexts"
# the second bitmap knows of the last two writes only, in its own grain
same "$(awk -F, '$3 == 1 { print substr($1, 2) "+" $2 }' "$TMP/map-3" | tr '\n' ' ')" \
	"1245184+98304 6291456+32768 " "dirty in the second bitmap"
detach
