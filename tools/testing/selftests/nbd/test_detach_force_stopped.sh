#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server that is stopped, under a busy file system: nbd-detach --force frees the disk at once, and
# everybody who used it.

. "$(dirname "$0")/lib/detach.sh"

use
pause_server
sleep 2
detach_force
same_index_again
