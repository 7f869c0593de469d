#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A newer qemu-nbd than the distribution's own, from its backports in a directory of their own, does
# as that one: see test_interop_qemu_nbd.sh.

BACKPORTS=${BACKPORTS:-/opt/backports/usr/bin}
own=$(qemu-nbd --version 2>/dev/null | head -n 1)
PATH=$BACKPORTS:$PATH
. "$(dirname "$0")/lib/qemu.sh"

[ -x "$BACKPORTS/qemu-nbd" ] || skip "no qemu-nbd in $BACKPORTS"
[ "$(qemu-nbd --version | head -n 1)" != "$own" ] || fail "it is the same as the other: $own"
qemu_nbd_serves
