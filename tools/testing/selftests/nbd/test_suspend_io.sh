#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The machine sleeps twice while a disk is busy, for longer than a request may take: no request fails,
# no connection is lost, and all data are right.

. "$(dirname "$0")/suspend.sh"

serve_nbdkit memory 64M
attach -C 2 --timeout 5
busy
sleep_for 8
sleep_for 8
still_busy
same "$(klog | grep "lost, error" || true)" "" "connections lost"
detach
