#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A disk that has lost its server is disconnected, and the server comes back while the page cache is
# written: it flushes after the last write, and has replied to everything when it gets DISC. That
# includes the flush of a detach that was called off, which was sent with the writes.

. "$(dirname "$0")/lib/keeper.sh"
. "$(dirname "$0")/lib/compat.sh"

requires_nbd
requires nbd-client nbdkit

# order: what the server was sent, and when its flushes had ended
order() {
	sed -nE 's/.* connection=1 (Write|Flush|Disconnect) .*/\1/p; s/.* \.\.\.Flush .*/end/p' "$TMP/log"
}

# shellcheck disable=SC2016 # expanded by the server
disk=(get_size='echo 16M' can_write='exit 0' can_flush='exit 0' pwrite='cat >/dev/null'
	pread='head -c $3 /dev/zero')

serve_nbdkit eval "${disk[@]}" flush='sleep 1000'
attach -C 1
settle
exits 9 within 30 nbd-detach --timeout 1 "$DEV"
# kept open: closing it would write it out, or let udev read it and wait for the server
exec {fd}<>"$DEV"
stop_server
wait_until 20 is_state waiting
head -c 256k /dev/urandom >&"$fd"
background disconnect nbd-client -d "$DEV"
wait_until 20 is_state draining
again nbdkit -f -i 127.0.0.1 -p @PORT@ --filter=log eval "${disk[@]}" flush='sleep 3' \
	logfile="$TMP/log"
now
ends disconnect 0
exec {fd}>&-
same "$(order | tail -n 3 | xargs)" "Flush end Disconnect" "end of the log"
same "$(order | grep -c Flush)/$(order | grep -c end)" 2/2 "flushes, and their ends"
order | grep -q Write || fail "nothing was written"
wait_until 20 is_idle "$DEV"
