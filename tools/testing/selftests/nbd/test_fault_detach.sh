#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An orderly detach, a forced one, and a forced one of an open disk, whose first, second, ...
# allocation fails, is done, or ends in an errno and the disk lives.

. "$(dirname "$0")/lib/fault.sh"

harness uapi_fault -t detach -t detach_force -t detach_force_open
