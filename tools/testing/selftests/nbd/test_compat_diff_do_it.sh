#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Devices that run by the ioctl DO_IT, and how they end, do what they do in the
# kernel's own driver, apart from what compat.differences declares.
# tags: kernel, long

. "$(dirname "$0")/lib/compat.sh"

compare compat_do_it
