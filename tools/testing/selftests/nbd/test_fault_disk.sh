#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An attach that needs a new disk, whose n-th allocation fails, ends in an errno and leaves nothing
# behind; the index can be had again. Every fourth n gets its turn.

. "$(dirname "$0")/lib/fault.sh"

STEP=${STEP:-4} harness uapi_fault -t disk
