#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# While the server is away, or takes connections and says nothing, a disk is detached at once,
# plainly and forced, and the keeper is gone with it; nothing of ours stays connected.

. "$(dirname "$0")/lib/keeper.sh"

# gone OPTION...: nbd-detach OPTION is quick, and leaves nothing
gone() {
	local pid

	pid=$(keeper)
	within 20 nbd-detach "$@" "$DEV"
	attached "$DEV" && fail "$DEV is attached"
	wait_until 20 test ! -e "/proc/$pid"
	wait_until 20 are_established 0
}

serve evil-nbd --port @PORT@
attach -C 2
stop_server
wait_until 20 is_state waiting
gone -v
for option in -v -f; do
	again evil-nbd --port @PORT@
	attach -C 2
	stop_server
	again evil-nbd --port @PORT@ --log "$TMP/log" --evil stall-greeting
	wait_until 20 grep -q '^STALL' "$TMP/log"
	gone "$option"
	stop_server
	rm "$TMP/log"
done
