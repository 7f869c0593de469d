# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the tests of qemu-nbd. qemu_nbd_serves: a raw image, and a qcow2 image over a backing
# file, on TCP and Unix sockets, with 1 and 4 connections; data pass both ways, and only the overlay
# is written.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requires qemu-nbd qemu-img

# _qemu_round IMAGE FORMAT TRANSPORT CONNECTIONS
_qemu_round() {
	TRANSPORT=$3 EXPORT="a name/ü" serve_qemu "$1" -f "$2"
	if [ "$SOCKET" ]; then
		URI="nbd+unix:///a%20name%2f%c3%bc?socket=$SOCKET"
	else
		URI="nbd://127.0.0.1:$PORT/a%20name%2f%c3%bc"
	fi
	attach -C "$4"
	cmp "$DEV" "$TMP/base"
	dd if="$TMP/data" of="$DEV" bs=1M seek=2 conv=notrunc,fsync status=none
	blockdev --flushbufs "$DEV"
	cmp "$DEV" "$TMP/want"
	detach
	stop_server
	qemu-img compare -f "$2" -F raw "$1" "$TMP/want" >"$TMP/out" || fail "$(<"$TMP/out")"
}

qemu_nbd_serves() {
	local transport connections=4

	note "$(qemu-nbd --version | head -n 1)"
	dd if=/dev/urandom of="$TMP/base" bs=1M count=8 status=none
	dd if=/dev/urandom of="$TMP/data" bs=1M count=3 status=none
	cp "$TMP/base" "$TMP/want"
	dd if="$TMP/data" of="$TMP/want" bs=1M seek=2 conv=notrunc status=none
	cp "$TMP/base" "$TMP/raw"
	_qemu_round "$TMP/raw" raw tcp 4
	for transport in tcp unix; do
		connections=$((5 - connections))
		qemu-img create -q -f qcow2 -F raw -b "$TMP/base" "$TMP/overlay"
		_qemu_round "$TMP/overlay" qcow2 "$transport" "$connections"
	done
}
