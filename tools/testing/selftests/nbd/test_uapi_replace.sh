#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A disk moves from server to server and back under a reader that never sees an error.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
requires evil-nbd
harness uapi_slots -f replace
