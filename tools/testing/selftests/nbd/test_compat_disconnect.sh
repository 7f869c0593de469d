#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# NBD_DISCONNECT of a disk that is being read ends it in order: what is in flight is replied to,
# what comes later fails, and the server gets nothing but DISC. NBD_CMD_DISCONNECT is acknowledged
# when it is over, and its caller need not wait for that.
# tags: smp

. "$(dirname "$0")/lib/compat.sh"

requires_nbdctl
requires_nbd
requires evil-nbd
harness compat_disconnect
