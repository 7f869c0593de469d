#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# NBD_DISCONNECT of a disk that is being read ends it in order: what is in flight is replied to, what
# comes later fails, and the server gets nothing but DISC.
# tags: smp

. "$(dirname "$0")/lib/compat.sh"

requires_nbdctl
requires_nbd
requires evil-nbd
harness compat_disconnect
