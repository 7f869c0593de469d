#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The calls of rbd-nbd work: map by ioctl and by netlink, resize, unmap, and attach again after the
# daemon has died.

. "$(dirname "$0")/lib/compat.sh"

requires_nbd
DEV=$(free_device) || fail "no free /dev/nbdN"
defer _force_detach "$DEV"
harness compat_rbd
