#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The map ioctls work for anybody who may open the disk for reading, and only for a descriptor that
# is open for reading; they give no way to write.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
requires evil-nbd
harness uapi_priv_map
