#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Requests that wait for a server to come back, under a busy file system: nbd-detach --force frees
# the disk at once, and everybody who used it.

. "$(dirname "$0")/lib/detach.sh"

use --dead-timeout forever
stop_server
wait_klog 20 "$DISK: waiting"
sleep 1
detach_force
same_index_again
