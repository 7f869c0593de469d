#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The kernel's own nbd driver is loaded: exit status 5, and the message says that it is another one.

. "$(dirname "$0")/lib/lib.sh"

ours_again() { modprobe -r nbd; modprobe nbd; settle; }

requires_nbdctl
module=$(ls "/lib/modules/$(uname -r)"/kernel/drivers/block/nbd.ko* 2>/dev/null) ||
	skip "this kernel has no nbd driver of its own"
serve evil-nbd --port @PORT@ --log "$TMP/log"
settle
modprobe -r nbd
defer ours_again
insmod "$module"
genl_has_family nbdctl && fail "that is not the kernel's own driver"

exits 5 within 20 nbd-attach "$URI" /dev/nbd0
matches "$OUTPUT" "not the one of this package" "message"
attached /dev/nbd0 && fail "/dev/nbd0 is attached"
same "$(grep -c CONNECT "$TMP/log" || true)" 0 "connections"
exits 5 within 20 nbd-detach /dev/nbd0
exits 5 within 20 nbd-list
