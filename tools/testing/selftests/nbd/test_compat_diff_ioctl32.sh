#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The ioctls of the old interface do for 32-bit programs what they do in the
# kernel's own driver, apart from what compat.differences declares.
# tags: kernel, long

. "$(dirname "$0")/lib/compat.sh"

"$HERE/compat_ioctl32" ask || skip "this kernel runs no 32-bit programs"
compare compat_ioctl32
