#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# NBD_CMD_DISCONNECT is acknowledged when a slow server has flushed. Meanwhile a module registers a
# family of generic netlink, which waits until no handler runs. If the caller is killed, the disk
# gets detached all the same.

. "$(dirname "$0")/lib/compat.sh"

requires_nbd
requires nbd-client
modprobe -nq macsec || skip "this kernel has no macsec, whose family is registered meanwhile"

# shellcheck disable=SC2016 # expanded by the server
serve_nbdkit eval get_size='echo 1M' can_write='exit 0' can_flush='exit 0' \
	pwrite='cat >/dev/null' pread='head -c $3 /dev/zero' flush='sleep 6'

# begin_disconnect: attach, and disconnect in the background
begin_disconnect() {
	attach -C 1
	settle
	nbd-client -d "$DEV" >"$TMP/client" 2>&1 &
	pid=$!
	defer _kill "$pid"
	wait_until 20 eval "nbd-list -n -o name,state | grep -q '^${DEV#/dev/} *draining'"
}

modprobe -r macsec
began=$SECONDS
begin_disconnect
within 4 modprobe macsec
kill -0 "$pid" || fail "nbd-client has ended: $(<"$TMP/client")"
wait "$pid" || fail "nbd-client -d: $(<"$TMP/client")"
is_idle "$DEV" || fail "$DEV is not free"
[ $((SECONDS - began)) -ge 6 ] || fail "the server was not waited for"

begin_disconnect
kill -9 "$pid"
wait "$pid" || true
wait_until 30 is_idle "$DEV"
