#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# While a server spoils headers and chunks of its replies at random, each read gives the right data
# or an error, and the disk can always be detached. SEED=N repeats what a failure prints, COUNT=N is
# how many replies are spoiled.

. "$(dirname "$0")/lib/proto.sh"

seed=${SEED:-$((RANDOM * 1000))}
no_probing
bystander
_pick_device
note "seeds from $seed on"
without_udev "$HERE/lib/proto_mutate" "$TMP" "$DEV" "${COUNT:-60}" "$seed" ||
	fail "see above; first seed $seed"
bystander_is_well
