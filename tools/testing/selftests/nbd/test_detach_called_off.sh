#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server never replies to the flush of a detach, and the detach gives up first. The flush stays
# under the request timeout: another detach, or a move to another server, does not wait for ever. A
# detach without a server does not wait for it at all.

. "$(dirname "$0")/lib/keeper.sh"

requires nbdkit

# attach_mute: attach to a server that does not reply to one FLUSH, and call a detach off
attach_mute() {
	serve evil-nbd --port @PORT@ --size 16M --log "$TMP/log" --evil reply-none --on FLUSH
	attach -C 1 --timeout 4
	settle
	exits 9 within 30 nbd-detach --timeout 1 "$DEV"
	matches "$(<"$TMP/log")" "EVIL reply-none" "the server"
	is_state live || fail "the disk is $(state) after a detach that was called off"
}

attach_mute
within 60 nbd-detach "$DEV"
attached "$DEV" && fail "$DEV is attached"
wait_klog 5 "no reply to FLUSH .* in 4000 ms"
matches "$(grep -c VIOLATION "$TMP/log" || true)" '^0$' 'violations of the protocol'

attach_mute
serve_nbdkit memory 16M
within 60 nbd-attach --adopt "$URI" "$DEV"
read_at 5
detach

attach_mute
stop_server
wait_until 20 is_state waiting
within 20 nbd-detach "$DEV"
wait_klog 5 "no connection, detaching without a flush"
