#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The ioctls of the old interface that set up a device do what they do in the
# kernel's own driver, apart from what compat.differences declares.
# tags: kernel, long

. "$(dirname "$0")/lib/compat.sh"

compare compat_ioctl
