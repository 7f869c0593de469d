#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Detach refuses while the disk is open; a forced one ends at once, whatever server or reader do.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
requires evil-nbd
harness uapi_detach
