#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Without a server reads wait for the dead-connection timeout, fail, and succeed again when a server
# is back.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
requires evil-nbd
harness uapi_slots -f dead_time
