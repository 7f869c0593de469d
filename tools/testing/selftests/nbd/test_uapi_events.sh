#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Each event of an attach's life comes once, in order, in every network namespace.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
requires evil-nbd
harness uapi_events
