#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A resize is seen in the size of the disk and in a uevent with RESIZE=1.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
requires evil-nbd
harness uapi_resize
