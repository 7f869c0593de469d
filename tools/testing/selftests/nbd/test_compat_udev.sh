#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# systemd's udev rules take an nbd disk for ready while it is attached, and only then, whatever has
# attached it: otherwise no mount unit would start on it. udev makes links by what is on the disk,
# and ours by what it was attached with.

. "$(dirname "$0")/lib/compat.sh"

requires nbdkit nbd-client mkfs.ext4
grep -qs 'KERNEL=="nbd\*".*SYSTEMD_READY' /usr/lib/udev/rules.d/99-systemd.rules ||
	skip "systemd's rules are not installed"
uuid=3d1cbb0e-0f3b-4c1f-9a51-6a1cf41c4a6d

# ready DEVICE: systemd may use it
ready() { udevadm info -q property "$1" >"$TMP/udev" && ! grep -q '^SYSTEMD_READY=0' "$TMP/udev"; }
not_ready() { ! ready "$1"; }

leads_to() { [ "$(readlink -f "/dev/disk/by-uuid/$uuid")" = "$1" ]; }

# link NAME: where it leads to
link() { readlink -f "/dev/disk/$1"; }

# looks_ready DEVICE: it has the attribute, the property and the link
looks_ready() {
	wait_until 20 ready "$1"
	matches "$(cat "/sys/block/${1#/dev/}/pid")" '^[1-9][0-9]*$' "pid"
	wait_until 20 leads_to "$1"
}

truncate -s 16M "$TMP/image"
mkfs.ext4 -q -U "$uuid" "$TMP/image"
serve_nbdkit file "$TMP/image"
_pick_device
settle
not_ready "$DEV" || fail "an idle disk is ready"

_tool nbd-attach --identifier "my/own disk" "$URI" "$DEV"
looks_ready "$DEV"
same "$(cat "/sys/block/$DISK/pid")" "$(cat "/run/nbd-attach/$DISK.pid")" "process, and the keeper"
same "$(cat "/sys/block/$DISK/backend")" "my/own disk" "backend"
same "$(stat -c %a "/sys/block/$DISK/backend")" 400 "mode of backend"
same "$(link by-id/nbd-my_own_disk)" "$DEV" "link by identifier"
path=by-path/$(tr -c 'a-z0-9:.\n' _ <<<"$URI")
same "$(link "$path")" "$DEV" "link $path"
detach
wait_until 20 not_ready "$DEV"
settle
[ ! -e "/dev/disk/by-id/nbd-my_own_disk" ] || fail "the link by identifier is still there"
[ ! -e "/dev/disk/$path" ] || fail "$path is still there"

if genl_has_family nbd; then
	for mode in "" -L; do
		# shellcheck disable=SC2086 # none or one word
		nbd-client $mode -N "" 127.0.0.1 "$PORT" "$DEV" >"$TMP/out" 2>&1
		looks_ready "$DEV"
		settle
		nbd-client -d "$DEV" >"$TMP/out" 2>&1
		wait_until 20 not_ready "$DEV"
	done
fi
