#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A network that swallows everything, under a busy file system: nbd-detach --force frees the disk at
# once, and everybody who used it.

. "$(dirname "$0")/lib/detach.sh"

requires tc
use
tc qdisc add dev lo root netem loss 100% || skip "no netem"
defer eval "tc qdisc del dev lo root 2>/dev/null || true"
sleep 2
detach_force
same_index_again
