#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The map ioctls tell the server's layout, however it is cut, and refuse all else by the right
# errno.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
requires evil-nbd
harness uapi_extents
harness uapi_ioctl
harness uapi_walk
