#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# driver-get and device-get return all attributes; the counters are those of the servers' logs.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
requires evil-nbd
harness uapi_show
