#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An attach whose first, second, ... allocation fails ends in an errno and leaves nothing behind.

. "$(dirname "$0")/lib/fault.sh"

harness uapi_fault -t attach -t attach_four
